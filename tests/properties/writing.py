"""Every kind of write, done to the store and to the model."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from cowstate import (
    MISSING,
    ClosedError,
    MutableRecordError,
    RecordNotFoundError,
    ReentrantWriteError,
)
from tests.properties.lockstep import Lockstep
from tests.properties.model import Item, keys, metas, mutable, values

OPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, values),
        st.tuples(st.just("set"), keys, values),
        st.tuples(st.just("delete"), keys, st.none()),
        st.tuples(st.just("refused"), keys, mutable),
        st.tuples(st.just("meta"), st.none(), metas),
    ),
    max_size=6,
)


class BoomError(Exception):
    """What a user's function raises."""


class Writing(Lockstep):
    # One key

    @rule(key=keys, value=values)
    def set(self, key: Any, value: Any) -> None:
        later = self.model.after({key: value}, self.model.meta)
        self.expect(later, lambda: self.store.set(key, value))

    @rule(key=keys, value=mutable)
    def set_a_mutable_record(self, key: Any, value: Any) -> None:
        before = self.store.snapshot()
        with pytest.raises(MutableRecordError):
            self.store.set(key, value)
        assert self.store.snapshot() is before

    @rule(key=keys, value=values)
    def update(self, key: Any, value: Any) -> None:
        if key not in self.model.records:
            with pytest.raises(RecordNotFoundError):
                self.store.update(key, lambda _: value)
            return
        seen: list[Any] = []
        later = self.model.after({key: value}, self.model.meta)
        old = self.model.records[key]
        self.expect(later, lambda: self.store.update(key, lambda r: (seen.append(r), value)[1]))
        assert [id(record) for record in seen] == [id(old)]

    @precondition(lambda self: self.model.records)
    @rule(data=st.data())
    def update_to_the_same(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.records, key=repr)))
        self.expect(self.model, lambda: self.store.update(key, lambda record: record))

    @precondition(lambda self: self.model.records)
    @rule(reenters=st.booleans())
    def update_that_fails(self, reenters: bool) -> None:
        before = self.store.snapshot()

        def fn(_: Any) -> Any:
            if reenters:
                return self.store.set("1", "reentrant")
            raise BoomError

        with pytest.raises(ReentrantWriteError if reenters else BoomError):
            self.store.update(next(iter(self.model.records)), fn)
        assert self.store.snapshot() is before

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        if key not in self.model.records:
            with pytest.raises(RecordNotFoundError):
                self.store.delete(key)
            return
        later = self.model.after({key: MISSING}, self.model.meta)
        self.expect(later, lambda: self.store.delete(key))

    @rule(key=keys, value=values | st.just(MISSING), how=st.sampled_from(["same", "copy", "stale"]))
    def compare_and_set(self, key: Any, value: Any, how: str) -> None:
        current = self.model.records.get(key, MISSING)
        expected = current
        if how == "stale":
            expected = self.history[len(self.history) // 2].records.get(key, MISSING)
        elif how == "copy" and isinstance(current, Item):
            expected = current.replace()
            assert expected == current
        if expected is not current:
            before = self.store.snapshot()
            assert self.store.compare_and_set(key, expected, value) is None
            assert self.store.snapshot() is before
            return
        later = self.model.after({key: value}, self.model.meta)
        self.expect(later, lambda: self.store.compare_and_set(key, expected, value))

    # Several keys

    @rule(wanted=st.dictionaries(keys, values, max_size=6), kept=st.sets(keys))
    def replace_all(self, wanted: dict[Any, Any], kept: set[Any]) -> None:
        known = self.model.records
        wanted = {**wanted, **{key: known[key] for key in kept if key in known}}
        writes = {key: MISSING for key in known if key not in wanted} | wanted
        later = self.model.after(writes, self.model.meta)
        self.expect(later, lambda: self.store.replace_all(wanted))

    @rule(wanted=st.lists(keys, max_size=5), value=values)
    def update_all(self, wanted: list[Any], value: Any) -> None:
        known = [key for key in wanted if key in self.model.records]
        if known != wanted:
            before = self.store.snapshot()
            with pytest.raises(RecordNotFoundError):
                self.store.update_all(wanted, lambda _: value)
            assert self.store.snapshot() is before
        later = self.model.after(dict.fromkeys(known, value), self.model.meta)
        self.expect(later, lambda: self.store.update_all(known, lambda _: value))

    @rule(meta=metas, by_update=st.booleans())
    def set_meta(self, meta: Any, by_update: bool) -> None:
        later = self.model.after({}, meta)
        if by_update:
            self.expect(later, lambda: self.store.update_meta(lambda _: meta))
        else:
            self.expect(later, lambda: self.store.set_meta(meta))

    @rule(key=keys, value=values, default=values)
    def update_with_a_default(self, key: Any, value: Any, default: Any) -> None:
        seen: list[Any] = []
        old = self.model.records.get(key, default)
        later = self.model.after({key: value}, self.model.meta)
        self.expect(
            later,
            lambda: self.store.update(key, lambda r: (seen.append(r), value)[1], default=default),
        )
        assert [id(record) for record in seen] == [id(old)]

    def apply(self, work: Any, writes: dict[Any, Any], meta: Any, ops: Any) -> Any:
        """Do *ops* to a transaction or a draft, and note them in *writes*; returns the meta."""
        for op, key, value in ops:
            now = self.model.after(writes, meta)
            if op == "set":
                work[key] = value
                writes[key] = value
            elif op == "meta":
                work.meta = meta = value
            elif op == "refused":
                with pytest.raises(MutableRecordError):
                    work[key] = value
            elif key in now.records:
                del work[key]
                writes[key] = MISSING
            else:
                with pytest.raises(RecordNotFoundError):
                    del work[key]
        return meta

    @rule(ops=OPS, fails=st.sampled_from([False, False, False, True]))
    def transaction(self, ops: Any, fails: bool) -> None:
        writes: dict[Any, Any] = {}
        before = self.store.snapshot()
        if fails:
            with pytest.raises(BoomError), self.store.transaction() as tx:
                self.apply(tx, writes, self.model.meta, ops)
                raise BoomError
            assert self.store.snapshot() is before
            return
        outcome: list[Any] = []

        def body(tx: Any) -> None:
            meta = self.apply(tx, writes, self.model.meta, ops)
            outcome.append(self.model.after(writes, meta))
            self.agree(tx, outcome[0])

        def write() -> Any:
            with self.store.transaction() as tx:
                body(tx)
            with pytest.raises(ClosedError):
                tx["1"] = None
            return tx.result

        # The model must know the outcome before it can say what to expect of it.
        with pytest.raises(BoomError), self.store.transaction() as tx:
            body(tx)
            raise BoomError
        writes.clear()
        self.expect(outcome.pop(), write)

    @rule(attempts=st.integers(1, 4), clashes=st.integers(0, 5), key=keys)
    def retry(self, attempts: int, clashes: int, key: Any) -> None:
        """Clash with itself for a while; the last attempt cannot."""
        runs = 0
        clashes = min(clashes, attempts - 1)

        def fn(draft: Any) -> Any:
            nonlocal runs
            runs += 1
            draft.get(key)
            if runs <= clashes:
                clash = Item(tags=("z",))
                later = self.model.after({key: clash}, self.model.meta)
                self.expect(later, lambda: self.store.set(key, clash))
            draft[key] = value
            return draft

        value = Item(amount=Decimal(-1))
        if self.model.totals()["amount"] > Decimal(50):
            return
        commit = self.store.retry(fn, attempts=attempts).result
        assert runs == clashes + 1
        assert commit.changes[key].new is value
        self.history.append(self.model.after({key: value}, self.model.meta))
        self.taken.append((self.store.snapshot(), len(self.history) - 1))

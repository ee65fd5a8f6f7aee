"""The state machine: every operation of a store, done to the store and to the model."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)

from cowstate import (
    MISSING,
    ClosedError,
    ConflictError,
    MutableRecordError,
    RecordNotFoundError,
    ReentrantWriteError,
    Snapshot,
    Store,
)
from tests.properties.model import (
    INDEXES,
    KINDS,
    LOOKUPS,
    DraftModel,
    Item,
    Version,
    keys,
    make_store,
    metas,
    mutable,
    same,
    values,
)

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


class StoreMachine(RuleBasedStateMachine):
    snapshots = Bundle("snapshots")
    drafts = Bundle("drafts")

    def __init__(self) -> None:
        super().__init__()
        self.store = self.build({})
        self.history = [Version({}, None)]
        self.taken: list[tuple[Snapshot[Any, Any], int]] = [(self.store.snapshot(), 0)]

    def build(self, records: dict[Any, Any]) -> Store[Any, Any]:
        return make_store(records)

    @property
    def model(self) -> Version:
        return self.history[-1]

    def expect(self, later: Version, write: Callable[[], Any]) -> None:
        """Do the write; it must come to what the model says."""
        before = self.store.snapshot()
        refusal = self.model.refusal_of(later)
        unchanged = not self.model.to(later) and later.meta is self.model.meta
        if unchanged:
            commit = write()
            assert commit.before is commit.after is before is self.store.snapshot()
            assert not commit.changes
        elif refusal is not None:
            with pytest.raises(refusal):
                write()
            assert self.store.snapshot() is before
        else:
            commit = write()
            assert commit.before is before
            assert commit.after is self.store.snapshot()
            assert commit.version == before.version + 1
            assert {k: tuple(c) for k, c in commit.changes.items()}.keys() == self.model.to(
                later
            ).keys()
            for key, (old, new) in self.model.to(later).items():
                assert commit.changes[key].old is old
                assert commit.changes[key].new is new
            self.history.append(later)
        self.taken.append((self.store.snapshot(), len(self.history) - 1))

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

    @staticmethod
    def agree(work: Any, version: Version) -> None:
        """A transaction or snapshot reads as the model does."""
        assert same(dict(work.items()), version.records)
        assert len(work) == len(version.records)
        assert work.meta is version.meta
        for index, value in LOOKUPS:
            expected = version.entry(index, value)
            assert same(work.find_all(index, value), {k: version.records[k] for k in expected})
            if INDEXES[index][1] and len(expected) < 2:
                key = next(iter(expected), None)
                assert work.find_key(index, value) is key
                assert work.find(index, value) is (version.records[key] if expected else None)
        for name, total in version.totals().items():
            assert work.total(name) == total
        for kind in KINDS:
            assert work.total("by kind", kind) == version.total("by kind", kind)
        StoreMachine.read_in_order(work, version, None, None, False, None)

    @staticmethod
    def read_in_order(
        work: Any, version: Version, low: Any, high: Any, reverse: bool, limit: int | None
    ) -> dict[Any, Any]:
        """Read a range; within one price the keys, which have no order, may come in any."""
        found: dict[Any, Any] = work.range("price", low, high, reverse=reverse, limit=limit)
        left = list(found)
        groups = version.range(low, high, reverse, limit)
        for group in groups[:-1]:
            assert {left.pop(0) for _ in group} == group
        last = groups[-1] if groups else set()
        assert set(left) <= last
        assert len(found) == min(sum(map(len, groups)), 1_000 if limit is None else limit)
        for key, record in found.items():
            assert record is version.records[key]
        return found

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

    # Drafts

    @rule(target=drafts, data=st.data())
    def draft(self, data: Any) -> DraftModel:
        snapshot, version = data.draw(st.sampled_from(self.taken[-8:]))
        return DraftModel(self.store.draft(snapshot), version, self.history[version])

    @rule(work=drafts, key=keys, how=st.sampled_from(["[]", "get", "in"]))
    def draft_reads(self, work: DraftModel, key: Any, how: str) -> None:
        work.keys.add(key)
        record = work.now.records.get(key, MISSING)
        if how == "get":
            assert work.draft.get(key, MISSING) is record
        elif how == "in":
            assert (key in work.draft) is (record is not MISSING)
        elif record is not MISSING:
            assert work.draft[key] is record
        else:
            with pytest.raises(RecordNotFoundError):
                work.draft[key]

    @rule(work=drafts, key=keys, value=values)
    def draft_sets(self, work: DraftModel, key: Any, value: Any) -> None:
        work.draft[key] = value
        work.writes[key] = value
        work.keys.add(key)

    @rule(work=drafts, key=keys)
    def draft_deletes(self, work: DraftModel, key: Any) -> None:
        work.keys.add(key)
        if key in work.now.records:
            del work.draft[key]
            work.writes[key] = MISSING
        else:
            with pytest.raises(RecordNotFoundError):
                del work.draft[key]

    @rule(work=drafts, lookup=st.sampled_from(LOOKUPS), only_keys=st.booleans())
    def draft_looks_up(self, work: DraftModel, lookup: tuple[str, Any], only_keys: bool) -> None:
        index, value = lookup
        work.entries.add(lookup)
        expected = work.now.entry(index, value)
        if only_keys and INDEXES[index][1] and len(expected) < 2:
            assert work.draft.find_key(index, value) is next(iter(expected), None)
            return
        found = work.draft.find_all(index, value)
        assert same(found, {key: work.now.records[key] for key in expected})
        work.keys |= expected

    @rule(work=drafts)
    def draft_counts(self, work: DraftModel) -> None:
        work.key_set = True
        assert len(work.draft) == len(work.now.records)

    @rule(work=drafts)
    def draft_iterates(self, work: DraftModel) -> None:
        work.key_set = True
        assert set(work.draft) == set(work.now.records)

    @rule(work=drafts, name=st.sampled_from(["amount", "count", "items", "least", "greatest"]))
    def draft_totals(self, work: DraftModel, name: str) -> None:
        work.totals.add((name, MISSING))
        assert work.draft.total(name) == work.now.totals()[name]

    @rule(work=drafts, kind=st.sampled_from(KINDS))
    def draft_totals_of_a_group(self, work: DraftModel, kind: str) -> None:
        work.totals.add(("by kind", kind))
        assert work.draft.total("by kind", kind) == work.now.total("by kind", kind)

    @rule(
        work=drafts,
        low=st.none() | st.integers(-99, 99),
        high=st.none() | st.integers(-99, 99),
        reverse=st.booleans(),
        limit=st.none() | st.integers(1, 3),
    )
    def draft_reads_in_order(
        self, work: DraftModel, low: Any, high: Any, reverse: bool, limit: int | None
    ) -> None:
        found = self.read_in_order(work.draft, work.now, low, high, reverse, limit)
        work.keys.update(found)
        if len(found) == limit:
            last = list(found.values())[-1].amount
            low, high = (last, high) if reverse else (low, last)
        work.ranges.append((low, high))

    @rule(work=drafts, meta=metas, assigns=st.booleans())
    def draft_meta(self, work: DraftModel, meta: Any, assigns: bool) -> None:
        work.meta_used = True
        if assigns:
            work.draft.meta = work.meta = meta
        else:
            assert work.draft.meta is work.meta

    @rule(work=consumes(drafts), expects=st.sampled_from(["nothing", "nothing", "now", "then"]))
    def draft_commits(self, work: DraftModel, expects: str) -> None:
        expected = {"now": len(self.history) - 1, "then": work.base, "nothing": None}[expects]
        before = self.store.snapshot()
        if work.conflicts(self.history, expected):
            with pytest.raises(ConflictError) as caught:
                work.draft.commit(expected_version=expected)
            assert self.store.snapshot() is before
            assert caught.value.drafted_from == work.base
            assert caught.value.found == before.version
            changed = work.seen.to(self.model)
            assert set(caught.value.keys) == {key for key in work.keys if key in changed}
            return
        meta = self.model.meta if work.meta is work.seen.meta else work.meta
        later = self.model.after(work.writes, meta)
        refused = (self.model.to(later) or meta is not self.model.meta) and self.model.refusal_of(
            later
        )
        self.expect(later, lambda: work.draft.commit(expected_version=expected))
        if not refused:
            with pytest.raises(ClosedError):
                work.draft.commit()

    # What must hold at all times

    @rule(data=st.data())
    def diff(self, data: Any) -> None:
        older, newer = (data.draw(st.sampled_from(self.taken)) for _ in range(2))
        expected = self.history[older[1]].to(self.history[newer[1]])
        found = newer[0].diff(older[0])
        assert found.keys() == expected.keys()
        for key, (old, new) in expected.items():
            assert found[key].old is old
            assert found[key].new is new
        middle = data.draw(st.sampled_from(self.taken))
        assert middle[0].diff(older[0]).then(newer[0].diff(middle[0])) == found
        assert found.inverse() == older[0].diff(newer[0])

    @rule()
    def observe(self) -> None:
        with self.store.observe() as window:
            pass
        assert window.stable == frozenset(self.model.records)

    @invariant()
    def the_store_is_as_the_model(self) -> None:
        current = self.store.snapshot()
        assert current.version == len(self.history) - 1
        self.agree(current, self.model)
        statistics = self.store.statistics()
        assert statistics.version == current.version
        assert statistics.records == len(self.model.records)
        entries = dict.fromkeys(INDEXES, 0)
        for index, value in LOOKUPS:
            entries[index] += bool(self.model.entry(index, value))
        entries["price"] = len(self.model.prices())
        assert dict(statistics.index_entries) == entries

    @invariant()
    def every_snapshot_is_as_it_was(self) -> None:
        for snapshot, version in self.taken[-20:]:
            assert snapshot.version == version
            assert same(dict(snapshot.items()), self.history[version].records)

    def teardown(self) -> None:
        for snapshot, version in self.taken:
            self.agree(snapshot, self.history[version])

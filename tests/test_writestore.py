"""Writes of one call: of a key that may not be there, and of meta; a draft as a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    ConflictError,
    InvariantError,
    MutableRecordError,
    RecordNotFoundError,
    Store,
    UnhashableKeyError,
)

MakeStore = Callable[..., Store[Any, Any]]
KEYS = st.sampled_from("abc")
RECORDS = st.dictionaries(KEYS, st.integers(0, 3))


# update, with a default


def updates_or_begins(make: Any, start: dict[str, int], key: str, default: int) -> None:
    """The law: as ``d[key] = fn(d.get(key, default))``."""
    store = make(start)
    given_to: list[Any] = []

    def fn(record: int) -> int:
        given_to.append(record)
        return record * 2 + 1

    commit = store.update(key, fn, default=default)
    old = start.get(key, default)
    assert given_to == [old]
    assert dict(commit.after) == {**start, key: old * 2 + 1}
    assert commit.changes == {key: (start.get(key, MISSING), old * 2 + 1)}
    assert commit.version == 1


@given(RECORDS, KEYS, st.integers(0, 3))
def test_an_update_with_a_default_begins_with_it(
    start: dict[str, int], key: str, default: int
) -> None:
    updates_or_begins(Store, start, key, default)


class StoresTheDefault(Store[Any, Any]):
    """Takes the default for the record, not for what the function is given."""

    def update(self, key: Any, fn: Any, default: Any = MISSING) -> Any:
        return super().update(key, fn) if key in self.snapshot() else self.set(key, default)


class PrefersTheDefault(Store[Any, Any]):
    def update(self, key: Any, fn: Any, default: Any = MISSING) -> Any:
        return self.set(key, fn(default))


@pytest.mark.parametrize("twin", [StoresTheDefault, PrefersTheDefault])
def test_the_law_sees_one_that_does_not(twin: Any) -> None:
    @given(RECORDS, KEYS, st.integers(0, 3))
    def law(start: dict[str, int], key: str, default: int) -> None:
        updates_or_begins(twin, start, key, default)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()


def test_without_a_default_a_record_must_be_there(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    with pytest.raises(RecordNotFoundError):
        store.update("b", lambda n: n)
    with pytest.raises(RecordNotFoundError):
        store.update("b", lambda n: n, default=MISSING)
    # None is a default as any other.
    assert store.update("b", lambda n: n is None, default=None).after["b"] is True


def test_what_is_wrong_with_it_is_an_error_of_ours(make_store: MakeStore) -> None:
    store = make_store({"a": 1}, invariants={"small": lambda now, _: len(now) < 2})
    before = store.snapshot()
    with pytest.raises(UnhashableKeyError):
        store.update([], lambda n: n, default=0)
    with pytest.raises(ArgumentValueError, match="itself"):
        store.update(float("nan"), lambda n: n, default=0)
    with pytest.raises(ArgumentTypeError, match="function"):
        store.update("b", 5, default=0)
    with pytest.raises(ArgumentTypeError, match="returned None"):
        store.update("b", lambda _: None, default=0)
    with pytest.raises(MutableRecordError):
        store.update("b", lambda _: [], default=0)
    with pytest.raises(InvariantError):
        store.update("b", lambda n: n, default=0)
    assert store.snapshot() is before


class Incomparable:
    """A key that cannot be compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise TypeError("compare me not")


def test_what_the_comparison_of_a_key_raises_comes_through(make_store: MakeStore) -> None:
    store = make_store({1: 0})
    with pytest.raises(TypeError, match="compare me not") as caught:
        store.update(Incomparable(), lambda n: n, default=0)
    assert type(caught.value) is TypeError


# meta


def test_meta_is_set_and_updated_as_a_version(make_store: MakeStore) -> None:
    store = make_store({"a": 1}, meta=1)
    metas: list[Any] = []
    store.subscribe(lambda commit: metas.append((commit.before.meta, commit.after.meta)))
    first = store.set_meta(2)
    assert (first.version, first.after.meta, dict(first.changes)) == (1, 2, {})
    assert store.set_meta(2).version == 1
    assert store.update_meta(lambda n: n + 1).after is store.snapshot()
    assert store.update_meta(lambda n: n).version == 2
    assert store.set_meta(None).after.meta is None
    assert metas == [(1, 2), (2, 3), (3, None)]


def test_a_meta_that_is_refused_is_not_set(make_store: MakeStore) -> None:
    store = make_store({"a": 1}, meta=1, invariants={"odd": lambda now, _: now.meta % 2 == 1})
    with pytest.raises(MutableRecordError):
        store.set_meta([])
    with pytest.raises(MutableRecordError):
        store.update_meta(lambda _: [])
    with pytest.raises(ArgumentTypeError, match="returned None"):
        store.update_meta(lambda _: None)
    with pytest.raises(ArgumentTypeError, match="not 5"):
        store.update_meta(5)  # type: ignore[arg-type]
    with pytest.raises(InvariantError):
        store.set_meta(2)
    with pytest.raises(ZeroDivisionError):
        store.update_meta(lambda n: n / 0)
    assert store.snapshot().version == 0


@pytest.mark.parametrize("begin", [Store.draft, Store.transaction])
def test_a_meta_that_may_change_is_refused_where_it_is_assigned(begin: Any) -> None:
    store = Store(meta=1)
    with begin(store) as work:
        with pytest.raises(MutableRecordError):
            work.meta = []
        assert work.meta == 1
    assert store.snapshot().version == 0


def test_a_draft_that_used_the_meta_conflicts_with_a_new_one() -> None:
    store = Store({"a": 1}, meta=1)
    draft = store.draft()
    draft["a"] = draft.meta
    store.set_meta(2)
    with pytest.raises(ConflictError):
        draft.commit()


# A draft as a block


def test_a_draft_is_committed_at_the_end_of_its_block(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    with store.draft() as draft:
        draft["a"] += 1
        assert store.set("b", 5).version == 1  # nobody is held up
    assert draft.result.after is store.snapshot()
    assert dict(store.snapshot()) == {"a": 2, "b": 5}
    with pytest.raises(ClosedError):
        draft["a"] = 3
    with pytest.raises(ClosedError), draft:
        pass


def test_it_is_not_if_the_block_raises() -> None:
    store = Store({"a": 1})
    draft = store.draft()
    with pytest.raises(ZeroDivisionError), draft:
        draft["a"] = 1 // 0
    with pytest.raises(ZeroDivisionError), draft:
        draft["a"] = 5
        raise ZeroDivisionError
    assert store.snapshot().version == 0
    with pytest.raises(ClosedError, match="no result"):
        draft.result
    assert draft.commit().after["a"] == 5  # it stayed open


def test_a_conflict_comes_out_of_the_block() -> None:
    store = Store({"a": 1})
    with pytest.raises(ConflictError), store.draft() as draft:
        draft["a"] += 1
        store.set("a", 7)
    assert store.snapshot()["a"] == 7


def test_what_was_committed_in_the_block_is_not_committed_again() -> None:
    store = Store({"a": 1})
    with store.draft() as draft:
        draft["a"] += 1
        commit = draft.commit(expected_version=0)
    assert draft.result is commit
    assert store.snapshot().version == 1


# The value of retry


@pytest.mark.parametrize("attempts", [1, 2, 5])
@pytest.mark.parametrize("value", [None, 5, "text", ()])
def test_retry_returns_what_the_function_returned_last(attempts: int, value: Any) -> None:
    store = Store({"a": 0})
    runs: list[int] = []

    def fn(draft: Any) -> Any:
        runs.append(draft["a"])
        draft["a"] += 10
        if len(runs) < attempts:
            store.update("a", lambda n: n + 1)
        return len(runs), value

    assert store.retry(fn, attempts) == (attempts, value)
    assert store.snapshot()["a"] == attempts - 1 + 10

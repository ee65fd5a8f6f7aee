"""Invariants: who may veto, how, and what it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ChangeSet, InvariantError, Snapshot, Store


def test_an_invariant_sees_the_version_that_would_be_and_what_would_change() -> None:
    seen: list[tuple[Snapshot[str, int], ChangeSet[str, int]]] = []
    store = Store({"a": 1}, invariants={"look": lambda s, c: seen.append((s, c))})
    commit = store.set("b", 2)
    (start, everything), (after, changes) = seen
    assert start is commit.before
    assert set(everything) == {"a"}
    assert after is commit.after
    assert changes == commit.changes


@pytest.mark.parametrize(
    ("verdict", "reason"), [(False, "it does not hold"), ("too many", "too many"), ("", "")]
)
def test_false_or_a_reason_vetoes_every_form_of_write(verdict: Any, reason: str) -> None:
    store = Store(
        {"a": 1},
        invariants={"fine": lambda s, c: True, "no": lambda s, c: verdict if s.version else None},
    )
    before = store.snapshot()

    def transact() -> None:
        with store.transaction() as tx:
            tx["a"] = 2
            tx.meta = "other"

    ways: list[Callable[[], Any]] = [
        lambda: store.set("a", 2),
        lambda: store.update("a", lambda n: n + 1),
        lambda: store.delete("a"),
        lambda: store.compare_and_set("a", 1, 2),
        transact,
        lambda: store.retry(lambda draft: draft.update({"a": 5})),
    ]
    for way in ways:
        with pytest.raises(InvariantError, match="'no' vetoed") as caught:
            way()
        assert (caught.value.invariant, caught.value.reason) == ("no", reason)
    assert store.snapshot() is before
    # What changes nothing is asked of nobody.
    assert store.set("a", 1).version == 0


def test_a_store_cannot_begin_with_what_an_invariant_vetoes() -> None:
    with pytest.raises(InvariantError):
        Store({"a": 1}, invariants={"empty": lambda s, c: not s})


def test_a_draft_that_was_vetoed_can_be_mended() -> None:
    store = Store({"a": 1}, invariants={"small": lambda s, c: s["a"] < 10})
    draft = store.draft()
    draft["a"] = 50
    with pytest.raises(InvariantError):
        draft.commit()
    draft["a"] = 5
    assert draft.commit().version == 1


@pytest.mark.parametrize("verdict", [0, 1, [], b"no"])
def test_a_verdict_that_is_none_of_them_is_refused_not_guessed(verdict: Any) -> None:
    store = Store({"a": 1}, invariants={"odd": lambda s, c: verdict if s.version else None})
    with pytest.raises(ArgumentTypeError, match="'odd' returned"):
        store.set("a", 2)
    assert store.snapshot().version == 0


def test_what_an_invariant_raises_comes_through_with_its_name() -> None:
    store = Store({"a": 1}, invariants={"bad": lambda s, c: bool(1 // (1 - s.version))})
    with pytest.raises(ZeroDivisionError) as caught:
        store.set("a", 2)
    assert caught.value.__notes__ == ["raised by invariant 'bad'; nothing was committed"]
    assert store.snapshot().version == 0


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="'x'"):
        Store(invariants={"x": True})  # type: ignore[dict-item]

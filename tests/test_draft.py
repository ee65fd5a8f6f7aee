"""Drafts: what conflicts with what, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    ClosedError,
    ConflictError,
    Draft,
    History,
    Index,
    Record,
    ReentrantWriteError,
    Store,
)

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    order_id: int | None = None
    tag: str | None = None
    quantity: int = 0


@pytest.fixture
def store(make_store: MakeStore) -> Store[str, Slot]:
    return make_store(
        {"a": Slot(1, "x", 10), "b": Slot(2, "x", 20), "c": Slot(None, "y", 30)},
        indexes={
            "order": Index(lambda slot: slot.order_id, unique=True),
            "tag": Index(lambda slot: slot.tag),
        },
        aggregates={"quantity": Aggregate.sum(lambda slot: slot.quantity)},
        meta="start",
    )


Touch = Callable[[Draft[str, Slot]], object]


def missing(look: Callable[[str], object], key: str) -> None:
    with pytest.raises(KeyError):
        look(key)


TOUCHES: dict[str, Touch] = {
    "reads a": lambda draft: draft["a"],
    "gets a": lambda draft: draft.get("a"),
    "looks for a": lambda draft: "a" in draft,
    "misses z": lambda draft: missing(draft.__getitem__, "z"),
    "pops z": lambda draft: draft.pop("z", None),
    "deletes z": lambda draft: missing(draft.__delitem__, "z"),
    "has no z": lambda draft: "z" in draft,
    "writes a": lambda draft: draft.__setitem__("a", Slot(1, "x", 11)),
    "deletes a": lambda draft: draft.__delitem__("a"),
    "writes z": lambda draft: draft.__setitem__("z", Slot()),
    "finds order 1": lambda draft: draft.find_key("order", 1),
    "finds order 5": lambda draft: draft.find("order", 5),
    "finds tag x": lambda draft: draft._found("tag", "x"),
    "finds tag q": lambda draft: draft.find_all("tag", "q"),
    "counts": len,
    "iterates": set,
    "totals": lambda draft: draft.total("quantity"),
    "reads meta": lambda draft: draft.meta,
    "writes meta": lambda draft: setattr(draft, "meta", "drafted"),
}

Interfere = Callable[[Store[str, Slot]], object]


def set_meta(store: Store[str, Slot]) -> None:
    with store.transaction() as tx:
        tx.meta = "elsewhere"


def away_and_back(store: Store[str, Slot]) -> None:
    slot = store.snapshot()["a"]
    store.delete("a")
    store.set("a", slot)


INTERFERENCES: dict[str, tuple[Interfere, set[str]]] = {
    "another key": (
        lambda store: store.set("c", Slot(None, "y", 30)),
        set(),
    ),
    "an equal record": (
        lambda store: store.set("a", Slot(1, "x", 10)),
        {"reads a", "gets a", "looks for a", "writes a", "deletes a"},
    ),
    "another quantity": (
        lambda store: store.set("a", Slot(1, "x", 99)),
        {"reads a", "gets a", "looks for a", "writes a", "deletes a", "totals"},
    ),
    "another order": (
        lambda store: store.set("a", Slot(5, "x", 10)),
        {
            "reads a",
            "gets a",
            "looks for a",
            "writes a",
            "deletes a",
            "finds order 1",
            "finds order 5",
        },
    ),
    "another tag": (
        lambda store: store.set("a", Slot(1, "q", 10)),
        {"reads a", "gets a", "looks for a", "writes a", "deletes a", "finds tag x", "finds tag q"},
    ),
    "a new key": (
        lambda store: store.set("z", Slot()),
        {"misses z", "pops z", "deletes z", "has no z", "writes z", "counts", "iterates"},
    ),
    "a key less": (
        lambda store: store.delete("c"),
        {"counts", "iterates", "totals"},
    ),
    "away and back": (away_and_back, {"finds tag x", "counts", "iterates"}),
    "meta": (set_meta, {"reads meta", "writes meta"}),
}


@pytest.mark.parametrize("interference", INTERFERENCES)
@pytest.mark.parametrize("touch", TOUCHES)
def test_a_draft_conflicts_with_exactly_what_it_relied_on(
    store: Store[str, Slot], touch: str, interference: str
) -> None:
    draft = store.draft()
    TOUCHES[touch](draft)
    draft["own"] = Slot()
    interfere, conflicting = INTERFERENCES[interference]
    interfere(store)
    before = store.snapshot()
    if touch not in conflicting:
        commit = draft.commit()
        assert commit.before is before
        assert store.snapshot() is commit.after
        assert commit.after.meta == ("drafted" if touch == "writes meta" else before.meta)
        return
    with pytest.raises(ConflictError, match="changed since version 0") as caught:
        draft.commit()
    error = caught.value
    assert store.snapshot() is before
    assert (error.drafted_from, error.found) == (0, before.version)
    assert error.keys or error.entries or error.reasons
    assert len(set(error.keys)) == len(error.keys)
    for told in (*error.keys, *error.reasons):
        assert str(told) in str(error)
    # It stays open, to be looked at, and would conflict again.
    with pytest.raises(ConflictError):
        draft.commit()


def test_a_draft_over_an_old_version_conflicts_by_key(store: Store[str, Slot]) -> None:
    old = store.snapshot()
    store.set("a", Slot(7))
    draft = store.draft(old)
    draft["a"] = Slot(8)
    draft["b"] = Slot(9)
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert caught.value.keys == ("a",)
    fine = store.draft(old)
    fine["b"] = Slot(9)
    assert fine.commit().version == 2


@pytest.mark.parametrize("expected", [0, 1, 2])
def test_comparing_the_whole_version_is_opt_in(store: Store[str, Slot], expected: int) -> None:
    draft = store.draft()
    draft["c"] = Slot()
    store.set("a", Slot(7))
    if expected == 1:
        assert draft.commit(expected_version=1).version == 2
        return
    with pytest.raises(ConflictError) as caught:
        draft.commit(expected_version=expected)
    assert caught.value.reasons == ("version",)


def test_a_wrong_expectation_is_a_conflict_even_if_nothing_has_changed(
    store: Store[str, Slot],
) -> None:
    with pytest.raises(ConflictError):
        store.draft().commit(expected_version=5)


def test_a_draft_that_changed_nothing_is_checked_and_makes_no_version(
    store: Store[str, Slot],
) -> None:
    reader = store.draft()
    reader["a"]
    assert reader.commit().version == 0
    late = store.draft()
    late["a"]
    store.set("a", Slot())
    with pytest.raises(ConflictError):
        late.commit()


def test_a_draft_is_committed_once(store: Store[str, Slot]) -> None:
    draft = store.draft()
    draft["a"] = Slot(5)
    draft.commit()
    for again in (
        draft.commit,
        lambda: draft.__setitem__("a", Slot()),
        draft.clear,
        lambda: setattr(draft, "meta", "late"),
    ):
        with pytest.raises(ClosedError, match="was committed"):
            again()


def test_a_draft_that_iterated_conflicts_by_its_keys_beyond_the_ring(make_store: MakeStore) -> None:
    store = make_store({"a": 0, "b": 0}, history=History(versions=2))
    for kind, conflicts in (("same keys", 0), ("new key", 1), ("there and gone again", 2)):
        draft = store.draft()
        list(draft)
        draft["b"] = (kind,)
        for number in range(4):
            store.set("a", (number,))
        if conflicts:
            store.set(kind, 1)
            if conflicts == 2:
                store.delete(kind)
            with pytest.raises(ConflictError) as caught:
                draft.commit()
            assert caught.value.reasons == ("keys",)
        else:
            draft.commit()


def test_retry_runs_again_until_nothing_conflicts_and_last_under_the_lock(
    store: Store[str, Slot],
) -> None:
    for attempts in (1, 2, 5):
        runs: list[int] = []

        def fn(draft: Any, attempts: int = attempts, runs: list[int] = runs) -> Any:
            runs.append(draft.base.version)
            draft["a"] = draft["a"].replace(quantity=len(runs))
            if len(runs) < attempts:
                store.set("a", Slot(1, "clash", len(runs)))
            return draft

        draft = store.retry(fn, attempts)
        commit = draft.result
        assert commit.after is store.snapshot()
        assert len(runs) == attempts
        assert runs == sorted(set(runs))
        assert commit.after["a"].quantity == attempts


def test_what_a_function_of_retry_raises_ends_it(store: Store[str, Slot]) -> None:
    for attempts in (1, 3):
        runs: list[int] = []

        def fn(draft: Any, runs: list[int] = runs) -> None:
            runs.append(1)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.retry(fn, attempts)
        assert runs == [1]
    assert store.set("a", Slot(5)).version == 1


class Incomparable:
    """A key that cannot be compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise TypeError("compare me not")


@pytest.mark.parametrize(
    "look",
    [
        lambda draft, key: draft[key],
        lambda draft, key: draft.get(key),
        lambda draft, key: key in draft,
    ],
    ids=["reads", "gets", "looks for"],
)
def test_a_look_that_cannot_be_noted_raises_what_the_key_raised(
    make_store: MakeStore, look: Any
) -> None:
    draft = make_store().draft()
    assert Incomparable() not in draft
    with pytest.raises(TypeError, match="compare me not") as caught:
        look(draft, Incomparable())
    assert type(caught.value) is TypeError


def test_an_expected_version_is_a_whole_number() -> None:
    draft = Store({"a": 1}).draft()
    with pytest.raises(ArgumentTypeError, match="whole number"):
        draft.commit(expected_version="1")  # type: ignore[arg-type]


def test_a_draft_that_popped_any_key_relied_on_all_of_them(store: Store[str, Slot]) -> None:
    for key in ("new", "newer"):
        draft = store.draft()
        assert draft.popitem()[0] in store.snapshot()
        store.set(key, Slot())
        with pytest.raises(ConflictError) as caught:
            draft.commit()
        assert caught.value.reasons == ("keys",)


def test_by_default_the_fifth_attempt_of_retry_is_the_last_and_runs_under_the_lock(
    store: Store[str, Slot],
) -> None:
    refused: list[bool] = []

    def fn(draft: Any) -> None:
        draft["a"] = Slot(len(refused))
        try:
            store.set("a", Slot(None, "clash", len(refused)))
        except ReentrantWriteError:
            refused.append(True)
        else:
            refused.append(False)

    store.retry(fn)
    assert refused == [False] * 4 + [True]
    assert store.snapshot()["a"] == Slot(4)

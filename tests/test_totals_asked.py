"""A total is asked for by its name, or by the very `Aggregate` that the store was given."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    Codec,
    ConflictError,
    CowstateError,
    Index,
    Record,
    Store,
    UnknownAggregateError,
)


class Slot(Record):
    owner: str
    quantity: int


quantity_of: Callable[[Slot], int] = attrgetter("quantity")
owner_of: Callable[[Slot], str] = attrgetter("owner")

AGGREGATES: dict[str, Aggregate[Slot, Any]] = {
    "sum": Aggregate.sum(quantity_of),
    "count": Aggregate.count(),
    "least": Aggregate.min(quantity_of),
    "most": Aggregate.max(quantity_of, default=-1),
    "folded": Aggregate.fold(100, lambda n, s: n + s.quantity, lambda n, s: n - s.quantity),
    "sum by": Aggregate.sum(quantity_of, 7, by=owner_of),
    "count by": Aggregate.count(by=owner_of),
    "least by": Aggregate.min(quantity_of, by=owner_of),
}
OWNERS = ("ann", "bob", "cyd")
SLOTS = st.builds(Slot, st.sampled_from(OWNERS), st.integers(-5, 5))
RECORDS = st.dictionaries(st.integers(0, 5), SLOTS)


def make_store(records: dict[int, Slot] | None = None) -> Store[int, Slot]:
    return Store(records, aggregates=AGGREGATES)


def refused(ask: Callable[[], object], *, version: int, known: tuple[str, ...]) -> None:
    """It is refused by an error that says to ask by the name, and tells the names."""
    with pytest.raises(UnknownAggregateError, match="Ask by the name") as caught:
        ask()
    error = caught.value
    assert (error.name, error.known) == (None, known)
    assert f"version {version}:" in str(error)
    assert all(repr(name) in str(error) for name in known[:3])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.known) == (type(error), str(error), error.known)
    assert len(str(error)) <= 600


@given(RECORDS, st.lists(st.tuples(st.integers(0, 5), SLOTS | st.none())))
def test_by_itself_or_by_its_name_it_is_the_same(
    records: dict[int, Slot], writes: list[tuple[int, Slot | None]]
) -> None:
    store = make_store(records)
    draft = store.draft()

    def write(view: Any) -> None:
        for key, slot in writes:
            if slot is None:
                view.pop(key, None)
            else:
                view[key] = slot

    write(draft)
    with store.transaction() as tx:
        write(tx)
        views: list[Any] = [store.snapshot(), tx, draft]
        for view in views:
            check(view)
    check(store.snapshot())


def check(view: Any) -> None:
    for name, aggregate in AGGREGATES.items():
        assert view.total(aggregate) == view.total(name)
        for owner in OWNERS if name.endswith("by") else ():
            assert view.total(aggregate, owner) == view.total(name, owner)


def test_it_is_the_very_state_that_the_snapshot_has() -> None:
    class State(Record):
        number: int = 0

    def add(state: State, slot: Slot) -> State:
        return State(state.number + slot.quantity)

    def remove(state: State, slot: Slot) -> State:
        return State(state.number - slot.quantity)

    states = Aggregate.fold(State(), add, remove)
    now = Store(
        {1: Slot("ann", 5)}, aggregates={"count": Aggregate.count(), "s": states}
    ).snapshot()
    assert now.total(states) is now.total("s")


def test_one_aggregate_may_be_of_several_stores_and_have_several_names() -> None:
    total = AGGREGATES["sum"]
    stores = [
        Store({1: Slot("ann", n)}, aggregates={"n": Aggregate.count(), "a": total, "b": total})
        for n in (3, 4)
    ]
    assert [store.snapshot().total(total) for store in stores] == [3, 4]


# Who is none of the snapshot's


def test_another_store_s_is_refused_however_much_it_looks_like_one() -> None:
    store = make_store({1: Slot("ann", 2)})
    twin = Aggregate.sum(quantity_of)
    draft = store.draft()
    for view in (store.snapshot(), draft):
        refused(lambda view=view: view.total(twin), version=0, known=tuple(AGGREGATES))
        refused(lambda view=view: view.total(twin, "ann"), version=0, known=tuple(AGGREGATES))
    with store.transaction() as tx:
        refused(lambda: tx.total(twin), version=0, known=tuple(AGGREGATES))
    draft[1] = Slot("ann", 3)
    store.set(2, Slot("ann", 1))
    assert draft.commit().version == 2  # it was told nothing, and relies on nothing
    refused(lambda: Store({1: 1}).snapshot().total(twin), version=0, known=())


def test_one_that_is_equal_to_all_is_none_of_them() -> None:
    class Equal(Aggregate[Slot, int]):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    equal = Equal(0, lambda n, _: n, lambda n, _: n)
    refused(lambda: make_store().snapshot().total(equal), version=0, known=tuple(AGGREGATES))
    own = Store({1: Slot("ann", 1)}, aggregates={"count": Aggregate.count(), "equal": equal})
    assert own.snapshot().total(equal) == own.draft().total(equal) == 0


def test_what_was_added_later_or_removed_is_not_in_a_snapshot_that_has_it_not() -> None:
    store = Store({1: Slot("ann", 2)}, aggregates={"count": Aggregate.count()})
    total, before = Aggregate.sum(quantity_of), store.snapshot()
    draft = store.draft()
    refused(lambda: store.snapshot().total(total), version=0, known=("count",))
    after = store.add_aggregate("sum", total).after
    assert after.total(total) == 2
    refused(lambda: before.total(total), version=0, known=("count",))
    refused(lambda: draft.total(total), version=0, known=("count",))
    gone = store.remove_aggregate("sum").after
    refused(lambda: gone.total(total), version=2, known=("count",))
    assert after.total(total) == 2
    # Of the same name, and another one.
    again = store.add_aggregate("sum", Aggregate.sum(lambda slot: -slot.quantity)).after
    assert again.total("sum") == -2
    refused(lambda: again.total(total), version=3, known=("count", "sum"))


def test_a_snapshot_that_was_unpickled_knows_names_alone() -> None:
    now = make_store({1: Slot("ann", 2)}).snapshot()
    again = pickle.loads(pickle.dumps(now))
    for name, aggregate in AGGREGATES.items():
        assert again.total(name) == now.total(name) == now.total(aggregate)
        refused(lambda a=aggregate: again.total(a), version=0, known=tuple(AGGREGATES))
    codec = Codec(key=int, record=Slot)
    decoded = codec.decode_snapshot(codec.encode(now))
    refused(lambda: decoded.total(AGGREGATES["sum"]), version=0, known=())


class Unhashable:
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("wrong", [[], {}, Unhashable(), None, 0, ("sum",), b"sum", Aggregate, len])
def test_what_is_neither_a_name_nor_an_aggregate_is_refused(wrong: Any) -> None:
    store = make_store()
    for view in (store.snapshot(), store.draft()):
        with pytest.raises(UnknownAggregateError, match="the aggregates are: 'sum'") as caught:
            view.total(wrong)
        assert caught.value.name is wrong


def test_one_without_groups_has_no_group() -> None:
    store = make_store({1: Slot("ann", 2)})
    for view in (store.snapshot(), store.draft()):
        with pytest.raises(ArgumentTypeError, match="'sum' has no groups"):
            view.total(AGGREGATES["sum"], "ann")
        with pytest.raises(CowstateError, match="cannot be a group"):
            view.total(AGGREGATES["sum by"], [])


# What a draft relies on


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(
    ("name", "group", "reason"),
    [
        ("sum", (), "total:sum"),
        ("sum by", (), "total:sum by"),
        ("sum by", ("ann",), "total:sum by['ann']"),
    ],
)
def test_a_draft_relies_on_what_it_was_told(
    name: str, group: tuple[str, ...], reason: str, by_name: bool
) -> None:
    store = make_store({1: Slot("ann", 2), 2: Slot("bob", 3)})
    draft: Any = store.draft()
    draft.total(name if by_name else AGGREGATES[name], *group)
    draft.total(AGGREGATES[name], *group)
    draft[3] = Slot("cyd", 1)
    store.set(1, Slot("ann", 4))
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert caught.value.reasons == (reason,)


@pytest.mark.parametrize("order", [1, -1])
def test_a_draft_relies_on_all_the_totals_that_it_was_told(order: int) -> None:
    store = make_store({1: Slot("ann", 2), 2: Slot("bob", 3)})
    draft: Any = store.draft()
    for name in [*AGGREGATES][::order]:
        draft.total(name)
    store.set(1, Slot("ann", 4))
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    moved = {"sum", "least", "most", "folded", "sum by", "least by"}
    assert {*caught.value.reasons} == {f"total:{name}" for name in moved}


def test_a_total_that_came_back_is_the_same_but_one_of_all_groups_has_moved() -> None:
    for told, same in ((("sum",), True), (("sum by", "ann"), True), (("sum by",), False)):
        store = make_store({1: Slot("ann", 2), 2: Slot("bob", 3)})
        draft: Any = store.draft()
        draft.total(*told)
        for quantity in (4, 2):
            store.set(1, Slot("ann", quantity))
        if same:
            assert draft.commit().version == 2
        else:
            with pytest.raises(ConflictError, match="total:sum by"):
                draft.commit()


@pytest.mark.parametrize("told", [("sum",), ("sum by", "ann"), ("sum by",)])
def test_a_write_that_moves_no_total_is_no_conflict(told: Any) -> None:
    store = make_store({1: Slot("ann", 2)})
    draft: Any = store.draft()
    draft.total(*told)
    store.set_meta("another")
    store.add_aggregate("number", Aggregate.count())
    store.remove_aggregate("count")
    store.add_index("owner", Index(owner_of))
    draft[2] = Slot("bob", 3)
    assert draft.commit().version == 5


def test_a_draft_relies_on_no_other_group() -> None:
    store = make_store({1: Slot("ann", 2), 2: Slot("bob", 3)})
    draft: Any = store.draft()
    assert draft.total(AGGREGATES["sum by"], "bob") == 10
    draft[3] = Slot("cyd", 1)
    store.set(1, Slot("ann", 4))
    assert draft.commit().version == 2


def test_a_draft_conflicts_where_the_aggregate_was_exchanged() -> None:
    store = Store({1: Slot("ann", 2)}, aggregates={"sum": (total := Aggregate.sum(quantity_of))})
    draft = store.draft()
    assert draft.total(total) == 2
    draft[3] = Slot("cyd", 1)
    store.remove_aggregate("sum")
    store.add_aggregate("sum", Aggregate.sum(quantity_of))
    with pytest.raises(ConflictError, match="total:sum"):
        draft.commit()

"""Strategies of records, stores, change sets and histories make what they say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, get_type_hints

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from cowstate import MISSING, Aggregate, ArgumentTypeError, ChangeSet, Record, Store
from cowstate.testing import Call, change_sets, histories, records, stores
from tests.testing.sequential import KINDS, has_an_order

keys = st.sampled_from("abc")
numbers = st.integers(0, 5)


QUICK = settings(database=None, phases=[Phase.generate])


class Slot(Record):
    price: int
    owner: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


class Named(NamedTuple):
    x: int


@attrs.frozen
class Frozen:
    x: int


@given(records(Slot, price=numbers))
def test_a_record_has_fields_of_its_types_and_those_that_were_given(slot: Slot) -> None:
    assert type(slot) is Slot
    assert slot.price in range(6)
    assert slot.owner is None or type(slot.owner) is str
    assert type(slot.tags) is tuple
    assert all(type(tag) is str for tag in slot.tags)


@pytest.mark.parametrize("kind", [Slot, Point, Named, Frozen], ids=lambda kind: kind.__name__)
def test_records_of_any_kind_are_made_and_differ(kind: Any) -> None:
    name = "price" if kind is Slot else "x"
    quiet = settings(database=None, max_examples=500)
    found = find(records(kind), lambda record: getattr(record, name) > 3, settings=quiet)
    assert type(found) is kind
    fixed = find(records(kind, **{name: st.just(7)}), lambda record: True, settings=quiet)
    assert getattr(fixed, name) == 7


class Sort(Record):
    kind: int


def test_a_field_may_have_any_name() -> None:
    assert find(records(Sort, kind=st.just(3)), lambda sort: True, settings=QUICK) == Sort(3)


def test_a_field_that_a_record_does_not_have_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="Slot has no field 'prize'; it has 'price'"):
        records(Slot, prize=numbers)
    with pytest.raises(ArgumentTypeError, match="a class of records is needed"):
        records(3)  # type: ignore[arg-type]


@given(change_sets(keys, numbers, most=2))
def test_change_sets_change(changes: ChangeSet[str, int]) -> None:
    assert len(changes) <= 2
    for old, new in changes.values():
        assert old is not new
        assert all(end is MISSING or end in range(6) for end in (old, new))


@pytest.mark.parametrize("kind", ["comes", "goes", "changes"])
def test_keys_come_go_and_change(kind: str) -> None:
    def shows(changes: ChangeSet[str, int]) -> bool:
        ends = [(old is MISSING, new is MISSING) for old, new in changes.values()]
        return {"comes": (True, False), "goes": (False, True), "changes": (False, False)}[
            kind
        ] in ends

    assert find(change_sets(keys, numbers), shows, settings=QUICK)


@given(stores(keys, numbers, options={"aggregates": {"sum": Aggregate.sum(int)}}))
def test_stores_have_a_past_and_what_they_were_given(store: Store[str, int]) -> None:
    now = store.snapshot()
    assert now.total("sum") == sum(now.values())
    assert 0 <= now.version <= 5
    assert store.at(0).version == 0
    assert set(now) <= set("abc")


@given(st.data())
def test_histories_have_an_order_and_clients_that_do_one_thing_at_a_time(
    data: st.DataObject,
) -> None:
    kind = data.draw(st.sampled_from(list(KINDS.values())))
    lost = data.draw(st.booleans())
    calls = data.draw(histories(kind.model, kind.operations, clients=3, calls=6, lost=lost))
    assert has_an_order(calls, kind.model)
    assert lost or all(call.ended is not None for call in calls)
    moments = [m for call in calls for m in (call.began, call.ended) if m is not None]
    assert sorted(moments) == list(range(len(moments)))
    for client in {call.client for call in calls}:
        mine = [call for call in calls if call.client == client]
        assert all(one.ended is not None and one.ended < two.began for one, two in pairwise(mine))


@pytest.mark.parametrize("what", ["overlap", "three at once", "lost"])
def test_histories_are_of_every_kind(what: str) -> None:
    def at_once(calls: tuple[Call, ...]) -> int:
        return max(
            (
                sum(
                    other.began <= call.began and (other.ended or 99) > call.began
                    for other in calls
                )
                for call in calls
            ),
            default=0,
        )

    shows = {
        "overlap": lambda calls: at_once(calls) > 1,
        "three at once": lambda calls: at_once(calls) > 2,
        "lost": lambda calls: any(call.ended is None for call in calls),
    }[what]
    kind = KINDS["register"]
    assert find(histories(kind.model, kind.operations), shows, settings=QUICK)


@pytest.mark.parametrize("strategy", [stores, histories, records, change_sets])
def test_the_annotations_can_be_looked_up(strategy: Any) -> None:
    assert "return" in get_type_hints(strategy)

"""Records, and what counts as immutable."""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import pickle
import sys
import types
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrsistent import PRecord, field, pmap

from cowstate import (
    MISSING,
    ArgumentValueError,
    MutableRecordError,
    Record,
    Store,
)
from cowstate.immutability import check_immutable, why_mutable


class Slot(Record):
    price: int
    order_id: int | None = None
    tags: tuple[str, ...] = ()


class Positive(Record):
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("negative")


class Point(NamedTuple):
    x: int


@dataclasses.dataclass(frozen=True)
class FrozenData:
    x: int


@dataclasses.dataclass
class Data:
    x: int


@attrs.frozen
class FrozenAttrs:
    x: int


@attrs.define(frozen=True, slots=False)
class FrozenAttrsWithDict:
    x: int


@attrs.define
class Attrs:
    x: int


@attrs.define(frozen=False, on_setattr=attrs.setters.frozen)
class HalfFrozenAttrs:
    x: int


class Struct(msgspec.Struct):
    x: int


class FrozenStruct(msgspec.Struct, frozen=True):
    x: int


class Thawed(Record, frozen=False):
    x: int


class MyList(list[int]):
    pass


class PersistentRecord(PRecord):  # type: ignore[misc, unused-ignore]
    x = field(int)


class Unknown:
    pass


IMMUTABLE = [
    Slot(1),
    Point(1),
    FrozenData(1),
    FrozenAttrs(1),
    FrozenAttrsWithDict(1),
    FrozenStruct(1),
    "text",
    b"bytes",
    1,
    1.5,
    None,
    True,
    (1, 2),
    frozenset({1}),
    Decimal(1),
    Fraction(1, 2),
    range(3),
    pmap({"a": 1}),
    PersistentRecord(x=1),
    types.MappingProxyType({}),
    len,
    Slot,
    Unknown(),
]
MUTABLE = [
    [],
    {},
    set(),
    bytearray(),
    memoryview(b""),
    MyList(),
    collections.deque(),
    collections.OrderedDict(),
    collections.defaultdict(list),
    collections.Counter(),
    collections.UserDict(),
    collections.UserList(),
    array.array("i"),
    types.SimpleNamespace(),
    Data(1),
    Attrs(1),
    HalfFrozenAttrs(1),
    Struct(1),
    Thawed(1),
    Store().draft(),
]


@pytest.mark.parametrize("value", IMMUTABLE, ids=lambda value: type(value).__name__)
def test_a_value_that_cannot_be_changed_in_place_may_be_stored(value: Any) -> None:
    check_immutable(value)
    store = Store({"old": value})
    store.set("new", value)
    with store.transaction() as tx:
        tx["other"] = value
        tx.meta = value
    assert store.snapshot()["new"] is store.snapshot().meta is value


@pytest.mark.parametrize("value", MUTABLE, ids=lambda value: type(value).__name__)
def test_a_value_that_is_known_to_be_mutable_is_refused_everywhere(value: Any) -> None:
    store: Store[str, Any] = Store({"a": 1})
    before = store.snapshot()
    draft = store.draft()

    def transaction(assign: str) -> None:
        with store.transaction() as tx:
            if assign == "meta":
                tx.meta = value
            else:
                tx["a"] = value

    ways: list[Any] = [
        lambda: check_immutable(value),
        lambda: Store({"a": value}),
        lambda: Store(meta=value),
        lambda: store.set("a", value),
        lambda: store.set("b", value),
        lambda: store.update("a", lambda _: value),
        lambda: store.compare_and_set("a", before["a"], value),
        lambda: transaction("meta"),
        lambda: transaction("record"),
        lambda: draft.__setitem__("a", value),
        lambda: setattr(draft, "meta", value),
        lambda: draft.update({"b": value}),
        lambda: store.retry(lambda work: work.__setitem__("a", value)),
    ]
    for way in ways:
        for _ in range(2):  # the verdict is cached, so a second time may differ
            with pytest.raises(MutableRecordError) as caught:
                way()
            assert caught.value.record_type is type(value)
            assert type(value).__name__ in str(caught.value)
    assert store.snapshot() is before
    assert why_mutable(type(value)) == caught.value.reason


def test_the_error_says_what_to_store_instead() -> None:
    assert "tuple" in str(why_mutable(list))
    assert "frozen=True" in str(why_mutable(Data))
    assert "attrs.frozen" in str(why_mutable(Attrs))
    assert "frozenset" in str(why_mutable(set))


def test_missing_is_no_record() -> None:
    store: Store[str, Any] = Store({"a": 1})
    for _ in range(2):
        with pytest.raises(ArgumentValueError, match="delete"):
            store.set("a", MISSING)
    with pytest.raises(ArgumentValueError, match="delete"):
        store.update("a", lambda _: MISSING)
    assert store.snapshot().version == 0


@given(st.integers(), st.integers() | st.none(), st.lists(st.text()).map(tuple))
def test_replacing_nothing_gives_an_equal_record_and_replacing_twice_the_last(
    price: int, order_id: int | None, tags: tuple[str, ...]
) -> None:
    slot = Slot(price, order_id, tags)
    assert slot.replace() == slot
    assert slot.replace(price=1).replace(price=price) == slot
    assert slot.replace(price=1, order_id=2) == slot.replace(order_id=2).replace(price=1)
    assert hash(slot.replace()) == hash(slot)
    assert pickle.loads(pickle.dumps(slot)) == copy.copy(slot) == copy.deepcopy(slot) == slot


def test_replace_leaves_the_record_as_it_is() -> None:
    slot = Slot(1)
    assert slot.replace(price=2) == Slot(2)
    assert slot == Slot(1)


def test_replacing_a_field_that_is_not_there_names_it() -> None:
    with pytest.raises(TypeError, match="`Slot` has no field 'prize'"):
        Slot(1).replace(price=2, prize=3)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace came with 3.13")
def test_what_the_standard_library_offers_to_replace_fields_does_the_same() -> None:
    assert copy.replace(Slot(1), price=2) == Slot(1).replace(price=2)  # type: ignore[attr-defined]


def test_replace_runs_the_checks_of_the_record() -> None:
    with pytest.raises(ValueError, match="negative"):
        Positive(1).replace(amount=-1)


def test_a_type_error_out_of_those_checks_stays_itself() -> None:
    class Picky(Record):
        amount: int

        def __post_init__(self) -> None:
            if not isinstance(self.amount, int):
                raise TypeError("an int, please")

    with pytest.raises(TypeError, match="an int, please"):
        Picky(1).replace(amount="1")


def test_a_record_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        Slot(1).price = 2  # type: ignore[misc]

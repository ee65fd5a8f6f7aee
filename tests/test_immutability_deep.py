"""What a deep look finds: at any depth, of any size, and on which path."""

from __future__ import annotations

import collections
import dataclasses
import enum
import io
import types
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrsistent import pmap, pset, pvector

from cowstate import MutableRecordError, Record, Store
from cowstate.immutability import check_deeply, is_inert, why_mutable

Check = Callable[[object, str], None]


class Order(Record):
    price: Decimal = Decimal(1)
    tags: Any = ()


class Pair(NamedTuple):
    left: Any
    right: Any = None


@dataclasses.dataclass(frozen=True)
class Box:
    held: Any


@attrs.frozen
class Case:
    held: Any


class Structure(msgspec.Struct, frozen=True):
    held: Any


class Opaque:
    """A class of which nothing is known."""

    def __init__(self, held: Any) -> None:
        self.held = held


ATOMS = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats()
KEYS = st.integers(0, 3) | st.text("ab", max_size=2)
IMMUTABLE = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=3).map(pvector),
        st.dictionaries(KEYS, inner, max_size=3).map(pmap),
        st.dictionaries(KEYS, inner, max_size=3).map(types.MappingProxyType),
        st.frozensets(ATOMS, max_size=2),
        st.builds(Order, tags=inner),
        st.builds(Pair, inner, inner),
        st.builds(Box, inner),
        st.builds(Case, inner),
        st.builds(Structure, inner),
    ),
    max_leaves=12,
)
MUTABLE = st.sampled_from([[], {}, set(), bytearray(), collections.deque(), io.StringIO])
# Each wraps one value together with others, and the path below leads to it again.
WRAPPERS: Any = st.sampled_from(
    [
        lambda inner, other: (other, inner),
        lambda inner, other: pvector([other, inner, other]),
        lambda inner, other: pmap({"k": inner, "other": other}),
        lambda inner, other: types.MappingProxyType({1: other, ("k", 2): inner}),
        lambda inner, _: Order(tags=inner),
        lambda inner, other: Pair(other, inner),
        lambda inner, _: Box(inner),
        lambda inner, _: Case(inner),
        lambda inner, _: Structure(inner),
    ]
)
CASES: Any = st.tuples(MUTABLE, st.lists(st.tuples(WRAPPERS, IMMUTABLE), max_size=8))


def hidden(case: Any) -> tuple[Any, Any]:
    """A value with something mutable in its depth, and that."""
    planted, around = case
    if isinstance(planted, type):
        planted = planted()
    value = planted
    for wrap, other in around:
        value = wrap(value, other)
    return value, planted


def finds_it_and_tells_where(check: Check, case: Any) -> None:
    value, planted = hidden(case)
    with pytest.raises(MutableRecordError) as caught:
        check(value, "root")
    error = caught.value
    assert error.record_type is type(planted)
    assert eval(error.path or "", {"root": value}) is planted
    assert str(error).startswith(f"{error.path} is of type {type(planted).__name__}: ")


@given(CASES)
def test_what_is_mutable_is_found_at_any_depth_and_its_path_leads_there(case: Any) -> None:
    finds_it_and_tells_where(check_deeply, case)


@given(IMMUTABLE)
def test_what_is_immutable_all_the_way_down_is_accepted(value: Any) -> None:
    check_deeply(value, "root")
    store: Store[str, Any] = Store({"a": value}, meta=value, immutability="deep")
    store.set("b", value)
    assert store.snapshot()["b"] is value


def looks_at_the_type_alone(value: object, root: str) -> None:
    reason = why_mutable(type(value))
    if reason is not None:
        raise MutableRecordError(type(value), reason, root)


def looks_one_level_down(value: object, root: str) -> None:
    looks_at_the_type_alone(value, root)
    for place, each in enumerate(value if isinstance(value, tuple) else ()):
        looks_at_the_type_alone(each, f"{root}[{place}]")


def forgets_the_path(value: object, root: str) -> None:
    try:
        check_deeply(value, root)
    except MutableRecordError as error:
        raise MutableRecordError(error.record_type, error.reason, root) from None


@pytest.mark.parametrize("twin", [looks_at_the_type_alone, looks_one_level_down, forgets_the_path])
def test_the_law_sees_a_check_that_looks_less_closely(twin: Check) -> None:
    @given(CASES)
    def law(case: Any) -> None:
        finds_it_and_tells_where(twin, case)

    with pytest.raises((AssertionError, ExceptionGroup, pytest.fail.Exception)):
        law()


@pytest.mark.parametrize("made", [Pair(1, []), Pair([], 1)], ids=repr)
def test_a_field_of_a_named_tuple_is_called_by_its_name(made: Pair) -> None:
    with pytest.raises(MutableRecordError) as caught:
        check_deeply(made, "root")
    assert caught.value.path == ("root.right" if made.left else "root.left")


def test_each_way_to_write_looks_into_what_it_is_given() -> None:
    store: Store[str, Any] = Store({"a": Order()}, immutability="deep")
    bad = Order(tags=((), [1]))

    def in_a_transaction() -> None:
        with store.transaction() as tx:
            tx["a"] = bad

    def as_meta() -> None:
        store.draft().meta = bad

    path = r"records\['a'\]\.tags\[1\] is of type list: a list can be changed in place"
    for way in (
        lambda: store.set("a", bad),
        lambda: store.update("a", lambda _: bad),
        lambda: store.compare_and_set("a", store.snapshot()["a"], bad),
        lambda: store.draft().update(a=bad),
        in_a_transaction,
        lambda: Store({"a": bad}, immutability="deep"),
    ):
        with pytest.raises(MutableRecordError, match=path):
            way()
    with pytest.raises(MutableRecordError, match=r"meta\.tags\[1\] is of type list"):
        as_meta()
    assert store.snapshot().version == 0
    # A record of a type that was found in order once is looked into again.
    store.set("a", Order(tags=("fine",)))
    with pytest.raises(MutableRecordError, match=path):
        store.set("a", bad)


def test_a_cycle_is_looked_at_once() -> None:
    knot = Opaque(None)
    box = Box(knot)
    loop = Box((box,))
    object.__setattr__(box, "held", loop)
    check_deeply(loop, "root")


def test_any_depth_is_looked_into() -> None:
    nested: Any = []
    for _ in range(50_000):
        nested = (nested,)
    with pytest.raises(MutableRecordError) as caught:
        check_deeply(nested, "root")
    assert len(str(caught.value)) < 300


def test_shared_values_are_looked_at_once() -> None:
    shared: Any = ()
    for _ in range(200):
        shared = (shared, shared)
    check_deeply(shared, "root")


class Endless(Mapping[int, Any]):
    """A mapping that is made up on the way."""

    def __getitem__(self, key: int) -> Any:
        return (key,)

    def __len__(self) -> int:
        return 2**31

    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            number += 1
            yield number


def test_what_has_no_end_is_refused() -> None:
    with pytest.raises(MutableRecordError, match="more than 100,000 values"):
        check_deeply(Endless(), "root")


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize("value", [None, True, 1, 1.5, 1j, "a", b"a", range(3), int, Colour.RED])
def test_what_holds_nothing_need_not_be_looked_into(value: Any) -> None:
    assert is_inert(type(value))
    assert not any(is_inert(type(around)) for around in ((value,), Box(value), Order(tags=value)))


class Corners(tuple[Any, ...], enum.Enum):
    ALL = ([1], [2])


def test_a_member_of_an_enumeration_is_one_value_whatever_its_class_has_written_in_it() -> None:
    assert Corners.ALL[0] == [1]
    check_deeply((Corners.ALL,), "root")


MANY: dict[str, Callable[[int], Any]] = {
    "a tuple": lambda n: tuple(range(n)),
    "one in another": lambda n: (tuple(range(n - 1)),),
    "some beside each other": lambda n: tuple((each,) for each in range(n // 2)),
    "a set": lambda n: frozenset(range(n)),
    "a mapping": lambda n: types.MappingProxyType(dict.fromkeys(range(n // 2))),
    "nothing but the same": lambda n: (None,) * n,
}


@pytest.mark.parametrize("make", MANY.values(), ids=MANY)
def test_a_hundred_thousand_values_are_looked_at_and_more_are_refused(
    make: Callable[[int], Any],
) -> None:
    check_deeply(make(100_000), "root")
    with pytest.raises(MutableRecordError, match=r"root .* more than 100,000 values"):
        check_deeply(make(100_002), "root")


def test_one_more_than_a_hundred_thousand_is_one_too_many() -> None:
    with pytest.raises(MutableRecordError, match="more than 100,000 values"):
        check_deeply((None,) * 100_001, "root")


@pytest.mark.parametrize("others", [0, 99_999, 100_000, 10**6])
def test_nothing_mutable_hides_behind_many_values(others: int) -> None:
    with pytest.raises(MutableRecordError):
        check_deeply(((None,) * others, []) if others < 10**5 else (*(None,) * others, []), "root")


class Name(str):
    __slots__ = ()


def test_a_text_of_a_class_of_its_own_is_one_value() -> None:
    check_deeply(Name("x" * 200_000), "root")


def test_a_field_that_is_not_there_holds_nothing() -> None:
    check_deeply(Box.__new__(Box), "root")


@pytest.mark.parametrize("steps", range(1, 30))
def test_a_path_is_told_by_its_beginning_and_its_end(steps: int) -> None:
    value: Any = []
    for place in reversed(range(steps)):
        value = (*(None,) * place, value)
    with pytest.raises(MutableRecordError) as caught:
        check_deeply(value, "root")
    told = ["root", *(f"[{place}]" for place in range(steps))]
    if len(told) > 12:
        told[4:-8] = [" ... "]
    assert caught.value.path == "".join(told)


def test_a_snapshot_is_looked_into_as_the_mapping_that_it_is() -> None:
    careless: Store[str, Any] = Store({"fine": 1}, immutability="trusted")
    careful: Store[str, Any] = Store(immutability="deep")
    careful.set("before", careless.snapshot())
    careless.set("wrong", [])
    with pytest.raises(MutableRecordError, match=r"records\['after'\]\['wrong'\] is of type list"):
        careful.set("after", careless.snapshot())


class Node:
    """A class of which nothing is known, not even that these are its fields."""

    _fields = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held


def test_a_class_of_which_nothing_is_known_is_its_own_business() -> None:
    check_deeply((Opaque([]), Node([]), pset([1])), "root")

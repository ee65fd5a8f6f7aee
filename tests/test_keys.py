"""What may be a key, or be asked of an index: what cannot be hashed gets an error that says so."""

from __future__ import annotations

import array
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    CowstateError,
    Index,
    Store,
    UnhashableKeyError,
    UnknownAggregateError,
    UnknownIndexError,
)
from cowstate.keys import ensure_findable, ensure_hashable, ensure_value, equals_itself

UNHASHABLE: list[Any] = [[], {}, set(), bytearray(), array.array("i"), ([],), slice(1)]


def indexed(maps: Any = "auto") -> Store[int, int]:
    return Store(
        {n: n for n in range(100)},
        indexes={"itself": Index(int, unique=True), "even": Index(lambda n: n % 2 == 0)},
        maps=maps,
    )


def each_view(store: Store[int, int]) -> list[Any]:
    """All that can be read like a mapping: the last two with changes laid over it."""
    draft = store.draft()
    draft[100] = 100
    with store.transaction() as tx:
        tx[100] = 100
        view: list[Any] = [store.snapshot(), draft, tx]
    return view


READS: dict[str, Callable[[Any, Any], object]] = {
    "[]": lambda view, key: view[key],
    "get": lambda view, key: view.get(key),
    "in": lambda view, key: key in view,
}
LOOKUPS: dict[str, Callable[[Any, Any], object]] = {
    "find": lambda view, value: view.find("itself", value),
    "find_key": lambda view, value: view.find_key("itself", value),
    "find_all of a unique one": lambda view, value: view.find_all("itself", value),
    "find_all": lambda view, value: view.find_all("even", value),
}
UNDER_MAPS = ["dict+tree", "tree", "pyrsistent"]


@pytest.mark.parametrize("maps", UNDER_MAPS)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_key_that_cannot_be_hashed_is_named_as_one_wherever_it_is_read(
    read: Callable[[Any, Any], object], maps: str
) -> None:
    for view in each_view(indexed(maps)):
        for key in filter(is_unhashable, UNHASHABLE):
            with pytest.raises(UnhashableKeyError, match="cannot be a key") as caught:
                read(view, key)
            assert isinstance(caught.value, TypeError)  # as of a dict


@pytest.mark.parametrize("lookup", LOOKUPS.values(), ids=LOOKUPS)
def test_a_value_that_cannot_be_hashed_is_named_as_one_wherever_it_is_looked_up(
    lookup: Callable[[Any, Any], object],
) -> None:
    for view in each_view(indexed()):
        for value in filter(is_unhashable, UNHASHABLE):
            with pytest.raises(ArgumentTypeError, match=r"has no entry for an? .*hashed; ask"):
                lookup(view, value)


def test_a_look_up_that_was_refused_leaves_a_draft_as_it_was() -> None:
    store = indexed()
    draft = store.draft()
    with pytest.raises(CowstateError):
        draft.find_all("even", [])
    with pytest.raises(CowstateError):
        draft.get([])  # type: ignore[call-overload]
    store.set(4, 104)
    assert draft.commit().version == 1


class Stubborn:
    """Has the hash of 1, and cannot be compared."""

    def __hash__(self) -> int:
        return hash(1)

    def __eq__(self, other: object) -> bool:
        raise TypeError("not with me")


@pytest.mark.parametrize("read", [*READS.values(), *LOOKUPS.values()], ids=[*READS, *LOOKUPS])
def test_what_a_comparison_raises_is_the_users(read: Callable[[Any, Any], object]) -> None:
    for view in each_view(indexed("tree")):
        with pytest.raises(TypeError, match="not with me"):
            read(view, Stubborn())


def is_unhashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return True
    return False  # a slice, from 3.12 on


@pytest.mark.parametrize("value", UNHASHABLE, ids=repr)
def test_a_type_has_its_article(value: object) -> None:
    if not is_unhashable(value):
        return
    name = type(value).__name__
    article = "an" if name == "array" else "a"
    for refuse in (ensure_hashable, lambda value: ensure_value("x", value)):
        with pytest.raises(CowstateError, match=rf"\b{article} {name}\b"):
            refuse(value)


def test_what_equals_nothing_is_no_key() -> None:
    ensure_findable(1)
    with pytest.raises(CowstateError, match="equals nothing"):
        ensure_findable(float("nan"))


def test_a_mapping_is_what_a_snapshot_still_is() -> None:
    now = indexed().snapshot()
    assert isinstance(now, Mapping)
    assert (now.get(1), now.get(1000), 1 in now, 1000 in now) == (1, None, True, False)


@pytest.mark.parametrize("name", [[], {}, {"a"}])
def test_what_cannot_be_hashed_is_the_name_of_nothing(name: Any) -> None:
    store = Store({"a": 1}, indexes={"i": Index(int)}, aggregates={"t": Aggregate.sum(int)})
    readers: list[Any] = [store.snapshot(), store.draft()]
    for reader in readers:
        with pytest.raises(UnknownAggregateError, match="the aggregates are: 't'"):
            reader.total(name)
        with pytest.raises(UnknownIndexError, match="the indexes are: 'i'"):
            reader.find_all(name, 1)


NAN = float("nan")


@pytest.mark.parametrize("value", [NAN, (1, NAN), (1, (2, NAN)), frozenset({NAN})], ids=repr)
def test_what_a_nan_is_in_does_not_equal_what_is_made_of_the_same(value: object) -> None:
    assert equals_itself(value) is False


@pytest.mark.parametrize("value", [1.5, None, "nan", (), (1, (2, None)), frozenset({1})], ids=repr)
def test_everything_else_does(value: object) -> None:
    assert equals_itself(value) is True

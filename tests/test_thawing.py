"""A map that is built as a dict and thaws, held against a plain dict, version by version."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import MISSING, ArgumentValueError, History, Record, Store
from cowstate.maps import FROZEN, available_maps, map_kind
from cowstate.thawing import Frozen, Thawing

NAMES = [FROZEN + name for name in available_maps()]
kinds = pytest.mark.parametrize("name", NAMES)

SIZE = 200  # above what is held in a small dict
KEYS = st.integers(0, SIZE + 20)
WRITES = st.dictionaries(KEYS, st.integers() | st.just(MISSING), min_size=1, max_size=40)


def applied(content: dict[Any, Any], writes: dict[Any, Any]) -> dict[Any, Any]:
    return {k: v for k, v in {**content, **writes}.items() if v is not MISSING}


def one_by_one(kind: Any, base: Any, writes: dict[Any, Any]) -> Any:
    for key, new in writes.items():
        if new is not MISSING:
            base = kind.put(base, key, new)
        elif key in base:
            base = kind.drop(base, key)
    return base


def check(found: Any, content: dict[Any, Any]) -> None:
    assert len(found) == len(content)
    assert dict(found.items()) == content
    assert [*found] == [key for key, _ in found.items()]
    assert [*found.values()] == [content[key] for key in found]
    for key in range(SIZE + 21):
        assert (key in found) == (key in content)
        assert found.get(key, MISSING) is content.get(key, MISSING)
        if key in content:
            assert found[key] is content[key]
        else:
            with pytest.raises(KeyError):
                found[key]


@kinds
@given(st.lists(st.tuples(WRITES, st.booleans()), max_size=12), st.sampled_from([60, SIZE]))
def test_every_version_is_what_it_was_and_their_differences_are_what_was_written(
    name: str, steps: list[tuple[dict[Any, Any], bool]], size: int
) -> None:
    kind = map_kind(name)
    content = dict.fromkeys(range(size), -1)
    versions = [(kind.build(content), content)]
    for writes, singly in steps:
        base, content = versions[-1]
        if singly:
            base = one_by_one(kind, base, writes)
        else:
            base = kind.apply(base, writes, MISSING in writes.values())
        versions.append((base, applied(content, writes)))
    for found, content in versions:
        check(found, content)
    for older, was in (versions[0], versions[len(versions) // 2]):
        for newer, now in versions[-2:]:
            wanted = {
                key: (was.get(key, MISSING), now.get(key, MISSING))
                for key in {*was, *now}
                if was.get(key, MISSING) is not now.get(key, MISSING)
            }
            assert kind.diff(older, newer) == wanted
            turned = {key: (new, old) for key, (old, new) in wanted.items()}
            assert kind.diff(newer, older) == turned


@kinds
@pytest.mark.parametrize("singly", [True, False])
def test_after_as_many_writes_as_there_were_records_it_is_a_map_of_the_other_kind(
    name: str, singly: bool
) -> None:
    kind, other = map_kind(name), map_kind(name.removeprefix(FROZEN))
    base = kind.build(dict.fromkeys(range(SIZE), 0))
    assert type(base) is Frozen
    for n in range(SIZE):
        base = kind.put(base, 0, n) if singly else kind.apply(base, {0: n}, False)
        assert (type(base) is Thawing) is (n < SIZE - 1)
    assert type(base) is type(other.build(dict.fromkeys(range(SIZE), 0)))
    check(base, {**dict.fromkeys(range(SIZE), 0), 0: SIZE - 1})
    emptied = kind.apply(
        kind.build(dict.fromkeys(range(SIZE))), dict.fromkeys(range(SIZE), MISSING)
    )
    assert type(emptied) is type(other.build({}))


class Kept:
    """So that it can be seen whether anybody holds it."""


@kinds
def test_what_was_overwritten_is_let_go_of_when_all_has_thawed(name: str) -> None:
    kind = map_kind(name)
    records = {n: Kept() for n in range(SIZE)}
    dropped, overwritten = weakref.ref(records[SIZE - 1]), weakref.ref(records[SIZE - 2])
    base = kind.build(records)
    del records
    base = kind.put(kind.drop(base, SIZE - 1), SIZE - 2, Kept())
    assert dropped() is not None
    for _ in range(SIZE):
        base = kind.put(base, 0, Kept())
    gc.collect()
    assert (dropped(), overwritten()) == (None, None)
    assert len(base) == SIZE - 1


@kinds
def test_what_is_gone_is_not_gone_through_for_ever(name: str) -> None:
    kind = map_kind(name)
    base = kind.build(dict.fromkeys(range(SIZE)))
    for key in range(SIZE - 1):
        base = kind.drop(base, key)
        # What is left of the dict is never more than what is there, and was written.
        assert not isinstance(base, Thawing) or SIZE - 1 - key >= len([*base])
    assert [*base] == [SIZE - 1]


@kinds
def test_an_empty_write_thaws_nothing(name: str) -> None:
    kind = map_kind(name)
    base = kind.put(kind.build(dict.fromkeys(range(SIZE))), 0, 1)
    assert kind.apply(base, {}) is base


def test_what_stands_after_the_prefix_must_be_a_kind_itself() -> None:
    for name in ("frozen+btree", "frozen+", "frozen+frozen+tree"):
        with pytest.raises(ArgumentValueError, match="maps must be"):
            Store(maps=name)
    assert map_kind("frozen+auto").name == FROZEN + map_kind().name


class Numbered(Record):
    n: int
    text: str = "x" * 100


@kinds
def test_the_estimate_of_what_versions_take_is_there_from_the_first_write_on(name: str) -> None:
    records = {n: Numbered(n) for n in range(SIZE)}
    store = Store(records, maps=name, history=History(bytes=1_000_000))
    taken = []
    for n in range(2 * SIZE):
        store.set(n % SIZE, Numbered(-n))
        taken.append(store.statistics().retained_bytes)
    assert all(one is not None and one > 0 for one in taken)


@kinds
def test_the_estimate_is_of_what_lies_above_the_dict_and_of_that_alone(name: str) -> None:
    kind, other = map_kind(name), map_kind(name.removeprefix(FROZEN))
    base = kind.build(dict.fromkeys(range(SIZE), 0))
    estimates = [kind.path_bytes(base, 1)]
    while type(base) in (Frozen, Thawing):
        base = kind.put(base, 0, len(estimates))
        estimates.append(kind.path_bytes(base, 1))
    [first, half, *_, last] = estimates[:: SIZE // 2]
    assert 0 < other.path_bytes(other.build({}), 1) < first < half
    assert last == other.path_bytes(base, 1)


@kinds
def test_what_is_left_of_one_dict_differs_from_what_is_left_of_another(name: str) -> None:
    kind = map_kind(name)
    one, other = (dict.fromkeys(range(SIZE), value) for value in (1, 2))
    versions = [
        (base, content)
        for content in (one, other)
        for base in (kind.build(content), kind.put(kind.build(content), 0, content[0]))
    ]
    for older, was in versions:
        for newer, now in versions:
            wanted = {} if was is now else {key: (was[key], now[key]) for key in was}
            assert kind.diff(older, newer) == wanted


class Counted(int):
    """A key that counts how often one of them is looked for."""

    looks = 0

    def __hash__(self) -> int:
        Counted.looks += 1
        return int.__hash__(self)


def test_a_difference_costs_what_was_written_and_no_look_at_each_record() -> None:
    kind = map_kind(FROZEN + "tree")
    keys = [Counted(n) for n in range(20_000)]
    begun = kind.build(dict.fromkeys(keys, 0))
    emptier = begun
    for key in keys[-1000:]:
        emptier = kind.drop(emptier, key)
    near = kind.put(emptier, keys[0], 1)
    thawed = kind.apply(begun, dict.fromkeys(keys, 1), False)
    last = kind.put(thawed, keys[0], 2)
    for older, newer, written in (
        (begun, near, 1001),
        (near, begun, 1001),
        (emptier, near, 1),
        (near, emptier, 1),
        (thawed, last, 1),
    ):
        before = Counted.looks
        assert len(kind.diff(older, newer)) == written
        # Each key that was written has thawed one more; at each there are several looks, and some
        # hundred in the nodes above it.
        assert Counted.looks - before < 20 * written + 300


def test_what_is_left_is_never_changed() -> None:
    kind = map_kind(FROZEN + "tree")
    left: Any = kind.put(kind.build(dict.fromkeys(range(SIZE))), 0, 1)
    with pytest.raises(AttributeError):
        left._count = 5


@kinds
def test_what_each_look_up_goes_through_is_the_dict_and_what_lies_above_it(name: str) -> None:
    kind, other = map_kind(name), map_kind(name.removeprefix(FROZEN))
    base = kind.build(dict.fromkeys(range(SIZE), 0))
    assert [*map(id, kind.trunk(base))] == [id(base)]
    left = kind.put(base, 0, 1)
    found = {*map(id, kind.trunk(left))}
    assert {id(base), id(left)} < found
    thawed = kind.apply(left, dict.fromkeys(range(SIZE), 2), False)
    assert [*map(id, kind.trunk(thawed))] == [*map(id, other.trunk(thawed))]

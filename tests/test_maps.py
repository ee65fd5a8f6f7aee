"""One test class for every map: each is held against a plain dict."""

from __future__ import annotations

import gc
import importlib.util
import sys
import sysconfig
from collections.abc import Callable
from itertools import count
from typing import Any

import pyrsistent
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    MissingExtraError,
    Store,
    maps,
)
from cowstate.maps import FROZEN, MapKind, available_maps, map_kind
from tests.steps import steps_of


class Colliding:
    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 42

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colliding) and self.name == other.name

    def __repr__(self) -> str:
        return f"Colliding({self.name!r})"


KEYS: list[Any] = [*(Colliding(name) for name in "abcd"), 1, "1", None, (), -1, -2]
keys = st.sampled_from(KEYS)
values = st.integers() | st.none() | st.just(float("nan"))
contents = st.dictionaries(keys, values)
NAMES = [*available_maps(), *(FROZEN + name for name in available_maps())]
kinds = pytest.mark.parametrize("name", NAMES)


def same(one: Any, other: dict[Any, Any]) -> bool:
    return (
        len(one) == len(other)
        and set(one) == set(other)
        and all(one[key] is other[key] and one.get(key) is other[key] for key in other)
        and {key: id(value) for key, value in one.items()}
        == {key: id(value) for key, value in other.items()}
        and sorted(map(id, one.values())) == sorted(map(id, other.values()))
        and all((key in one) == (key in other) for key in KEYS)
    )


@pytest.fixture(params=NAMES)
def kind(request: pytest.FixtureRequest) -> MapKind:
    return map_kind(request.param)


@kinds
@given(contents, keys, values)
def test_putting_and_dropping_a_key_give_the_next_map_and_leave_the_last(
    name: str, content: dict[Any, Any], key: Any, value: Any
) -> None:
    kind = map_kind(name)
    base = kind.build(content)
    assert same(base, content)
    assert same(kind.put(base, key, value), {**content, key: value})
    if key in content:
        rest = {k: v for k, v in content.items() if k != key}
        assert same(kind.drop(base, key), rest)
    else:
        with pytest.raises(KeyError):
            kind.drop(base, key)
    assert same(base, content)


@kinds
@given(contents, contents, st.sets(keys))
@example({"1": 1}, {}, {"1"})
def test_applying_a_delta_is_putting_and_dropping_one_by_one(
    name: str, content: dict[Any, Any], puts: dict[Any, Any], drops: set[Any]
) -> None:
    kind = map_kind(name)
    writes: dict[Any, Any] = {**puts, **dict.fromkeys(drops, MISSING)}
    base, one_by_one = kind.build(content), kind.build(content)
    for key, new in writes.items():
        if new is not MISSING:
            one_by_one = kind.put(one_by_one, key, new)
        elif key in content:
            one_by_one = kind.drop(one_by_one, key)
    expected = {key: value for key, value in {**content, **puts}.items() if key not in drops}
    assert same(kind.apply(base, writes), expected)
    assert same(kind.apply(base, puts, False), {**content, **puts})
    assert same(one_by_one, expected)
    assert same(base, content)


@pytest.mark.parametrize("size", [0, 1, 41, 42, 43, 84, 169, 170, 171, 400])
def test_a_map_of_any_size_grows_shrinks_and_applies_alike(kind: MapKind, size: int) -> None:
    content = dict.fromkeys(range(size), "x")
    base = grown = kind.build(content)
    for key in range(size, size + 3):
        grown = kind.put(grown, key, "y")
    assert same(grown, content | dict.fromkeys(range(size, size + 3), "y"))
    shrunk = grown
    for key in range(size + 3):
        shrunk = kind.drop(shrunk, key)
    assert len(shrunk) == 0
    assert same(kind.apply(grown, dict.fromkeys(range(size + 3), MISSING)), {})
    assert same(kind.apply(shrunk, dict.fromkeys(range(size), "x")), content)
    assert same(base, content)
    assert kind.name_of(base) in ("dict", kind.large)


WRITTEN = st.dictionaries(st.integers(0, 220), st.integers() | st.just(MISSING), max_size=40)


@kinds
@settings(max_examples=50)
@given(st.sampled_from([0, 40, 200]), st.sampled_from([0, 40, 200]), WRITTEN)
def test_the_difference_of_two_maps_is_what_was_written_whichever_is_the_newer(
    name: str, size: int, to: int, written: dict[int, Any]
) -> None:
    kind = map_kind(name)
    was = dict.fromkeys(range(size), "was")
    writes = {**dict.fromkeys(range(to, size), MISSING), **dict.fromkeys(range(size, to), "new")}
    writes |= written
    older = kind.build(was)
    newer = kind.apply(older, writes)
    wanted = {key: (was.get(key, MISSING), new) for key, new in writes.items()}
    wanted = {key: both for key, both in wanted.items() if both[0] is not both[1]}
    assert kind.diff(older, newer) == wanted
    assert kind.diff(newer, older) == {key: (new, old) for key, (old, new) in wanted.items()}


@pytest.mark.parametrize("name", [name for name in NAMES if map_kind(name).large == "tree"])
def test_of_two_trees_what_both_share_is_not_looked_at(name: str) -> None:
    kind, steps = map_kind(name), []
    for size in (1_000, 30_000):
        older = kind.build(dict.fromkeys(range(size), 0))
        newer = kind.put(older, 5, 1)
        steps.append(steps_of(lambda a=older, b=newer: kind.diff(a, b)))  # type: ignore[misc]
    assert steps[1] < 5 * steps[0]


def test_what_a_key_raises_comes_through_and_changes_nothing(kind: MapKind) -> None:
    class Raises(Colliding):
        def __eq__(self, other: object) -> bool:
            raise LookupError("do not compare me")

        __hash__ = Colliding.__hash__

    content = {Colliding("a"): 1, Colliding("b"): 2}
    base = kind.build(content)
    with pytest.raises(LookupError, match="compare"):
        kind.put(base, Raises("c"), 3)
    with pytest.raises(LookupError, match="compare"):
        kind.apply(base, {"new": 1, Raises("c"): 3})
    assert same(base, content)
    with pytest.raises(TypeError):
        kind.put(base, [], 1)


def test_a_store_is_told_the_map_and_says_which_one_it_has(kind: MapKind) -> None:
    small = Store({"a": 1}, maps=kind.name).statistics().map
    large = Store(dict.fromkeys(range(1000), 1), maps=kind.name).statistics().map
    assert large == kind.large
    in_dict = kind.name.removeprefix(FROZEN).startswith("dict+")
    assert small == ("dict" if in_dict else kind.large)


SMALL_AS_DICT = [name for name in available_maps() if name.startswith("dict+")]
small_as_dict = pytest.mark.parametrize("name", SMALL_AS_DICT)


def limit_of(name: str) -> int:
    """The most records that a store holds in a dict, as it tells itself."""
    for size in count():
        if Store(dict.fromkeys(range(size + 1)), maps=name).statistics().map != "dict":
            return size
    raise AssertionError


def map_when_grown(name: str, size: int, how: str) -> str:
    """Which map holds *size* records of a store that had one, or was built of them."""
    records = dict.fromkeys(range(size), 0)
    store = Store(records if how == "built" else {0: 0}, maps=name)
    if how == "key by key":
        for key in records:
            store.set(key, 0)
    elif how == "at once":
        with store.transaction() as tx:
            tx.update(records)
    assert store.snapshot() == records
    return store.statistics().map


def map_when_shrunk(name: str, size: int, how: str) -> str:
    """Which map holds *size* records of a store that had a thousand."""
    store = Store(dict.fromkeys(range(1_000), 0), maps=name)
    if how == "key by key":
        for key in range(size, 1_000):
            store.delete(key)
    else:
        with store.transaction() as tx:
            for key in range(size, 1_000):
                del tx[key]
    assert store.snapshot() == dict.fromkeys(range(size), 0)
    return store.statistics().map


@small_as_dict
@pytest.mark.parametrize("how", ["built", "key by key", "at once"])
def test_a_store_is_held_in_a_dict_up_to_its_limit_and_never_above(name: str, how: str) -> None:
    limit, large = limit_of(name), map_kind(name).large
    assert map_when_grown(name, limit, how) == "dict"
    assert map_when_grown(name, limit + 1, how) == large


@small_as_dict
def test_the_limit_is_the_last_size_before_a_dict_doubles_its_table(name: str) -> None:
    table: dict[int, int] = {}
    sizes = [sys.getsizeof(table)]
    for key in range(limit_of(name) + 1):
        table[key] = 0
        sizes.append(sys.getsizeof(table))
    assert sizes[-1] > 1.7 * sizes[-2]


@small_as_dict
@pytest.mark.parametrize("how", ["key by key", "at once"])
def test_a_store_that_shrinks_goes_back_to_a_dict_at_half_the_limit_and_not_before(
    name: str, how: str
) -> None:
    limit, large = limit_of(name), map_kind(name).large
    assert map_when_shrunk(name, 999, how) == large
    assert map_when_shrunk(name, limit // 2 + 1, how) == large
    assert map_when_shrunk(name, limit // 2, how) == "dict"


def test_the_reference_is_always_there_and_comes_first() -> None:
    assert available_maps()[0] == "pyrsistent"
    assert {"pyrsistent", "dict+pyrsistent", "tree", "dict+tree"} <= set(available_maps())


def test_an_unknown_map_is_refused_with_the_choices() -> None:
    for name in ("btree", "frozen+btree", "frozen+auto+tree", "frozen+frozen+tree", "frozen+"):
        with pytest.raises(ArgumentValueError, match="dict\\+pyrsistent"):
            Store(maps=name)


@pytest.mark.parametrize("name", [5, None, ["pyrsistent"]])
def test_what_is_no_name_of_a_map_is_refused_as_such(name: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="the name of a kind of map"):
        Store(maps=name)


# What a history of so many bytes counts; tests/worlds holds the figures against what is taken.
# Once, of each key, and of each node on the way.
BYTES_OF_A_PATH = {"pyrsistent": (150, 140, 330), "immutables": (65, 25, 330)}


@pytest.mark.parametrize("name", sorted(set(BYTES_OF_A_PATH) & set(available_maps())))
def test_a_path_takes_so_much_and_so_much_more_for_every_level_of_the_tree(name: str) -> None:
    kind = map_kind(name)
    once, each, level = BYTES_OF_A_PATH[name]
    empty, one_node = kind.build({}), kind.build(dict.fromkeys(range(31)))
    two_levels = kind.build(dict.fromkeys(range(1023)))
    for version in (empty, one_node, two_levels):
        assert kind.path_bytes(version, 0) == 0
    for keys in (1, 5, 1_000):
        assert kind.path_bytes(empty, keys) == once + each
        # The one node is copied once, however many of its keys are written.
        assert kind.path_bytes(one_node, keys) == once + level + each * min(keys, 31)
    assert kind.path_bytes(two_levels, 1) == pytest.approx(once + each + 2 * level, abs=1)
    # Of the 32 nodes below the top a second key is in another one in 31 of 32 cases.
    two = once + 2 * each + (1 + 1 + 31 / 32) * level
    assert kind.path_bytes(two_levels, 2) == pytest.approx(two, abs=1)
    everything = once + 1023 * each + 33 * level
    assert kind.path_bytes(two_levels, 9_999) == pytest.approx(everything, abs=1)


@small_as_dict
def test_a_version_that_is_a_dict_takes_all_of_it_and_a_large_one_a_path_for_each_key(
    name: str,
) -> None:
    kind, large = map_kind(name), map_kind(map_kind(name).large)
    small = kind.build({"a": 1, "b": 2})
    assert kind.path_bytes(small, 1) == kind.path_bytes(small, 2) == sys.getsizeof(small)
    many = kind.build(dict.fromkeys(range(1_000)))
    assert kind.path_bytes(many, 3) == large.path_bytes(many, 3)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    maps._kind.cache_clear()
    yield monkeypatch
    maps._kind.cache_clear()


def test_without_the_extra_the_fast_map_is_refused_and_auto_does_without(fresh: Any) -> None:
    def not_installed() -> MapKind:
        raise ImportError("No module named 'immutables'")

    fresh.setitem(maps._KINDS, "immutables", not_installed)
    fresh.setitem(maps._KINDS, "dict+immutables", not_installed)
    with pytest.raises(MissingExtraError, match="fast"):
        Store(maps="immutables")
    assert map_kind("auto").name == "dict+tree"
    assert available_maps() == ("pyrsistent", "tree", "dict+pyrsistent", "dict+tree")


def test_a_pyrsistent_that_has_no_vector_in_python_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyrsistent._pvector", None)
    spec = importlib.util.spec_from_file_location("cowstate.maps_anew", maps.__file__)
    assert spec is not None
    assert spec.loader is not None
    anew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(anew)
    kind = anew.map_kind("pyrsistent")
    base = kind.build({"a": 1})
    assert dict(kind.put(base, "b", 2)) == {"a": 1, "b": 2}
    assert dict(kind.apply(base, {"b": 2, "a": MISSING})) == {"b": 2}
    assert dict(base) == {"a": 1}


@pytest.mark.parametrize("is_free_threaded", [True, False])
def test_where_it_would_switch_the_gil_on_auto_does_without_the_c_map(
    fresh: Any, is_free_threaded: bool
) -> None:
    def installed() -> MapKind:
        return map_kind("tree")._replace(name="dict+immutables")

    # Not the real one, which would switch it on here, too, if this is a free-threaded build.
    for name in ("immutables", "dict+immutables"):
        fresh.setitem(maps._KINDS, name, installed)
    known = {"Py_GIL_DISABLED": int(is_free_threaded)}
    fresh.setattr(sysconfig, "get_config_var", known.get)
    assert ("immutables" in available_maps()) is not is_free_threaded
    assert {"pyrsistent", "tree", "dict+pyrsistent", "dict+tree"} <= set(available_maps())
    assert map_kind("auto").name == ("dict+tree" if is_free_threaded else "dict+immutables")


def test_a_hundred_thousand_records_are_built_at_once_and_read_alike(kind: MapKind) -> None:
    content = {number: str(number) for number in range(100_000)}
    base = kind.build(content)
    assert len(base) == 100_000
    assert base[99_999] == "99999"
    assert kind.put(base, 5, "five")[5] == "five"
    assert base[5] == "5"


def test_a_kept_version_gives_the_garbage_collector_no_work_that_grows_with_the_map(
    kind: MapKind,
) -> None:
    """The collector walks through what each new object refers to, and a store keeps versions.

    pyrsistent's C vector fails this: every version shows the collector all of its buckets.
    """
    base = kind.build({n: n for n in range(20_000)})
    assert _new_to_the_collector(lambda: kind.put(base, 5, -1)) < 2_000
    assert _new_to_the_collector(lambda: kind.drop(base, 5)) < 2_000
    assert _new_to_the_collector(lambda: kind.apply(base, {5: -1, 6: MISSING})) < 2_000
    grown = base
    for n in range(20_000, 28_000):  # past the load that makes pyrsistent build new buckets
        grown = kind.put(grown, n, n)
    assert _new_to_the_collector(lambda: kind.put(grown, 5, -1)) < 2_000


def test_the_test_sees_what_a_c_vector_does_to_the_collector() -> None:
    vector = pyrsistent.pvector(range(20_000))
    if "pvectorc" not in type(vector).__module__:
        pytest.skip("this pyrsistent has no C vector")
    boxed = pyrsistent.pvector([(n,) for n in range(20_000)])
    assert _new_to_the_collector(lambda: boxed.set(5, (-1,))) >= 20_000


def _new_to_the_collector(make: Callable[[], object]) -> int:
    """How many references the collector follows from the objects that *make* leaves behind."""
    gc.collect()
    gc.disable()
    try:
        known: set[int] = set()
        known.update(id(thing) for thing in gc.get_objects())
        known.add(id(known))
        made = make()
        new = [thing for thing in gc.get_objects() if id(thing) not in known]
        references = sum(len(gc.get_referents(thing)) for thing in new if type(thing) is not list)
        lists = [len(thing) for thing in new if type(thing) is list and thing is not new]
        assert made is not None
        return references + sum(lists)
    finally:
        gc.enable()

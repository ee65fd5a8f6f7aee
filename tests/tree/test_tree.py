"""The tree against its laws, and each law against a tree that is broken in one line."""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    History,
    Index,
    Record,
    ReentrantWriteError,
    Store,
    tree,
)
from cowstate.maps import map_kind
from cowstate.tree import Tree
from tests.tree import laws
from tests.tree.laws import KEYS, Key, Step, Trees


def steps_of(seed: int) -> list[Step]:
    """Some steps that are the same each time."""
    draw = random.Random(seed)
    return [(draw.sample(KEYS, draw.choice([1, 5, 200])), draw.randrange(4)) for _ in range(12)]


blocks = st.builds(
    lambda start, size, stride: KEYS[start :: stride][:size],
    st.integers(0, len(KEYS) - 1), st.sampled_from([1, 3, 45, 200]), st.integers(1, 3),
)  # fmt: skip


@given(st.lists(st.tuples(blocks, st.integers(0, 3)), max_size=12))
def test_a_tree_a_dict_and_pyrsistent_stay_in_lockstep(steps: list[Step]) -> None:
    laws.stays_in_lockstep(Tree, steps)


def lockstep(trees: Trees) -> None:
    for seed in range(3):
        laws.stays_in_lockstep(trees, steps_of(seed))


@pytest.mark.parametrize("size", [0, 1, 40, 5_000])
def test_what_each_look_up_goes_through_is_the_tree_and_its_uppermost_node(size: int) -> None:
    grown = Tree.of(dict.fromkeys(range(size), 0))
    nodes = [part for part in gc.get_referents(grown) if isinstance(part, list)]
    trunk = grown.trunk()
    assert [id(part) for part in trunk] == [id(grown), *map(id, nodes)]
    assert len(trunk) == 2


LAWS: list[Callable[[Trees], None]] = [
    lockstep,
    laws.builds_puts_and_drops_many,
    laws.copies_one_path,
    laws.copies_each_node_once,
    laws.diffs_look_at_what_differs,
    laws.iterates_in_c,
    laws.no_write_is_long,
    laws.takes_few_bytes,
    laws.high_hashes_spread,
    laws.counts_what_is_there,
    laws.is_whole_wherever_it_is_struck,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_it_is_a_law_that_a_tree(law: Callable[[Trees], None]) -> None:
    law(Tree)


SOURCE = Path(tree.__file__)


def broken(line: str, instead: str) -> Trees:
    """The tree with one line that is another one, wherever it stands."""
    text = SOURCE.read_text()
    assert line in text, f"there is no such line any more: {line}"
    # By its name no part of the package: coverage would look for its source.
    module = ModuleType("broken_tree")
    module.__package__ = "cowstate"
    module.__file__ = "broken_tree.py"
    sys.modules[module.__name__] = module
    try:
        exec(compile(text.replace(line, instead), module.__file__, "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    return module.Tree  # type: ignore[no-any-return]


TWINS = {
    "writes into a leaf that is published": (
        lockstep, "leaf = child.copy()\n        leaf[key]", "leaf = child\n        leaf[key]"),
    "writes into a node that is published": (
        lockstep, "node[slot] = node = child.copy()", "node = child"),
    "writes into what a batch has not copied": (
        lockstep, "node[slot] = child = child.copy()", "pass"),
    "takes a leaf of the old tree for one of its own": (
        lockstep, "child is old[slot] else child", "len(way) > 9 else child"),
    "publishes before it is done": (
        laws.is_whole_wherever_it_is_struck, "top = self._top.copy()", "top = self._top"),
    "copies a node for each key of a batch": (
        laws.copies_each_node_once, "if child is old:", "if True:"),
    "copies all of its nodes": (
        laws.copies_one_path, "node = top = self._top.copy()",
        "import copy; node = top = copy.deepcopy(self._top)"),
    "does not split its leaves": (
        laws.builds_puts_and_drops_many, "    if len(leaf) <= _LEAF:\n        return [leaf] * span",
        "    return [leaf] * span"),
    "does not shrink": (
        laws.builds_puts_and_drops_many, "_join_up(node, slot, way)", "pass"),
    "joins two leaves, and not what that makes possible": (
        laws.builds_puts_and_drops_many, "while _join(node, slot) and way:", "while False:"),
    "has a leaf in the wrong slots": (
        lockstep, "slot &= -span\n        node[slot : slot + span] = _spread",
        "node[slot : slot + span] = _spread"),
    "is built as it is not grown": (
        laws.builds_puts_and_drops_many, "_join_all(level)", "pass"),
    "takes the count for the writes": (
        lockstep, "self._count + len(leaf) - len(child)", "self._count + 1"),
    "goes by the hash as it is": (
        laws.high_hashes_spread, "place = hash((key,)) >> _UPPER", "place = hash(key)"),
    "loses keys that have become equal": (
        laws.counts_what_is_there, "if len(low) + len(high) != len(leaf):", "if False:"),
    "loses keys that have become equal when it joins": (
        laws.counts_what_is_there, "if len(joined) != len(leaf) + len(other):", "if False:"),
    "compares a leaf with a part of what it was divided into": (
        lockstep, "after = slot + max(_span(old, slot), _span(new, slot))", "after = slot + 1"),
    "forgets what was deleted when it compares": (
        lockstep, "delta[key] = (record, MISSING)", "pass"),
    "compares all it has": (
        laws.diffs_look_at_what_differs, "compress(range(_FAN), map(is_not, old, new))",
        "range(_FAN)"),
    "goes through its leaves in Python": (
        laws.iterates_in_c, "return chain.from_iterable(_leaves(self._top))",
        "return (key for leaf in _leaves(self._top) for key in leaf)"),
    "divides its leaves among a multiple of keys": (
        laws.takes_few_bytes, "_LEAF: Final = 42", "_LEAF: Final = 420"),
    "hashes all of its keys again": (
        laws.no_write_is_long, "_settle(node, slot, leaf, shift)\n        return",
        "_settle(node, slot, leaf, shift); list(map(hash, self))\n        return"),
}  # fmt: skip


@pytest.mark.parametrize("what", TWINS)
def test_a_law_is_broken_by_a_tree_that(what: str) -> None:
    law, line, instead = TWINS[what]
    with pytest.raises((AssertionError, LookupError, AttributeError, ValueError)):
        law(broken(line, instead))


# In a store


class Slot(Record):
    number: int
    side: str = "buy"


def test_a_key_may_call_the_store_from_its_hash_and_its_comparison() -> None:
    class Calling(Key):
        def __hash__(self) -> int:
            seen.append(len(store.snapshot()))
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            seen.append(store.snapshot().get("a"))
            with pytest.raises(ReentrantWriteError):
                store.set("b", 2)
            return super().__eq__(other)

    seen: list[Any] = []
    store: Store[Any, int] = Store({"a": 1}, maps="tree")
    for name in "cdef":
        store.set(Calling(name, 7), 1)
    with store.transaction() as tx:
        for name in "ghij":
            tx[Calling(name, 7)] = 2
    assert len(store.snapshot()) == 9
    assert {1, 2, 3, 4, 5} <= set(seen)


@pytest.mark.parametrize("method", ["__hash__", "__eq__"])
def test_what_a_key_raises_in_the_middle_leaves_the_store_as_it_was(method: str) -> None:
    def fail(*_: object) -> Any:
        if armed:
            raise LookupError("not now")
        return getattr(Key, method)(*_)

    armed = False
    failing = type("Failing", (Key,), {"__hash__": Key.__hash__, method: fail})
    # As many as a leaf takes, with one hash: the next one makes the tree divide them.
    store: Store[Any, int] = Store({failing(n, 7): n for n in range(42)}, maps="tree")
    before = store.snapshot()
    armed = True
    for write in (store.set, lambda key, record: store.transact(lambda tx: tx.update({key: 1}))):
        with pytest.raises(LookupError, match="not now"):
            write(Key("another", 7), 1)
    armed = False
    assert store.snapshot() is before
    assert len(store.set("plain", 1).after) == 43


def test_a_diff_without_a_ring_looks_at_what_differs() -> None:
    store = Store(dict.fromkeys(range(50_000), 0), maps="tree", history=History(versions=1))
    before = store.snapshot()
    for number in (3, 4_444, 3):
        store.set(number, number)
    store.delete(9)
    now = store.snapshot()
    assert dict(now.diff(before)) == {3: (0, 3), 4_444: (0, 4_444), 9: (0, MISSING)}
    assert before.diff(now) == now.diff(before).inverse()
    assert laws.calls_of(lambda: now.diff(before)) < 1_500
    assert store.statistics().diff_scans == 4


def test_a_small_map_and_a_tree_are_compared_too() -> None:
    store = Store({n: n for n in range(80)}, maps="dict+tree", history=History(versions=1))
    small = store.snapshot()
    store.transact(lambda tx: tx.update({n: n for n in range(75, 300)}))
    large = store.snapshot()
    assert store.statistics().map == "tree"
    assert set(large.diff(small)) == set(range(80, 300))
    assert small.diff(large) == large.diff(small).inverse()


def test_readers_see_whole_maps_while_a_writer_writes() -> None:
    """On a free-threaded build they truly run at once; all that is read belongs to one version."""
    size, writes = 2_000, 1_500
    store = Store(
        {n: Slot(1) for n in range(size)},
        maps="tree",
        indexes={"side": Index(lambda slot: slot.side)},
        aggregates={"sum": Aggregate.sum(lambda slot: slot.number)},
    )
    done = threading.Event()
    failed: list[BaseException] = []
    start = threading.Barrier(3)

    def read() -> None:
        start.wait()
        try:
            while not done.is_set():
                now = store.snapshot()
                records = dict(now.items())
                assert len(records) == len(now)
                assert sum(slot.number for slot in records.values()) == now.total("sum") == size
                assert now.find_all("side", "sell").items() <= records.items()
        except BaseException as error:
            failed.append(error)

    def write() -> None:
        start.wait()
        try:
            for n in range(writes):
                with store.transaction() as tx:
                    giver, taker = n * 7 % size, n * 11 % size + size
                    tx[taker] = Slot(tx.pop(giver).number + tx.get(taker, Slot(0)).number, "sell")
                    tx[giver] = Slot(0)
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    threads = [threading.Thread(target=work, daemon=True) for work in (read, read, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
        assert not thread.is_alive()
    assert not failed, failed[0]
    laws.check_whole(store.snapshot()._map)


def test_the_path_of_a_version_is_estimated_within_a_factor_of_two() -> None:
    kind = map_kind("tree")
    for size in (10, 1_000, 10_000, 100_000):
        base = kind.build(dict.fromkeys(range(size), 0))
        known = {id(part) for part in laws.parts(base)}
        taken = []
        for key in range(0, size, max(1, size // 50)):
            parts = laws.parts(kind.put(base, key, 1))
            taken.append(sum(sys.getsizeof(part) for part in parts if id(part) not in known))
        assert 0.5 < kind.path_bytes(base, 1) / (sum(taken) / len(taken)) < 2
        for keys in (10, 100):
            after = base
            for key in random.Random(size).choices(range(size), k=keys):
                after = kind.put(after, key, 1)
            new = [part for part in laws.parts(after) if id(part) not in known]
            assert 0.5 < kind.path_bytes(base, keys) / sum(map(sys.getsizeof, new)) < 2


def test_the_estimate_does_not_go_by_the_first_way_down() -> None:
    kind = map_kind("tree")
    # Below the first slot of the root there is next to nothing, whatever hash the keys have.
    first = [key for key in range(40_000) if not hash((key,)) >> tree._UPPER & tree._SLOT]
    for few in (1, 20):
        keys = sorted({*range(40_000)}.difference(first[few:]))
        base = kind.build(dict.fromkeys(keys, 0))
        known = {id(part) for part in laws.parts(base)}
        for count in (1, 10, 100, 1_000):
            after = base
            for key in random.Random(count).sample(keys, k=count):
                after = kind.put(after, key, 1)
            new = [part for part in laws.parts(after) if id(part) not in known]
            assert 0.5 < kind.path_bytes(base, count) / sum(map(sys.getsizeof, new)) < 2


def test_leaves_that_are_joined_keep_the_order_of_their_keys() -> None:
    base = Tree.of({f"key{n}": n for n in range(43)})
    listed = list(base)
    assert len(laws.parts(base)) == 3
    for dropped in listed:
        assert list(base.drop(dropped)) == [key for key in listed if key != dropped]


def test_a_tree_refuses_to_be_assigned_to() -> None:
    one = Tree.of({"a": 1})
    with pytest.raises(AttributeError):
        one._count = 5  # type: ignore[misc]


def test_trees_are_equal_if_they_are_one() -> None:
    # Whoever compares records compares mappings; two trees of the same records are two versions.
    one, other = Tree.of({"a": 1}), Tree.of({"a": 1})
    assert one == one  # noqa: PLR0124
    assert one != other


class Odd:
    """Equal to all of its kind, with a hash of its own."""

    def __init__(self, hashed: int) -> None:
        self.hashed = hashed

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)


def test_keys_that_have_become_equal_stay_where_they_are_when_leaves_are_joined() -> None:
    # Both have the hash of the other by now, so a leaf that held both would hold one.
    one, other = Odd(5), Odd(5)
    in_low_half = next(n for n in range(10_000) if hash((n,)) >> tree._UPPER & 0b1000011111 == 0)
    node = [{one: 1, in_low_half: 0}] * 16 + [{other: 2}] * 16
    full: list[Any] = [{(slot, n): n for n in range(42)} for slot in range(31)]
    base: Tree[Any, Any] = Tree([node, *full], 3 + 31 * 42)
    smaller = base.drop(in_low_half)
    assert sum(1 for _ in smaller) == len(smaller) == len(base) - 1
    assert [key for key in smaller if type(key) is Odd] in ([one, other], [other, one])

"""What must be true of a tree, as functions of the class: a broken one can be tried, too."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pyrsistent

from cowstate import MISSING
from cowstate.tree import Tree
from tests.laws.points import Tracer

FAN, FULL = 32, 42
"""The slots of a node; the keys that a leaf takes."""

Trees = type[Tree[Any, Any]]


class Key:
    """A key of which a test chooses the hash, and may choose another one later."""

    def __init__(self, name: object, number: int) -> None:
        self.name = name
        self.number = number

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.name == other.name

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.number})"


NAN = float("nan")
KEYS: list[Any] = [
    *range(150),
    *(f"key{n}" for n in range(100)),
    *(Key(("equal", n), 7) for n in range(60)),
    *(Key(("high", n), n << 55) for n in range(60)),
    *(n << 40 for n in range(60)),
    -1, -2, None, (), "", NAN, 1.5,
]  # fmt: skip
"""Keys of all kinds, more of each than a leaf takes."""


# What a tree is made of


def spans(node: list[Any]) -> Iterator[tuple[int, int, Any]]:
    """What stands in a node: ``(first slot, how many slots, leaf or node)``."""
    slot = 0
    while slot < FAN:
        child, first = node[slot], slot
        while slot < FAN and node[slot] is child:
            slot += 1
        yield first, slot - first, child


def parts(tree: Any) -> list[Any]:
    """Every node and leaf, once."""
    found: list[Any] = []
    rest = [tree._top]
    while rest:
        part = rest.pop()
        found.append(part)
        if type(part) is list:
            rest += [child for _, _, child in spans(part)]
    return found


def path(tree: Any, key: object) -> list[Any]:
    """The nodes, and the leaf, on the way to *key*, as a look-up goes."""
    (found,) = [way for way in paths(tree._top) if any(k is key for k in way[-1])]
    return found


def paths(node: list[Any]) -> Iterator[list[Any]]:
    for _, _, child in spans(node):
        if type(child) is list:
            for rest in paths(child):
                yield [node, *rest]
        else:
            yield [node, child]


def shape(node: list[Any]) -> tuple[Any, ...]:
    """Which keys are in which slots, whatever their order within a leaf."""
    return tuple(
        (span, shape(child) if type(child) is list else {id(key) for key in child})
        for _, span, child in spans(node)
    )


def check_whole(tree: Any, depth: int = 7) -> None:
    """Each leaf has the slots that it must have, each key is where it is looked for."""
    leaves = [part for part in parts(tree) if type(part) is dict]
    assert sum(map(len, leaves)) == len(tree)
    for leaf in leaves:
        for key, record in leaf.items():
            assert tree[key] is record, f"{key!r} is not found"
    for way in paths(tree._top):
        assert len(way) <= depth
        assert len(way[-1]) <= FULL or len(way) == depth, "a leaf is too full"
    check_spans(tree._top)


def check_spans(node: list[Any], is_top: bool = True) -> None:
    assert type(node) is list
    assert len(node) == FAN
    found = {first: (span, child) for first, span, child in spans(node)}
    assert is_top or len(found) > 1, "a node is one leaf"
    for first, (span, child) in found.items():
        assert span & span - 1 == 0, "the slots of a leaf are a power of two"
        assert first % span == 0, "they begin at a multiple of it"
        if type(child) is list:
            assert span == 1
            check_spans(child, is_top=False)
        elif (twin := found.get(first ^ span)) and twin[0] == span and type(twin[1]) is dict:
            assert len(child) + len(twin[1]) > FULL, "two leaves fit into one"


def same(tree: Any, content: dict[Any, Any]) -> None:
    """The tree is the dict, asked in every way."""
    assert len(tree) == len(content)
    listed = list(tree)
    assert len(listed) == len(content)
    assert dict(tree.items()) == content
    assert list(tree.items()) == list(zip(listed, tree.values(), strict=True))
    for key in KEYS:
        assert (key in tree) == (key in content)
        assert tree.get(key, MISSING) is content.get(key, MISSING)


def delta_between(old: dict[Any, Any], new: dict[Any, Any]) -> dict[Any, Any]:
    """What a diff must say."""
    both = {**old, **new}
    pairs = {key: (old.get(key, MISSING), new.get(key, MISSING)) for key in both}
    return {key: pair for key, pair in pairs.items() if pair[0] is not pair[1]}


# The laws


Step = tuple[list[Any], int]
"""What is written at once: keys, and what is under them then; 0 deletes them."""


def stays_in_lockstep(trees: Trees, steps: list[Step]) -> None:
    """A tree, a dict and pyrsistent's map are the same whatever is written; no version changes."""
    tree: Any = trees.of({})
    content: dict[Any, Any] = {}
    reference = pyrsistent.pmap()
    history = []
    for number, (keys, record) in enumerate(steps):
        history.append((tree, content, list(map(len, parts(tree)))))
        content = dict(content)
        writes = dict.fromkeys(keys, MISSING if record == 0 else (number, record))
        for key, new in writes.items():
            if new is MISSING:
                content.pop(key, None)
                reference = reference.discard(key)
            else:
                content[key] = new
                reference = reference.set(key, new)
        if record % 2:
            tree = tree.apply(writes, record == 0)
        else:
            for key, new in writes.items():
                if new is not MISSING:
                    tree = tree.put(key, new)
                elif key in tree:
                    tree = tree.drop(key)
                else:
                    tree = tree.apply({key: MISSING})
        same(tree, content)
        for key in content.keys() - {NAN}:  # which pyrsistent never finds again
            assert reference[key] is tree[key]
        check_whole(tree)
        assert shape(tree._top) == shape(trees.of(content)._top), "it depends on how it came about"
    for old, was, sizes in history:
        same(old, was)
        assert list(map(len, parts(old))) == sizes, "a published node was changed"
        assert tree.difference(old) == delta_between(was, content)
        assert old.difference(tree) == delta_between(content, was)


def builds_puts_and_drops_many(trees: Trees) -> None:
    """At every size there are the right leaves: on the way up, on the way down, and built."""
    tree: Any = trees.of({})
    keys = [f"many{n}" for n in range(3_000)]
    for number, key in enumerate(keys, 1):
        tree = tree.put(key, key)
        if number in (42, 43, 44, 500, 1_344, 1_345, 3_000):
            check_whole(tree)
            built = trees.of({key: key for key in keys[:number]})
            assert shape(built._top) == shape(tree._top)
            assert tree.difference(built) == built.difference(tree) == {}
    random.Random(1).shuffle(keys)
    for number, key in enumerate(keys):
        tree = tree.drop(key)
        if number % 300 == 0:
            check_whole(tree)
    assert len(parts(tree)) == 2, "what is empty has one leaf"


def copies_one_path(trees: Trees) -> None:
    """A write makes the nodes on the way to its key anew, and shares all others."""
    for size in (10, 1_000, 30_000):
        keys = [f"key{n}" for n in range(size)]
        tree = trees.of(dict.fromkeys(keys, 0))
        known = {id(part) for part in parts(tree)}
        for key in keys[:: max(1, size // 10)]:
            way = path(tree, key)
            new = [part for part in parts(tree.put(key, 1)) if id(part) not in known]
            assert len(new) == len(way), "as many as are on the way"
            assert sum(len(part) for part in new if type(part) is dict) == len(way[-1])


def copies_each_node_once(trees: Trees) -> None:
    """A batch makes a node anew once, however many of its keys it writes."""
    keys = [f"key{n}" for n in range(2_000)]
    tree = trees.of(dict.fromkeys(keys, 0))
    for written in (keys[:10], keys[:1_000], keys):
        copies = 0

        def see(frame: object, event: str, called: Any) -> None:
            nonlocal copies
            copies += event == "c_call" and called.__name__ == "copy"

        writes = dict.fromkeys(written, 1)
        before = sys.getprofile()
        sys.setprofile(see)
        try:
            after = tree.apply(writes, False)
        finally:
            sys.setprofile(before)
        known = {id(part) for part in parts(tree)}
        new = [part for part in parts(after) if id(part) not in known]
        assert copies == len(new), f"{copies} copies make {len(new)} nodes"


def diffs_look_at_what_differs(trees: Trees) -> None:
    """A diff asks for none of what both maps share."""
    tree = trees.of({n: n for n in range(100_000)})
    other = tree.apply({5: -1, 77_777: MISSING, "new": 1})
    assert other.difference(tree) == {5: (5, -1), 77_777: (77_777, MISSING), "new": (MISSING, 1)}
    assert calls_of(lambda: other.difference(tree)) < 800
    assert calls_of(lambda: tree.difference(other)) < 800
    assert calls_of(lambda: tree.difference(tree)) < 10


def iterates_in_c(trees: Trees) -> None:
    """Hardly any of an iteration runs in Python: a dict's own iterators do."""
    for size in (1_000, 30_000, 100_000):
        tree = trees.of(dict.fromkeys(range(size), 0))
        for way in (iter, trees.items, trees.values):
            calls = calls_of(lambda way=way, tree=tree: list(way(tree)))  # type: ignore[misc]
            assert calls < 30 + size // 20, f"{calls} calls for {size} keys"


def calls_of(act: Callable[[], object]) -> int:
    """How many functions were called, in Python or in C."""
    count = 0

    def see(frame: object, event: str, _: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


def no_write_is_long(trees: Trees) -> None:
    """No single write hashes more than some leaves' keys, as a tree grows and as it shrinks."""

    class Counted(Key):
        def __hash__(self) -> int:
            nonlocal hashed
            hashed += 1
            return super().__hash__()

    hashed = total = 0
    keys = [Counted(n, n) for n in range(20_000)]
    tree: Any = trees.of({})
    writes = [(trees.put, (key, 0)) for key in keys] + [(trees.drop, (key,)) for key in keys]
    for write, args in writes:
        hashed = 0
        tree = write(tree, *args)
        assert hashed < 10 * FULL, f"{hashed} keys were hashed for one write"
        total += hashed
    assert total < 15 * len(writes)


def takes_few_bytes(trees: Trees) -> None:
    """A version takes a few kibibytes that the one before has not, however many records."""
    for size in (1_000, 100_000):
        tree = trees.of(dict.fromkeys(range(size), 0))
        known = {id(part) for part in parts(tree)}
        new = [part for part in parts(tree.put(size // 2, 1)) if id(part) not in known]
        assert sum(map(sys.getsizeof, new)) < 4_000


def high_hashes_spread(trees: Trees) -> None:
    """Hashes that differ in their upper bits alone, or lower ones, do not go the same way."""
    for shift in (0, 20, 40, 50):
        keys = [Key(n, n << shift) for n in range(2_000)]
        tree = trees.of(dict.fromkeys(keys, 0))
        check_whole(tree)
        assert max(map(len, paths(tree._top))) <= 5


def counts_what_is_there(trees: Trees) -> None:
    """Whatever hashes its keys have later, a tree has as many as it says, and no other is lost."""

    class Fickle(Key):
        """It says one hash for its place, and another one to the dict of its leaf."""

        asked = 0

        def __hash__(self) -> int:
            self.asked += 1
            return 3 if self.asked % 2 else self.number

    for strange in ([Key(n, n) for n in range(200)], [Fickle(n, n) for n in range(100, 138)]):
        tree: Any = trees.of(dict.fromkeys([*strange, *range(20)], 0))
        for key in strange:
            key.number, key.name = 3, "all equal, from now on"
        for other in range(500):
            tree = tree.put(other, 1)
        tree = tree.apply(dict.fromkeys(range(500, 600), 1))
        for other in range(600):
            assert tree[other] == 1
            tree = tree.drop(other)
            # A dict, too, may find out that two of its keys are equal by now, when it is copied.
            assert 599 - other <= len(tree) == len(list(tree)) <= 599 - other + len(strange)


class Struck(BaseException):
    """What comes up in the middle, as Ctrl-C does."""


def is_whole_wherever_it_is_struck(trees: Trees) -> None:
    """An exception at any instruction of a write leaves the tree that it is of as it was."""
    keys = [f"key{n}" for n in range(300)]
    content = dict.fromkeys(keys, 0)
    tree = trees.of(content)
    where = trees.put.__code__.co_filename
    full = next(way[-1] for way in paths(tree._top) if len(way[-1]) > 30)
    mate = next(iter(full))
    others: Iterator[str] = (f"other{n}" for n in range(10**6))
    growing = tree
    while len(path(growing, mate)[-1]) < FULL:
        growing = growing.put(next(others), 0)
    acts: list[tuple[Any, Callable[[], object]]] = [
        (tree, lambda: tree.put("key7", 1)),
        (tree, lambda: tree.drop("key7")),
        (tree, lambda: tree.apply({"key1": 1, "key2": MISSING, "new": 3, "none": MISSING})),
        (growing, lambda: [growing.put(f"splits{n}", 1) for n in range(40)]),
        (growing, lambda: growing.apply(dict.fromkeys(keys[:290], MISSING))),
    ]
    for base, act in acts:
        was, form = dict(base.items()), shape(base._top)
        step = 1
        point = 0
        while strike(act, point, where):
            assert dict(base.items()) == was, f"another one after point {point}"
            assert shape(base._top) == form
            step += point // 400  # the first ones all, and later ones of long acts here and there
            point += step
        check_whole(base)


def strike(act: Callable[[], object], point: int, where: str) -> bool:
    """Raise at the opcode of that number; whether there is one."""
    seen = 0

    def at(frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen > point:
            raise Struck

    before = sys.gettrace()
    sys.settrace(Tracer(at, lambda code: code.co_filename == where))
    try:
        act()
    except Struck:
        return True
    finally:
        sys.settrace(before)
    return False

"""A persistent map in pure Python: a trie of lists, whose leaves are plain dicts.

A node is a list of 32 slots. A key goes down by five bits of its place, level by level, until it
comes to a leaf; the dict there does the rest, so equality, collisions and NaN are what they are
in a dict. A leaf takes up to 42 keys, and as many slots beside each other as that allows: one
that grows beyond gives half of its slots to a new one, and of one slot it becomes a node. Two
halves of which one would do, become one again. So the same keys always make the same tree.

    top   [ a a a a a a a a  b b b b  ·  c d d  ... ]
                                      │
                      what a set of   [ e e  f f  ... ]
                      a key in f copies:       └── {k: …}      f, and the nodes on the way to it

What is published is never changed: a node and a leaf are written to only while nobody else can
have seen them. So a reader needs no lock on any interpreter, and what is raised in the middle of
a write leaves nothing behind but garbage.

Why lists of 32 and dicts of 42, what else was tried, and what it cost, stands in
docs/explanation/tree.md. Three reasons need no table:

- 42 keys are what a dict's table of 64 holds. One more, and each copy takes twice the bytes.
- A dict is copied whole, by one call of C, and so is a list. A tuple must be taken apart: with
  nodes of tuples a set took 30 to 50 % longer.
- The garbage collector walks through what each new object refers to. Lists and dicts show it all
  that they hold, and tuples would, too: they are only passed over if all in them is untracked, as
  numbers and strings are, and as no instance of a class is that could be in a cycle. So what
  counts is how many references one write copies: 32 a level, and two for each key of the leaf,
  which makes 90 at 1,000 records and 155 at a million.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain, compress, repeat
from operator import and_, is_not, rshift
from sys import getsizeof
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from .changes import MISSING, Delta
from .paths import reached

__all__ = ["Tree"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Leaf: TypeAlias = dict[Any, Any]
Node: TypeAlias = list[Any]
"""Of 32 slots; in each is a `Node` or a `Leaf`, and the same leaf in all that it has."""

_BITS: Final = 5
_FAN: Final = 1 << _BITS
_SLOT: Final = _FAN - 1
_LEAF: Final = 42
_DEEPEST: Final = 30
"""How many bits of a place there are. A leaf below all of them takes any number of keys."""

# The place of a key is `hash((key,)) >> _UPPER`. Hashes of numbers are the numbers, and others'
# hashes may differ in any bits; the hash of a tuple stirs them, in C, and its upper bits depend
# upon all of them. Thirty bits are one digit of an int, with which CPython is quick.
_UPPER: Final = sys.hash_info.width - _DEEPEST

_LOOKS: Final = 4
"""How many nodes of each level an estimate looks at, at the most."""


class Tree(msgspec.Struct, Generic[K, V], frozen=True, eq=False):
    """A map that is never changed: each write returns another one, which shares what it can.

    Any number of threads may read it at once, without a lock, on every build of CPython. The
    order of its keys is that of their places, and within a leaf that in which they came: the same
    writes give the same order, wherever their keys have the same hashes.

    A key whose hash changes, or is not that of its equals, may not be found again, as in a dict.
    It does no harm to others, and is counted and iterated over as long as it is there. What a
    key's ``__hash__`` and ``__eq__`` raise comes through, and no tree has changed.

    >>> tree = Tree.of({"a": 1})
    >>> tree.put("b", 2)["b"], len(tree)
    (2, 1)
    """

    _top: Node
    _count: int

    @classmethod
    def of(cls, records: Mapping[K, V]) -> Tree[K, V]:
        """Return a tree of the items of *records*. O(N), and each key is hashed twice."""
        if len(records) <= _LEAF:
            return cls([dict(records)] * _FAN, len(records))
        # A leaf for each slot of a level so low that most are not too full. What is not right
        # then, is put right on the way up.
        shift = 0
        while len(records) > _LEAF << shift and shift < _DEEPEST:
            shift += _BITS
        leaves: list[Any] = [{} for _ in range(1 << shift)]
        # `zip` of one iterable makes the tuples to be hashed, and makes only one of them.
        places = map(rshift, map(hash, zip(records)), repeat(_UPPER))
        homes = map(leaves.__getitem__, map(and_, places, repeat(len(leaves) - 1)))
        for leaf, key, record in zip(homes, records, records.values(), strict=True):
            leaf[key] = record
        count = sum(map(len, leaves))
        level = [_spread(leaf, shift - _BITS, 1)[0] for leaf in leaves]
        for bits in range(shift - _BITS, 0, -_BITS):
            level = [_folded(level[slot :: 1 << bits]) for slot in range(1 << bits)]
        _join_all(level)
        return cls(level, count)

    def __getitem__(self, key: K) -> V:
        place = hash((key,)) >> _UPPER
        node: Any = self._top[place & _SLOT]
        while type(node) is list:
            place >>= _BITS
            node = node[place & _SLOT]
        return node[key]  # type: ignore[no-any-return]

    def get(self, key: K, default: Any = None, /) -> Any:
        """Return the record under *key*, or *default*. O(log N)."""
        place = hash((key,)) >> _UPPER
        node: Any = self._top[place & _SLOT]
        while type(node) is list:
            place >>= _BITS
            node = node[place & _SLOT]
        return node.get(key, default)

    def __contains__(self, key: object) -> bool:
        place = hash((key,)) >> _UPPER
        node: Any = self._top[place & _SLOT]
        while type(node) is list:
            place >>= _BITS
            node = node[place & _SLOT]
        return key in node

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(_leaves(self._top))

    def values(self) -> Iterator[V]:
        """Iterate over the records, in the order of the keys."""
        return chain.from_iterable(map(dict.values, _leaves(self._top)))

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate over the ``(key, record)`` pairs."""
        return chain.from_iterable(map(dict.items, _leaves(self._top)))

    def put(self, key: K, record: V) -> Tree[K, V]:
        """Return the tree with *record* under *key*. O(log N): copies one path."""
        place = hash((key,)) >> _UPPER
        node = top = self._top.copy()
        slot = place & _SLOT
        child: Any = node[slot]
        shift = 0
        while type(child) is list:
            node[slot] = node = child.copy()
            place >>= _BITS
            shift += _BITS
            slot = place & _SLOT
            child = node[slot]
        leaf = child.copy()
        leaf[key] = record
        # What `_settle` does, for the most frequent case and without a call.
        if len(leaf) <= _LEAF and node[slot ^ 1] is not child:
            node[slot] = leaf
        else:
            _settle(node, slot, leaf, shift)
        return Tree(top, self._count + len(leaf) - len(child))

    def drop(self, key: K) -> Tree[K, V]:
        """Return the tree without *key*; `KeyError` if it is not there. O(log N)."""
        if key not in self:
            raise KeyError(key)
        return self.apply({key: MISSING})

    def apply(self, writes: Mapping[K, Any], deletes: bool = True) -> Tree[K, V]:
        """Return the tree with all *writes*, where `MISSING` deletes. O(k log N).

        Copies each node once, however many keys are written below it. *deletes* False says that
        none of the records is `MISSING`, which is quicker.
        """
        top = self._top.copy()
        count = self._count
        for key, record in writes.items():
            place = hash((key,)) >> _UPPER
            node, slot, shift = top, place & _SLOT, 0
            # What stands in a slot of ours is ours, too, and may be written to, exactly if it is
            # not what stands in that slot of the old tree.
            old: Any = self._top
            child = node[slot]
            way = []
            while type(child) is list:
                old = old[slot] if type(old) is list else None
                if child is old:
                    node[slot] = child = child.copy()
                if deletes:
                    way.append((node, slot))
                node = child
                place >>= _BITS
                shift += _BITS
                slot = place & _SLOT
                child = node[slot]
            leaf = child.copy() if type(old) is list and child is old[slot] else child
            count -= len(child)  # not of the copy: keys that became equal are one in that
            if record is not MISSING:
                leaf[key] = record
            else:
                leaf.pop(key, None)
            count += len(leaf)
            if leaf is not child or len(leaf) > _LEAF:
                _settle(node, slot, leaf, shift)
            if record is MISSING:
                _join_up(node, slot, way)
        return Tree(top, count)

    def difference(self, older: Tree[K, V]) -> Delta[K, V]:
        """Return what changed from *older* to this tree, ``{key: (old, new)}``, by identity.

        Costs O(what the two do not share), and O(N) at the most: where both have the very same
        node or leaf, nothing below it is looked at.
        """
        delta: Delta[K, V] = {}
        pairs: list[tuple[Node, Node]] = [(older._top, self._top)]
        while pairs:
            old, new = pairs.pop()
            after = 0
            for slot in compress(range(_FAN), map(is_not, old, new)):
                if slot < after:
                    continue
                if type(old[slot]) is list and type(new[slot]) is list:
                    pairs.append((old[slot], new[slot]))
                    continue
                # Where one has a leaf, the other may have that divided among the same slots.
                after = slot + max(_span(old, slot), _span(new, slot))
                _compare(_gathered(old[slot:after]), _gathered(new[slot:after]), delta)
        return delta

    def path_bytes(self, keys: int) -> int:
        """Estimate the bytes that a tree takes that differs from this one by *keys* written.

        A few nodes of each level are looked at, for some lead to leaves that are deeper.
        """
        size, writes, nodes, some = float(getsizeof(self)), float(keys), 1.0, [self._top]
        while some:
            size += reached(nodes, writes) * sum(map(getsizeof, some)) / len(some)
            above = [node for node in some if type(node) is list]
            writes *= len(above) / len(some)
            # A leaf may stand in several slots.
            nodes *= sum(len(set(map(id, node))) for node in above) / len(some)
            some = [child for node in above for child in node[:: len(above) * _FAN // _LOOKS]]
        return int(size)

    def trunk(self) -> tuple[object, ...]:
        """Return the objects that each look-up goes through, whatever the key."""
        return (self, self._top)


def _leaves(top: Node) -> Iterator[Leaf]:
    return chain.from_iterable(_families(top))


def _families(node: Node) -> Iterator[Iterable[Leaf]]:
    """Return the leaves below *node* in groups, most of which only C code goes through."""
    children = compress(node, map(is_not, node, chain((None,), node)))
    if list not in map(type, node):
        yield children
    else:
        for child in children:
            if type(child) is list:
                yield from _families(child)
            else:
                yield (child,)


def _span(node: Node, slot: int) -> int:
    """Return how many slots what is in *slot* has: 1, 2, 4, and so on, one of which is *slot*."""
    child, span = node[slot], 1
    while span < _FAN and node[slot ^ span] is child:
        span <<= 1
    return span


def _settle(node: Node, slot: int, leaf: Leaf, shift: int) -> None:
    """Put *leaf* into all slots of the leaf in *slot*, or several leaves if it is too full."""
    span = _span(node, slot)
    if span == 1 and len(leaf) <= _LEAF:
        node[slot] = leaf
    else:
        slot &= -span
        node[slot : slot + span] = _spread(leaf, shift, span)


def _spread(leaf: Leaf, shift: int, span: int) -> Node:
    """Return what *span* slots of a node are to hold so that they hold what is in *leaf*.

    Args:
        leaf: a leaf that only the caller has seen.
        shift: how many bits of the places of its keys led to the node.
        span: of how many slots.
    """
    if len(leaf) <= _LEAF:
        return [leaf] * span
    if span == 1:
        deeper = shift + _BITS
        return [leaf if deeper >= _DEEPEST else _spread(leaf, deeper, _FAN)]
    half = span >> 1
    sides = [hash((key,)) >> _UPPER + shift & half for key in leaf]
    # Keys that somebody chose to have one hash are not parted on any level. To put them into
    # another dict would compare each with each, on each.
    if not any(sides):
        return _spread(leaf, shift, half) + [{}] * half
    if all(sides):
        return [{}] * half + _spread(leaf, shift, half)
    low: Leaf = {}
    high: Leaf = {}
    for side, (key, record) in zip(sides, leaf.items(), strict=True):
        (high if side else low)[key] = record
    # Keys that have become equal since they came would be one there. They stay here.
    if len(low) + len(high) != len(leaf):
        return [leaf] * span
    return _spread(low, shift, half) + _spread(high, shift, half)


def _join(node: Node, slot: int) -> bool:
    """Join the leaf in *slot* with those beside it that fit in; whether it now has all slots."""
    span = _span(node, slot)
    while span < _FAN:
        leaf, other = node[slot], node[slot ^ span]
        if (
            type(other) is list
            or len(leaf) + len(other) > _LEAF
            or _span(node, slot ^ span) != span
        ):
            return False
        joined = leaf | other if slot & span == 0 else other | leaf
        if len(joined) != len(leaf) + len(other):
            return False
        span <<= 1
        slot &= -span
        node[slot : slot + span] = [joined] * span
    return True


def _join_up(node: Node, slot: int, way: list[tuple[Node, int]]) -> None:
    """Join what is in *slot*, and a node that is one leaf with what is beside it, and so on up.

    All these nodes are the caller's: *node*, and those whose slots on the *way* led to it.
    """
    while _join(node, slot) and way:
        leaf = node[0]
        node, slot = way.pop()
        node[slot] = leaf


def _join_all(node: Node) -> bool:
    """Join all leaves of a *node* with those beside them; whether one now has all slots."""
    return any(type(node[slot]) is dict and _join(node, slot) for slot in range(_FAN))


def _folded(node: Node) -> Node | Leaf:
    return node[0] if _join_all(node) else node


def _gathered(children: Node) -> Leaf:
    """Return all that is in these slots."""
    return dict(chain.from_iterable(map(dict.items, _leaves(children))))


def _compare(old: Leaf, new: Leaf, delta: Delta[Any, Any]) -> None:
    for key, record in new.items():
        was = old.get(key, MISSING)
        if was is not record:
            delta[key] = (was, record)
    for key, record in old.items():
        if key not in new:
            delta[key] = (record, MISSING)

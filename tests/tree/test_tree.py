"""The tree against its laws, and each law against a tree that is broken in one line."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import tree
from cowstate.tree import Tree
from tests.tree import laws
from tests.tree.laws import KEYS, Step, Trees


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
    module = ModuleType("cowstate.broken_tree")
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

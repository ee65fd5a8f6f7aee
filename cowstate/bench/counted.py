"""Targets that are measured in instructions, and what the first core took of them.

Some compare with *the first core*, that of before this package measured itself so closely (commit
9f030e4), which is not there to be run side by side. What stands for it is the hand-written
baseline of today: ``first_core.json`` says, for each release, how many instructions an operation
of that core took and how many one hand-written update of today takes there. Both were counted
with the same interpreter and packages, by docs/explanation/performance/first_core.py. So what the
first core would take here is that ratio times what the baseline takes here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import NamedTuple

from .callgrind import available, release
from .errors import InstructionCountError
from .instructions import Count, count
from .measure import Ratio, Settings
from .variant import DEFAULT
from .verdicts import Target

__all__ = ["counted_targets", "counts_here", "first_core"]

_MAPS = DEFAULT.partition("/")[2]
# The default map of the first core, where this one is the default of today.
_BEFORE = _MAPS if _MAPS == "dict+immutables" else "dict+pyrsistent"
_HAND = f"update/{_MAPS}"
_PLAIN = "update/dict+tree"
_BY_TEN = "by ten updates of the first core, in instructions"


class _Row(NamedTuple):
    """One target.

    Attributes:
        what: for the table.
        bound: the most that it may be.
        path: the hot path.
        first: the operation of the first core that it is compared with; for none, its baseline.
        times: how many of those.
        hand: the hot path whose baseline stands for the first core.
    """

    what: str
    bound: float
    path: str
    first: str = ""
    times: int = 1
    hand: str = _HAND


_ROWS = (
    _Row("update over the C map, by hand-written, in instructions", 1.45, "update/immutables"),
    _Row("update, by update in place, in instructions", 1.65, "update by the twin"),
    _Row(
        "update on a plain install, by the first core's, in instructions",
        0.30,
        _PLAIN,
        "update/dict+pyrsistent",
        hand=_PLAIN,
    ),
    _Row(f"ten in a block, {_BY_TEN}", 0.42, f"transaction/{_MAPS}", f"update/{_BEFORE}", 10),
    _Row(f"ten by transact, {_BY_TEN}", 0.42, "transact of ten", f"update/{_BEFORE}", 10),
    _Row(f"ten by update_all, {_BY_TEN}", 0.32, "update_all", f"update/{_BEFORE}", 10),
    _Row("draft of one, by the first core's, in instructions", 0.45, "draft", f"draft/{_BEFORE}"),
    _Row(
        "draft of ten, by the first core's, in instructions",
        0.65,
        "draft of ten",
        f"draft of ten/{_BEFORE}",
    ),
)


@cache
def first_core() -> Mapping[str, Mapping[str, float]]:
    """Return, for each release, how many hand-written updates each of its operations takes."""
    text = (files("cowstate.bench") / "first_core.json").read_text(encoding="utf-8")
    return {
        version: {name: Count(*pair).ratio for name, pair in counts.items()}
        for version, counts in json.loads(text).items()
    }


def counted_targets() -> Iterator[Target]:
    """Yield what is demanded in instructions."""
    for row in _ROWS:
        yield Target(row.what, row.bound, measure=partial(_reached, row))


def _reached(row: _Row, settings: Settings) -> Ratio | str:
    if settings.quick:
        return "a quick run counts no instructions"
    counts = counts_here()
    if isinstance(counts, str):
        return counts
    if row.path not in counts:
        return "not all that it compares is installed"
    value = counts[row.path].ratio
    if row.first:
        by_hand = first_core().get(release(), {}).get(row.first)
        if by_hand is None:
            return f"the first core was not counted on Python {release()}"
        value = counts[row.path].path / (row.times * by_hand * counts[row.hand].baseline)
    return Ratio(value, value, value)


@cache
def counts_here() -> Mapping[str, Count] | str:
    """Count what the rows need, once for all of them; or say why that cannot be done."""
    if not available():
        return "instructions are counted by valgrind, which is not installed"
    try:
        return count({row.path for row in _ROWS} | {row.hand for row in _ROWS})
    except InstructionCountError as error:
        return str(error).splitlines()[0][:200]

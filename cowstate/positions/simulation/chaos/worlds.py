"""Worlds by name: what is wrong in each, and how much, by its seed.

`WORLDS` tells of each world a sentence and the numbers that its faults may have; which of them a
world has, its seed decides. There is one world for each single fault, under the fault's name, and
there are those where faults come together as they do at real venues.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cowstate import ArgumentValueError

from .faults import KINDS, WorldFaults, with_fault
from .script import Dice
from .world import WorldSpec, number_of

__all__ = ["WORLDS", "World", "spec_of", "specs_of"]

_Numbers = dict[str, tuple[float, ...]]


class World(NamedTuple):
    """A kind of world: what it is like, and of each of its faults the numbers that may be."""

    about: str
    faults: _Numbers


_STREAM: _Numbers = {
    "lose_event": (0.05, 0.2, 0.4),
    "double_event": (0.1,),
    "delay_event": (0.1, 0.3),
}

WORLDS: dict[str, World] = {
    "calm": World("nothing is wrong but that messages take time", {}),
    "lagging": World(
        "every endpoint shows an earlier moment",
        {
            "position_lag": (2_000, 6_000, 20_000),
            "open_lag": (2_000, 6_000, 20_000),
            "order_lag": (500, 2_000),
            "trades_lag": (0, 2_000),
            "lose_event": (0, 0.2),
            "manual": (0, 2),
        },
    ),
    "behind": World(
        "a quiet market, lists and positions that are seconds old, and a stream that loses",
        {
            "market": (0.2,),
            "position_lag": (0, 6_000, 20_000),
            "open_lag": (0, 6_000, 20_000),
            "lose_event": (0, 0.4),
        },
    ),
    "purging": World(
        "orders that ended are forgotten, and the stream did not tell of all",
        {"purge": (1_000, 5_000), "cancel": (4, 8), "lose_event": (0.3, 0.6)},
    ),
    "hedged": World(
        "the account has two legs, and somebody trades the other one",
        {"hedge": (1,), "manual": (2, 4)},
    ),
    "liveliest": World(
        "a market in which something of ours is filled all the time",
        {"market": (8, 20), "lose_event": (0, 0.1), "manual": (0, 2), "manual_large": (0, 1)},
    ),
    "deaf": World(
        "the order stream loses, doubles, delays, and goes away", {**_STREAM, "gap": (2,)}
    ),
    "mute": World(
        "requests and their answers are lost, late and refused",
        {
            "lose_request": (0.05, 0.2),
            "late_request": (0, 0.1),
            "lose_answer": (0.05, 0.2),
            "rate_limit": (0, 2),
            "silent": (0, 2),
        },
    ),
    "forgetful": World(
        "our process dies, and what it saved is old",
        {"crash": (1, 3), "old_save": (3_000, 20_000), "reuse": (0, 1), "lose_event": (0, 0.2)},
    ),
    "meddled": World(
        "somebody works in our account by hand",
        {
            "manual": (1, 4),
            "manual_large": (0, 1),
            "amend": (0, 3),
            "cancel": (0, 3),
            "foreign": (0, 3),
        },
    ),
    "drifting": World(
        "the divergence is another one at each pass", {"manual": (30,), "manual_large": (20,)}
    ),
    "eroding": World("small divergences that never end", {"manual": (10, 20), "market": (0.3,)}),
    "booked": World(
        "the venue books what is no trade, and fees in the base asset",
        {"funding": (2,), "liquidation": (0, 2), "adjustment": (0, 2), "fee": (0, 0.001)},
    ),
    "edited": World("orders of ours are edited by hand", {"amend": (3, 6)}),
    "storm": World(
        "everything at once",
        {
            **_STREAM,
            "position_lag": (0, 6_000),
            "open_lag": (0, 6_000),
            "trades_lag": (0, 2_000),
            "stale": (0, 0.2),
            "frozen": (0, 1),
            "not_found": (0, 3_000),
            "truncated": (0, 0.2),
            "page": (0, 5),
            "rate_limit": (0, 1),
            "empty": (0, 1),
            "lose_request": (0.05,),
            "late_request": (0.02,),
            "lose_answer": (0.05,),
            "refuse": (0, 0.05),
            "duplicate": (0, 0.05),
            "gap": (0, 1),
            "purge": (0, 5_000),
            "reuse": (0, 1),
            "amend": (0, 1),
            "cancel": (0, 1),
            "manual": (0, 1),
            "manual_large": (0, 0.5),
            "foreign": (0, 1),
            "funding": (0, 1),
            "fee": (0, 0.001),
            "no_ids": (0, 1),
            "clock": (0, 5_000),
            "crash": (0, 1),
            "old_save": (0, 10_000),
        },
    ),
}
"""The worlds where faults come together."""

# What a fault is like alone; where a fault needs another to matter, that one is beside it.
_ALONE: dict[str, _Numbers] = {
    "market": {"market": (0.3, 5, 10)},
    "latency": {"latency": (200, 800)},
    "partial": {"partial": (0, 1)},
    "position_lag": {"position_lag": (2_000, 6_000, 20_000)},
    "open_lag": {"open_lag": (2_000, 6_000, 20_000), "lose_event": (0, 0.2)},
    "order_lag": {"order_lag": (1_000, 4_000), "lose_event": (0.2,)},
    "trades_lag": {"trades_lag": (500, 2_000), "lose_event": (0, 0.2)},
    "stale": {"stale": (0.1, 0.4)},
    "frozen": {"frozen": (2, 4)},
    "not_found": {"not_found": (2_000, 8_000, 20_000)},
    "truncated": {"truncated": (0.2, 0.5)},
    "page": {"page": (3, 10), "crash": (0, 1), "old_save": (10_000,)},
    "rate_limit": {"rate_limit": (2, 4)},
    "empty": {"empty": (2, 4)},
    "silent": {"silent": (2, 4), "lose_event": (0.2,)},
    "no_trades": {"no_trades": (1,), "manual": (0, 2)},
    "lose_request": {"lose_request": (0.1, 0.3)},
    "late_request": {"late_request": (0.1, 0.3)},
    "lose_answer": {"lose_answer": (0.1, 0.3)},
    "refuse": {"refuse": (0.1, 0.3)},
    "duplicate": {"duplicate": (0.1, 0.3), "lose_event": (0, 0.3)},
    "lose_event": {"lose_event": (0.1, 0.3, 1)},
    "double_event": {"double_event": (0.3,)},
    "delay_event": {"delay_event": (0.3, 0.6)},
    "gap": {"gap": (2, 4)},
    "purge": {"purge": (1_000, 5_000), "cancel": (3,), "lose_event": (0.3,)},
    "reuse": {"reuse": (1,), "crash": (2,), "old_save": (20_000,)},
    "amend": {"amend": (2, 4)},
    "cancel": {"cancel": (2, 6), "lose_event": (0, 0.3)},
    "manual": {"manual": (1, 4)},
    "manual_large": {"manual_large": (1, 3)},
    "foreign": {"foreign": (2, 6)},
    "funding": {"funding": (2, 6)},
    "liquidation": {"liquidation": (1, 2)},
    "adjustment": {"adjustment": (1, 3)},
    "fee": {"fee": (0.0005, 0.001)},
    "no_ids": {"no_ids": (1,), "lose_event": (0, 0.2), "lose_answer": (0.1,)},
    "no_cost": {"no_cost": (1,)},
    "no_stamp": {"no_stamp": (1,), "position_lag": (0, 2_000)},
    "hedge": {"hedge": (1,), "manual": (0, 2)},
    "clock": {"clock": (1_000, 5_000, 20_000)},
    "crash": {"crash": (1, 3)},
    "old_save": {"old_save": (5_000, 30_000), "crash": (1, 3)},
}
WORLDS.update({name: World(KINDS[name].about, numbers) for name, numbers in _ALONE.items()})


def spec_of(seed: int, name: str | None = None, **set_to: Any) -> WorldSpec:
    """Return the world of a seed: the named one, or the one that its turn has come for.

    Args:
        seed: which of the worlds of that name.
        name: of `WORLDS`; None for all of them in turn, so that as many worlds as there are names
            have each once.
        set_to: faults that are set to a number, whatever the world's is.

    Raises:
        ArgumentValueError: there is no world of that name, or no such fault.

    >>> spec_of(3, "purging").faults.purge in (1_000, 5_000)
    True
    """
    names = list(WORLDS)
    if name is None:
        name = names[seed % len(names)]
    if name not in WORLDS:
        raise ArgumentValueError(f"there is no world {name[:40]!r}; known are {', '.join(WORLDS)}")
    dice = Dice(number_of(seed, name))
    faults = WorldFaults(market=(0.2, 0.5, 1, 2)[dice.below("world", 4)])
    for fault, numbers in WORLDS[name].faults.items():
        faults = with_fault(faults, fault, numbers[dice.below("world", len(numbers))])
    for fault, value in set_to.items():
        faults = with_fault(faults, fault, value)
    interval = (1_000, 1_000, 2_000, 5_000)[dice.below("world", 4)]
    if faults.market > 5:
        interval = min(interval, 2_000)
    return WorldSpec(seed, name, faults, interval)


def specs_of(
    count: int, first: int = 0, name: str | None = None, **set_to: Any
) -> Iterator[WorldSpec]:
    """Yield *count* worlds from the seed *first* on; see `spec_of`."""
    for seed in range(first, first + count):
        yield spec_of(seed, name, **set_to)

"""What can be wrong with a venue, with the line to it and with ourselves: faults as data.

A world is described by one `WorldFaults`: a number for each fault, 0 where it does not occur.
`KINDS` says of each what the number is. So a fault can be set by its name from a command line,
and a failing world can be shrunk by setting one after the other to 0.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from cowstate import ArgumentTypeError, ArgumentValueError, Record

__all__ = [
    "FROZEN_MS",
    "KINDS",
    "LATE_MS",
    "LIFETIME_MS",
    "OVERTAKEN_MS",
    "STALE_MS",
    "TIMEOUT_MS",
    "FaultKind",
    "Unit",
    "WorldFaults",
    "with_fault",
]

TIMEOUT_MS = 3_000
"""After how long the sender of a request gives up waiting for its answer."""

LIFETIME_MS = 6_000
"""A request that arrives longer than this after it was sent is refused: the receive window."""

LATE_MS = 7_000
"""By how much a late request is late, at most; some come after the receive window."""

OVERTAKEN_MS = 3_000
"""By how much a delayed event is late, at most, so that later ones overtake it."""

STALE_MS = 4_000
"""How old a stale read is, at most."""

FROZEN_MS = 8_000
"""How long a frozen endpoint shows the same state, at most."""


class Unit(StrEnum):
    """What the number of a fault is."""

    MILLISECONDS = "ms"
    PROBABILITY = "probability"
    PER_MINUTE = "per minute"
    PER_SECOND = "per second"
    PART = "part"
    COUNT = "count"
    SWITCH = "0 or 1"


class FaultKind(NamedTuple):
    """One fault: its unit, the greatest number that makes sense, and what it does."""

    unit: Unit
    most: float
    about: str


_MS, _P, _RATE, _SWITCH = Unit.MILLISECONDS, Unit.PROBABILITY, Unit.PER_MINUTE, Unit.SWITCH

KINDS: dict[str, FaultKind] = {
    "market": FaultKind(Unit.PER_SECOND, 100, "trades of the market"),
    "latency": FaultKind(_MS, 2_000, "how long a message takes in one direction, at most"),
    "partial": FaultKind(_P, 1, "a trade of the market fills an odd part of an order"),
    "position_lag": FaultKind(_MS, 60_000, "age of what the position endpoint shows, at most"),
    "open_lag": FaultKind(_MS, 60_000, "likewise, the list of open orders"),
    "order_lag": FaultKind(_MS, 60_000, "likewise, the query of one order"),
    "trades_lag": FaultKind(_MS, 60_000, "likewise, the list of own trades"),
    "stale": FaultKind(_P, 1, f"a read comes from a replica that is up to {STALE_MS} ms behind"),
    "frozen": FaultKind(_RATE, 60, "position and list show one state for some seconds"),
    "not_found": FaultKind(_MS, 60_000, "a new order can be neither found nor listed so long"),
    "truncated": FaultKind(_P, 1, "a list is cut in half; it says that it is not all"),
    "page": FaultKind(Unit.COUNT, 1_000, "how much one answer lists, at most; 0: everything"),
    "rate_limit": FaultKind(_RATE, 60, "some seconds in which every request is refused"),
    "empty": FaultKind(_RATE, 60, "some seconds in which the list of positions is empty"),
    "silent": FaultKind(_RATE, 60, "some seconds in which one endpoint errs at each request"),
    "no_trades": FaultKind(_SWITCH, 1, "the list of own trades is refused, always"),
    "lose_request": FaultKind(_P, 1, "a request never arrives"),
    "late_request": FaultKind(_P, 1, f"it arrives up to {LATE_MS} ms late, its sender gone"),
    "lose_answer": FaultKind(_P, 1, "it is carried out, and the answer never arrives"),
    "refuse": FaultKind(_P, 1, "an order is refused, for margin or rules"),
    "duplicate": FaultKind(_P, 1, "an order is taken, and the answer says its id is taken"),
    "lose_event": FaultKind(_P, 1, "an event of the order stream never arrives"),
    "double_event": FaultKind(_P, 1, "it arrives twice"),
    "delay_event": FaultKind(_P, 1, "it arrives late, and later ones overtake it"),
    "gap": FaultKind(_RATE, 60, "the order stream is away for some seconds"),
    "purge": FaultKind(_MS, 600_000, "orders that ended without a fill are forgotten after this"),
    "reuse": FaultKind(_SWITCH, 1, "a client id may be used again when its order is over"),
    "amend": FaultKind(_RATE, 60, "somebody edits an order of ours by hand"),
    "cancel": FaultKind(_RATE, 60, "somebody cancels an order of ours by hand"),
    "manual": FaultKind(_RATE, 60, "somebody trades by hand, of which no trade tells"),
    "manual_large": FaultKind(_RATE, 60, "likewise, more than a correction may be"),
    "foreign": FaultKind(_RATE, 60, "an order of somebody else's in the same account"),
    "funding": FaultKind(_RATE, 60, "an entry of funding among the trades"),
    "liquidation": FaultKind(_RATE, 60, "the venue takes some of the position away"),
    "adjustment": FaultKind(_RATE, 60, "the venue corrects the position by some thousandths"),
    "fee": FaultKind(Unit.PART, 0.01, "part of a purchase that is taken in the base asset"),
    "no_ids": FaultKind(_SWITCH, 1, "lists and trades do not carry our client ids"),
    "no_cost": FaultKind(_SWITCH, 1, "events and answers do not say what fills cost"),
    "no_stamp": FaultKind(_SWITCH, 1, "the position does not say of when it is"),
    "hedge": FaultKind(_SWITCH, 1, "the position is told as a long and a short leg"),
    "clock": FaultKind(_MS, 60_000, "by how much our clock is off, either way, at most"),
    "crash": FaultKind(_RATE, 60, "our process dies and starts again from what it saved"),
    "old_save": FaultKind(_MS, 60_000, "how old that is, at most"),
}


class WorldFaults(Record):
    """What is wrong in one world: a number for each of `KINDS`, 0 for what does not occur.

    Raises:
        ArgumentTypeError, ArgumentValueError: a number is none, negative, or too large.

    >>> WorldFaults(lose_event=0.2, crash=1).set()
    {'lose_event': 0.2, 'crash': 1}
    """

    market: float = 3
    latency: int = 40
    partial: float = 0.5
    position_lag: int = 0
    open_lag: int = 0
    order_lag: int = 0
    trades_lag: int = 0
    stale: float = 0
    frozen: float = 0
    not_found: int = 0
    truncated: float = 0
    page: int = 0
    rate_limit: float = 0
    empty: float = 0
    silent: float = 0
    no_trades: int = 0
    lose_request: float = 0
    late_request: float = 0
    lose_answer: float = 0
    refuse: float = 0
    duplicate: float = 0
    lose_event: float = 0
    double_event: float = 0
    delay_event: float = 0
    gap: float = 0
    purge: int = 0
    reuse: int = 0
    amend: float = 0
    cancel: float = 0
    manual: float = 0
    manual_large: float = 0
    foreign: float = 0
    funding: float = 0
    liquidation: float = 0
    adjustment: float = 0
    fee: float = 0
    no_ids: int = 0
    no_cost: int = 0
    no_stamp: int = 0
    hedge: int = 0
    clock: int = 0
    crash: float = 0
    old_save: int = 0

    def __post_init__(self) -> None:
        for name, kind in KINDS.items():
            value = getattr(self, name)
            whole = kind.unit in (Unit.MILLISECONDS, Unit.COUNT, Unit.SWITCH)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                wanted = "an int" if whole else "a number"
                raise ArgumentTypeError(f"{name} ({kind.unit}) is {value!r}, not {wanted}")
            if not 0 <= value <= kind.most:
                raise ArgumentValueError(
                    f"{name} ({kind.unit}) is {value}; it must be from 0 to {kind.most}"
                )

    def set(self) -> dict[str, float]:
        """Return what is not as in a world where nothing is wrong, by name."""
        return {name: value for name in KINDS if (value := getattr(self, name)) != _CALM[name]}

    def without(self, name: str) -> WorldFaults:
        """Return the same world with the fault of that *name* left out."""
        return self.replace(**{name: _CALM[name]})


_CALM: dict[str, float] = {name: getattr(WorldFaults(), name) for name in KINDS}


def with_fault(faults: WorldFaults, name: str, value: float) -> WorldFaults:
    """Return *faults* with the one called *name* set to *value*.

    Raises:
        ArgumentTypeError, ArgumentValueError: there is no such fault, or no such value of it.

    >>> with_fault(WorldFaults(), "not_found", 8_000).set()
    {'not_found': 8000}
    """
    if name not in KINDS:
        known = ", ".join(KINDS)
        raise ArgumentValueError(f"there is no fault {name[:40]!r}; known are {known}")
    kind = KINDS[name]
    whole = kind.unit in (Unit.MILLISECONDS, Unit.COUNT, Unit.SWITCH)
    if whole and isinstance(value, float) and value.is_integer():
        value = int(value)
    return faults.replace(**{name: value})

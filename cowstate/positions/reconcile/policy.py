"""What a reconciler may do about a divergence, when, and how much of it. `ReconcilePolicy`."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..book.model import EXACT, check_amount, check_count
from ..book.reports import TradeKind

__all__ = ["Remedy", "ReconcilePolicy"]

_ZERO = Decimal(0)


class Remedy(StrEnum):
    """What is done about one kind of drift.

    REPORT: it is told, and nothing is done. REQUERY: another look is taken in the same pass.
    ADOPT: what the venue's list tells becomes part of what is held. CORRECT: what is held is made
    right by what is missing. FLATTEN: the position is to be closed, and trading halted. HALT:
    trading is halted.
    """

    REPORT = "REPORT"
    REQUERY = "REQUERY"
    ADOPT = "ADOPT"
    CORRECT = "CORRECT"
    FLATTEN = "FLATTEN"
    HALT = "HALT"


_TOLD = (Remedy.REPORT, Remedy.ADOPT, Remedy.FLATTEN, Remedy.HALT)
_UNTOLD = (Remedy.REPORT, Remedy.REQUERY, Remedy.CORRECT, Remedy.FLATTEN, Remedy.HALT)
_LARGE = (Remedy.REPORT, Remedy.REQUERY, Remedy.FLATTEN, Remedy.HALT)
_REMEDIES = {
    "small": _UNTOLD,
    "large": _LARGE,
    "others": _TOLD,
    "liquidation": _TOLD,
    "funding": _TOLD,
    "adjustment": _TOLD,
}


class ReconcilePolicy(Record, kw_only=True):
    """What is done about a divergence. Checked when made, by `replace` too.

    A divergence is *small* if it is under every bound that is given, and else *large*. Both are
    acted on only when they are proven by so many looks and for so long. What trades of the
    account tell that no order of ours explains is no divergence: it is known to the digit.

    Attributes:
        small_part: small is under this part of the larger of the two positions, from 0 to 1.
        small_most: small is under this quantity, in base units; None: no such bound.
        small_lots: small is under so many lots (the quantity of one order); None: no such bound.
        dust: a divergence of no more than this is told and never acted on.
        looks: by how many looks a divergence must be proven, each by itself.
        lasting_ms: for how long a divergence must have been proven.
        hour_part: corrections of one hour together stay under this part of the position, as
            *small_part* is measured; what would pass it is large.
        small: what is done about a small divergence of known size.
        large: what is done about a large one, or one of which no size is known that is small.
        others: what is done about trades in our account that are not ours.
        liquidation: likewise, about what the venue closed.
        funding: likewise, about payments for holding that moved the position.
        adjustment: likewise, about all else that the venue booked.
        fresh_ms: a verdict no older than this is told again by a pass that comes to none.
        alarm_ms: nothing known exactly for so long is an alarm.
        halt_ms: nothing known exactly for so long halts trading; None: never.
        gate: whether trading waits for the first exact look of a life.
        dry_run: whether everything is worked out and told, and nothing done.
        queries: how many orders may be asked for in one pass.
        pages: how many pages of one list may be asked for in one pass.
        repeats: how often a list that was refused, or not answered, is asked for again.
        repeat_ms: how long to wait before that. Where the venue says how long, that counts, up to
            five times as long; beyond it the list is left for the next pass.
        untraded_ms: trades that could not be read for so long are done without: a divergence that
            is proven without them is corrected, too.

    Raises:
        AmountTypeError, AmountValueError: a bound is no usable `Decimal`.
        ArgumentTypeError, ArgumentValueError: another field is of the wrong type, too small, or
            a remedy that does not fit.

    >>> ReconcilePolicy(small_lots=Decimal(2)).is_small(Decimal("0.2"), Decimal(5), Decimal("0.05"))
    False
    """

    small_part: Decimal = Decimal("0.05")
    small_most: Decimal | None = None
    small_lots: Decimal | None = None
    dust: Decimal = _ZERO
    looks: int = 2
    lasting_ms: int = 3_000
    hour_part: Decimal = Decimal("0.05")
    small: Remedy = Remedy.CORRECT
    large: Remedy = Remedy.HALT
    others: Remedy = Remedy.ADOPT
    liquidation: Remedy = Remedy.HALT
    funding: Remedy = Remedy.ADOPT
    adjustment: Remedy = Remedy.ADOPT
    fresh_ms: int = 30_000
    alarm_ms: int = 60_000
    halt_ms: int | None = None
    gate: bool = True
    dry_run: bool = False
    queries: int = 40
    pages: int = 40
    repeats: int = 2
    repeat_ms: int = 200
    untraded_ms: int = 20_000

    def __post_init__(self) -> None:
        for name in ("small_part", "hour_part"):
            check_amount(name, getattr(self, name))
            if getattr(self, name) > 1:
                raise ArgumentValueError(
                    f"{name} is {getattr(self, name)}; it is a part, from 0 to 1 (5 % is "
                    "Decimal('0.05'))"
                )
        for name in ("small_most", "small_lots"):
            if getattr(self, name) is not None:
                check_amount(name, getattr(self, name))
        check_amount("dust", self.dust)
        for name, least in (
            ("looks", 1),
            ("lasting_ms", 0),
            ("fresh_ms", 0),
            ("alarm_ms", 0),
            ("queries", 1),
            ("pages", 1),
            ("repeats", 0),
            ("repeat_ms", 0),
            ("untraded_ms", 0),
        ):
            check_count(name, getattr(self, name), least)
        if self.halt_ms is not None:
            check_count("halt_ms", self.halt_ms, self.alarm_ms)
        for name, fitting in _REMEDIES.items():
            remedy = getattr(self, name)
            if not isinstance(remedy, Remedy):
                raise ArgumentTypeError(f"{name} is {remedy!r}, not a Remedy")
            if remedy not in fitting:
                raise ArgumentValueError(
                    f"{name} is {remedy}, which there is no way to do; it may be "
                    f"{', '.join(fitting)}"
                )
        for name in ("gate", "dry_run"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentTypeError(f"{name} is {getattr(self, name)!r}; say True or False")

    def is_small(self, divergence: Decimal, size: Decimal, lot: Decimal) -> bool:
        """Whether *divergence* is under every bound, in a position of *size*, with lots of *lot*.

        In a position of nothing no divergence is small by its part.
        """
        amount = divergence.copy_abs()
        bounds = [EXACT.multiply(self.small_part, size.copy_abs())]
        if self.small_most is not None:
            bounds.append(self.small_most)
        if self.small_lots is not None:
            bounds.append(EXACT.multiply(self.small_lots, lot))
        return all(amount < bound for bound in bounds)

    def remedy_of(self, kind: TradeKind) -> Remedy:
        """What is done about an entry of *kind* that no order of ours explains."""
        if kind is TradeKind.TRADE:
            return self.others
        if kind is TradeKind.LIQUIDATION:
            return self.liquidation
        return self.funding if kind is TradeKind.FUNDING else self.adjustment

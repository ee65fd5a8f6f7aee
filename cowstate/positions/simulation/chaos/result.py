"""What the oracle found in one world."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from .oracle import HaltVerdict, Judgement
from .rules import Claim

__all__ = ["TO_HEAL", "TO_PROVE", "Ending", "Finding", "WorldResult"]


class Ending(StrEnum):
    """How a world ended, ten passes after its faults.

    HEALED: both sides are the same. HALTED: trading is halted, and a divergence is there. MISSING:
    a divergence that needs a halt is there, and trading goes on. UNHEALED: the sides differ.
    UNDECIDED: likewise, and for fewer than eight passes the answers have left one number alone.
    """

    HEALED = "HEALED"
    HALTED = "HALTED"
    MISSING = "MISSING"
    UNHEALED = "UNHEALED"
    UNDECIDED = "UNDECIDED"


class Finding(NamedTuple):
    """Something that the oracle holds against a rule (or counts apart): when, what, and how."""

    time_ms: int
    what: str
    detail: str


TO_PROVE = 2
"""In so many passes that are due a divergence is to be said."""

TO_HEAL = 8
"""In so many passes that are due all is to be healed."""

_FAILURES = {"HARMFUL", "HALT WRONG", "OVERDUE", "MISSING", "UNHEALED"}


class WorldResult:
    """What happened in one world under one rule, counted.

    Attributes:
        seed, world, rule: which world it was, and whose rule.
        passes: how many passes ended; *claims* counts them by what they said.
        false_exact: passes that said EXACT while a divergence had long been there.
        overdue: passes at which a divergence that needs a halt had long been there, and trading
            went on.
        untold: passes after ten in a row that said nothing, while nobody was told so.
        judgements: writes of the passes, by what they were; *cancels*: cancellations.
        halts: openings of the breaker, by whether they were right.
        heals: of each time that the sides differed, how many passes it took to heal.
        heals_due: of each order, and each divergence, by which they differed, how many passes it
            took that were due: `Delays` says which are.
        proofs: of each time that a divergence was there, in which pass it was said, or mended.
        proofs_due: likewise, how many of the passes up to that one were due.
        widths: of the passes that said WITHIN, how wide.
        shorts: slots that a correction made short, where nobody sells what is not held.
        corrected: sum of what the corrections of the position moved, in either direction;
            *unbounded*: whether that passed a quarter of the position and what the entries among
            the trades tell, and nothing was halted.
        ending: how it ended; *profit_wrong*: whether the profit is wrong though all else is right.
        events: order events; *requests*: of the passes; *crashes*: deaths of the process.
        findings: what is held against the rule, in order of time.
    """

    def __init__(self, seed: int, world: str, rule: str) -> None:
        self.seed = seed
        self.world = world
        self.rule = rule
        self.passes = 0
        self.claims: Counter[Claim] = Counter()
        self.false_exact = 0
        self.overdue = 0
        self.untold = 0
        self.judgements: Counter[Judgement] = Counter()
        self.cancels: Counter[Judgement] = Counter()
        self.halts: Counter[HaltVerdict] = Counter()
        self.heals: list[int] = []
        self.heals_due: list[int] = []
        self.proofs: list[int] = []
        self.proofs_due: list[int] = []
        self.widths: list[Decimal] = []
        self.shorts = 0
        self.corrected = Decimal(0)
        self.unbounded = False
        self.ending = Ending.HEALED
        self.profit_wrong = False
        self.events = 0
        self.requests = 0
        self.crashes = 0
        self.findings: list[Finding] = []

    @property
    def harmful(self) -> int:
        """How many writes and cancellations did harm that could have been avoided."""
        return self.judgements[Judgement.HARMFUL] + self.cancels[Judgement.HARMFUL]

    @property
    def failure(self) -> Finding | None:
        """The first of the findings that are a failure, None if there is none."""
        return next((finding for finding in self.findings if finding.what in _FAILURES), None)

    @property
    def missing(self) -> bool:
        """Whether a halt was missing, at the end or for long before it."""
        return self.ending is Ending.MISSING or self.overdue > 0

    @property
    def slow(self) -> bool:
        """Whether something took more than eight passes to heal, of those that were due."""
        return max(self.heals_due, default=0) > TO_HEAL

    @property
    def late(self) -> bool:
        """Whether a divergence took more than two passes to be said, of those that were due."""
        return max(self.proofs_due, default=0) > TO_PROVE

    @property
    def failed(self) -> bool:
        """Whether the rule failed in this world: harm, a halt that was wrong, or no healing."""
        return bool(
            self.harmful
            or self.halts[HaltVerdict.WRONG]
            or self.missing
            or self.ending is Ending.UNHEALED
        )

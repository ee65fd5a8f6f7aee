"""Many worlds, and what the rules came to in them, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import ceil
from statistics import median_low
from typing import Any, NamedTuple

from .client import promises_of
from .oracle import Judgement
from .original import OriginalLife
from .result import Ending, WorldResult
from .rules import Claim, PresentLife, RuleMaker
from .world import WorldSpec, live, silenced

__all__ = ["RULES", "Campaign", "Row", "run_campaign"]

RULES: dict[str, RuleMaker] = {"ours": PresentLife, "original": OriginalLife}
"""The rules that are compared, on the same events."""

_KEPT = 20
_UNAVOIDABLE = (Judgement.UNAVOIDABLE, Judgement.UNSEEN)
_CLAIMS = {
    Claim.EXACT: "exact",
    Claim.WITHIN: "within",
    Claim.DIVERGES: "diverges",
    Claim.NONE: "silent",
}
_ADDED = (
    "passes",
    "events",
    "missing",
    "failed",
    "false_exact",
    "untold",
    "shorts",
    "unbounded",
    "profit_wrong",
    "crashes",
    "requests",
    "slow",
    "late",
)
# Numbers of passes, one for each time, that are told by their spread: of which field, as what.
_PASSES = {"heals": "heal", "heals_due": "heal_due", "proofs": "proof", "proofs_due": "proof_due"}
_SPREADS = {
    *(f"{name}_{part}" for name in _PASSES.values() for part in ("median", "most", "worst")),
    "width_median",
    "width_worst",
}
_MOST = 0.99


class Row(NamedTuple):
    """What one rule came to in a number of worlds; see `WorldResult` for what is counted.

    *failed* is the worlds in which the rule failed; *exact*, *within*, *diverges* and *silent* are
    passes by what they said; what has a median and a worst is in passes (None where there was
    none; *most* is what 99 % do not exceed), and widths are as text, decimals. What is *due* is
    told at `Delays`; *slow* and *late* are the worlds in which that passed its bound.
    """

    worlds: int
    passes: int
    events: int
    exact: int
    within: int
    diverges: int
    silent: int
    harmful: int
    unavoidable: int
    unseen: int
    needed: int
    needless: int
    halts_right: int
    halts_small: int
    halts_wrong: int
    missing: int
    unhealed: int
    undecided: int
    halted: int
    failed: int
    false_exact: int
    untold: int
    shorts: int
    unbounded: int
    profit_wrong: int
    heal_median: int | None
    heal_most: int | None
    heal_worst: int | None
    heal_due_median: int | None
    heal_due_most: int | None
    heal_due_worst: int | None
    slow: int
    proof_median: int | None
    proof_most: int | None
    proof_worst: int | None
    proof_due_median: int | None
    proof_due_most: int | None
    proof_due_worst: int | None
    late: int
    width_median: str
    width_worst: str
    crashes: int
    requests: int

    @property
    def silent_part(self) -> float:
        """The part of the passes that said nothing."""
        return self.silent / self.passes if self.passes else 0.0


class Campaign:
    """What the rules came to in many worlds: in all, in each kind of world, and where they failed.

    Attributes:
        failures: of each rule, the first worlds in which it failed.
        unavoidable: of each rule, the first in which it did harm that no observer could avoid, or
            in which no observer could know the divergence that was left.
        slow: of each rule, the first in which it took long to say or to heal what could be known.
    """

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self.failures: dict[str, list[WorldResult]] = {}
        self.unavoidable: dict[str, list[WorldResult]] = {}
        self.slow: dict[str, list[WorldResult]] = {}

    def add(self, result: WorldResult) -> None:
        """Count one world."""
        key = result.rule, result.world
        if key not in self._tallies:
            self._tallies[key] = _Tally()
        self._tallies[key].add(result)
        unavoidable = any(result.judgements[kind] for kind in _UNAVOIDABLE)
        for worth_it, shelf in (
            (result.failed, self.failures),
            (unavoidable or result.ending is Ending.UNDECIDED, self.unavoidable),
            (result.slow or result.late, self.slow),
        ):
            here = shelf.setdefault(result.rule, [])
            if worth_it and len(here) < _KEPT:
                here.append(result)

    @property
    def rules(self) -> list[str]:
        """The rules, in the order in which they came."""
        return list(dict.fromkeys(rule for rule, _ in self._tallies))

    @property
    def worlds(self) -> list[str]:
        """The kinds of world, in the order in which they came."""
        return list(dict.fromkeys(world for _, world in self._tallies))

    def row(self, rule: str, world: str | None = None) -> Row:
        """Return what *rule* came to, in all worlds or in those of one kind."""
        of_all = _Tally()
        for (its_rule, its_world), tally in self._tallies.items():
            if its_rule == rule and world in (None, its_world):
                of_all.merge(tally)
        return of_all.row()


class _Tally:
    """What one rule came to in one kind of world so far, by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.passes: dict[str, Counter[int]] = {name: Counter() for name in _PASSES}
        self.widths: Counter[Decimal] = Counter()

    def add(self, result: WorldResult) -> None:
        counts = self.counts
        counts["worlds"] += 1
        for name in _ADDED:
            counts[name] += getattr(result, name)
        for claim, passes in result.claims.items():
            counts[_CLAIMS[claim]] += passes
        for judgements in (result.judgements, result.cancels):
            for judgement, times in judgements.items():
                counts[judgement.value.lower()] += times
        for verdict, times in result.halts.items():
            counts[f"halts_{verdict.value.lower()}"] += times
        counts["unhealed"] += result.ending is Ending.UNHEALED
        counts["undecided"] += result.ending is Ending.UNDECIDED
        counts["halted"] += result.ending is Ending.HALTED
        for name, counted in self.passes.items():
            counted.update(getattr(result, name))
        self.widths.update(result.widths)

    def merge(self, other: _Tally) -> None:
        self.counts.update(other.counts)
        for name, counted in self.passes.items():
            counted.update(other.passes[name])
        self.widths.update(other.widths)

    def row(self) -> Row:
        fields: dict[str, Any] = {
            name: self.counts[name] for name in Row._fields if name not in _SPREADS
        }
        for field, name in _PASSES.items():
            passes = sorted(self.passes[field].elements())
            most = ceil(_MOST * len(passes)) - 1
            fields[f"{name}_median"] = median_low(passes) if passes else None
            fields[f"{name}_most"] = passes[most] if passes else None
            fields[f"{name}_worst"] = passes[-1] if passes else None
        widths = sorted(self.widths.elements())
        return Row(
            **fields,
            width_median=f"{median_low(widths):f}" if widths else "",
            width_worst=f"{widths[-1]:f}" if widths else "",
        )


def run_campaign(
    specs: Iterable[WorldSpec],
    rules: dict[str, RuleMaker] | None = None,
    progress: Callable[[int], object] = lambda _: None,
    told: Mapping[str, Any] | None = None,
) -> Campaign:
    """Live through each world once by each of the *rules*, and count.

    Costs about 20 milliseconds a world and rule. Loggers of the positions are quiet meanwhile.

    Args:
        specs: the worlds.
        rules: by name; None for `RULES`.
        progress: called with the number of worlds that are done, after each.
        told: what the rules are told of the venue in the place of the truth: promises, by name.

    Raises:
        ArgumentValueError: *told* names no promise.

    >>> from cowstate.positions.simulation.chaos.worlds import specs_of
    >>> campaign = run_campaign(specs_of(4, name="calm"))
    >>> campaign.row("ours").harmful, campaign.row("ours").worlds
    (0, 4)
    """
    with silenced():
        return _campaign(specs, RULES if rules is None else rules, progress, told or {})


def _campaign(
    specs: Iterable[WorldSpec],
    rules: Mapping[str, RuleMaker],
    progress: Callable[[int], object],
    told: Mapping[str, Any],
) -> Campaign:
    campaign = Campaign()
    for number, spec in enumerate(specs, 1):
        promises = promises_of(spec.faults).knowing(**told)
        for name, rule in rules.items():
            campaign.add(live(spec, rule, name, promises=promises))
        progress(number)
    return campaign

"""Many worlds, and what the rules came to in them, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median_low
from typing import Any, NamedTuple

from .client import promises_of
from .oracle import HaltVerdict, Judgement
from .original import OriginalLife
from .result import Ending, WorldResult
from .rules import Claim, PresentLife, RuleMaker
from .world import WorldSpec, live, silenced

__all__ = ["RULES", "Campaign", "Row", "run_campaign"]

RULES: dict[str, RuleMaker] = {"ours": PresentLife, "original": OriginalLife}
"""The rules that are compared, on the same events."""

_KEPT = 20


class Row(NamedTuple):
    """What one rule came to in a number of worlds; see `WorldResult` for what is counted.

    *failed* is the worlds in which the rule failed; *exact*, *within*, *diverges* and *silent* are
    passes by what they said; what has a median and a worst is in passes (None where there was
    none), and widths are as text, decimals.
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
    needed: int
    needless: int
    halts_right: int
    halts_small: int
    halts_wrong: int
    missing: int
    unhealed: int
    halted: int
    failed: int
    false_exact: int
    untold: int
    shorts: int
    unbounded: int
    profit_wrong: int
    heal_median: int | None
    heal_worst: int | None
    proof_median: int | None
    proof_worst: int | None
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
        unavoidable: of each rule, the first in which it did harm that no observer could avoid.
    """

    def __init__(self) -> None:
        self._results: dict[tuple[str, str], list[WorldResult]] = {}
        self.failures: dict[str, list[WorldResult]] = {}
        self.unavoidable: dict[str, list[WorldResult]] = {}

    def add(self, result: WorldResult) -> None:
        """Count one world."""
        self._results.setdefault((result.rule, result.world), []).append(result)
        kept = False
        for worth_it, shelf in (
            (result.failed, self.failures),
            (result.judgements[Judgement.UNAVOIDABLE] > 0, self.unavoidable),
        ):
            here = shelf.setdefault(result.rule, [])
            if worth_it and len(here) < _KEPT:
                here.append(result)
                kept = True
        if not kept:
            # They are counted; a campaign may have millions of them.
            result.findings.clear()

    @property
    def rules(self) -> list[str]:
        """The rules, in the order in which they came."""
        return list(dict.fromkeys(rule for rule, _ in self._results))

    @property
    def worlds(self) -> list[str]:
        """The kinds of world, in the order in which they came."""
        return list(dict.fromkeys(world for _, world in self._results))

    def row(self, rule: str, world: str | None = None) -> Row:
        """Return what *rule* came to, in all worlds or in those of one kind."""
        if world is not None:
            return _row(self._results.get((rule, world), []))
        return _row([each for name in self.worlds for each in self._results.get((rule, name), [])])


def _row(results: Sequence[WorldResult]) -> Row:
    judgements: Counter[Judgement] = Counter()
    halts: Counter[HaltVerdict] = Counter()
    endings = Counter(result.ending for result in results)
    heals = sorted(passes for result in results for passes in result.heals)
    proofs = sorted(passes for result in results for passes in result.proofs)
    widths = sorted(width for result in results for width in result.widths)
    claims: Counter[Claim] = Counter()
    for result in results:
        judgements += result.judgements + result.cancels
        halts += result.halts
        claims += result.claims
    return Row(
        worlds=len(results),
        passes=sum(result.passes for result in results),
        events=sum(result.events for result in results),
        exact=claims[Claim.EXACT],
        within=claims[Claim.WITHIN],
        diverges=claims[Claim.DIVERGES],
        silent=claims[Claim.NONE],
        harmful=judgements[Judgement.HARMFUL],
        unavoidable=judgements[Judgement.UNAVOIDABLE],
        needed=judgements[Judgement.NEEDED],
        needless=judgements[Judgement.NEEDLESS],
        halts_right=halts[HaltVerdict.RIGHT],
        halts_small=halts[HaltVerdict.SMALL],
        halts_wrong=halts[HaltVerdict.WRONG],
        missing=sum(result.missing for result in results),
        unhealed=endings[Ending.UNHEALED],
        halted=endings[Ending.HALTED],
        failed=sum(result.failed for result in results),
        false_exact=sum(result.false_exact for result in results),
        untold=sum(result.untold for result in results),
        shorts=sum(result.shorts for result in results),
        unbounded=sum(result.unbounded for result in results),
        profit_wrong=sum(result.profit_wrong for result in results),
        heal_median=median_low(heals) if heals else None,
        heal_worst=heals[-1] if heals else None,
        proof_median=median_low(proofs) if proofs else None,
        proof_worst=proofs[-1] if proofs else None,
        width_median=f"{median_low(widths):f}" if widths else "",
        width_worst=f"{widths[-1]:f}" if widths else "",
        crashes=sum(result.crashes for result in results),
        requests=sum(result.requests for result in results),
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
    campaign = Campaign()
    with silenced():
        for number, spec in enumerate(specs, 1):
            promises = promises_of(spec.faults).knowing(**(told or {}))
            for name, rule in (RULES if rules is None else rules).items():
                campaign.add(live(spec, rule, name, promises=promises))
            progress(number)
    return campaign

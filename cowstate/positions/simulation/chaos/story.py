"""One world told as a timeline, message by message."""

from __future__ import annotations

from collections.abc import Iterator

from ...exchange.promises import VenuePromises
from .faults import KINDS
from .result import WorldResult
from .rules import RuleMaker
from .script import START_MS
from .world import WorldSpec, live, silenced

__all__ = ["described", "story_of"]


def story_of(
    spec: WorldSpec, rule: RuleMaker, name: str, promises: VenuePromises | None = None
) -> Iterator[str]:
    """Tell the world of *spec* by one rule: lines of time, who, and what.

    Times are seconds from its start, by the venue's clock. A line of the venue says what is so;
    one of the stream, of the rule or of the process what we hear, ask and do; one of the oracle
    what a write was, and after each pass what is between the two sides. *promises* is what the rule
    is told of the venue, None for the truth.

    >>> from cowstate.positions.simulation.chaos.campaign import RULES
    >>> from cowstate.positions.simulation.chaos.worlds import spec_of
    >>> lines = list(story_of(spec_of(1, "calm"), RULES["ours"], "ours"))
    >>> lines[0]
    'world calm, seed 1, rule ours; a pass every ... s'
    """
    yield f"world {spec.name}, seed {spec.seed}, rule {name}; a pass every {_seconds(spec)} s"
    yield from _wrong_in(spec)
    yield ""
    told: list[tuple[int, str, str]] = []
    with silenced():
        result = live(
            spec, rule, name, log=lambda *message: told.append(message), promises=promises
        )
    for time_ms, who, what in told:
        yield f"{(time_ms - START_MS) / 1_000:8.3f}  {who:<8}  {what}"
    yield ""
    count = len(result.findings)
    yield f"{result.ending}; {count} finding{'' if count == 1 else 's'}"
    for finding in result.findings:
        yield f"{(finding.time_ms - START_MS) / 1_000:8.3f}  {finding.what}: {finding.detail}"


def described(result: WorldResult) -> str:
    """Return which world a result is of, as one names it at the command line."""
    return f"--world {result.world} --story {result.seed}"


def _wrong_in(spec: WorldSpec) -> Iterator[str]:
    """Say what is wrong in a world, a line for each fault."""
    for name, value in spec.faults.set().items():
        kind = KINDS[name]
        yield f"  {name} = {value} ({kind.unit}): {kind.about}"


def _seconds(spec: WorldSpec) -> str:
    return f"{spec.interval_ms / 1_000:g}"

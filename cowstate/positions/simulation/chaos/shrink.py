"""A world in which a rule fails, made small: as few faults, and as short, as still fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .client import promises_of
from .result import WorldResult
from .rules import RuleMaker
from .world import WorldSpec, live, silenced

__all__ = ["shrunk"]


def shrunk(
    spec: WorldSpec,
    rule: RuleMaker,
    fails: Callable[[WorldResult], bool] = lambda result: result.failed,
    told: Mapping[str, Any] | None = None,
) -> WorldSpec | None:
    """Return the world with every fault left out that the failure does not need; None if it holds.

    One fault after the other is left out, and the time made shorter, as
    long as *fails* says that the rule fails still. *told* is what the rule is told of the venue in
    the place of the truth, promises by name. Deterministic, some dozens of worlds.
    """

    def still(candidate: WorldSpec) -> bool:
        promises = promises_of(candidate.faults).knowing(**(told or {}))
        return fails(live(candidate, rule, promises=promises))

    with silenced():
        return _smallest(spec, still)


def _smallest(spec: WorldSpec, fails: Callable[[WorldSpec], bool]) -> WorldSpec | None:
    if not fails(spec):
        return None
    smaller: WorldSpec | None = spec
    while smaller is not None:
        spec = smaller
        smaller = next((each for each in _smaller(spec) if fails(each)), None)
    return spec


def _smaller(spec: WorldSpec) -> list[WorldSpec]:
    """Return worlds that are a step smaller, the greatest steps first."""
    faults = spec.faults
    candidates = [spec.replace(faults=faults.without(name)) for name in faults.set()]
    if spec.active_passes > 2:
        candidates.append(spec.replace(active_passes=spec.active_passes // 2))
        candidates.append(spec.replace(active_passes=spec.active_passes - 1))
    return candidates

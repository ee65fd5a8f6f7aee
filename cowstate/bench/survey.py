"""What the pages on performance are made of: all that they show of one Python, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .measure import Figure, Settings, conditions
from .peers import DATACLASSES, DEEPCOPY
from .results import Results
from .targets import kept_targets, targets
from .variant import LOCKED
from .verdicts import judge
from .workloads import workloads

__all__ = ["FAST", "GROWTH", "OURS", "PLAIN", "SIZES", "SMALL", "TIMED", "grow", "keep", "survey"]

PLAIN = "cowstate/dict+tree"
"""The default of a plain install."""

FAST = "cowstate/dict+immutables"
"""The default where the extra ``fast`` is installed."""

OURS = (PLAIN, FAST)
SIZES = (1_000, 100_000)
SMALL = 20
TIMED = (
    "snapshot",
    "read",
    "read_all",
    "update",
    "set",
    "update_all",
    "transact",
    "transaction",
    "draft",
    "draft_of_ten",
    "conditional",
    "delivery",
    "diff",
    "build",
    "memory",
)
"""The workloads of the tables, each at `SIZES`; some of them at `SMALL` as well."""

GROWTH = ("scale", "followers", "writers")
_AT_SMALL = ("snapshot", "read_all", "update")
_MANAGED = ("on_order_update", "on_order_update_history", "reconcile")
_MILLION = 1_000_000
_VARIANTS = frozenset(
    {
        *OURS,
        LOCKED,
        "locked, read in place",
        DEEPCOPY,
        DATACLASSES,
        "one lock, copied to read",
        "one lock, copied to write",
        "reference+lock/tree",
        "reference+lock/immutables",
        "nimbuskv",
        "atomix Atom",
        "cereggii AtomicRef",
    }
)
# Rounds of what takes half a second, as a deep copy of 100,000 does, are not to be fewer.
_BUDGET_S = 4.0


class _Step(NamedTuple):
    workload: str
    size: int
    without: str = ""


def _steps() -> Iterator[_Step]:
    for name in TIMED:
        for size in (SMALL, *SIZES) if name in _AT_SMALL else SIZES:
            # Ten deep copies of 100,000, weighed, take half a minute.
            heavy = name == "memory" and size > SIZES[0]
            yield _Step(name, size, DEEPCOPY if heavy else "")
    for name in _MANAGED:
        yield _Step(name, SIZES[0])
    yield _Step("scale", _MILLION)


def survey(settings: Settings, tell: Callable[[str], object]) -> Results:
    """Measure the figures of the tables and judge the targets; *tell* is told what comes next."""
    where = conditions(settings)
    known = workloads()
    figures: list[Figure] = []
    for step in _steps():
        if settings.quick and step.size > SIZES[0]:
            continue
        tell(f"{step.workload}, {step.size:,}")
        chosen = settings._replace(variants=_VARIANTS - {step.without})
        if not settings.quick:
            chosen = chosen._replace(budget_s=_BUDGET_S)
        figures += known[step.workload].run(step.size, chosen)
    verdicts = tuple(judge(targets(settings), settings, tell))
    where["load afterwards"] = conditions()["load"]
    return Results(where, tuple(figures), verdicts)


def grow(settings: Settings, largest: int, tell: Callable[[str], object]) -> Results:
    """Measure how costs grow, with up to *largest* records."""
    where = conditions(settings)
    known = workloads()
    figures: list[Figure] = []
    for name in GROWTH:
        for size in known[name].sizes_for(settings):
            if size <= largest:
                tell(f"{name}, {size:,}")
                figures += known[name].run(size, settings)
    where["load afterwards"] = conditions()["load"]
    return Results(where, tuple(figures))


def keep(settings: Settings, tell: Callable[[str], object]) -> Results:
    """Judge what is demanded of a store with a journal, of followers, and of a mirror."""
    where = conditions(settings)
    verdicts = tuple(judge(kept_targets(), settings, tell))
    where["load afterwards"] = conditions()["load"]
    return Results(where, (), verdicts)

"""What is demanded of the store's speed, as ratios within one run, and whether it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from statistics import median
from typing import Any, NamedTuple

from cowstate.maps import available_maps

from .measure import Operation, Ratio, Settings, ratio_of, time_all
from .mixed import bytes_per_version, run_against_each_other
from .orders import manager_operations
from .readers import price_of_deferral, two_readers
from .rivals import Bare
from .variants import DEFAULT, LOCKED, Variant, variants

__all__ = ["Part", "Target", "Verdict", "judge", "targets"]

_BARE = "a method that returns an attribute"
_PYRSISTENT = "cowstate/pyrsistent"
_TREE = "cowstate/tree"
_C_MAP = "cowstate/immutables"
_HAND = "reference+lock/"


class Part(NamedTuple):
    """One side of a ratio: a workload of a variant at a size, so many times."""

    workload: str
    variant: str
    size: int
    times: int = 1


class Target(NamedTuple):
    """One demand. The value is the first of two *sides* by the second, or what *measure* gives.

    Attributes:
        what: for the table.
        bound: the most, or where *at_least* the least, that the value may be; None: only shown.
    """

    what: str
    bound: float | None
    sides: tuple[Part, Part] | None = None
    at_least: bool = False
    measure: Callable[[Settings], Ratio | str] | None = None


class Verdict(NamedTuple):
    """What became of a target: the value reached, or why there is none."""

    target: Target
    reached: Ratio | None
    skipped: str = ""

    @property
    def ok(self) -> bool:
        """Whether the target is not missed."""
        bound, reached = self.target.bound, self.reached
        if bound is None or reached is None:
            return True
        return reached.value >= bound if self.target.at_least else reached.value <= bound

    def row(self) -> list[str]:
        """Return the cells for the table."""
        target = self.target
        limit = ""
        if target.bound is not None:
            limit = f"{'>=' if target.at_least else '<='} {target.bound:,g}"
        if self.reached is None:
            return [target.what, limit, "", "", f"skipped: {self.skipped}"]
        value, low, high = self.reached
        word = "shown" if target.bound is None else "ok" if self.ok else "MISSED"
        return [target.what, limit, f"{value:,.4g}", f"{low:,.3g} to {high:,.3g}", word]


def _of(workload: str, size: int, over: str, under: str) -> tuple[Part, Part]:
    return Part(workload, over, size), Part(workload, under, size)


def _timed_targets(settings: Settings) -> Iterator[Target]:
    bare = Part("snapshot", _BARE, 0)
    yield Target(f"snapshot, by {_BARE}", 1.3, (Part("snapshot", DEFAULT, 1_000), bare))
    largest = 10_000 if settings.quick else 1_000_000
    yield Target(
        f"snapshot at {largest:,}, by snapshot at 10",
        1.15,
        (Part("snapshot", DEFAULT, largest), Part("snapshot", DEFAULT, 10)),
    )
    for size, times in ((1_000, 5_000), (10_000, 50_000)):
        yield Target(
            f"deep copy of {size:,} under locks, by snapshot",
            times,
            _of("snapshot", size, LOCKED, DEFAULT),
            at_least=True,
        )
    yield Target("update, by update in place", 2.5, _of("update", 1_000, DEFAULT, LOCKED))
    for variant, bound in ((_TREE, 4.0), (_PYRSISTENT, 8.0)):
        name = variant.partition("/")[2]
        yield Target(
            f"update over {name}, by the same", bound, _of("update", 1_000, variant, LOCKED)
        )
    for variant, bound in ((_C_MAP, 1.7), (_TREE, 1.7), (_PYRSISTENT, 1.3)):
        name = variant.partition("/")[2]
        hand = _HAND + name
        yield Target(
            f"update over {name}, by hand-written", bound, _of("update", 1_000, variant, hand)
        )
    for variant in (DEFAULT, _TREE, _PYRSISTENT):
        yield Target(
            f"transaction of ten, by ten updates, {variant}",
            0.5,
            (Part("transaction", variant, 1_000), Part("update", variant, 1_000, 10)),
        )
        yield Target(
            f"update at 100,000, by update at 100, {variant}",
            3,
            (Part("update", variant, 100_000), Part("update", variant, 100)),
        )
    yield Target(
        "on_order_update, by the locked manager's",
        4,
        _of("on_order_update", 1_000, "cowstate", LOCKED),
    )
    for variant, size, other in (
        (DEFAULT, 20, "one lock, copied to write"),
        (_C_MAP, 1_000, _HAND + "immutables"),
        (_TREE, 1_000, _HAND + "tree"),
        (_PYRSISTENT, 1_000, _HAND + "pyrsistent"),
    ):
        yield Target(
            f"iterate {size:,}, by the bare map's, {variant}",
            1.1,
            _of("iterate", size, variant, other),
        )
    yield Target(
        "scan of 100,000 for one change, by diff",
        1_000,
        _of("diff", 100_000, _HAND + DEFAULT.partition("+")[2], DEFAULT),
        at_least=True,
    )
    for workload in ("snapshot", "read_all", "update", "transaction", "conditional", "delivery"):
        for size in (20, 1_000):
            yield Target(
                f"{workload} of {size:,}, by nimbuskv's",
                1,
                _of(workload, size, DEFAULT, "nimbuskv"),
            )
    yield Target("build of 10,000, by nimbuskv's", 1, _of("build", 10_000, DEFAULT, "nimbuskv"))


def _retained(maps: str, _settings: Settings) -> Ratio:
    taken = bytes_per_version(variants()[f"cowstate/{maps}"](100_000).retain(), 200)
    return Ratio(taken, taken, taken)


def _slowest_writes(variant: str, settings: Settings) -> Ratio:
    """Return p99.9 of a writer beside a reader of 10,000 records, by that beside one of 100."""
    taken: dict[int, list[float]] = {10_000: [], 100: []}
    made = {size: variants()[variant](size) for size in taken}
    for _ in range(settings.repeats):
        for size, each in made.items():
            outcome = run_against_each_other(
                each.writer, each.reader, 1, 1, max(settings.mixed_s, 0.1)
            )
            taken[size].append(outcome["p99.9"])
    ratio = ratio_of(taken[10_000], taken[100])
    return ratio._replace(value=median(taken[10_000]) / median(taken[100]))


def targets(settings: Settings) -> list[Target]:
    """Return everything that is demanded, in the order of the table."""
    found = list(_timed_targets(settings))
    found += [
        Target(
            f"bytes of a retained version at 100,000, {maps}",
            4096,
            measure=partial(_retained, maps),
        )
        for maps in available_maps()
    ]
    beside = "p99.9 of a write beside a reader of 10,000, by that beside one of 100"
    found.append(Target(beside, 2, measure=partial(_slowest_writes, DEFAULT)))
    found.append(Target(f"{beside}, {LOCKED}", None, measure=partial(_slowest_writes, LOCKED)))
    return found + _readers_targets()


def _readers_targets() -> list[Target]:
    by_one = "by two threads, by those of one"
    found = []
    for kind in ("reads", "snapshots"):
        for where, written in (("", False), (" beside a writer", True)):
            measure = partial(two_readers, kind, written=written)
            found.append(Target(f"{kind} {by_one}{where}", 1.8, at_least=True, measure=measure))
        measure = partial(two_readers, kind, deferred=False)
        found.append(Target(f"{kind} {by_one}, if all is counted", None, measure=measure))
    found.append(Target("update, by one if all is counted", None, measure=price_of_deferral))
    return found


def judge(
    demanded: Iterable[Target], settings: Settings, tell: Callable[[str], object]
) -> Iterator[Verdict]:
    """Measure and yield a verdict for each target; *tell* is told what comes next.

    Targets that follow each other and are of the same workload are measured in one go.
    """
    for _, group in groupby(demanded, key=_topic):
        together = list(group)
        for target in together:
            tell(target.what)
            if target.measure is not None:
                outcome = target.measure(settings)
                if isinstance(outcome, str):
                    yield Verdict(target, None, outcome)
                else:
                    yield Verdict(target, outcome)
        yield from _judge_timed([target for target in together if target.sides], settings)


def _topic(target: Target) -> Any:
    return target.what if target.sides is None else target.sides[0][::2]


def _judge_timed(together: list[Target], settings: Settings) -> Iterator[Verdict]:
    made: dict[tuple[str, int], Variant] = {}
    operations: dict[Part, Operation | None] = {}
    for part in [part for target in together for part in target.sides or ()]:
        if part not in operations:
            operations[part] = _operation(part, made)
    there = {str(part): each for part, each in operations.items() if each is not None}
    samples = time_all(there, settings)
    for target in together:
        if target.sides is None:
            continue
        over, under = target.sides
        if str(over) in samples and str(under) in samples:
            scale = over.times / under.times
            ratio = ratio_of(samples[str(over)], samples[str(under)])
            yield Verdict(target, Ratio(*(value * scale for value in ratio)))
        else:
            yield Verdict(target, None, "not all that it compares is installed")
    for variant in made.values():
        variant.close()


def _operation(part: Part, made: dict[tuple[str, int], Variant]) -> Operation | None:
    if part.variant == _BARE:
        return Operation("snapshot()", {"snapshot": Bare().get})
    if part.workload == "on_order_update":
        return manager_operations(part.workload, part.size)[part.variant]
    make = variants().get(part.variant)
    if make is None:
        return None
    place = (part.variant, part.size)
    if place not in made:
        made[place] = make(part.size)
    return made[place].operation(part.workload)

"""What is demanded of the store's speed, as ratios within one run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

from cowstate.maps import available_maps

from .counted import counted_targets
from .durable import journal_targets
from .followed import follow_targets
from .following import awake_after, beside_subscribers, paid_by_the_writer, task_wakes
from .measure import Ratio, Settings, ratio_of
from .mixed import bytes_per_version, run_against_each_other
from .readers import price_of_deferral, two_readers
from .relist import unchanged_list
from .scale import worst_write
from .served import served_targets
from .variant import DEFAULT, LOCKED
from .variants import variants
from .verdicts import BARE, Part, Target

__all__ = ["kept_targets", "targets"]

_PYRSISTENT = "cowstate/pyrsistent"
_TREE = "cowstate/tree"
_C_MAP = "cowstate/immutables"
_HAND = "reference+lock/"
_DEFAULT_BY_HAND = _HAND + DEFAULT.partition("+")[2]
_PEERS = {"nimbuskv": "nimbuskv", "atomix Atom": "atomix"}
# What is compared with peers. atomix can do all of it but the last, and nimbuskv that too.
_BY_PEERS = (
    "snapshot",
    "read",
    "read_all",
    "update",
    "set",
    "update_all",
    "transaction",
    "conditional",
    "delivery",
)


def _of(workload: str, size: int, over: str, under: str) -> tuple[Part, Part]:
    return Part(workload, over, size), Part(workload, under, size)


def _timed_targets(settings: Settings) -> Iterator[Target]:
    bare = Part("snapshot", BARE, 0)
    yield Target(f"snapshot, by {BARE}", 1.3, (Part("snapshot", DEFAULT, 1_000), bare))
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
    yield Target("set, by hand-written", 1.7, _of("set", 1_000, DEFAULT, _DEFAULT_BY_HAND))
    yield Target(
        "snapshot()[key], by hand-written", 1.4, _of("read", 1_000, DEFAULT, _DEFAULT_BY_HAND)
    )
    for variant in (_C_MAP, _TREE):
        name = variant.partition("/")[2]
        yield Target(
            f"update with 2 indexes and 3 totals that do not move, over {name}, by hand-written",
            2.4,
            (Part("update_derived", variant, 1_000), Part("update", _HAND + name, 1_000)),
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
        1.8,
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
        _of("diff", 100_000, _DEFAULT_BY_HAND, DEFAULT),
        at_least=True,
    )
    for workload in _BY_PEERS:
        for size in (20, 1_000):
            for peer, name in _PEERS.items():
                if workload != "delivery" or name == "nimbuskv":
                    sides = _of(workload, size, DEFAULT, peer)
                    yield Target(f"{workload} of {size:,}, by {name}'s", 1, sides)
    for peer, name in _PEERS.items():
        yield Target(f"build of 10,000, by {name}'s", 1, _of("build", 10_000, DEFAULT, peer))


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
    found = [*_timed_targets(settings), *counted_targets()]
    found += [
        Target(
            "update beside 10,000 subscribers of other keys, by none",
            1.2,
            measure=beside_subscribers,
        ),
        Target("the right one of 1,000 sleeping feeds is awake, ms", 0.15, measure=awake_after),
        Target("what the writer pays for that, ms", 0.05, measure=paid_by_the_writer),
        Target("a task wakes, by call_soon_threadsafe and a future", 4, measure=task_wakes),
        Target("worst of 20,000 writes at 1,000,000, collector on, ms", 10, measure=worst_write),
    ]
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
    return found + kept_targets() + _readers_targets()


def kept_targets() -> list[Target]:
    """Return what is demanded of what a store is kept in, followed by, and a mirror of."""
    relist = "list of 50,000 unchanged, by comparing two dicts"
    return [
        *journal_targets(),
        *follow_targets(),
        *served_targets(),
        Target(relist, 3, measure=unchanged_list),
    ]


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

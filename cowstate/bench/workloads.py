"""The workloads: what is measured, at which sizes, and how a run of one becomes figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from .durable import run_journal
from .errors import UnknownWorkloadError
from .followed import run_follow
from .measure import Figure, Operation, Settings, time_all
from .mixed import bytes_per_version, run_against_each_other
from .orders import manager_operations
from .relist import run_mirror
from .reopening import run_opening
from .scale import run_followers, run_records, run_writers
from .served import run_served
from .variants import Variant, chosen

__all__ = ["Step", "Workload", "operations_of", "steps_of", "workloads"]

_SIZES = (20, 100, 1_000, 10_000, 100_000)
_LARGEST_QUICK = 1_000
_CROWDS = ((1, 1), (2, 4))


class Workload(NamedTuple):
    """One thing to be measured, at several sizes.

    Attributes:
        name: as given to ``cowstate bench``.
        about: what it is, in a line.
        sizes: how many records there are, or what else grows.
        run: measures it at one size.
        quick_sizes: the sizes of a quick run, if they are not the smaller ones of all.
        asked_for: it is only measured when it is named, for it takes minutes.
    """

    name: str
    about: str
    sizes: tuple[int, ...]
    run: Callable[[int, Settings], list[Figure]]
    quick_sizes: tuple[int, ...] = ()
    asked_for: bool = False

    def sizes_for(self, settings: Settings) -> tuple[int, ...]:
        """Return the sizes that are measured with *settings*."""
        if not settings.quick:
            return self.sizes
        return self.quick_sizes or tuple(size for size in self.sizes if size <= _LARGEST_QUICK)


class Step(NamedTuple):
    """One workload at one size, to be run."""

    workload: Workload
    size: int


def operations_of(workload: str, made: Mapping[str, Variant]) -> dict[str, Operation]:
    """Return the operation of *workload* for each variant of *made* that has one."""
    found = {name: variant.operation(workload) for name, variant in made.items()}
    return {name: operation for name, operation in found.items() if operation is not None}


def _figures(
    workload: str,
    size: int,
    operations: Mapping[str, Operation],
    settings: Settings,
) -> list[Figure]:
    samples = time_all(operations, settings)
    return [
        Figure(workload, name, size, "time", "ns", taken, operations[name].note)
        for name, taken in samples.items()
    ]


def _timed(
    name: str,
    about: str,
    sizes: tuple[int, ...] = _SIZES,
    quick_sizes: tuple[int, ...] = (),
) -> Workload:
    def run(size: int, settings: Settings) -> list[Figure]:
        made = {variant: make(size) for variant, make in chosen(settings).items()}
        try:
            return _figures(name, size, operations_of(name, made), settings)
        finally:
            for variant in made.values():
                variant.close()

    return Workload(name, about, sizes, run, quick_sizes)


def _managed(name: str, about: str, sizes: tuple[int, ...]) -> Workload:
    def run(size: int, settings: Settings) -> list[Figure]:
        return _figures(name, size, manager_operations(name, size), settings)

    return Workload(name, about, sizes, run)


def _run_mixed(size: int, settings: Settings) -> list[Figure]:
    samples: dict[tuple[str, str], list[float]] = {}
    notes = {}
    for _ in range(max(1, settings.repeats // 2)):
        for name, make in chosen(settings).items():
            variant = make(size)
            notes[name] = variant.note
            for writers, readers in _CROWDS:
                crowd = f"{writers}W {readers}R"
                outcome = run_against_each_other(
                    variant.writer, variant.reader, writers, readers, settings.mixed_s
                )
                for quantity, value in outcome.items():
                    samples.setdefault((name, f"{crowd} {quantity}"), []).append(value)
            variant.close()
    return [
        Figure(
            "mixed",
            name,
            size,
            quantity,
            "per s" if quantity.endswith(("writes", "reads")) else "ns",
            tuple(taken),
            notes[name],
        )
        for (name, quantity), taken in samples.items()
    ]


def _run_memory(size: int, settings: Settings) -> list[Figure]:
    figures = []
    for name, make in chosen(settings).items():
        variant = make(size)
        if variant.operation("snapshot") is not None:
            taken = bytes_per_version(variant.retain(), _versions(size, settings))
            figures.append(Figure("memory", name, size, "size", "bytes", (taken,), variant.note))
        variant.close()
    return figures


def _versions(size: int, settings: Settings) -> int:
    """Return how many versions are kept to weigh one, so that copies of all fit in memory."""
    return max(4, min(10 if settings.quick else 200, 1_000_000 // size))


def workloads() -> dict[str, Workload]:
    """Return all workloads by name, in the order in which they are run."""
    found = [
        _timed("snapshot", "take everything as of now"),
        _timed("read", "read one record"),
        _timed("read_all", "add up one field of all records, consistently"),
        _timed("iterate", "go through the items of a snapshot at hand"),
        _timed("update", "change one record"),
        _timed("set", "put one record in the place of another"),
        _timed("update_indexed", "change the field under a unique index, a total beside it"),
        _timed("update_derived", "change one, beside 2 indexes and 3 totals that do not move"),
        _timed("update_all", "change ten records at once, by one function"),
        _timed("transact", "the same in a function of a transaction"),
        _timed("transaction", "the same in the block of a transaction"),
        _timed("draft", "change one record by a draft, and commit it"),
        _timed("draft_of_ten", "change ten records by a draft, and commit it"),
        _timed("conditional", "change one record if it is still what was read"),
        _timed("diff", "what differs between two snapshots one change apart"),
        _timed("delivery", "change one record, one subscriber is called"),
        _timed("feed", "change one record, and pull what changed"),
        Workload("mixed", "readers of everything and writers at once", (100, 10_000), _run_mixed),
        _managed("on_order_update", "one order update, no history", (20, 100, 1_000, 10_000)),
        _managed("on_order_update_history", "the same, with history", (20, 100, 1_000, 10_000)),
        _managed("reconcile", "a whole pass in which all agrees", (20, 100, 1_000, 10_000)),
        Workload("mirror", "list again what has not changed", (1_000, 50_000), run_mirror),
        Workload("memory", "one more retained version", _SIZES, _run_memory),
        _timed("build", "make a store of a million", (1_000_000,), quick_sizes=(10_000,)),
        Workload(
            "scale",
            "each cost, as the records grow; minutes and 12 GB",
            (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000),
            run_records,
            asked_for=True,
        ),
        Workload(
            "followers",
            "an update beside so many who follow",
            (1, 10, 100, 1_000, 10_000),
            run_followers,
            asked_for=True,
        ),
        Workload(
            "journal",
            "updates that are on disk, by bare SQLite, by memory and by threads",
            (200,),
            run_journal,
            asked_for=True,
        ),
        Workload(
            "opening",
            "open a file of records, with two indexes",
            (10_000, 100_000, 1_000_000),
            run_opening,
            quick_sizes=(10_000,),
            asked_for=True,
        ),
        Workload(
            "follow",
            "how soon other processes see a write, and what they cost",
            (200,),
            run_follow,
            asked_for=True,
        ),
        Workload(
            "served",
            "updates on PostgreSQL, by bare psycopg",
            (200,),
            run_served,
            asked_for=True,
        ),
        Workload(
            "writers",
            "updates by so many threads",
            (1, 2, 10, 100, 1_000),
            run_writers,
            asked_for=True,
        ),
    ]
    return {workload.name: workload for workload in found}


def steps_of(names: tuple[str, ...], settings: Settings) -> Iterator[Step]:
    """Yield what is to be run for the workloads of these *names*; for none, what need not be named.

    Raises:
        UnknownWorkloadError: there is no workload of one of the names.
    """
    known = workloads()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownWorkloadError(unknown, tuple(known))
    for name in names or [name for name, workload in known.items() if not workload.asked_for]:
        for size in known[name].sizes_for(settings):
            yield Step(known[name], size)

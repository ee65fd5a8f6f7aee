"""What a write to a store with a journal costs: by bare SQLite, by memory, by several threads."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from itertools import cycle
from statistics import median
from time import perf_counter_ns, sleep, time
from typing import Any, Final

import msgspec

from cowstate import Codec, Store, journal
from cowstate.journal import tables
from cowstate.journal.encoded import Encoder
from cowstate.journal.log import Row
from cowstate.journal.sqlite import SqliteLog

from .measure import Figure, Operation, Ratio, Settings, ratio_of, run_together, time_all
from .reopening import Position, everything, first_snapshot, more, position
from .verdicts import Target

__all__ = ["Bare", "bare", "journal_targets", "opened", "run_journal"]

_SIZE: Final = 200
_SLOWER: Final = 0.001
"""By how many seconds a sync is made slower, to see how writers share a slow one."""

_SYNCED: Final = 50_000
"""From how many nanoseconds on a sync is taken for one: in memory there is nothing to share."""


def _records(size: int) -> dict[str, Position]:
    return {f"{number:07d}": position(number) for number in range(size)}


class _SlowLog(SqliteLog):
    """One on a disk whose syncs take longer."""

    def write(self, rows: Sequence[Row]) -> None:
        super().write(rows)
        sleep(_SLOWER)
        self.took += _SLOWER


@contextmanager
def opened(sync: Any, size: int = _SIZE, slow: bool = False) -> Generator[Any]:
    """Open a store of so many records in a file of its own."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "positions.db")
        if slow:
            codec = Codec[str, Position](key=str, record=Position)
            log = _SlowLog(path, "json", "full")
            store: Any = journal.JournaledStore(log, Encoder(codec, str, True), sync, {})
        else:
            store = journal.open_store(path, key=str, record=Position, sync=sync)
        with store:
            store.replace_all(_records(size))
            yield store


_COMMITTED: Final = "INSERT INTO commits (version, epoch, time) VALUES (?, ?, ?)"
"""By who asks nobody whether he may."""


class Bare:
    """Updates one record by SQLite alone: the same rows as a store, with the same sync.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str, sync: str, store: Any) -> None:
        self.path = path
        self._records: dict[str, Position] = dict(store.snapshot().items())
        self._version = store.snapshot().version
        self._encode = msgspec.json.Encoder().encode
        self.connection = sqlite3.connect(path, isolation_level=None)
        self._do = self.connection.execute
        self._do("PRAGMA journal_mode = WAL")
        self._do(f"PRAGMA synchronous = {sync}")

    def __call__(self, key: str) -> None:
        """Update one record."""
        do = self._do
        record = self._records[key] = more(self._records[key])
        version = self._version = self._version + 1
        name, value = self._encode(key).decode(), self._encode(record).decode()
        do("BEGIN IMMEDIATE")
        do(_COMMITTED, (version, 1, time()))
        do(tables.CHANGED, (version, name, value))
        do(tables.PUT, (name, value, version))
        do("COMMIT")


@contextmanager
def bare(sync: str, size: int = _SIZE) -> Generator[Bare]:
    """Give such a loop over a file that a store has left."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "positions.db")
        with opened("normal", size) as store:
            left = sqlite3.connect(store.journal.path)
            copy = sqlite3.connect(path)
            left.backup(copy)
            left.close()
            copy.close()
            update = Bare(path, sync, store)
        try:
            yield update
        finally:
            update.connection.close()


_WARM: Final = 1_000
"""After how many updates both have begun their write-ahead log anew. From then on it is written
over, and grows no more: so a sync takes less time."""

_MEMORY: Final = "in memory"
_BARE: Final = ", bare sqlite3"


@cache
def _updates(settings: Settings) -> dict[str, tuple[float, ...]]:
    """Return how long one update takes, in nanoseconds, each way, round by round."""
    with ExitStack() as stack:
        return time_all(_operations(stack, settings), settings)


def _operations(stack: ExitStack, settings: Settings) -> dict[str, Operation]:
    turn = cycle(random.Random(settings.seed).sample([*_records(_SIZE)], _SIZE))
    memory = Store(_records(_SIZE))
    # Many at a time where the disk follows: what it costs to write them is shared out.
    many = 100 if settings.quick else 20_000
    operations = {
        _MEMORY: _updates_of(memory, turn, many),
        "interval": _updates_of(stack.enter_context(opened("interval")), turn, many),
    }
    for sync in ("normal", "full"):
        store, update = stack.enter_context(opened(sync)), stack.enter_context(bare(sync))
        for _ in range(20 if settings.quick else _WARM):
            store.update(next(turn), more)
            update(next(turn))
        operations[sync] = _updates_of(store, turn)
        operations[sync + _BARE] = Operation("update(next(turn))", {"update": update, "turn": turn})
    return operations


def _updates_of(store: Any, turn: Iterator[str], count: int = 1) -> Operation:
    names = {"update": store.update, "fn": more, "turn": turn}
    if count == 1:
        return Operation("update(next(turn), fn)", names)
    return Operation(f"for _ in range({count}): update(next(turn), fn)", names, per=count)


@cache
def _rates(sync: str, crowd: int, slow: bool, settings: Settings) -> dict[int, tuple[float, ...]]:
    """Return how many updates a second one thread makes, and a *crowd*, round by round."""
    with opened(sync, slow=slow) as store:
        return _rates_in(store, (1, crowd), settings)


def _rates_in(
    store: Any, crowds: tuple[int, ...], settings: Settings
) -> dict[int, tuple[float, ...]]:
    rates: dict[int, list[float]] = {crowd: [] for crowd in crowds}
    keys = [*_records(_SIZE)]
    for _ in range(settings.repeats):
        for count, taken in rates.items():
            taken.append(_rate(store, keys[:count], max(settings.mixed_s, 0.02)))
    return {count: tuple(taken) for count, taken in rates.items()}


def _rate(store: Any, keys: list[str], seconds: float) -> float:
    ready, stop = threading.Barrier(len(keys) + 1), threading.Event()
    done: list[int] = []

    def write(key: str) -> None:
        ready.wait()
        count = 0
        while not count or not stop.is_set():
            store.update(key, more)
            count += 1
        done.append(count)

    threads = [threading.Thread(target=write, args=(key,)) for key in keys]
    took = run_together(threads, ready, stop, seconds)
    return sum(done) / took


@cache
def _syncs(settings: Settings) -> tuple[float, ...]:
    """Return how long it takes to sync a page that was written anew, in nanoseconds."""
    with tempfile.TemporaryFile() as file:
        return _syncs_of(file.fileno(), settings.repeats * 20)


def _syncs_of(file: int, count: int) -> tuple[float, ...]:
    sync = getattr(os, "fdatasync", os.fsync)
    page = bytes(4096)
    taken = []
    for _ in range(count):
        os.pwrite(file, page, 0)
        began = perf_counter_ns()
        sync(file)
        taken.append(float(perf_counter_ns() - began))
    return tuple(taken)


_CROWDS: Final = {
    "full": ("full", 8, False),
    "full, a sync of 1 ms more": ("full", 8, True),
    "normal": ("normal", 2, False),
}


def run_journal(size: int, settings: Settings) -> list[Figure]:
    """Measure the updates of one thread each way, those of several threads, and a sync here."""
    figures = [
        Figure("journal", name, size, "an update", "ns", taken)
        for name, taken in _updates(settings).items()
    ]
    for name, (sync, crowd, slow) in _CROWDS.items():
        for count, taken in _rates(sync, crowd, slow, settings).items():
            label = f"{count} thread{'s' * (count > 1)}"
            figures.append(
                Figure("journal", label, size, f"updates by threads, {name}", "per s", taken)
            )
    figures.append(
        Figure("journal", "fdatasync", size, "a sync of one page", "ns", _syncs(settings))
    )
    return figures


def _by(over: str, under: str, settings: Settings) -> Ratio:
    found = _updates(settings)
    return ratio_of(found[over], found[under])


def _by_the_median(over: str, under: str, settings: Settings) -> Ratio:
    # What waits for a disk is as quick as the disk happens to be: the least is a matter of luck.
    found = _updates(settings)
    middle = median(found[over]) / median(found[under])
    return _by(over, under, settings)._replace(value=middle)


def _crowded(name: str, settings: Settings) -> Ratio | str:
    sync, crowd, slow = _CROWDS[name]
    if sync == "full" and not slow and median(_syncs(settings)) < _SYNCED:
        return "nothing is synced here"
    found = _rates(sync, crowd, slow, settings)
    ratio = ratio_of(found[crowd], found[1])
    return ratio._replace(value=median(found[crowd]) / median(found[1]))


def _sync_here(settings: Settings) -> Ratio:
    ordered = sorted(taken / 1e6 for taken in _syncs(settings))
    return Ratio(median(ordered), ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4])


def journal_targets() -> list[Target]:
    """Return what is demanded of a store with a journal."""
    by_one = "updates of 8 threads, by those of one, full"
    return [
        Target("a sync of one page here, ms", None, measure=_sync_here),
        *[
            Target(
                f"durable update, {sync}, by a bare sqlite3 loop of the same rows",
                bound,
                measure=partial(_by_the_median, sync, sync + _BARE),
            )
            for sync, bound in (("full", 1.15), ("normal", None))
        ],
        Target(by_one, 3, at_least=True, measure=partial(_crowded, "full")),
        Target(
            f"{by_one}, where a sync takes 1 ms more",
            6,
            at_least=True,
            measure=partial(_crowded, "full, a sync of 1 ms more"),
        ),
        Target(
            "updates of 2 threads, by those of one, normal",
            1,
            at_least=True,
            measure=partial(_crowded, "normal"),
        ),
        Target("update, interval, by one in memory", 5, measure=partial(_by, "interval", _MEMORY)),
        Target(
            "opening 1,000,000 until a snapshot is read, by reading and decoding them",
            1.3,
            measure=first_snapshot,
        ),
        Target("the same until two indexes are built", 3, measure=everything),
    ]

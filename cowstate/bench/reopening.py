"""What it takes to open the file of a store: by reading and decoding its records alone."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import cache
from operator import attrgetter
from time import thread_time_ns
from typing import Any, Final

import msgspec

from cowstate import Index, Record, journal

from .collector import collector_off
from .measure import Figure, Ratio, Settings, ratio_of

__all__ = [
    "READ",
    "Position",
    "everything",
    "first_snapshot",
    "position",
    "run_opening",
    "written",
]

READ: Final = "read and decoded"
_FIRST: Final = "first snapshot"
_ALL: Final = "everything built"

_LARGEST: Final = 1_000_000
_QUICK: Final = 10_000


class Position(Record):
    """A record as people have them: of several fields, most of them short."""

    order_id: str
    side: str
    price: int
    quantity: int
    status: str
    note: str = ""


_INDEXES: Final = {
    "order_id": Index(attrgetter("order_id"), unique=True),
    "side": Index(attrgetter("side")),
}


def position(number: int) -> Position:
    """Return one of many, each another one."""
    side = "sell" if number % 2 else "buy"
    return Position(f"order-{number}", side, 50_000 + number, 1, "working")


def more(record: Position) -> Position:
    """Return it with one more."""
    return record.replace(quantity=record.quantity + 1)


def written(path: str, size: int) -> None:
    """Make a file of so many records, as one is whose log was let go of."""
    with journal.open_store(path, key=str, record=Position) as store:
        store.set("", position(0))
        store.delete("")
    encode = msgspec.json.Encoder().encode
    rows = ((f'"{n:07d}"', encode(position(n)).decode()) for n in range(size))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO records VALUES (?, ?, 2)", rows)


def _read(path: str) -> Any:
    """Return what the file holds, by the least that does it: the records in a dict."""
    key, record = msgspec.json.Decoder(str).decode, msgspec.json.Decoder(Position).decode
    found: dict[str, Position] = {}
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT key, value FROM records")
    while some := rows.fetchmany(1_000):
        found.update(zip([key(k) for k, _ in some], [record(v) for _, v in some], strict=True))
    connection.close()
    return found


def _open(path: str) -> Any:
    store = journal.open_store(path, key=str, record=Position, indexes=_INDEXES)
    return store, store.snapshot()


def _open_and_look(path: str) -> Any:
    store, now = _open(path)
    # Whatever is asked, that makes an index.
    return store, now.find("order_id", "order-0"), now.find_all("side", "neither")


_WAYS: Final[dict[str, Callable[[str], Any]]] = {
    READ: _read,
    _FIRST: _open,
    _ALL: _open_and_look,
}


@cache
def _samples(size: int, settings: Settings) -> dict[str, tuple[float, ...]]:
    """Return how long each way took, in nanoseconds of this thread's, round by round."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "positions.db")
        written(path, size)
        rounds = min(settings.repeats, 5) if size >= _LARGEST else settings.repeats
        return _timed_in_turn(path, rounds, random.Random(settings.seed))


def _timed_in_turn(path: str, rounds: int, rng: random.Random) -> dict[str, tuple[float, ...]]:
    taken: dict[str, list[float]] = {name: [] for name in _WAYS}
    for _ in range(rounds):
        names = list(_WAYS)
        rng.shuffle(names)
        for name in names:
            taken[name].append(_timed(_WAYS[name], path))
    return {name: tuple(each) for name, each in taken.items()}


def _timed(way: Callable[[str], Any], path: str) -> float:
    # Without the collector, which would look at all that is new again and again: whoever reads a
    # million records by hand would turn it off, too.
    with collector_off():
        began = thread_time_ns()
        made = way(path)
        took = thread_time_ns() - began
    if isinstance(made, tuple):
        made[0].close()
    return float(took)


def run_opening(size: int, settings: Settings) -> list[Figure]:
    """Measure reading and decoding alone, and opening, of so many records with two indexes."""
    return [
        Figure("opening", name, size, "time", "ns", taken)
        for name, taken in _samples(size, settings).items()
    ]


def _by_reading(way: str, settings: Settings) -> Ratio:
    found = _samples(_QUICK if settings.quick else _LARGEST, settings)
    return ratio_of(found[way], found[READ])


def first_snapshot(settings: Settings) -> Ratio:
    """Return opening a million records until they can be read, by reading and decoding alone."""
    return _by_reading(_FIRST, settings)


def everything(settings: Settings) -> Ratio:
    """Return the same until two indexes are built, too."""
    return _by_reading(_ALL, settings)

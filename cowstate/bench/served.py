"""What a write to a store on a server costs, by a bare loop of the same rows and the same fence."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import cycle
from time import time
from typing import Any, Final

import msgspec

from cowstate import journal

from .measure import Figure, Operation, Ratio, Settings, ratio_of, time_all
from .places import NO_SERVER, Place, a_name_on, connected, server
from .reopening import Position, more, position
from .verdicts import Target

__all__ = ["BareLoop", "bare_loop", "filled", "run_served", "served_targets"]

_SIZE: Final = 200
OURS, BARE = "cowstate on PostgreSQL", "bare psycopg"


@contextmanager
def filled(place: Place, size: int = _SIZE) -> Generator[Any]:
    """Open a store of so many records."""
    with journal.open_store(place.where, name=place.name, key=str, record=Position) as store:
        store.replace_all(_records(size))
        yield store


def _records(size: int) -> dict[str, Position]:
    return {f"{number:07d}": position(number) for number in range(size)}


class BareLoop:
    """Updates one record by psycopg alone: the rows of a store, in one transaction.

    It begins with the fence, and wakes who follows.
    """

    def __init__(self, connection: Any, place: Place, records: dict[str, Position]) -> None:
        self._connection = connection
        self._records = dict(records)
        self._encode = msgspec.json.Encoder().encode
        schema = self._schema = f"cowstate_{place.name}"
        found = connection.execute(
            f"UPDATE {schema}.writer SET epoch = epoch + 1 RETURNING epoch, version"
        )
        self._epoch, self._version = found.fetchone()
        self._fence = (
            f"UPDATE {schema}.writer SET version = %s, until = clock_timestamp() + interval '5 s'"
            " WHERE epoch = %s AND version = %s"
        )
        self._committed = f"INSERT INTO {schema}.commits VALUES (%s, %s, %s, NULL, NULL)"
        self._changed = (
            f"INSERT INTO {schema}.changes SELECT %s, %s,"
            f" (SELECT value FROM {schema}.records WHERE key = %s), %s"
        )
        self._put = (
            f"INSERT INTO {schema}.records VALUES (%s, %s, %s)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version"
        )

    def __call__(self, key: str) -> None:
        """Update one record."""
        do = self._connection.execute
        record = self._records[key] = more(self._records[key])
        before, version = self._version, self._version + 1
        name, value = self._encode(key).decode(), self._encode(record).decode()
        do("BEGIN")
        if do(self._fence, (version, self._epoch, before), prepare=True).rowcount != 1:
            raise RuntimeError("somebody else writes")
        do(self._committed, (version, self._epoch, time()), prepare=True)
        do(self._changed, (version, name, name, value), prepare=True)
        do(self._put, (name, value, version), prepare=True)
        do("SELECT pg_notify(%s, %s)", (self._schema, str(version)), prepare=True)
        do("COMMIT")
        self._version = version


@contextmanager
def bare_loop(place: Place) -> Generator[BareLoop]:
    """Give such a loop over what a store has left."""
    with filled(place) as store:
        records = dict(store.snapshot().items())
    with connected(place.where) as connection:
        yield BareLoop(connection, place, records)


@cache
def _updates(url: str, settings: Settings) -> dict[str, tuple[float, ...]]:
    turn = cycle(random.Random(settings.seed).sample([*_records(_SIZE)], _SIZE))
    with ExitStack() as stack:
        store = stack.enter_context(filled(stack.enter_context(a_name_on(url))))
        loop = stack.enter_context(bare_loop(stack.enter_context(a_name_on(url))))
        names = {"update": store.update, "more": more, "loop": loop, "turn": turn}
        operations = {
            OURS: Operation("update(next(turn), more)", names),
            BARE: Operation("loop(next(turn))", names),
        }
        return time_all(operations, settings)


def run_served(size: int, settings: Settings) -> list[Figure]:
    """Measure an update each way, on the server that is named; nothing if none is."""
    url = server()
    return [
        Figure("served", name, size, "an update", "ns", taken)
        for name, taken in (_updates(url, settings) if url else {}).items()
    ]


def _by_bare(settings: Settings) -> Ratio | str:
    url = server()
    if url is None:
        return NO_SERVER
    found = _updates(url, settings)
    return ratio_of(found[OURS], found[BARE])


def served_targets() -> list[Target]:
    """Return what is demanded of a store on a server."""
    return [
        Target(
            "durable update on PostgreSQL, by a bare psycopg loop with the same fence",
            1.15,
            measure=_by_bare,
        )
    ]

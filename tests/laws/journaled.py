"""Stores with a journal in the place of plain ones, for the laws: over a log in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from cowstate import Codec, Meter
from cowstate.journal import JournaledStore
from cowstate.journal.encoded import Encoder
from cowstate.journal.log import Row
from tests.journal.plain import PlainLog


class Unencoded(Encoder[Any, Any]):
    """Writes the version of each commit, and reads what the store was made of."""

    def __init__(self, start: Mapping[Any, Any]) -> None:
        super().__init__(Codec(key=str, record=str), str, True)
        self._start = start

    def read(self, parts: Iterable[Any]) -> tuple[dict[Any, Any], int]:
        found = {key: self._start[key] for rows in parts for key, _ in rows}
        return found, len(found)

    def row_of(self, commit: Any) -> Row:
        return Row(commit.version, 0.0, [], None)


class Beginning(PlainLog):
    """Holds some records from the start."""

    def __init__(self, start: Mapping[Any, Any]) -> None:
        super().__init__()
        self._start = start

    def records(self) -> Iterator[list[tuple[Any, Any]]]:
        return iter([[(key, "") for key in self._start]])


def journaled(start: Mapping[Any, Any] = {}, **options: Any) -> JournaledStore[Any, Any]:
    store = JournaledStore(Beginning(start), Unencoded(start), "full", options)
    assert dict(store.snapshot()) == start
    return store


def behind(start: Mapping[Any, Any] = {}, **options: Any) -> JournaledStore[Any, Any]:
    """One that the disk follows: each write finds the interval over."""
    return JournaledStore(Beginning(start), Unencoded(start), "interval", options, 1e-9)


def measured() -> Callable[..., JournaledStore[Any, Any]]:
    return partial(journaled, meter=Meter())

"""Followers of a log in memory, that look when they are told to: no file, and no thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cowstate.journal import Follower, JournaledStore, follow
from cowstate.journal import follower as followers
from cowstate.journal import tail as tails
from cowstate.journal.chase import Chase
from cowstate.journal.log import Row
from cowstate.journal.view import Changed, Committed, Encoded, Form, Reach
from tests.journal.plain import PlainLog, plain_store


class KeptLog(PlainLog):
    """Keeps what it has let go of, so as to know the records, as a table of them does."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        super().write(rows)
        self.ever = [*self.ever, *rows]

    def view(self) -> PlainReader:
        return PlainReader(self)


class PlainReader:
    """`Reader`, of a log in memory: what it finds is of the moment at which it began."""

    fixed, schema = False, 0
    form: Form = "json"

    def __init__(self, log: KeptLog) -> None:
        self.path = log.path
        self._log = log
        self.begin()

    def begin(self) -> None:
        self._rows, self._ever = self._log.rows, self._log.ever

    def end(self) -> None:
        pass

    close = abandon = end

    def state(self) -> tuple[int, int]:
        return len(self._log.ever), len(self._log.rows)

    def reach(self) -> Reach:
        rows = self._rows
        return Reach(rows[0].version - 1, rows[-1].version) if rows else Reach(0, 0)

    def version_at(self, time: float) -> int | None:
        raise NotImplementedError

    def commits(self, after: int, upto: int) -> Iterator[Committed]:
        for row in self._rows:
            if after < row.version <= upto:
                yield Committed(row.version, row.time, "writer", len(row.writes), None, None)

    def changes(self, version: int) -> Iterator[Changed]:
        before = self._records_of(version - 1)
        for key, new in self._ever[version - 1].writes:
            yield Changed(key, before.get(key), new)

    def before(self, version: int, upto: int) -> list[tuple[Encoded, Encoded | None]]:
        records = self._records_of(version)
        changed = dict(write for row in self._ever[version:upto] for write in row.writes)
        return [(key, records.get(key)) for key in changed]

    def records(self) -> Iterator[tuple[Encoded, Encoded, int]]:
        for key, value in self._records_of(len(self._ever)).items():
            yield key, value, 0

    def meta(self) -> None:
        return None

    def meta_before(self, version: int, upto: int) -> None:
        return None

    def _records_of(self, version: int) -> dict[Encoded, Encoded]:
        held = dict(write for row in self._ever[:version] for write in row.writes)
        return {key: value for key, value in held.items() if value is not None}


class _NoThread:
    """Stands where a follower's thread would; keeps what that would do."""

    def __init__(self, target: Any, args: tuple[Any, ...], **_: Any) -> None:
        self.ident = None
        Unthreaded.last = args[1]

    def start(self) -> None:
        pass

    def is_alive(self) -> bool:
        return False


class _NoSleep:
    """Stands where nobody sleeps, so nobody is woken."""

    def wake(self) -> None:
        pass


class Unthreaded:
    """A store of which the log is in memory, and a follower of it that looks when it is told to.

    Attributes:
        log: the log.
        store: who writes it.
        follower: who follows it.
        chase: what the follower's thread would do: `step`.
    """

    last: Chase[str, int]
    log: KeptLog

    def __init__(self, written: int = 0, **options: Any) -> None:
        log = Unthreaded.log = self.log = KeptLog()
        self.store: JournaledStore[str, int] = plain_store(log, {})
        self.follower: Follower[str, int] = follow("memory", key=str, record=int, **options)
        self.chase = Unthreaded.last
        for n in range(written):
            self.store.set("n", n + 1)

    def caught_up(self) -> None:
        """Look until there is nothing more, as the thread does: and once more, at its next time."""
        for _ in range(2):
            while self.chase.step():
                pass


@pytest.fixture
def unthreaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let followers have no file and no thread."""
    monkeypatch.setattr(tails, "Reader", lambda _: PlainReader(Unthreaded.log))
    monkeypatch.setattr(tails, "Waking", lambda _: _NoSleep())
    monkeypatch.setattr(followers, "Thread", _NoThread)

"""The machine of journaled stores, over a server."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from cowstate.journal import Follower
from cowstate.journal.postgres.log import PostgresLog
from cowstate.journal.postgres.server import Server
from tests.journal.files import Slot, Troubles
from tests.journal.followed import QUANTITY
from tests.journal.postgres.servers import (
    CURRENT,
    expire,
    following,
    seen_by,
)
from tests.journal.test_machine import JournalMachine

_numbers = count(1)


class TroubledServer(Troubles, PostgresLog):
    """The log of a store on a server."""


class PostgresMachine(JournalMachine):
    """What it is over a file it is over a server."""

    def make(self) -> None:
        [self.cluster] = CURRENT
        self.name = f"machine_{next(_numbers)}"
        self.looking = self.cluster.connect()

    def log_of(self) -> Troubles:
        server = Server(self.cluster.url, self.name)
        return TroubledServer(server, "json", "full", lease=600.0, wait=0.0)

    def follower_of(self) -> Follower[str, Slot]:
        return following(self.cluster, self.name, aggregates=QUANTITY)

    def seen(self) -> tuple[dict[str, str], list[int]]:
        return seen_by(self.looking, self.name)

    @rule()
    def crash(self) -> None:
        """The process dies: nobody says that the right to write is free, but its lease ends."""
        expire(self.cluster, self.name)
        before = self.store
        self.open()
        before.close()

    def check_all(self) -> None:
        changes = self.looking.execute(
            f"SELECT key, old, new FROM cowstate_{self.name}.changes ORDER BY version"
        ).fetchall()
        left: dict[str, str | None] = {}
        for key, old, new in changes:
            assert left.setdefault(key, old) == old
            left[key] = new
        records = self.seen()[0]
        assert all(records.get(key) == value for key, value in left.items())

    def leave(self) -> None:
        self.follower.close()
        self.looking.execute(f"DROP SCHEMA cowstate_{self.name} CASCADE")
        self.looking.close()


@pytest.mark.usefixtures("cluster")
class TestPostgres(PostgresMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(max_examples=6, stateful_step_count=20, deadline=None)

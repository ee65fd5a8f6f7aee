"""The server dies, its replica is promoted: the store goes on there, or says what it lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cowstate.journal import JournalError, JournalFileError
from tests.journal.files import Slot
from tests.journal.postgres.servers import (
    SOON,
    Cluster,
    expire,
    following,
    on_server,
    opened,
    url_of,
)
from tests.standing import eventually


@pytest.fixture
def replica(own: Cluster) -> Iterator[Cluster]:
    """A server that repeats what the other one's log says."""
    made = Cluster(own)
    try:
        made.start("ready to accept read-only connections")
        yield made
    finally:
        made.remove()


def either(own: Cluster, replica: Cluster) -> Any:
    """Whichever of the two can be written to."""
    return SimpleNamespace(url=url_of(own.home, replica.home, target_session_attrs="read-write"))


def caught_up(own: Cluster, replica: Cluster) -> None:
    """Return when the replica shows what is on the server now: to have it is not yet to show it."""
    with own.connect() as connection:
        [(there,)] = connection.execute("SELECT pg_current_wal_lsn()").fetchall()
    with replica.connect() as connection:

        def shows() -> bool:
            [(found,)] = connection.execute(
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (there,)
            ).fetchall()
            return bool(found)

        eventually(shows, "the replica should come to it", SOON)


def test_a_replica_is_followed_and_when_it_is_promoted_written(
    own: Cluster, replica: Cluster, name: str
) -> None:
    with own.connect() as connection:
        # What has returned is on the replica's disk, too.
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")
    with opened(either(own, replica), name) as store:
        commit = store.set("a", Slot(1))
        caught_up(own, replica)
        with (
            following(replica, name, every=0.02) as follower,
            following(replica, name, every=1e6) as sleeper,
        ):
            assert follower.wait_for(version=commit.version, timeout=SOON)["a"] == Slot(1)
            feed = follower.feed()
            for n in range(2, 10):
                store.set("a", Slot(n))
            own.stop(signal.SIGKILL)
            with pytest.raises(JournalError):
                store.set("a", Slot(10))
            known = store.snapshot().version
            assert known == 9
            replica.promote()
            assert store.set("a", Slot(11)).version in {10, 11}
            now = store.snapshot()
            assert on_server(replica, name)[1] == [*range(1, now.version + 1)]
            found = [feed.get(SOON) for _ in range(2, now.version + 1)]
            assert [each.version for each in found] == [*range(2, now.version + 1)]
            assert found[-1].after["a"] == Slot(11)
            # From its next look on a server that was promoted wakes whoever follows it.
            assert sleeper.wait_for(version=now.version, timeout=SOON)["a"] == Slot(11)
            for n in (12, 13):
                store.set("a", Slot(n))
                sleeper.wait_for(lambda seen, n=n: seen["a"] == Slot(n), timeout=SOON)


def test_one_that_lacks_what_was_acknowledged_is_not_written(
    own: Cluster, replica: Cluster, name: str
) -> None:
    with opened(either(own, replica), name) as store:
        store.set("a", Slot(1))
        caught_up(own, replica)
        replica.stop()
        store.set("a", Slot(2))  # of which it never hears
        own.stop(signal.SIGKILL)
        replica.start("ready to accept read-only connections")
        replica.promote()
        with pytest.raises(JournalFileError, match="older state: its newest version is 1, and 2"):
            store.set("a", Slot(3))
        assert store.journal.closed
        assert store.snapshot()["a"] == Slot(2)
    # Whoever opens it anew accepts what there is.
    expire(replica, name)
    with opened(replica, name) as store:
        assert store.snapshot()["a"] == Slot(1)

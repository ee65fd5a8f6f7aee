"""Connections are cut in every phase of a commit, servers killed: memory is what the server has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest

from cowstate.journal import FencedError, JournalError, JournalFileError, UnknownOutcomeError
from cowstate.journal.postgres import tail
from tests.journal.files import Slot
from tests.journal.postgres.proxies import Proxy
from tests.journal.postgres.servers import (
    SOON,
    Cluster,
    Slots,
    following,
    is_held_up,
    on_server,
    opened,
)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    made = Proxy(cluster)
    yield made
    made.close()


def agree(cluster: Cluster, name: str, store: Slots) -> None:
    """What is in memory, published, is what is on the server."""
    records, versions = on_server(cluster, name)
    now = store.snapshot()
    assert sorted(records) == [f'"{key}"' for key in sorted(now)]
    assert all(f'"quantity":{now[key.strip(chr(34))].quantity},' in records[key] for key in records)
    assert versions == [*range(1, now.version + 1)]


POINTS = [("to", n) for n in (0, 1, 5, 40, 150, 300, 450, 600)] + [
    ("from", n) for n in (0, 1, 5, 20, 60, 90)
]


def test_cut_anywhere_it_connects_anew_and_the_write_is_made_once(
    cluster: Cluster, name: str, proxy: Proxy
) -> None:
    with opened(proxy.cluster, name) as store:
        store.set("a", Slot(0))
        store.set("a", Slot(-1))  # by what the server has prepared
        for direction, after in POINTS:
            before = store.snapshot().version
            proxy.cut(direction, after)
            assert store.update("a", lambda slot: slot.replace(quantity=slot.quantity + 1))
            proxy.be_quiet()
            assert store.snapshot().version == before + 1
            agree(cluster, name, store)
        assert proxy.cuts > len(POINTS) / 2
        assert store.snapshot()["a"].quantity == len(POINTS) - 1


@pytest.mark.parametrize("direction", ["to", "from"])
def test_where_nobody_can_be_asked_it_is_unknown_and_then_known(
    direction: str, cluster: Cluster, name: str, proxy: Proxy
) -> None:
    outcomes = set()
    with opened(proxy.cluster, name) as store:
        store.set("a", Slot(0))
        store.set("a", Slot(-1))
        for after in (0, 3, 30):
            known = store.snapshot()
            proxy.cut(direction, after, then_refuse=True)
            with pytest.raises(UnknownOutcomeError):
                store.set("b", Slot(after))
            assert store.snapshot() is known
            with pytest.raises(JournalError, match="still cannot be asked") as caught:
                store.set("c", Slot(after))
            assert not isinstance(caught.value, UnknownOutcomeError)
            assert store.snapshot() is known
            proxy.be_quiet()
            store.set("c", Slot(after))
            written = store.snapshot().get("b") == Slot(after)
            assert store.snapshot().version == known.version + 1 + written
            outcomes.add(written)
            agree(cluster, name, store)
        assert proxy.cuts == 3
    # Cut on its way there it never came, cut on its way back it had been done.
    assert outcomes == {direction == "from"}


def test_what_was_sent_and_is_answered_by_nobody_is_void_when_it_comes(
    cluster: Cluster, name: str, proxy: Proxy
) -> None:
    # The server has the statement, and cannot begin with it: the row is locked.
    with opened(proxy.cluster, name) as store, cluster.connect() as other:
        store.set("a", Slot(0))
        store.set("a", Slot(-1))
        other.execute("BEGIN")
        other.execute(f"SELECT 1 FROM cowstate_{name}.writer FOR UPDATE")
        failures: list[Any] = []
        told = Event()

        def write() -> None:
            try:
                store.set("late", Slot(1))
            except JournalError as error:
                failures.append(error)
            told.set()

        writer = Thread(target=write)
        writer.start()
        with cluster.connect() as looking:
            while not is_held_up(looking, name):
                pass
        # It gives up after lock_timeout, which says for certain that nothing was done.
        assert told.wait(SOON)
        other.execute("ROLLBACK")
        writer.join(SOON)
        assert [type(failure) for failure in failures] == [JournalError]
        assert store.set("b", Slot(2)).version == 3
        agree(cluster, name, store)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_or_is_killed_under_writers_and_comes_back(
    how: signal.Signals, own: Cluster, name: str
) -> None:
    acknowledged: dict[str, int] = {}
    unknown, over = Event(), Event()

    def write(key: str) -> None:
        n = 0
        while not over.is_set():
            n += 1
            try:
                store.set(key, Slot(n))
            except JournalError:
                unknown.set()
            else:
                acknowledged[key] = n

    with opened(own, name) as store, following(own, name, every=0.05) as follower:
        heard: list[int] = []
        store.subscribe(lambda commit: heard.append(commit.version))
        threads = [Thread(target=write, args=(key,)) for key in "abc"]
        for each in threads:
            each.start()
        store.wait_for(lambda now: now.version > 20, timeout=SOON)
        own.stop(how)
        assert unknown.wait(SOON)
        own.start()
        before = store.snapshot().version
        store.wait_for(lambda now: now.version > before + 20, timeout=SOON)
        over.set()
        for each in threads:
            each.join(SOON)
        now = store.snapshot()
        assert all(now[key].quantity >= n for key, n in acknowledged.items())
        assert heard == [*range(1, now.version + 1)]
        agree(own, name, store)
        seen = follower.wait_for(version=now.version, timeout=SOON)
        assert dict(seen) == dict(now)


def test_a_server_that_forgot_is_not_written_to(cluster: Cluster, name: str) -> None:
    with opened(cluster, name) as store, following(cluster, name) as follower:
        for n in range(5):
            store.set("a", Slot(n))
        follower.wait_for(version=5, timeout=SOON)
        with cluster.connect() as connection:
            schema = f"cowstate_{name}"
            connection.execute(f"DELETE FROM {schema}.commits WHERE version > 3")
            connection.execute(f"DELETE FROM {schema}.changes WHERE version > 3")
            connection.execute(f"UPDATE {schema}.writer SET version = 3")
        with pytest.raises(JournalFileError, match="older state"):
            store.set("a", Slot(9))
        assert store.journal.closed
        assert store.snapshot()["a"] == Slot(4)
        follower.look_soon()
        with pytest.raises(JournalFileError, match="older state"):
            follower.wait_for(version=6, timeout=SOON)


def test_what_was_is_not_reckoned_from_a_server_that_forgot(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nor from a replica that lags: what is missing there would be taken for unchanged. The follower
    # looks but once, or it would find out, and end.
    monkeypatch.setattr(tail, "AGAIN", 0.0)
    with opened(cluster, name) as store:
        for n in range(5):
            store.set("a", Slot(n))
    with opened(cluster, name) as store, following(cluster, name, every=1e6) as follower:
        with cluster.connect() as connection:
            connection.execute(f"DELETE FROM cowstate_{name}.commits WHERE version > 3")
            connection.execute(f"DELETE FROM cowstate_{name}.changes WHERE version > 3")
            connection.execute(f"UPDATE cowstate_{name}.writer SET version = 3")
        feed = follower.feed(since=0)
        for look in (
            lambda: store.at(2),
            lambda: follower.at(2),
            lambda: store.as_of(0),
            feed.poll,
        ):
            with pytest.raises(JournalFileError, match=r"ends with version 3, .* come to 5"):
                look()
        assert store.at(5) is store.snapshot()


def test_deleted_under_the_store_it_ends_the_writing(cluster: Cluster, name: str) -> None:
    with opened(cluster, name) as store:
        store.set("a", Slot(1))
        with cluster.connect() as connection:
            connection.execute(f"DROP SCHEMA cowstate_{name} CASCADE")
        for _ in range(2):
            with pytest.raises(JournalFileError, match="was deleted"):
                store.set("a", Slot(2))
        assert store.journal.closed
        assert store.snapshot()["a"] == Slot(1)


@pytest.mark.parametrize("act", ["set", "compact"])
def test_made_anew_under_the_store_it_is_the_others(act: str, cluster: Cluster, name: str) -> None:
    # By whom the epoch and the version may be what they were.
    with opened(cluster, name) as old:
        for n in range(3):
            old.set("a", Slot(n))
        with cluster.connect() as connection:
            connection.execute(f"DROP SCHEMA cowstate_{name} CASCADE")
        with opened(cluster, name) as new:
            for n in range(3):
                new.set("b", Slot(n))
            assert new.journal.epoch == old.journal.epoch
            with pytest.raises(FencedError):
                old.set("a", Slot(9)) if act == "set" else old.journal.compact(versions=1)
            assert old.snapshot()["a"] == Slot(2)
            assert new.set("c", Slot(2)).version == 4
            agree(cluster, name, new)


@pytest.mark.parametrize("version", [0, 2, 9])
def test_a_version_that_somebody_else_put_there_is_no_acknowledgement(
    version: int, cluster: Cluster, name: str
) -> None:
    with opened(cluster, name) as store:
        store.set("a", Slot(1))
        with cluster.connect() as connection:
            connection.execute(f"UPDATE cowstate_{name}.writer SET version = {version}")
        for _ in range(2):
            with pytest.raises(JournalFileError, match=r"changed by somebody|older state"):
                store.set("a", Slot(2))
        assert store.snapshot()["a"] == Slot(1)

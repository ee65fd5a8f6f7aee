"""One writes at a time, on whatever machine: whoever is taken over from publishes nothing more."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

from cowstate import Record
from cowstate.journal import (
    FencedError,
    JournalClosedError,
    JournalError,
    WriterActiveError,
    open_store,
)
from tests.journal.files import Slot
from tests.journal.postgres.servers import (
    SOON,
    Cluster,
    Slots,
    expire,
    following,
    on_server,
    opened,
)
from tests.standing import eventually

WRITES = """
import sys
from cowstate.journal import FencedError
from tests.journal.files import Slot
from tests.journal.postgres.servers import opened
from types import SimpleNamespace
url, name, lease = sys.argv[1:]
store = opened(SimpleNamespace(url=url), name, lease=float(lease))
n = 0
while True:
    n += 1
    try:
        version = store.set("theirs", Slot(n)).version
    except FencedError as error:
        print("fenced", store.snapshot().version, flush=True)
        break
    print(version, flush=True)
"""


@contextmanager
def writing(cluster: Cluster, name: str, lease: float) -> Iterator[subprocess.Popen[str]]:
    """A process that writes, and says which versions it was told."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, cluster.url, name, str(lease)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "1\n"
            yield process
    finally:
        process.kill()
        process.wait(SOON)


def test_who_was_stopped_and_comes_back_is_fenced_and_published_nothing(
    cluster: Cluster, name: str
) -> None:
    with writing(cluster, name, 0.5) as process:
        os.kill(process.pid, signal.SIGSTOP)
        # Its lease ends, for it gives no sign of life.
        with opened(cluster, name, wait=None) as store:
            taken = store.snapshot().version
            commit = store.set("ours", Slot(1))
            assert commit.version == taken + 1
            os.kill(process.pid, signal.SIGCONT)
            assert process.stdout is not None
            told = process.stdout.read().split()
            # It was told of what it wrote before, and of nothing else.
            assert told[-2:] == ["fenced", str(taken)]
            assert [int(version) for version in told[:-2]] == [*range(2, taken + 1)]
            store.set("ours", Slot(2))
            assert on_server(cluster, name)[1] == [*range(1, taken + 3)]
            assert store.snapshot()["theirs"] == Slot(taken)


def test_who_is_killed_is_followed_when_its_lease_ends(cluster: Cluster, name: str) -> None:
    with writing(cluster, name, 60.0) as process:
        process.kill()
        process.wait(SOON)
        with pytest.raises(WriterActiveError):
            opened(cluster, name, wait=0.0)
        expire(cluster, name)
        with opened(cluster, name, wait=SOON) as store:
            assert store.set("ours", Slot(1)).version == store.snapshot()["theirs"].quantity + 1


def test_a_sign_of_life_keeps_the_others_out_though_nothing_is_written(
    cluster: Cluster, name: str
) -> None:
    with opened(cluster, name, lease=0.3) as store, cluster.connect() as connection:
        ends = {_end_of_the_lease(connection, name)}
        while len(ends) < 4:
            ends.add(_end_of_the_lease(connection, name))
        assert store.snapshot().version == 0


def _end_of_the_lease(connection: Any, name: str) -> Any:
    return connection.execute(f"SELECT until FROM cowstate_{name}.writer").fetchone()


def test_a_standby_goes_on_at_once_when_the_writer_is_closed(cluster: Cluster, name: str) -> None:
    taken: list[Slots] = []

    def stand_by() -> None:
        with opened(cluster, name, wait=None) as store:
            taken.append(store)
            store.set("a", Slot(2))

    first = opened(cluster, name, lease=1e6)
    first.set("a", Slot(1))
    standby = Thread(target=stand_by)
    standby.start()
    while not waiting(cluster, name):
        pass
    first.close()
    standby.join(SOON)
    assert [store.snapshot()["a"] for store in taken] == [Slot(2)]


def waiting(cluster: Cluster, name: str) -> bool:
    """Whether somebody waits for the end of a lease."""
    with cluster.connect() as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND state = 'idle'",
            (f"%cowstate_{name}.writer w JOIN%",),
        ).fetchall()
    return bool(found)


def test_taken_over_all_that_wait_are_told_and_readers_go_on(cluster: Cluster, name: str) -> None:
    old = opened(cluster, name)
    with following(cluster, name) as follower:
        old.set("a", Slot(1))
        expire(cluster, name)
        with opened(cluster, name) as new:
            failures: list[Any] = []

            def write(n: int) -> None:
                try:
                    old.set(f"old{n}", Slot(n))
                except JournalError as error:
                    failures.append(type(error))

            threads = [Thread(target=write, args=(n,)) for n in range(4)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            assert failures == [FencedError] * 4
            assert old.journal.closed
            assert (old.snapshot().version, dict(old.snapshot())) == (1, {"a": Slot(1)})
            with pytest.raises(FencedError, match="written by process"):
                old.set("a", Slot(9))
            commit = new.set("a", Slot(2))
            assert follower.wait_for(version=commit.version, timeout=SOON)["a"] == Slot(2)
            old.close()
            # That one let go says nothing of the other one's right.
            with pytest.raises(WriterActiveError):
                opened(cluster, name)
            assert new.set("a", Slot(3)).version == 3


def test_a_lock_on_the_row_is_somebody_who_writes(cluster: Cluster, name: str) -> None:
    # A migration has it for as long as that takes, though its lease may end meanwhile.
    opened(cluster, name).close()
    with cluster.connect() as connection:
        connection.execute("BEGIN")
        connection.execute(f"SELECT 1 FROM cowstate_{name}.writer FOR UPDATE")
        with pytest.raises(WriterActiveError):
            opened(cluster, name)
        connection.execute("ROLLBACK")
    opened(cluster, name).close()


def test_dropped_it_lets_go_and_its_lease_ends_by_itself(cluster: Cluster, name: str) -> None:
    before = {*enumerate_threads()}
    store = opened(cluster, name, lease=0.3)
    store.set("a", Slot(1))
    [thread] = {*enumerate_threads()} - before
    del store
    gc.collect()
    thread.join(SOON)
    assert not thread.is_alive()
    with opened(cluster, name, wait=SOON) as again:
        assert again.snapshot()["a"] == Slot(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
def test_the_child_of_a_fork_does_not_touch_the_connections(cluster: Cluster, name: str) -> None:
    with opened(cluster, name) as store, following(cluster, name) as follower:
        store.set("a", Slot(1))
        follower.wait_for(version=1, timeout=SOON)
        child = os.fork()
        if not child:
            status = 1
            try:
                with pytest.raises(JournalClosedError):
                    store.set("a", Slot(2))
                assert (store.snapshot()["a"], follower.closed) == (Slot(1), True)
                del follower
                store.close()
                gc.collect()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        epoch = store.journal.epoch
        version = store.set("a", Slot(3)).version
        assert follower.wait_for(version=version, timeout=SOON)["a"] == Slot(3)
        assert (store.journal.epoch, follower.failure) == (epoch, None)


def test_several_that_begin_at_once_make_one_store(cluster: Cluster, name: str) -> None:
    # A writer and its standby, say, of a store that was not there before.
    opens: list[int] = []

    def begin(n: int) -> None:
        with opened(cluster, name, wait=SOON) as store:
            store.set(str(n), Slot(n))
            opens.append(store.snapshot().version)

    with cluster.connect() as holder:
        holder.execute(
            "SELECT pg_advisory_lock(hashtext('cowstate'), hashtext(%s))", (f"cowstate_{name}",)
        )
        threads = [Thread(target=begin, args=(n,)) for n in range(3)]
        for each in threads:
            each.start()

        def all_wait() -> bool:
            [(count,)] = holder.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).fetchall()
            return bool(count == len(threads))

        eventually(all_wait, "each should wait for its turn to make it", SOON)
    for each in threads:
        each.join(SOON)
    assert opens == [1, 2, 3]


def test_taken_over_while_it_is_read_it_is_not_opened(cluster: Cluster, name: str) -> None:
    # Stopped for longer than its lease, say: what it has read may be of two moments.
    with opened(cluster, name) as store:
        store.set("a", Slot(1))
    read: list[int] = []

    def quantity(kind: type, value: int) -> Fraction:
        if not read:
            expire(cluster, name)
            with opened(cluster, name) as other:
                other.set("a", Slot(2))
        read.append(value)
        return Fraction(value)

    with pytest.raises(FencedError, match="while it was read"):
        open_store(cluster.url, name=name, key=str, record=Read, wait=0.0, dec_hook=quantity)
    assert read == [1]


class Read(Record):
    """A slot whose quantity somebody decodes."""

    quantity: Fraction
    owner: str = ""


def test_a_standby_outlives_the_server_and_goes_on_when_that_is_back(
    own: Cluster, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[Slots] = []
    first = opened(own, name)
    first.set("a", Slot(1))
    standby = Thread(target=lambda: taken.append(opened(own, name, wait=None)))
    standby.start()
    while not waiting(own, name):
        pass
    own.stop()
    eventually(lambda: "is waited for" in caplog.text, "there should be a word of it", SOON)
    own.start()
    while not waiting(own, name):
        pass
    first.close()  # whose connection went with the server, so it has another
    standby.join(SOON)
    [store] = taken
    with store:
        assert store.set("a", Slot(2)).version == 2

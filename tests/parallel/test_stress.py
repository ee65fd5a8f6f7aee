"""Writers, readers and followers at once. On a free-threaded build they truly run in parallel.

This is no proof: the schedules are. It is here for what no schedule explorer can see, the
interpreter's own races, and it says how much it did: 40,000 writes and as many reads as fit.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator

import pytest

from cowstate import Aggregate, Commit, Draft, Index, Lagged, Record, Store

WRITERS = 4
TRANSFERS = 5_000
INCREMENTS = 5_000
ACCOUNTS = 100
TOTAL = 1_000 * ACCOUNTS


class Account(Record):
    number: int
    balance: int


def gil_is_on() -> bool:
    return getattr(sys, "_is_gil_enabled", lambda: True)()


@pytest.fixture(autouse=True)
def the_gil_stays_as_it_is() -> Iterator[None]:
    """On a free-threaded build the GIL is off, before and after: nothing here turns it on."""
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert gil_is_on() is not free_threaded
    yield
    assert gil_is_on() is not free_threaded


def bank() -> Store[str, Account]:
    return Store(
        {f"a{n}": Account(n, 1_000) for n in range(ACCOUNTS)} | {"counter": Account(-1, 0)},
        indexes={"number": Index(lambda account: account.number, unique=True)},
        aggregates={"all": Aggregate.sum(lambda a: a.balance if a.number >= 0 else 0)},
    )


def together(*work: Callable[[], None]) -> None:
    """Run all at once, from a barrier; what one raises is raised here."""
    start = threading.Barrier(len(work))
    failed: list[BaseException] = []

    def run(fn: Callable[[], None]) -> None:
        start.wait()
        try:
            fn()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=[fn]) for fn in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(900)
        assert not thread.is_alive(), "a thread hangs"
    if failed:
        raise failed[0]


def test_no_read_is_torn_and_no_update_is_lost() -> None:
    store = bank()
    seen: list[Commit[str, Account] | Lagged[str, Account]] = []
    delivered: list[int] = []
    store.subscribe(lambda commit: delivered.append(commit.version))
    feed = store.feed(since=0)
    done = threading.Event()
    left = threading.Semaphore(0)

    def write(number: int) -> Callable[[], None]:
        def run() -> None:
            for n in range(TRANSFERS):
                here, there = f"a{(n * 7 + number) % ACCOUNTS}", f"a{(n * 13) % ACCOUNTS}"
                with store.transaction() as tx:
                    tx[here] = tx[here].replace(balance=tx[here].balance - 1)
                    tx[there] = tx[there].replace(balance=tx[there].balance + 1)
            for _ in range(INCREMENTS):
                store.update("counter", lambda c: c.replace(balance=c.balance + 1))
            left.release()

        return run

    def end() -> None:
        for _ in range(WRITERS):
            left.acquire()
        done.set()
        feed.close()

    def read() -> None:
        version = -1
        while not done.is_set():
            now = store.snapshot()
            assert now.version >= version, "versions go backwards"
            version = now.version
            assert now.total("all") == TOTAL
            assert sum(a.balance for a in now.values() if a.number >= 0) == TOTAL
            for number in (0, 17, ACCOUNTS - 1):
                assert now.find("number", number) is now[f"a{number}"]

    def follow() -> None:
        seen.extend(feed)

    together(*(write(n) for n in range(WRITERS)), read, read, follow, end)
    # What the writers were not held for, a thread of the store's delivers.
    assert store.flush(60)

    now = store.snapshot()
    transfers_to_self = sum(
        (n * 7 + number) % ACCOUNTS == (n * 13) % ACCOUNTS
        for number in range(WRITERS)
        for n in range(TRANSFERS)
    )
    assert now["counter"].balance == WRITERS * INCREMENTS, "an increment was lost"
    assert now.total("all") == TOTAL
    # A transfer to itself stores an equal record that is another object: a version all the same.
    assert transfers_to_self < WRITERS * TRANSFERS
    assert now.version == WRITERS * (TRANSFERS + INCREMENTS)
    assert delivered == list(range(1, now.version + 1)), "a commit was lost, doubled or late"
    # The feed saw every version, or was told from where on it had not.
    version = 0
    for item in seen:
        if isinstance(item, Lagged):
            assert item.missed_from == version + 1
            version = item.snapshot.version
        else:
            assert item.before.version == version
            version = item.version
    assert version <= now.version


def test_every_draft_that_commits_was_derived_from_what_it_replaced() -> None:
    store = Store({"n": 0, "other": 0})
    committed: list[int] = []

    def add(draft: Draft[str, int]) -> Draft[str, int]:
        draft["n"] = draft["n"] + 1
        return draft

    def write() -> None:
        for _ in range(2_500):
            committed.append(store.retry(add, attempts=3).result.version)

    def disturb() -> None:
        for n in range(2_500):
            store.set("other", n + 1)

    together(write, write, write, disturb)
    assert store.snapshot()["n"] == 7_500
    assert len(set(committed)) == 7_500


def test_no_wake_up_is_lost_between_two_threads_that_take_turns() -> None:
    store = Store({"turn": 0})
    rounds = 2_000

    def player(parity: int) -> Callable[[], None]:
        def run() -> None:
            for n in range(parity, rounds, 2):
                store.wait_for(lambda now, n=n: now["turn"] == n, timeout=600)
                store.set("turn", n + 1)

        return run

    together(player(0), player(1))
    assert store.snapshot()["turn"] == rounds

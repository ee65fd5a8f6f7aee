"""Processes of a soak, each told on its input when to end: one that writes, and one that follows.

    python -m tests.journal.postgres.soaking write|follow URL NAME SAYS NUMBER

Each appends to the file SAYS, a line at a time: the system has it when the process is gone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from threading import Event, Thread

from cowstate import Lagged, Snapshot
from cowstate.journal import (
    Follower,
    JournalClosedError,
    JournaledStore,
    JournalError,
    UnknownOutcomeError,
    follow,
    open_store,
)
from tests.journal.files import Slot

LEASE = 1.0
THREADS = 3
BETWEEN_TRIES = 0.05
"""Seconds until a server that is not there, or is somebody else's, is asked again."""

Say = Callable[[str], None]


def keys_of(thread: int) -> tuple[str, str]:
    """Two that are written together, and so are equal for whoever reads both."""
    return f"{thread}/first", f"{thread}/second"


def halves(now: Snapshot[str, Slot]) -> list[str]:
    """What was seen of a commit without the rest of it."""
    pairs = (keys_of(thread) for thread in range(THREADS))
    return [one for one, other in pairs if now.get(one) != now.get(other)]


def write(url: str, name: str, number: str, say: Say, ended: Event) -> None:
    """Write whenever the right to is to be had, and tell what became of each commit."""
    numbers = dict.fromkeys(range(THREADS), 0)
    while not ended.is_set():
        try:
            store: JournaledStore[str, Slot] = open_store(
                url, name=name, key=str, record=Slot, lease=LEASE, wait=LEASE
            )
        except JournalError:
            ended.wait(BETWEEN_TRIES)
            continue
        say("opened")
        with store:

            def work(thread: int, store: JournaledStore[str, Slot] = store) -> None:
                while not (ended.is_set() or store.journal.closed):
                    numbers[thread] += 1
                    said = _one(store, thread, numbers[thread], f"{number}.{thread}")
                    say(said)
                    if not said.startswith("done"):
                        ended.wait(BETWEEN_TRIES)

            threads = [Thread(target=work, args=(thread,)) for thread in range(THREADS)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()


def _one(store: JournaledStore[str, Slot], thread: int, n: int, owner: str) -> str:
    draft = store.draft()
    for key in keys_of(thread):
        draft[key] = Slot(n, owner)
    try:
        version = draft.commit().version
    except UnknownOutcomeError:
        return f"unknown {owner} {n}"
    except JournalError:
        return f"refused {owner} {n}"
    return f"done {owner} {n} {version}"


def watch(url: str, name: str, say: Say, ended: Event, last: Callable[[], int]) -> None:
    """Follow, and tell of each commit; at the end of all that is there."""
    while True:
        try:
            with follow(url, name=name, key=str, record=Slot) as seen:
                _follow(seen, say, ended)
                now = seen.wait_for(version=last(), timeout=60)
                records = {key: [slot.quantity, slot.owner] for key, slot in now.items()}
                say(f"all {now.version} {json.dumps(records)}")
                return
        except JournalError as error:
            say(f"lost {type(error).__name__}")
            ended.wait(BETWEEN_TRIES)


def _follow(seen: Follower[str, Slot], say: Say, ended: Event) -> None:
    with seen.feed(initial=True) as feed:
        Thread(target=lambda: (ended.wait(), feed.close()), daemon=True).start()
        before = None
        for item in feed:
            if isinstance(item, Lagged):
                say("lagged")
            elif before is not None and item.version != before + 1:
                say(f"gap {before} {item.version}")
            before = item.after.version
            for key in halves(item.after):
                say(f"half {before} {key}")
            say(f"saw {before}")
    if seen.closed:
        raise seen.failure or JournalClosedError("the follower has ended")


def main(role: str, url: str, name: str, says: str, number: str) -> None:
    file = os.open(says, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ended = Event()
    told: list[int] = []

    def say(what: str) -> None:
        os.write(file, f"{what}\n".encode())

    def listen() -> None:
        told.append(int(sys.stdin.readline() or 0))
        ended.set()

    def last() -> int:
        ended.wait()
        return told[0]

    Thread(target=listen, daemon=True).start()
    if role == "write":
        write(url, name, number, say, ended)
    else:
        watch(url, name, say, ended, last)


if __name__ == "__main__":
    main(*sys.argv[1:])

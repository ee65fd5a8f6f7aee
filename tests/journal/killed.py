"""A program that writes and says what was acknowledged, to be killed anywhere; what must hold.

    python -m tests.journal.killed FILE ACKNOWLEDGED THREADS [COMMITS]

Each acknowledgement is one line, written at once: the system has it when the process is gone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from cowstate.journal import JournalError, JournalFileError, open_store
from tests.journal.files import on_disk

EACH = 12
"""How many commits each thread makes, if not said, of two keys each that are always equal."""


def nothing() -> None:
    pass


def write(
    path: str, told: str, threads: int, each: int = EACH, begin: Callable[[], object] = nothing
) -> None:
    """Write; *begin* is called at the beginning of each thread."""
    begin()
    log = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(what: str) -> None:
        os.write(log, f"{what}\n".encode())

    store = open_store(path, key=str, record=int)
    say("opened")
    heard: list[int] = []
    store.subscribe(lambda commit: heard.append(commit.version))

    def work(number: int) -> None:
        begin()
        for n in range(1, each + 1):

            def both(tx: Any, n: int = n) -> None:
                tx[f"{number}a"] = tx[f"{number}b"] = n

            try:
                store.transact(both)
            except JournalError as error:
                say(f"failed {number} {n} {type(error).__name__}")
            else:
                say(f"done {number} {n}")

    workers = [Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    now = store.snapshot()
    store.flush()
    assert heard == list(range(1, now.version + 1)), heard
    store.close()
    say(f"memory {json.dumps({'version': now.version, 'records': dict(now)})}")


def check(path: Path, told: Path, threads: int) -> str:
    """Return what became of a run that was killed, in a word; raise if anything is lost or half."""
    text = told.read_text() if told.exists() else ""
    lines = text.splitlines()
    done = dict.fromkeys(range(threads), 0)
    for line in lines:
        if line.startswith("done "):
            _, number, n = line.split()
            done[int(number)] = int(n)
    for line in lines:
        if line.startswith("memory "):
            memory = json.loads(line.removeprefix("memory "))
            records, versions = on_disk(path)
            assert {json.loads(key): json.loads(records[key]) for key in records} == memory[
                "records"
            ]
            assert versions == list(range(1, memory["version"] + 1))
    for _ in range(2):
        # The next one opens it, finds what was acknowledged, and goes on.
        with open_store(path, key=str, record=int) as store:
            now = store.snapshot()
            for number, n in done.items():
                first, second = now.get(f"{number}a", 0), now.get(f"{number}b", 0)
                assert first == second, f"half a commit: {first}, {second}"
                assert first >= n, f"{n} was acknowledged, and {first} is there"
            store.set("next", now.version)
    records, versions = on_disk(path)
    assert versions == list(range(1, len(versions) + 1)), "a version is missing"
    assert len(versions) >= 2
    assert records
    return "closed" if "memory " in text else "opened" if "opened" in lines else "killed early"


def main(
    path: str, told: str, threads: int, each: int = EACH, begin: Callable[[], object] = nothing
) -> int:
    """Write, and return the status to end with: 3 if it was told that it cannot."""
    try:
        write(path, told, threads, each, begin)
    except JournalFileError:
        raise
    except JournalError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))

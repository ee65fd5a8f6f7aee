"""A COMMIT that failed at its sync comes back after a crash, unless it is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from cowstate.journal import open_store
from tests.journal.stracing import needs_strace, traced

pytestmark = needs_strace

PROGRAM = """
import os, sys
from cowstate.journal import JournalError, open_store
from cowstate.journal.log import Outcome
from cowstate.journal.sqlite import SqliteLog

def rolls_back(self, after):
    # A twin: it believes what it is told.
    self._committing = False
    return Outcome(after)

path, count, twin = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if twin == "twin":
    SqliteLog.resolve = rolls_back
store = open_store(path, key=str, record=int)
store.set("a", 1)
if count > 1:
    try:
        store.transact(lambda tx: tx.update({f"{n}": n for n in range(5)}))
    except JournalError as error:
        assert type(error) is JournalError and store.snapshot().version == 1
        print("failed", file=sys.stderr)
os._exit(0)  # no end in good order: what is in the write-ahead log stays there
"""


def next_sync(trace: Path) -> str:
    """The one after those in *trace*, as strace has it; a SQLite has one call or the other."""
    made = trace.read_text()
    name = "fdatasync" if "fdatasync(" in made else "fsync"
    return f"{name}:error=EIO:when={made.count(f'{name}(') + 1}"


@pytest.mark.parametrize("twin", ["ours", "twin"])
def test_what_was_said_to_have_failed_is_not_there_after_a_crash(twin: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "counts.db", tmp_path / "trace"
    assert traced(trace, None, ["-c", PROGRAM, str(tmp_path / "first.db"), "1", "ours"]) == (0, "")
    status, said = traced(trace, next_sync(trace), ["-c", PROGRAM, str(path), "2", twin])
    assert (status, said.strip()) == (0, "failed")
    with open_store(path, key=str, record=int) as store:
        there = dict(store.snapshot())
    assert there == ({"a": 1} if twin == "ours" else {"a": 1, **{f"{n}": n for n in range(5)}})

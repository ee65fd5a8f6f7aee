"""What is done to the file of a store, call by call: by the child of a fork, and on a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cowstate.journal.reading import Reader
from tests.journal.files import Slot, on_disk, opened
from tests.journal.stracing import needs_strace, traced

FORKS = """
import os, sys
from cowstate.journal import open_store
store = open_store(sys.argv[1], key=str, record=int)
store.set("a", 1)
child = os.fork()
if child:
    os.waitpid(child, 0)
    os._exit(0)
store.close()
"""

FILLS = """
import sys
from cowstate.journal import JournalError, open_store
store = open_store(sys.argv[1], key=str, record=str)
store.set("a", "first")
said = set()
for n in range(6):
    try:
        store.set("b", "x" * 10_000)
    except JournalError as error:
        said.add(f"{type(error).__name__}, {error.__cause__}")
print(said, store.snapshot().version, file=sys.stderr)
"""


@needs_strace
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
def test_the_child_of_a_fork_does_not_touch_the_file_when_it_ends(tmp_path: Path) -> None:
    # Neither when the store is closed there, nor as the interpreter lets go of everything.
    calls = tmp_path / "calls"
    subprocess.run(
        ["strace", "-ff", "-qq", "-e", "trace=fcntl,unlink,pwrite64", "-o", str(calls),
         sys.executable, "-c", FORKS, str(tmp_path / "counts.db")],
        check=True,
        timeout=60,
    )  # fmt: skip
    parent, child = sorted(tmp_path.glob("calls.*"), key=lambda part: int(part.suffix[1:]))
    assert "F_SETLK" in parent.read_text()
    assert "F_SETLK" not in child.read_text()


@needs_strace
def test_that_the_disk_is_full_is_known_to_leave_nothing(tmp_path: Path) -> None:
    # Not one of them is of unknown outcome, though nothing can be written over it either.
    path = tmp_path / "texts.db"
    whole = tmp_path / "whole"
    _, said = traced(whole, None, ["-c", FILLS, str(path)])
    assert said == "set() 7\n"
    before = len([line for line in whole.read_text().splitlines() if "pwrite64" in line])
    path.unlink()
    _, said = traced(
        tmp_path / "full",
        f"pwrite64:error=ENOSPC:when={before // 2}+",
        ["-c", FILLS, str(path)],
    )
    kinds, _, version = said.rpartition(" ")
    assert kinds == "{'JournalError, database or disk is full'}", said
    assert on_disk(path)[1] == list(range(1, int(version) + 1))


@pytest.fixture
def kept() -> Iterator[Path]:
    """A directory that everybody may look into, and nobody write to, with the file of a store."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with opened(directory / "slots.db") as store:
            store.set("a", Slot(1))
        (directory / "slots.db").chmod(0o444)
        directory.chmod(0o555)
        yield directory / "slots.db"
        directory.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="another user is needed, in a child")
def test_a_file_that_nobody_can_write_beside_is_read(kept: Path) -> None:
    kept.as_uri()  # imports what the other user may not be allowed to read
    child = os.fork()
    if not child:
        status = 1
        try:
            if os.getuid() == 0:  # who may do anything
                os.setuid(65534)
            reader = Reader(str(kept))
            status = 0 if [key for key, _, _ in reader.records()] == ['"a"'] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert [each.name for each in kept.parent.iterdir() if "writer" not in each.name] == [kept.name]

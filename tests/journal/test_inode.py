"""Whether a file still stands at its path: as `os.stat` would say, and without a cost to writes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.journal import JournalFileError, inode
from cowstate.journal.inode import Inode
from cowstate.journal.place import Place
from tests.journal.stracing import needs_strace, stats_of


def _write(path: Path) -> None:
    if path.is_file():
        path.write_bytes(b"other")


def _replace(path: Path) -> None:
    if not path.is_dir():
        other = path.with_name("new")
        other.write_bytes(b"new")
        other.rename(path)


def _away(path: Path) -> None:
    if path.is_file():
        path.rename(path.with_name("away"))


def _back(path: Path) -> None:
    if path.with_name("away").exists() and not path.is_dir():
        path.with_name("away").rename(path)


def _copy(path: Path) -> None:
    if path.is_file():
        shutil.copy(path, path.with_name("copy"))
        path.with_name("copy").rename(path)


def _directory(path: Path) -> None:
    if not path.exists():
        path.mkdir()


def _delete(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


DEEDS: list[Callable[[Path], None]] = [_write, _replace, _away, _back, _copy, _directory, _delete]


@contextmanager
def made(monkeypatch: pytest.MonkeyPatch, path: Path, *, by_all: bool) -> Iterator[Inode]:
    """One that asks as it can here, or as it must where there is no such call."""
    with monkeypatch.context() as patched:
        if by_all:
            patched.setattr(inode, "statx", lambda: None)
        yield Inode(str(path))


@pytest.mark.parametrize("by_all", [False, True], ids=["by number", "by all"])
@given(deeds=st.lists(st.sampled_from(DEEDS), max_size=8))
def test_it_says_what_stat_would_say(by_all: bool, deeds: list[Callable[[Path], None]]) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        path = Path(directory, "file")
        path.write_bytes(b"first")
        first = path.stat()
        with path.open("rb"), made(patch, path, by_all=by_all) as asked:  # so none gets its number
            for deed in deeds:
                deed(path)
                there = path.exists() and os.path.samestat(path.stat(), first)
                assert asked.is_there() == there


@pytest.mark.parametrize("by_all", [False, True], ids=["by number", "by all"])
def test_that_none_is_there_is_an_error(
    by_all: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(FileNotFoundError, match="file"),
        made(monkeypatch, tmp_path / "file", by_all=by_all),
    ):
        raise AssertionError


@pytest.mark.parametrize("gone", ["", "-wal"])
def test_a_file_that_is_gone_as_soon_as_it_was_opened_is_told_as_one(
    gone: str, tmp_path: Path
) -> None:
    for name in {"", "-wal"} - {gone}:
        (tmp_path / f"slots.db{name}").touch()
    with pytest.raises(JournalFileError, match="was deleted or replaced"):
        Place(str(tmp_path / "slots.db"))


def test_a_name_that_is_no_text_will_do(tmp_path: Path) -> None:
    path = os.path.join(tmp_path, os.fsdecode(b"\xff\xe4"))
    Path(path).touch()
    assert Inode(path).is_there()


def test_where_the_call_is_forbidden_it_asks_as_everybody_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sandbox of before 2020 knows no such call, and says that it may not be made.
    asked = []

    def forbidden(*arguments: object) -> int:
        asked.append(arguments)
        return -1

    path = tmp_path / "file"
    path.touch()
    monkeypatch.setattr(inode, "statx", lambda: forbidden)
    there = Inode(str(path))
    assert there.is_there()
    path.unlink()
    assert not there.is_there()
    assert len(asked) == 1


WRITES = """
import sys
from cowstate.journal import open_store
with open_store(sys.argv[1], key=str, record=int) as store:
    for number in range(int(sys.argv[2])):
        store.set("a", number)
"""


@needs_strace
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nobody else has the call")
def test_no_write_asks_when_the_log_was_written_to(tmp_path: Path) -> None:
    # For whoever asks makes the next write to it note its time, which costs as much as the sync.
    few, many = (
        stats_of(
            "-wal",
            tmp_path / f"calls-{count}",
            ["-c", WRITES, str(tmp_path / f"{count}.db"), str(count)],
        )
        for count in (2, 12)
    )
    assert few == many

"""What is no file of a store, or a broken one: whoever opens or follows it is told so."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cowstate import CodecError
from cowstate.journal import JournalFileError, follow, open_store
from cowstate.journal.reading import Reader
from cowstate.journal.sqlite import Form
from tests.journal.files import Slot


def counts(path: Path) -> None:
    with open_store(path, key=str, record=str) as store:
        store.set("a", "here it is")


def without_a(table: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        counts(path)
        connection = sqlite3.connect(path)
        connection.execute(f"DROP TABLE {table}")
        connection.close()

    return make


def with_bytes(old: bytes, new: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        counts(path)
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new))

    return make


NO_STORE = {
    "missing": (lambda path: None, "is not there"),
    "a directory": (Path.mkdir, "is a directory"),
    "a pipe": (os.mkfifo, "is a pipe or a device"),
}


@pytest.mark.parametrize(("make", "message"), NO_STORE.values(), ids=NO_STORE)
def test_what_is_no_file_cannot_be_followed_nor_looked_at(
    make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "counts.db"
    make(path)
    # In a process of its own: of a pipe one might wait for ever.
    program = f"from cowstate.journal import follow; follow({str(path)!r}, key=str, record=str)"
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    kind = "JournalNotFoundError" if message == "is not there" else "JournalFileError"
    assert f"{kind}: {path} {message}" in done.stderr
    with pytest.raises(JournalFileError, match=message):
        Reader(str(path))


BROKEN = {
    "no records": without_a("records"),
    "no changes": without_a("changes"),
    "no commits": without_a("commits"),
    "a schema that is no text": with_bytes(
        b"CREATE TABLE records", b"CREATE \xff\xfe\xff\xfe records"
    ),
    "a value that is no text": with_bytes(b"here it is", b"here\xffit is"),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_cannot_be_followed(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    make(path)
    with pytest.raises(JournalFileError):
        follow(path, key=str, record=str).close()


@pytest.mark.parametrize(
    "name", ["no records", "no commits", "a schema that is no text", "a value that is no text"]
)
def test_what_is_broken_cannot_be_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    BROKEN[name](path)
    for _ in range(2):  # the claim is given back
        with pytest.raises(JournalFileError):
            open_store(path, key=str, record=str)


ALMOST: list[tuple[Any, Any]] = [(Any, frozenset({1})), (Any, Slot(1)), (dict[str, int], {"a": 1})]


@pytest.mark.parametrize("form", ["json", "msgpack"])
@pytest.mark.parametrize(("record", "value"), ALMOST, ids=repr)
def test_what_could_not_be_opened_again_is_not_written(
    record: Any, value: Any, form: Form, tmp_path: Path
) -> None:
    path = tmp_path / "any.db"
    how: dict[str, Any] = {"form": form, "immutability": "trusted"}
    with open_store(path, key=str, record=record, **how) as store:
        with pytest.raises(CodecError, match="would be read again as"):
            store.set("a", value)
        assert len(store.snapshot()) == 0
    open_store(path, key=str, record=record, **how).close()


def header_of(path: Path, copy: Path) -> None:
    """What there is of a file that is copied without its log while it is open."""
    with open_store(path, key=str, record=str) as store:
        store.set("a", "here it is")
        shutil.copy(path, copy)
    assert copy.stat().st_size > 0


def test_a_copy_without_its_log_is_not_begun_anew(tmp_path: Path) -> None:
    path, copy = tmp_path / "counts.db", tmp_path / "copy.db"
    header_of(path, copy)
    before = copy.read_bytes()
    for _ in range(2):
        with pytest.raises(JournalFileError, match="copied without its -wal file"):
            open_store(copy, key=str, record=str)
    with pytest.raises(JournalFileError):
        follow(copy, key=str, record=str)
    assert copy.read_bytes() == before
    with open_store(path, key=str, record=str) as store:
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
    with open_store(copy, key=str, record=str) as store:
        assert dict(store.snapshot()) == {"a": "here it is"}


KILLED_IN_THE_MAKING = """
import os, sqlite3, sys
from cowstate.journal import open_store

def strike(statement):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), 9)

connect = sqlite3.connect

def traced(*args, **options):
    connection = connect(*args, **options)
    connection.set_trace_callback(strike)
    return connection

sqlite3.connect = traced
open_store(sys.argv[1], key=str, record=str)
"""


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "CREATE TABLE writers", "SELECT form"])
def test_who_is_killed_while_he_makes_a_file_makes_it_the_next_time(
    statement: str, tmp_path: Path
) -> None:
    path = tmp_path / "counts.db"
    run = [sys.executable, "-c", KILLED_IN_THE_MAKING, str(path), statement]
    assert subprocess.run(run, check=False, timeout=60).returncode == -9
    assert path.stat().st_size > 0
    with open_store(path, key=str, record=str) as store:
        store.set("a", "here it is")
        assert (tmp_path / "counts.db-writer").stat().st_size == 0
    with open_store(path, key=str, record=str) as store:
        assert store.snapshot()["a"] == "here it is"


def test_an_empty_file_becomes_one_of_a_store(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    path.touch()
    counts(path)
    with open_store(path, key=str, record=str) as store:
        assert store.snapshot()["a"] == "here it is"


def test_a_file_of_two_names_is_not_written(tmp_path: Path) -> None:
    path, other = tmp_path / "counts.db", tmp_path / "other.db"
    with open_store(path, key=str, record=str) as store:
        store.set("a", "here it is")
        other.hardlink_to(path)
        with pytest.raises(JournalFileError, match=r"has 2 names \(hard links\)") as caught:
            open_store(other, key=str, record=str)
        assert caught.value.path == str(other)
        store.set("a", "and there")
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "counts.db",
        "counts.db-writer",
        "other.db",
    ]
    other.unlink()
    with open_store(path, key=str, record=str) as store:
        assert store.snapshot()["a"] == "and there"

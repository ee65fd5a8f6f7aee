"""What a store is opened on: nothing, its own file, another one's, a broken one, one in use."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, Record, Snapshot
from cowstate.journal import (
    FencedError,
    JournalClosedError,
    JournalError,
    JournalFileError,
    WriterActiveError,
    open_store,
)
from tests.journal.files import Slot, on_disk, opened, raising, troubled


def test_a_store_that_is_open_is_not_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        with pytest.raises(WriterActiveError, match=f"written by process {os.getpid()} ") as caught:
            opened(path)
        assert caught.value.path == str(path)
        # Nor by another name, nor was anything lost by the attempt.
        (tmp_path / "other.db").symlink_to(path)
        with pytest.raises(WriterActiveError):
            opened(tmp_path / "other.db")
        store.set("a", Slot(1))
    with opened(path) as again:
        assert again.snapshot()["a"] == Slot(1)
        assert again.journal.epoch == store.journal.epoch + 1


def test_another_process_is_told_who_writes(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from cowstate.journal import WriterActiveError, open_store\n"
        "try:\n    open_store(sys.argv[1], key=str, record=int)\n"
        "except WriterActiveError as error:\n    print(error.who)\n"
    )
    path = tmp_path / "counts.db"
    with open_store(path, key=str, record=int):
        run = [sys.executable, "-c", program, str(path)]
        told = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        assert told.startswith(f"process {os.getpid()} ")
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == ""


def test_who_was_killed_has_no_claim(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    program = (
        "import os, sys\n"
        "from cowstate.journal import open_store\n"
        "store = open_store(sys.argv[1], key=str, record=int)\n"
        "store.set('a', 1)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    with open_store(path, key=str, record=int) as store:
        assert dict(store.snapshot()) == {"a": 1}


def of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()


def of_a_newer_layout(path: Path) -> None:
    opened(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def with_other_records(path: Path) -> None:
    with open_store(path, key=str, record=int) as store:
        store.set("a", 1)


def cut_in_half(path: Path) -> None:
    with opened(path) as store:
        store.transact(lambda tx: tx.update({str(n): Slot(n, "x" * 100) for n in range(500)}))
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("hello " * 500), "is no database"),
        (of_another_program, "is a database of another program"),
        (of_a_newer_layout, "was written by a newer version of cowstate"),
        (with_other_records, "holds what is not of these types: record under '\"a\"'"),
        (cut_in_half, "is cut or damaged"),
        (Path.mkdir, "is a directory"),
    ],
    ids=["text", "another program's", "newer", "other records", "cut", "a directory"],
)
def test_what_is_no_file_of_this_store_is_refused_and_left_as_it_is(
    make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "slots.db"
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    for _ in range(2):  # the claim is given back
        with pytest.raises(JournalFileError, match=message) as caught:
            opened(path)
        assert caught.value.path == str(path)
    if before is not None and message.startswith("is"):
        assert path.read_bytes() == before


def test_where_nothing_can_be_written_nothing_is_opened(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened, and without it nobody knows"):
        opened(tmp_path / "missing" / "slots.db")
    with pytest.raises(ArgumentTypeError, match="path must be the name of a file"):
        open_store(3, key=str, record=int)  # type: ignore[call-overload]
    with pytest.raises(ArgumentValueError, match="sync must be 'full', 'normal' or 'interval'"):
        open_store(tmp_path / "a.db", key=str, record=int, sync="often")  # type: ignore[call-overload]
    for much in (0, math.nan, math.inf, 10**400):
        with pytest.raises(ArgumentValueError, match="interval must be seconds above 0 and at"):
            opened(tmp_path / "a.db", sync="interval", interval=much)
    with pytest.raises(ArgumentTypeError, match="interval must be a number of seconds, not True"):
        opened(tmp_path / "a.db", sync="interval", interval=True)
    for option, least in (("lease", "seconds above 0"), ("wait", "seconds, at least 0")):
        for wrong in (-1, math.nan, math.inf, 10**400):
            with pytest.raises(ArgumentValueError, match=f"{option} must be {least}"):
                opened(tmp_path / "a.db", **{option: wrong})
        for word in (True, "x"):
            with pytest.raises(ArgumentTypeError, match=f"{option} must be a number of seconds"):
                opened(tmp_path / "a.db", **{option: word})
    with pytest.raises(ArgumentTypeError, match="is no type that msgspec reads"):
        open_store(tmp_path / "a.db", key=str, record=3)
    assert os.listdir(tmp_path) == []


def test_what_is_refused_while_it_is_loaded_leaves_the_file_free(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
    with pytest.raises(Exception, match="vetoed"):
        opened(path, invariants={"none": lambda now, changes: not now})
    opened(path).close()


def test_a_closed_store_reads_and_does_not_write(tmp_path: Path) -> None:
    store = opened(tmp_path / "slots.db")
    store.set("a", Slot(1))
    feed = store.feed()
    store.close()
    store.close()
    assert store.journal.closed
    for write in (
        lambda: store.set("b", Slot(1)),
        lambda: store.transact(lambda tx: None),
        lambda: store.transaction().__enter__(),
        lambda: store.update("a", lambda slot: slot),
    ):
        with pytest.raises(JournalClosedError, match="was closed; open it again"):
            write()
    assert store.snapshot()["a"] == Slot(1)
    assert feed.poll() is None


@pytest.mark.parametrize("part", ["slots.db", "slots.db-wal"])
def test_a_file_that_is_deleted_or_replaced_ends_the_writing(part: str, tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    store = opened(path)
    store.set("a", Slot(1))
    (tmp_path / part).rename(tmp_path / "elsewhere.db")
    for _ in range(2):
        with pytest.raises(JournalFileError, match="was deleted or replaced"):
            store.set("a", Slot(2))
        assert store.snapshot()["a"] == Slot(1)
    store.close()
    with opened(path) as again:  # and nothing of what was refused is there
        assert again.snapshot().get("a") == (None if part == "slots.db" else Slot(1))


def test_a_writer_that_was_fenced_off_publishes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    store = opened(path)
    store.set("a", Slot(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE writer SET epoch = epoch + 1")
    other.execute("INSERT INTO writers SELECT epoch, 'another', 0 FROM writer")
    for _ in range(2):
        with pytest.raises(FencedError, match="is written by another now"):
            store.set("a", Slot(2))
        assert store.snapshot()["a"] == Slot(1)
    other.close()
    store.close()
    assert on_disk(path)[1] == [1]


def test_a_file_that_another_program_keeps_locked_is_an_error_and_then_goes_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "slots.db"
    store, log = troubled(path)
    log.before = raising(sqlite3.OperationalError("database is locked"))
    with store:
        with pytest.raises(JournalError, match="database is locked") as caught:
            store.set("a", Slot(1))
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert store.set("a", Slot(1)).version == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
def test_in_the_child_of_a_fork_it_only_reads(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
        child = os.fork()
        if not child:
            status = 1
            try:
                with pytest.raises(JournalClosedError, match="forked from"):
                    store.set("a", Slot(2))
                assert store.snapshot()["a"] == store.at(1)["a"] == Slot(1)
                for opens in (lambda: store.journal.oldest, lambda: opened(path)):
                    with pytest.raises(JournalFileError, match="this one was forked from"):
                        opens()
                store.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        # The parent goes on, and still has the file.
        store.set("a", Slot(3))
        with pytest.raises(WriterActiveError):
            opened(path)
    with opened(path) as again:
        assert again.snapshot()["a"] == Slot(3)


def test_two_records_for_one_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.db"
    with open_store(path, key=Decimal, record=int) as store:
        store.set(Decimal("1.0"), 1)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("INSERT INTO records SELECT '\"1.00\"', value, version FROM records")
    connection.close()
    with pytest.raises(JournalFileError, match="two records for one key"):
        open_store(path, key=Decimal, record=int)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET value = 17",
        "UPDATE records SET key = 17",
        "DELETE FROM meta",
        "DELETE FROM writer",
        "DELETE FROM about",
        "UPDATE about SET form = 'xml'",
        "UPDATE commits SET time = 'noon'",
    ],
)
def test_a_file_that_somebody_else_wrote_to_is_refused(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    for _ in range(2):  # and let go again
        with pytest.raises(JournalFileError):
            opened(path)


def test_an_option_that_there_is_not_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    for options in ({"index": {}}, {"records": {}}):
        with pytest.raises(ArgumentTypeError, match=r"open_store has no option .*, indexes, "):
            opened(path, **options)
    with pytest.raises(ArgumentValueError, match="without a null character"):
        opened(tmp_path / "slots\0.db")
    with pytest.raises(ArgumentValueError, match="schema must be from 0 to 2147483647"):
        opened(path, schema=2**63)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "slip", "message"),
    [
        ("indexes", 5, "indexes must be a mapping"),
        ("indexes", {"n": len}, "must be an Index"),
        ("aggregates", [len], "aggregates must be a mapping"),
        ("invariants", {"few": 3}, r"invariants\['few'\] must be a function"),
        ("history", 3, "history must be a History"),
        ("maps", "trie", "maps must be"),
        ("immutability", "none", "immutability must be"),
        ("same", "hash", "same must be"),
        ("lock_timeout", "1", "timeout must be"),
        ("deferred_refcount", 1, "deferred_refcount must be"),
        ("meter", True, "meter must be"),
    ],
)
def test_an_option_that_no_store_takes_makes_no_file(
    option: str, slip: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "counts.db"
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=message):
        open_store(path, key=str, record=int, **{option: slip})
    assert list(tmp_path.iterdir()) == []


def test_an_invariant_is_not_asked_before_there_are_records(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    with open_store(path, key=str, record=int) as store:
        store.set("a", 1)
    asked: list[int] = []

    def some(now: Snapshot[str, int], _: object) -> bool:
        asked.append(len(now))
        return len(now) > 0

    open_store(path, key=str, record=int, invariants={"some": some}).close()
    assert asked == [1]


class Other(Record, tag=True):
    name: str


class One(Record, tag=True):
    n: int


def test_several_types_of_records_and_what_a_person_sees(tmp_path: Path) -> None:
    path = tmp_path / "things.db"
    with open_store(path, key=str, record=One | Other) as store:
        store.transact(lambda tx: tx.update({"a": One(1), "b": Other("x")}))
    assert on_disk(path)[0] == {
        '"a"': '{"type":"One","n":1}',
        '"b"': '{"type":"Other","name":"x"}',
    }
    with open_store(path, key=str, record=One | Other) as store:
        assert dict(store.snapshot()) == {"a": One(1), "b": Other("x")}

"""Rows that are written together leave in the file what they leave one by one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import journal
from cowstate.journal import JournalError, inserting, sqlite
from cowstate.journal.inserting import FEW, LONG, SIZES, is_small, may_come_back
from cowstate.journal.log import Row
from cowstate.journal.sqlite import SqliteLog
from tests.journal.stracing import needs_strace

VALUES = st.none() | st.sampled_from(["1", "2", "3"])
WRITES = st.lists(
    st.tuples(st.sampled_from(['"a"', '"b"', '"c"']), VALUES),
    max_size=2,
    unique_by=lambda pair: pair[0],
)
GROUPS = st.lists(st.lists(st.tuples(WRITES, VALUES), min_size=1, max_size=5), max_size=4)


def left(groups: list[list[Row]], in_steps: bool = False) -> list[Any]:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        if in_steps:
            patch.setattr(sqlite, "is_small", lambda rows: False)
        path = Path(directory) / "numbers.db"
        log = SqliteLog(path, "json", "normal")
        try:
            for group in groups:
                log.write(group)
        finally:
            log.close()
        connection = sqlite3.connect(path)
        try:
            return [
                connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("records", "commits", "changes", "meta")
            ]
        finally:
            connection.close()


@given(GROUPS)
@example([[([('"a"', "1")], "1"), ([('"a"', "2")], None), ([('"a"', None)], "2")]])
@example([[([('"a"', "1")], None), ([('"b"', "2")], None), ([('"b"', None)], None)]])
def test_a_group_leaves_what_its_rows_leave_one_by_one(
    drawn: list[list[tuple[list[tuple[str, str | None]], str | None]]],
) -> None:
    version = 0
    groups: list[list[Row]] = []
    for group in drawn:
        groups.append([])
        for writes, meta in group:
            version += 1
            groups[-1].append(Row(version, float(version), list(writes), meta))
    one_by_one = [[row] for group in groups for row in group]
    assert left(groups) == left(one_by_one) == left(groups, True) == left(one_by_one, True)


def rows_of(count: int, value: str = "1", keys: int = 200) -> list[Row]:
    return [Row(at, 1.0, [(f'"{at % keys}"', value)], None) for at in range(1, count + 1)]


@pytest.mark.parametrize(
    "group",
    [
        rows_of(FEW),
        rows_of(FEW + 1),
        rows_of(sum(SIZES)),
        rows_of(3 * SIZES[0] + 1, keys=50),
        rows_of(3, "9" * (LONG + 1)),
        rows_of(1, "9" * (LONG + 1)),
        rows_of(FEW, "9" * LONG),
        [Row(1, 1.0, [(f'"{n}"', "1") for n in range(FEW)], None)],
        [Row(1, 1.0, [(f'"{n}"', "1") for n in range(sum(SIZES))], None)],
        [Row(1, 1.0, [('"' + "k" * LONG + '"', "1"), ('"b"', "2")], None)],
    ],
    ids=[
        *("few", "and one more", "of each size", "many", "long", "one that is long"),
        *("as long as may be", "few of one commit", "many of one commit", "of a long key"),
    ],
)
def test_however_many_and_however_long_they_leave_what_they_leave_one_by_one(
    group: list[Row],
) -> None:
    assert left([group]) == left([[row] for row in group]) == left([group], True)


def test_what_is_written_as_one_is_small() -> None:
    assert is_small(rows_of(FEW, "9" * LONG))
    assert is_small([Row(1, 1.0, [("k" * LONG, "1")], None)])
    for group in (
        rows_of(FEW + 1),
        rows_of(1, "9" * (LONG + 1)),
        [Row(1, 1.0, [("k" * (LONG + 1), "1")], None)],
        [Row(1, 1.0, [("1", None)], None)],
        [Row(1, 1.0, [("1", "1")], "1")],
        [Row(1, 1.0, [], None)],
    ):
        assert not is_small(group)


@given(GROUPS)
def test_a_version_that_is_there_is_written_by_nobody_again(
    drawn: list[list[tuple[list[tuple[str, str | None]], str | None]]],
) -> None:
    """The second fence: if nothing else says so, the number of a version does."""
    for group in drawn:
        for writes, meta in group:
            with tempfile.TemporaryDirectory() as directory:
                log = SqliteLog(Path(directory) / "numbers.db", "json", "normal")
                try:
                    log.write([Row(1, 1.0, writes, meta)])
                    with pytest.raises(sqlite3.IntegrityError):
                        log.write([Row(1, 1.0, writes, meta)])
                    assert log.resolve(0).durable == 1
                finally:
                    log.close()


class Said(sqlite3.OperationalError):
    """What SQLite says with a code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.sqlite_errorcode = code


def test_what_may_come_back_is_what_failed_at_its_end() -> None:
    for code in (
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_NOMEM,
    ):
        assert may_come_back(Said(code))
    for code in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_READONLY_DBMOVED,
    ):
        assert not may_come_back(Said(code))
    assert not may_come_back(sqlite3.ProgrammingError("what was given is no row"))


TRIGGER = "CREATE TRIGGER no BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'no'); END"


@pytest.mark.parametrize("keys", [1, 2])
def test_what_a_trigger_forbids_that_came_since_is_not_acknowledged(
    keys: int, tmp_path: Path
) -> None:
    path = tmp_path / "numbers.db"
    with journal.open_store(path, key=str, record=int) as store:
        store.set("a", 1)
        with closing(sqlite3.connect(path)) as other:
            other.execute(TRIGGER)
        with pytest.raises(JournalError, match="no"):
            store.transact(lambda tx: tx.update({f"b{n}": 2 for n in range(keys)}))
        assert store.journal.durable == store.snapshot().version == 1
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT max(version) FROM commits").fetchall() == [(1,)]
            other.execute("DROP TRIGGER no")
        assert store.set("b", 2).version == 2


SPREAD = """
import sys
from cowstate.journal import open_store
with open_store(sys.argv[1], key=str, record=str) as store:
    store.replace_all({f"{n:04d}": "x" * 800 for n in range(2_000)})
    for most in (2_000, 500, 64, 16, 8):
        keys = [f"{n:04d}" for n in range(0, 2_000, 2_000 // most)]
        store.update_all(keys, lambda text: text[1:] + "y")
"""


@needs_strace
def test_no_record_goes_into_a_file_elsewhere(tmp_path: Path) -> None:
    # As SQLite would have it: of what a statement of several rows changes it keeps what was there.
    calls = tmp_path / "calls"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=open,openat,creat", "-o", str(calls),
         sys.executable, "-c", SPREAD, str(tmp_path / "texts.db")],
        check=True,
        timeout=300,
    )  # fmt: skip
    opened = [line for line in calls.read_text().splitlines() if "O_CREAT" in line]
    assert any("texts.db-wal" in line for line in opened)
    assert [line for line in opened if "texts.db" not in line] == []


def enters_each(connection: sqlite3.Connection, rows: Any, epoch: int) -> bool:
    """Enter a commit once for each of its keys."""
    split = [Row(row.version, row.time, [write], None) for row in rows for write in row.writes]
    return inserting.write_as_one(connection, split, epoch)


def forgets_the_old(connection: sqlite3.Connection, rows: Any, epoch: int) -> bool:
    """Write the last of each key alone."""
    last = {key: (row, value) for row in rows for key, value in row.writes}
    split = [Row(row.version, row.time, [(k, v)], None) for k, (row, v) in last.items()]
    return inserting.write_as_one(connection, split, epoch)


@pytest.mark.parametrize("twin", [enters_each, forgets_the_old])
def test_a_broken_twin_is_caught(twin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    two = [('"a"', "1"), ('"b"', "2")]
    group = [Row(1, 1.0, two, None), Row(2, 2.0, [('"a"', "3")], None)]
    wanted = left([[row] for row in group], True)
    assert left([group]) == wanted
    monkeypatch.setattr(sqlite, "write_as_one", twin)
    try:
        found = left([group])
    except sqlite3.Error:
        return
    assert found != wanted

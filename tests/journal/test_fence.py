"""Who may not write any more writes nothing: the row of its commit is the question."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cowstate.journal import FencedError, inserting, sqlite
from cowstate.journal.log import Row
from cowstate.journal.sqlite import SqliteLog

TAKEN = "INSERT INTO writers SELECT epoch, ?, 0 FROM writer"


def row(version: int, key: str = '"a"') -> Row:
    return Row(version, float(version), [(key, str(version))], None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.db"


def content(path: Path) -> tuple[Any, ...]:
    with closing(sqlite3.connect(path)) as connection:
        return tuple(
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("records", "commits", "changes", "meta", "writer")
        )


def taken(path: Path, who: str, wrote: int | None = None) -> None:
    """Somebody takes the file over, and has perhaps written a version since."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE writer SET epoch = epoch + 1")
        connection.execute(TAKEN, (who,))
        if wrote is not None:
            connection.execute("INSERT INTO commits VALUES (?, 2, 2.0, NULL, NULL)", (wrote,))


def refused(path: Path, rows: list[Row], wrote: int | None) -> None:
    log = SqliteLog(path, "json", "normal")
    try:
        log.write([row(1)])
        taken(path, "another", wrote)
        before = content(path)
        for _ in range(2):
            with pytest.raises(FencedError, match="written by another now"):
                log.write(rows)
        log.resolve(1)
        assert content(path) == before
    finally:
        log.close()


ROWS = pytest.mark.parametrize(
    "rows",
    [
        [row(2)],
        [row(2), row(3, '"b"')],
        [Row(2, 2.0, [('"b"', "2"), ('"c"', "2")], None)],
        [Row(2, 2.0, [('"a"', None)], None)],
        [Row(2, 2.0, [], "7")],
    ],
    ids=["one", "two", "two keys", "deleted", "meta"],
)


@ROWS
@pytest.mark.parametrize("wrote", [None, 2])
def test_nothing_is_written_by_who_was_fenced_off(
    path: Path, rows: list[Row], wrote: int | None
) -> None:
    refused(path, rows, wrote)


def test_an_epoch_that_it_raised_itself_is_its_own(path: Path) -> None:
    log = SqliteLog(path, "json", "normal")
    try:
        log.write([row(1)])
        with closing(sqlite3.connect(path)) as connection:
            [(who,)] = connection.execute("SELECT who FROM writers")
        taken(path, who)  # as a `resolve` leaves it that was struck before it could note that
        log.write([row(2), row(3)])
        taken(path, who)
        log.write([Row(4, 4.0, [('"a"', "4")], "7")])
        log.write([row(5)])
    finally:
        log.close()
    records, commits, changes, _, _ = content(path)
    assert records == [('"a"', "5", 5)]
    assert [each[:2] for each in commits] == [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)]
    assert [each[0] for each in changes] == [1, 2, 3, 4, 5]


def test_who_takes_the_file_over_when_it_was_found_to_be_another_s_is_not_written_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number it writes by is an old one of its own, and then another one comes."""
    log = SqliteLog(path, "json", "normal")
    try:
        log.write([row(1)])
        with closing(sqlite3.connect(path)) as connection:
            [(who,)] = connection.execute("SELECT who FROM writers")
        taken(path, who)
        asked = SqliteLog._ensure_mine

        def and_then_taken(self: SqliteLog) -> None:
            asked(self)
            with (
                closing(sqlite3.connect(path, timeout=0)) as other,
                pytest.raises(sqlite3.OperationalError, match="locked"),
            ):
                other.execute("UPDATE writer SET epoch = epoch + 1")

        monkeypatch.setattr(SqliteLog, "_ensure_mine", and_then_taken)
        log.write([row(2)])
    finally:
        log.close()
    assert [each[:2] for each in content(path)[1]] == [(1, 1), (2, 2)]


def enters_all(connection: sqlite3.Connection, rows: Any, epoch: int) -> bool:
    """Ask nobody."""
    plain = "INSERT INTO commits (version, epoch, time) VALUES (?, ?, ?)"
    connection.executemany(plain, [(one.version, epoch, one.time) for one in rows])
    return True


def believes(connection: sqlite3.Connection, rows: Any, epoch: int) -> bool:
    """Put no commit, and go on."""
    inserting.enter(connection, rows, epoch)
    return True


def by_any_epoch(connection: sqlite3.Connection, rows: Any, epoch: int) -> bool:
    """Write by the epoch that is there."""
    [(there,)] = connection.execute("SELECT epoch FROM writer")
    return inserting.write_as_one(connection, rows, there)


def believes_as_one(connection: sqlite3.Connection, rows: Any, epoch: int) -> bool:
    """Write nothing, and go on."""
    inserting.write_as_one(connection, rows, epoch)
    return True


@pytest.mark.parametrize(
    ("name", "twin", "rows"),
    [
        ("enter", enters_all, [Row(2, 2.0, [], "7")]),
        ("enter", believes, [Row(2, 2.0, [], "7")]),
        ("write_as_one", by_any_epoch, [row(2)]),
        ("write_as_one", believes_as_one, [row(2)]),
    ],
)
def test_a_broken_twin_is_caught(
    path: Path,
    name: str,
    twin: Callable[..., bool],
    rows: list[Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite, name, twin)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        refused(path, rows, None)

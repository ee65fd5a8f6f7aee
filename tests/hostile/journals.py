"""Files of stores: bytes, rows and tables that somebody else wrote, for all that reads them."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any, Final

from cowstate.cli import main
from cowstate.journal import follow, open_store
from cowstate.journal.reading import Reader
from cowstate.journal.verifying import faults_of
from cowstate.web.messages import encoded, state_of, version_of
from cowstate.web.seen import seen_in
from tests.hostile.door import Door, Knock, LawBrokenError, outcome
from tests.hostile.drawing import ATOMS, mutated, mutated_tree
from tests.hostile.making import grid_file, plain_files
from tests.journal.files import Slot, opened

__all__ = ["DOORS", "SCHEMAS", "ends_well", "looks_of", "put_in"]

COLUMNS: Final = {
    "about": ("one", "form", "schema"),
    "records": ("key", "value", "version"),
    "meta": ("one", "value", "version"),
    "commits": ("version", "epoch", "time", "old_meta", "new_meta"),
    "changes": ("version", "key", "old", "new"),
    "writer": ("one", "epoch"),
    "writers": ("epoch", "who", "since"),
}

_WITHOUT_END: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"

SCHEMAS: Final = (
    (
        "DROP TABLE {table}; CREATE VIEW {table} AS "
        f"{_WITHOUT_END} SELECT i AS key, i AS value, 1 AS version, i AS epoch, 0.0 AS time, "
        "'json' AS form, 0 AS schema, 1 AS one, NULL AS old_meta, NULL AS new_meta, 'me' AS who, "
        "NULL AS old, NULL AS new, 0.0 AS since FROM n"
    ),
    (
        "CREATE TRIGGER spring AFTER INSERT ON writers BEGIN "
        f"DELETE FROM records WHERE key IN ({_WITHOUT_END} SELECT i FROM n); END"
    ),
    "CREATE TRIGGER spring AFTER UPDATE ON writer BEGIN DELETE FROM commits; END",
    "ALTER TABLE {table} ADD COLUMN more",
    "ALTER TABLE {table} RENAME TO gone",
    "DROP TABLE {table}",
    "DROP TABLE {table}; CREATE TABLE {table} (key, value, version, epoch, time, form, schema)",
    "PRAGMA user_version = 2147483647",
    "PRAGMA application_id = -1",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 2 WHERE name = '{table}'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'nonsense' WHERE name = '{table}'",
    "CREATE INDEX also ON records (length(value) + abs(version))",
    "PRAGMA page_size = 65536; VACUUM",
    "PRAGMA encoding = 'UTF-16'; VACUUM",
)
"""What somebody may have made of the tables; `put_in` runs one."""

COMMANDS: Final = (
    *(["log"], ["log", "--json"], ["log", "--last", "2"], ["show"], ["show", "--json"]),
    *(["show", "--at", "1"], ["diff", "1", "3"], ["diff", "0", "2", "--json"], ["verify"]),
    *(["verify", "--json"], ["export"], ["watch", "--count", "1", "--total", "quantity"]),
)


def put_in(path: Path, script: str) -> None:
    """Run a script of SQL on the file, as any other program can, as far as it goes."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in script.split("; ") if "TRIGGER" not in script else [script]:
            try:
                connection.execute(statement)
                connection.commit()
            except (sqlite3.Error, OverflowError, ValueError):
                pass


def _rows(random: Random, path: Path) -> None:
    """Put into some rows what no store writes there."""
    with closing(sqlite3.connect(path)) as connection:
        for _ in range(random.randrange(1, 4)):
            table = random.choice([*COLUMNS])
            column = random.choice(COLUMNS[table])
            value: Any = random.choice((*ATOMS, b"\x93\x01", b"\xff" * 9, 2**62, "[" * 3_000))
            if isinstance(value, list | dict):
                value = str(value)
            where = random.choice(("", " WHERE rowid % 2", " WHERE version > 1", " WHERE 1 = 1"))
            try:
                if random.random() < 0.1:
                    connection.execute(f"DELETE FROM {table}{where}")
                else:
                    connection.execute(
                        f"UPDATE OR REPLACE {table} SET {column} = ?{where}", [value]
                    )
                connection.commit()
            except (sqlite3.Error, OverflowError, ValueError):
                pass


def _values(random: Random, path: Path) -> None:
    """Put into some rows JSON that is nearly what was there."""
    import json

    with closing(sqlite3.connect(path)) as connection:
        for table, column in (("records", "value"), ("changes", "new"), ("meta", "value")):
            if random.random() < 0.4:
                continue
            for (text,) in connection.execute(f"SELECT {column} FROM {table}").fetchall()[:4]:
                if isinstance(text, str):
                    try:
                        made = json.dumps(mutated_tree(random, json.loads(text)))
                    except RecursionError:
                        continue
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (made, text)
                    )
        connection.commit()


def _bytes(random: Random, path: Path, others: list[bytes]) -> None:
    """Change bytes of the file, or whole pages, or of its log."""
    beside = Path(f"{path}-wal")
    target = beside if beside.exists() and random.random() < 0.4 else path
    data = bytearray(target.read_bytes())
    if random.random() < 0.5:
        target.write_bytes(mutated(random, bytes(data), others))
        return
    pages = len(data) // 4096
    for _ in range(random.randrange(1, 12)):
        # Where the header of a page, and the list of its cells, is.
        at = 4096 * random.randrange(max(pages, 1)) + random.choice((0, 100, 4000))
        at += random.randrange(64)
        if at < len(data):
            data[at] = random.choice((0, 1, 2, 5, 10, 13, 127, 255, random.randrange(256)))
    target.write_bytes(data)


def looks_of(path: Path) -> dict[str, Callable[[], Any]]:
    """All that reads a file, by name."""
    return {
        "open": lambda: _opened_and_written(path),
        "open any": lambda: open_store(path, key=Any, record=Any, meta=Any).close(),
        "follow": lambda: _followed(path),
        "verify": lambda: _with_reader(path, lambda reader: list(faults_of(reader))),
        "serve": lambda: _with_reader(path, _served),
        "grid": lambda: _traded(path),
    }


def _opened_and_written(path: Path) -> None:
    with opened(path) as store:
        dict(store.snapshot())
        list(store.snapshot().find_all("owner", "x"))
        store.set("written", Slot(1))
        store.at(max(0, store.snapshot().version - 1))


def _followed(path: Path) -> None:
    with follow(path, key=str, record=Slot, meta=str) as follower:
        dict(follower.snapshot())


def _with_reader(path: Path, look: Callable[[Reader], Any]) -> Any:
    reader = Reader(os.fspath(path))
    try:
        return look(reader)
    finally:
        reader.close()


def _served(reader: Reader) -> None:
    from cowstate import Store

    seen = seen_in(reader, None, ["quantity", "price"], 0.0, 0.0)
    board = Store(dict(seen.rows), meta=seen.head).snapshot()
    for commit in reader.commits(0, 3):
        encoded(version_of(commit, reader.changes(commit.version)))
    if len(encoded(state_of(board))) > 10_000_000:
        raise LawBrokenError("a browser would be told more than ten megabytes")


def _traded(path: Path) -> None:
    from cowstate.positions import PositionManager
    from tests.hostile.making import GRID

    with PositionManager.open(path, GRID) as manager:
        manager.snapshot()


def ends_well(path: Path, argv: list[str]) -> str:
    """Run a command over the file; it ends as its page says, and writes no more than text."""
    command, *options = argv
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main([command, str(path), *options])
    for told in (out.getvalue(), err.getvalue()):
        odd = {each for each in told if not each.isprintable() and each != "\n"}
        if odd:
            raise LawBrokenError(f"{argv} writes {sorted(odd)!r} to a terminal")
    if status not in (0, 1, 2) or (err.getvalue() and err.getvalue().count("\n") != 1):
        raise LawBrokenError(f"{argv} ended with {status} and said {err.getvalue()[:500]!r}")
    return f"status {status}"


@contextmanager
def _opened() -> Generator[Knock]:
    with tempfile.TemporaryDirectory() as folder:
        good = [*plain_files(Path(folder)), grid_file(Path(folder))]
        others = [each.read_bytes() for each in good]
        path = Path(folder, "hostile.db")

        def knock(random: Random) -> str:
            for beside in ("", "-wal", "-shm", "-writer"):
                Path(f"{path}{beside}").unlink(missing_ok=True)
            source = random.choice(good)
            shutil.copy(source, path)
            if Path(f"{source}-wal").exists():
                shutil.copy(f"{source}-wal", f"{path}-wal")
            how = random.randrange(10)
            if how < 4:
                _bytes(random, path, others)
            elif how < 7:
                _rows(random, path)
            elif how < 9:
                _values(random, path)
            else:
                table = random.choice([*COLUMNS])
                put_in(path, random.choice(SCHEMAS).replace("{table}", table))
            looks = looks_of(path)
            name = random.choice([*looks, *(" ".join(each) for each in COMMANDS)])
            if name in looks:
                # What SQLite says in the midst of a look, whoever looks puts in our words.
                return outcome(looks[name], sqlite3.Error, UnicodeError)[0]
            return ends_well(path, name.split())

        yield knock


DOORS: Final = [
    Door("journal", "the file of a store: to open, follow, look at, verify, serve", _opened)
]

"""What the file holds: the statements that make its tables, and those that read and write them."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["APPLICATION", "LAYOUT"]

APPLICATION: Final = 0x636F7753
"""What SQLite keeps in the header of a file for the program that it belongs to: ``cowS``."""

LAYOUT: Final = 1
"""The number of this arrangement of tables, kept there as the ``user_version``."""

# What was there before is in the log, too: from the newest version backward each older one follows.
# The epoch is raised whenever somebody takes the file over.
_TABLES: Final = """
CREATE TABLE about (
    one INTEGER PRIMARY KEY CHECK (one = 1), form TEXT NOT NULL, schema INTEGER NOT NULL
);
CREATE TABLE records (
    key PRIMARY KEY NOT NULL, value NOT NULL, version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1), value, version INTEGER NOT NULL
);
CREATE TABLE commits (
    version INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, time REAL NOT NULL, old_meta, new_meta
);
CREATE TABLE changes (
    version INTEGER NOT NULL, key NOT NULL, old, new, PRIMARY KEY (version, key)
) WITHOUT ROWID;
CREATE TABLE writer (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL
);
CREATE TABLE writers (
    epoch INTEGER PRIMARY KEY, who TEXT NOT NULL, since REAL NOT NULL
);
INSERT INTO meta VALUES (1, NULL, 0);
INSERT INTO writer VALUES (1, 0)
"""


def _plain(text: str) -> str:
    return " ".join(text.split())


MADE: Final = {
    each.split()[2]: _plain(each) for each in _TABLES.split(";") if each.split()[0] == "CREATE"
}
"""The tables, by their names, each as SQLite keeps the statement that made it."""


def is_made(name: str, text: object) -> bool:
    """Whether a statement, however it is laid out, is the one that makes our table of that *name*.

    SQLite puts the name in quotation marks where a table was renamed, be it to what it was.
    """
    return isinstance(text, str) and _plain(text.replace(f'"{name}"', name, 1)) == MADE[name]


MAKE: Final = (
    *_TABLES.split(";"),
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {LAYOUT}",
)
"""One by one, for a script of SQLite's is one transaction for each statement."""


class Insert(NamedTuple):
    """A statement that inserts rows, as many as are asked for.

    >>> Insert("pairs", "(?, ?)").of(2)
    'INSERT INTO pairs VALUES (?, ?), (?, ?)'
    """

    into: str
    row: str
    then: str = ""

    def of(self, count: int) -> str:
        """Return the statement for *count* rows."""
        return f"INSERT INTO {self.into} VALUES {', '.join([self.row] * count)}{self.then}"


PUTS: Final = Insert(
    "records (key, value, version)",
    "(?, ?, ?)",
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version",
)
PUT: Final = PUTS.of(1)
DELETE: Final = "DELETE FROM records WHERE key = ?"
CHANGED: Final = (
    "INSERT INTO changes (version, key, old, new)"
    " VALUES (?1, ?2, (SELECT value FROM records WHERE key = ?2), ?3)"
)
"""Before the record itself is put or deleted."""

CHANGED_FIRST: Final = Insert(
    "changes (version, key, old, new)", "(?, ?, (SELECT value FROM records WHERE key = ?), ?)"
)
"""The same of several keys."""

CHANGED_AGAIN: Final = Insert("changes (version, key, old, new)", "(?, ?, ?, ?)")
"""Of keys that another commit of the same transaction has changed."""

COMMITTED: Final = (
    "INSERT INTO commits (version, epoch, time) SELECT ?1, ?2, ?3 FROM writer WHERE epoch = ?2"
)
"""The fence: of who may not write any more it puts no row."""

COMMITTED_TOO: Final = Insert("commits (version, epoch, time)", "(?, ?, ?)")
"""In a transaction that has passed it."""

_VIEW: Final = (
    "CREATE TEMP VIEW written AS"
    " SELECT 0 AS version, 0 AS epoch, 0.0 AS time, '' AS key, '' AS value, 0 AS enters"
)
_TRIGGER: Final = (
    "CREATE TEMP TRIGGER writes INSTEAD OF INSERT ON written BEGIN"
    " SELECT RAISE(ABORT, 'another one may write') WHERE NEW.enters"
    " AND NOT EXISTS (SELECT 1 FROM writer WHERE epoch = NEW.epoch);"
    " INSERT INTO commits (version, epoch, time)"
    " SELECT NEW.version, NEW.epoch, NEW.time WHERE NEW.enters;"
    " INSERT INTO changes (version, key, old, new) VALUES"
    " (NEW.version, NEW.key, (SELECT value FROM records WHERE key = NEW.key), NEW.value);"
    " INSERT INTO records (key, value, version) VALUES (NEW.key, NEW.value, NEW.version)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version;"
    " END"
)
AS_ONE: Final = (_VIEW, _TRIGGER)
"""What has records put by one statement, the transaction and the fence included: of one connection,
and never in the file. A call for each of its five parts would give the interpreter away ten times,
and whoever waits for it would be woken each time."""

WRITTEN: Final = Insert(
    "temp.written (version, epoch, time, key, value, enters)", "(?, ?, ?, ?, ?, ?)"
)
"""A row for each key; the first of each version says that it *enters* it."""

MOVED: Final = (
    "UPDATE commits SET old_meta = (SELECT value FROM meta), new_meta = ?1 WHERE version = ?2"
)
META: Final = "UPDATE meta SET value = ?1, version = ?2"
EPOCH: Final = "SELECT epoch FROM writer"
RAISE: Final = "UPDATE writer SET epoch = epoch + 1"
TAKE: Final = "INSERT INTO writers (epoch, who, since) VALUES (?, ?, ?)"
WHO: Final = "SELECT who FROM writers ORDER BY epoch DESC LIMIT 1"
MINE: Final = (
    "SELECT max(version) FROM commits WHERE version > ?"
    " AND epoch IN (SELECT epoch FROM writers WHERE who = ?)"
)
LAST: Final = "SELECT version, time FROM commits ORDER BY version DESC LIMIT 1"

REACH: Final = "SELECT min(version), max(version) FROM commits"
BACKWARD: Final = "SELECT version, time FROM commits ORDER BY version DESC"
_COMMITS: Final = (
    "SELECT c.version, c.time, coalesce(w.who, ''),"
    " (SELECT count(*) FROM changes h WHERE h.version = c.version), c.old_meta, c.new_meta"
    " FROM commits c LEFT JOIN writers w ON w.epoch = c.epoch"
)
COMMITS: Final = f"{_COMMITS} WHERE c.version > ? AND c.version <= ? ORDER BY c.version"
ALL: Final = f"{_COMMITS} ORDER BY c.version DESC"
STRAYS: Final = (
    "SELECT DISTINCT version FROM changes WHERE version NOT IN (SELECT version FROM commits)"
)
CHANGES: Final = "SELECT key, old, new FROM changes WHERE version = ? ORDER BY key"
MOVES: Final = (
    "SELECT key, old, new FROM changes WHERE version > ? AND version <= ? ORDER BY version, key"
)
FIRST: Final = "SELECT key, version FROM records ORDER BY key LIMIT ?"
VALUE: Final = "SELECT value FROM records WHERE key = ?"
BEFORE: Final = (
    "SELECT key, old, min(version) FROM changes WHERE version > ? AND version <= ? GROUP BY key"
)
"""Of the row with the least version each: SQLite's rule for what stands beside a ``min``."""

META_BEFORE: Final = (
    "SELECT old_meta FROM commits WHERE version > ? AND version <= ? AND new_meta IS NOT NULL"
    " ORDER BY version LIMIT 1"
)

DROP: Final = ("DELETE FROM changes WHERE version <= ?", "DELETE FROM commits WHERE version <= ?")
_TAKES: Final = (
    "coalesce(sum(length(CAST(h.key AS BLOB)) + coalesce(length(CAST(h.old AS BLOB)), 0)"
    " + coalesce(length(CAST(h.new AS BLOB)), 0)), 0)"
)
_META_TAKES: Final = (
    "coalesce(length(CAST(c.old_meta AS BLOB)), 0) + coalesce(length(CAST(c.new_meta AS BLOB)), 0)"
)
TAKEN: Final = (
    f"SELECT (SELECT {_TAKES} FROM changes h WHERE h.version > ?1)"
    f" + (SELECT coalesce(sum({_META_TAKES}), 0) FROM commits c WHERE c.version > ?1)"
)
"""How many bytes the log takes from a version on."""

OLDEST: Final = (
    f"SELECT c.version, c.time, (SELECT {_TAKES} FROM changes h WHERE h.version = c.version)"
    f" + {_META_TAKES} FROM commits c WHERE c.version <= ? ORDER BY c.version"
)

SHRINK: Final = "PRAGMA incremental_vacuum(40)"
"""So many pages are given back at a time; a page holds some twenty rows."""

RECORDS_FROM: Final = (
    "SELECT key, value FROM records WHERE key > ? OR ? IS NULL ORDER BY key LIMIT 1000"
)
REWRITE: Final = "UPDATE records SET value = ? WHERE key = ?"
CHANGES_FROM: Final = (
    "SELECT version, key, old, new FROM changes WHERE version > ?1 OR version = ?1 AND key > ?2"
    " OR ?1 IS NULL ORDER BY version, key LIMIT 1000"
)
REWRITE_CHANGE: Final = "UPDATE changes SET old = ?, new = ? WHERE version = ? AND key = ?"
METAS_FROM: Final = (
    "SELECT version, old_meta, new_meta FROM commits WHERE version > ? AND new_meta IS NOT NULL"
    " ORDER BY version LIMIT 1000"
)
REWRITE_META: Final = "UPDATE meta SET value = ?"
REWRITE_MOVE: Final = "UPDATE commits SET old_meta = ?, new_meta = ? WHERE version = ?"
SCHEMA: Final = "UPDATE about SET schema = ?"

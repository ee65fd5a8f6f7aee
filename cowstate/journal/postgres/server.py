"""A store's place on a PostgreSQL server, and what goes wrong there: `Server`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from cowstate.errors import ArgumentTypeError, ArgumentValueError, CowstateError
from cowstate.showing import cut, shown

from ..errors import JournalError, JournalFileError
from ..view import Form
from .advising import advice
from .pooling import SHARED, is_shared
from .tables import APPLICATION, LAYOUT, statements

__all__ = ["Server", "is_url"]

MISSING: Final = (
    "a journal on PostgreSQL needs psycopg 3: pip install 'cowstate[postgres]', or psycopg with "
    "the libpq of your system"
)

NAMES: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")

FOREIGN: Final = re.compile(r"\s*[^\s/\\][^/\\]+:/")
"""How a URL begins, be it with what no scheme has. Of one letter it would be a disk."""

SCHEMA: Final = "cowstate_"
"""What the name of a store follows in that of the schema that its tables are in."""

# What the connection string does not say. A server that has gone, and its network with it, is to
# be noticed: what waits for it is a write.
PATIENCE: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "fallback_application_name": "cowstate",
}

UNANSWERED: Final = (
    "the pooler before it gave no answer in time: it may have no session left to give, or the "
    "server is slow"
)

# What a role, a database or the environment may say otherwise. Values are UTF-8 whatever a terminal
# shows; each statement sees what is there when it begins; and a function that somebody made is not
# called because its name is that of one of the server's.
#
# Only of a session that is this connection's own: another one's would be settled for whoever is
# given it next.
SETTLED: Final = (
    "SELECT pg_backend_pid(), CASE WHEN pg_backend_pid() = %(session)s THEN"
    " set_config('default_transaction_isolation', 'read committed', false)"
    " || set_config('search_path', 'pg_catalog', false) END"
)


def is_url(path: object) -> bool:
    """Whether *path* names a server, and no file.

    Raises:
        ArgumentValueError: it is a URL of something else. As a name of a file it would stand in
            errors and in the log, with the password that may be in it.

    >>> is_url("postgresql://localhost/trading"), is_url("trading.db")
    (True, False)
    """
    if isinstance(path, str) and path.startswith(("postgresql://", "postgres://")):
        return True
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if isinstance(text, str) and ("://" in text or FOREIGN.match(text) is not None):
        raise ArgumentValueError(
            "this is a URL, and none of a server that can be written to: that begins with "
            "postgresql://, in small letters, and is a str. A file in a folder a: is the str "
            "./a:/b, with one slash. (It is not repeated here: there may be a password in it.)"
        )
    return False


class Server:
    """The schema of one store in a database of a server's. Any thread.

    Args:
        url: where the server is, as libpq reads it; passwords may be in ``~/.pgpass``.
        name: the name of the store.

    Attributes:
        schema: the schema that its tables are in.
        channel: where a server tells of each group of commits.
        free: where it tells that nobody writes any more.
        where: what is said of its place, without a password.

    Raises:
        ArgumentTypeError, ArgumentValueError: those are none.
        JournalError: psycopg is not there.
    """

    def __init__(self, url: str, name: object) -> None:
        if not isinstance(name, str):
            raise ArgumentTypeError(
                "a store on a server needs a name, for there may be several: name='positions', "
                f"not {shown(name)}"
            )
        if NAMES.fullmatch(name) is None:
            raise ArgumentValueError(
                "the name of a store is at most 48 small letters, digits and underscores, and "
                f"begins with no digit; {shown(name)} is none"
            )
        try:
            self._psycopg: Any = import_module("psycopg")
        except ImportError as error:
            raise JournalError(f"{MISSING} ({cut(str(error))})") from error
        try:
            given = self._psycopg.conninfo.conninfo_to_dict(url)
        except (self._psycopg.Error, ValueError) as error:  # letters that are none
            # What is wrong with it may be said with the password in it.
            raise ArgumentValueError(
                "the URL of a server is postgresql://user@host:port/database; what was given is "
                f"none that libpq can read ({type(error).__name__})"
            ) from None
        _ensure_told_apart(given)
        self.schema = SCHEMA + name
        self.channel = self.schema
        self.free = f"{self.schema}_free"
        self._options: Mapping[str, Any] = {**PATIENCE, **given, "client_encoding": "UTF8"}
        self.where = f"{name} on {_place(given)}"

    def connect(self) -> Any:
        """Return a new connection, on which each statement is a transaction of its own.

        Raises:
            psycopg.OperationalError: the server cannot be had.
            JournalError: a pooler stands before it, which gives no connection a session.
        """
        connection = self._reach()
        try:
            self._settle(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _reach(self) -> Any:
        try:
            return self._psycopg.connect(**self._options, autocommit=True)
        except self._psycopg.Error as error:
            told = _told_by(error)
        except UnicodeError as error:
            told = self._psycopg.OperationalError(f"no host can have such a name: {error}")
        # Not in the `except`, where the error would be the context of this one.
        raise told

    def _settle(self, connection: Any) -> None:
        told = connection.info.backend_pid
        [(session, _)] = self.ask(connection, SETTLED, {"session": told})
        if session == told:
            return
        # Who answered the call is not who answers: a pooler is between.
        other = self._reach()
        try:
            if is_shared(connection, other, session):
                raise JournalError(f"{self.where} {SHARED}")
            if connection.pgconn.is_busy():
                # What is asked of it next it would not take.
                raise self._psycopg.OperationalError(UNANSWERED)
        finally:
            other.close()
        self.ask(connection, SETTLED, {"session": session})

    def statements(self, form: Form = "json") -> Mapping[str, str]:
        """Return what is said to the server, of values that have a *form*."""
        return statements(self.schema, form)

    def about(self, connection: Any) -> tuple[Form, int] | None:
        """Return the form and the schema's number of what is there; None if nothing is.

        Raises:
            JournalFileError: what is there is not ours to go on with.
        """
        texts = self.statements()
        [(schema, about, writer)] = self.ask(connection, texts["find"], {"schema": self.schema})
        if schema is None:
            return None
        if about is None or writer is None:
            raise JournalFileError(
                self.where,
                f"cannot be: there is a schema {self.schema}, which is another program's, or not "
                "open to this user; give the store another name",
            )
        found = self.ask(connection, texts["about"])
        if len(found) != 1 or found[0][0] != APPLICATION:
            raise JournalFileError(
                self.where, f"is none: the schema {self.schema} is another program's"
            )
        [(_, layout, form, number)] = found
        if layout > LAYOUT:
            raise JournalFileError(
                self.where,
                f"was written by a newer version of cowstate (layout {layout}, and this one knows "
                f"{LAYOUT}); install that one",
            )
        return form, number

    def ask(self, connection: Any, text: str, values: Any = None) -> list[Any]:
        """Return the rows that a statement gives."""
        found: list[Any] = connection.execute(text, values).fetchall()
        return found

    # What goes wrong.

    def is_of_server(self, error: BaseException | None) -> bool:
        """Whether *error* is one of the driver's."""
        return isinstance(error, self._psycopg.Error)

    def passes(self, error: BaseException | None) -> bool:
        """Whether *error* is one that another try may not meet: the server was restarted, say."""
        kinds = self._psycopg.OperationalError, self._psycopg.InterfaceError
        return isinstance(error, kinds)

    def is_held(self, error: BaseException) -> bool:
        """Whether *error* says that somebody else has what was waited for."""
        return isinstance(error, self._psycopg.errors.LockNotAvailable)

    def refused(self, error: BaseException) -> CowstateError:
        """Return what to say of an *error* of the driver's."""
        what = cut(" ".join(str(error).split())) or type(error).__name__
        errors = self._psycopg.errors
        if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
            return JournalFileError(self.where, f"was deleted, or never was ({what})")
        if isinstance(error, errors.InsufficientPrivilege):
            return JournalError(
                f"{self.where} is not open to this user ({what}); see GRANT in PostgreSQL's manual"
            )
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return JournalError(
                f"{self.where} cannot be written ({what}): it is a standby, or this user only "
                "reads (default_transaction_read_only); with target_session_attrs=read-write in "
                "the URL the one of several hosts is found that can be written"
            )
        # What a statement says may hold what was written, and that is no reason.
        todo = advice(str(error), error) if self.passes(error) else None
        return JournalError(f"{self.where} cannot be had: {what}{f'; {todo}' if todo else ''}")

    def is_over(self, connection: Any) -> bool:
        """Whether *connection* is cut, or in the midst of something that nobody waits for."""
        idle = self._psycopg.pq.TransactionStatus.IDLE
        return bool(connection.closed or connection.info.transaction_status != idle)


def _ensure_told_apart(given: Mapping[str, Any]) -> None:
    """Raise if a part of a password was taken for something that is shown."""
    elsewhere = "".join(f"{given.get(name) or ''}" for name in ("host", "hostaddr", "dbname"))
    port, user = given.get("port") or "", given.get("user") or ""
    if "@" in elsewhere or ":" in user or not re.fullmatch(r"[0-9,]*", port, re.ASCII):
        raise ArgumentValueError(
            "the URL of a server is postgresql://user:password@host:port/database, and in this one "
            "it cannot be told what is what; of a password that has one of @ / : ? # % in it "
            "write %40 %2F %3A %3F %23 %25 for that, or keep it in ~/.pgpass"
        )


def _told_by(error: Any) -> Any:
    """Return *error* of the driver's without libpq's connection, in which the password is.

    Whoever writes down the attributes of errors, as some collectors of them do, would have it.
    """
    told = type(error)(*error.args)
    told.needs_password = bool(error.pgconn is not None and error.pgconn.needs_password)
    return told


def _place(given: Mapping[str, Any]) -> str:
    """Return where a server is, in the words of a connection string, without what is secret."""
    user, host, port = given.get("user"), given.get("host"), given.get("port")
    at = f"{user}@" if user else ""
    hosts = f"[{host}]" if host and ":" in host else host or ""
    return f"postgresql://{at}{hosts}{f':{port}' if port else ''}/{given.get('dbname') or ''}"

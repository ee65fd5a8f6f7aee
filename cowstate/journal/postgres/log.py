"""The log of one store on a PostgreSQL server: `PostgresLog`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from time import perf_counter, time
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from ..bounds import Bounds, Statements, Trimming
from ..claim import here
from ..ended import Closed, never_freed
from ..errors import FencedError, JournalError, JournalFileError
from ..log import Outcome, Rewritten, Row, Standing
from ..view import Encoded, Form
from .lease import Lease, give_up
from .opened import found_or_made, taken
from .rewriting import rewrite
from .rows import values_of
from .server import Server
from .telling import Telling
from .view import PostgresView

__all__ = ["PostgresLog", "Sync"]

Sync: TypeAlias = Literal["full", "normal"]

LONGEST_KEY: Final = 2_600
"""How many bytes a key may be: an entry of an index holds 2,704."""

AT_ONCE: Final = 2_000
"""How many rows of a table are fetched at a time."""

BACK: Final = (
    "was put back to an older state: its newest version is {}, and {} was acknowledged. (A replica "
    "that had not got it was promoted, or the server does not sync.) This store only reads; what "
    "is in memory can be saved"
)

CHANGED: Final = (
    "was changed by somebody else: its newest version is {}, and this store, which alone may write "
    "it, had come to {}. This store only reads; cowstate verify says what is wrong"
)

MOVED: Final = "{} was taken over while it was read; open it again"

TRIMMING: Final = Statements("taken", "oldest", "reach", ("drop_changes", "drop_commits"))
"""By the names of what is said to the server."""

_log = logging.getLogger("cowstate")


class PostgresLog:
    """As `Log` says. One thread at a time, but for `view`; any number of machines.

    Each group of rows is one statement, so one transaction and one round trip. The first thing in
    it is to look whether this is still the one who may write, by a row which that locks: what
    another one takes over waits for it, or comes before it.

    Args:
        server: the store's place.
        form: how values are encoded, if it is made.
        schema: the number of the schema of the records, if it is made.
        sync: ``"full"`` if a row is to be on the server's disk when it is written, ``"normal"`` if
            it may follow a moment later.
        bounds: how far back it may go.
        lease: for how many seconds after a sign of life nobody else may write.
        wait: for how many seconds to wait until nobody else does; None for ever.

    Attributes:
        path: what is said of its place.
        epoch: the number by which this one may write.
        took: how many seconds the last write took.
        form: how values are encoded.
        schema: the number of the schema of the records.

    Raises:
        WriterActiveError: somebody writes it.
        JournalFileError: it is another program's, or of a newer version.
        JournalError: the server cannot be had.
    """

    form: Form
    schema: int

    def __init__(
        self,
        server: Server,
        form: Form,
        sync: Sync,
        schema: int = 0,
        bounds: Bounds | None = None,
        lease: float = 5.0,
        wait: float | None = 10.0,
    ) -> None:
        self.path = server.where
        self.took = 0.0
        self.longest_key = LONGEST_KEY
        self._trimming = None if bounds is None else Trimming(bounds, TRIMMING)
        self._untrimmed = 0
        self._telling = Telling()
        self._told = False
        self._lease: Lease | None = None
        self._server = server
        self._sync = sync
        # Whether something was sent and not answered; else the last version that is there.
        self._asked = False
        self._durable = 0
        self._sent = 0  # the last version that was sent
        self._refused: JournalError | None = None
        self._known = {
            "token": uuid4().hex,
            "who": here(),
            "lease": lease,
            "channel": server.channel,
            "free": server.free,
        }
        self._connection: Any = Closed(self.path)
        try:
            self.form, self.schema = found_or_made(server, form, schema)
            self._texts = server.statements(self.form)
            self._connection, self.epoch, self._durable = taken(
                server, self._connected, self._texts, self._known, wait
            )
            self._lease = Lease(server, self._texts["renew"], self._known, lease / 3)
        except BaseException as error:
            self.close()
            if server.is_of_server(error):
                raise server.refused(error) from error
            raise

    def _connected(self) -> Any:
        """Return a new connection of one who writes."""
        connection = self._server.connect()
        try:
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: Any) -> None:
        """Have a session wait for nobody for long, and plan once, for tables that grow."""
        [(synced, flushes)] = self._server.ask(
            connection,
            "SELECT current_setting('synchronous_commit'), current_setting('fsync')",
        )
        # What the server has of its own accord may be more: that replicas have it, too.
        wanted = "off" if self._sync == "normal" else ("on" if synced == "off" else synced)
        self._server.ask(
            connection,
            "SELECT set_config('synchronous_commit', %s, false),"
            " set_config('lock_timeout', '5s', false),"
            " set_config('idle_in_transaction_session_timeout', '60s', false),"
            " set_config('enable_seqscan', 'off', false),"
            " set_config('plan_cache_mode', 'force_generic_plan', false),"
            " set_config('jit', 'off', false)",
            (wanted,),
        )
        if flushes == "off" and self._sync == "full":
            _log.warning(
                "%s syncs nothing (fsync is off): a crash of it may lose all",
                self.path,
                extra={"cowstate_event": "server_syncs_nothing", "cowstate_path": self.path},
            )

    def standing(self) -> Standing:
        """Return what is there, but for the records."""
        ask, texts = self._server.ask, self._texts
        found = ask(self._connection, texts["last"])
        [(meta,)] = ask(self._connection, texts["meta"])
        if self._durable and (not found or found[0][0] != self._durable):
            raise JournalFileError(
                self.path, f"lacks version {self._durable} in its log, so somebody else wrote it"
            )
        version, when = found[0] if found else (self._durable, 0.0)
        return Standing(version, when, meta)

    def records(self) -> Iterator[list[tuple[Encoded, Encoded]]]:
        """Yield the key and the record of each row, many at a time.

        Raises:
            FencedError: somebody else has written since it was opened.
            JournalError: the server cannot be had any more.
        """
        try:
            with self._connection.transaction():
                self._connection.execute("SET LOCAL enable_seqscan = on")
                yield from self._fetched()
            # What is read by several statements is of one moment only if nobody wrote meanwhile:
            # this process may have been stopped for longer than its lease.
            if not self._do("unchanged", {**self._mine(), "version": self._durable}).fetchall():
                raise FencedError(MOVED.format(self.path))
        except Exception as error:
            if self._server.is_of_server(error):
                raise self._server.refused(error) from error
            raise

    def _fetched(self) -> Iterator[list[tuple[Encoded, Encoded]]]:
        with self._connection.cursor(name="records") as cursor:
            cursor.execute(self._texts["pairs"])
            yield from iter(lambda: cursor.fetchmany(AT_ONCE), [])

    def rewrite(self, record: Rewritten, meta: Rewritten, schema: int) -> None:
        """Rewrite every record and meta value, of now and in the log; they are of *schema* then."""
        try:
            with self._connection.transaction():
                if self._do("still_mine", self._mine()).fetchall():
                    rewrite(self._do, record, meta, schema)
                else:
                    self._refused = FencedError(f"{self.path} was taken over meanwhile")
        except Exception as error:
            if self._server.is_of_server(error):
                raise JournalError(f"{self.path} could not be migrated: {error}") from error
            raise
        if self._refused is not None:
            raise self._refused
        self.schema = schema

    # Writing.

    def write(self, rows: Sequence[Row]) -> None:
        """Write *rows*, all or none. When this has returned, they are on the server's disk.

        If the connection is lost meanwhile, it is made anew, once, and what became of them asked.
        """
        before, last = rows[0].version - 1, rows[-1].version
        began = perf_counter()
        tells = self._telling.due(began)
        values = {**self._known, **values_of(rows), "before": before, "last": last, "tells": tells}
        if self._server.is_over(self._connection):
            self._regain(before)
        try:
            self._send(values)
        except Exception as error:
            if not self._server.is_of_server(error):
                raise
            if not self._server.is_over(self._connection):
                self._asked = False  # it was answered: with an error, so it was not done
                lost = self._server.refused(error)
                if isinstance(lost, JournalFileError):
                    self._refused = lost
                raise
            self._regain(before)
            if self._durable < last:
                self._send(values)
        self._durable = last
        self._asked = False
        self._untrimmed += len(rows)
        ended = perf_counter()
        self.took = ended - began
        if self._telling.ended(began, ended, told=tells):
            self._tell(last)

    def _tell(self, last: int) -> None:
        began = perf_counter()
        try:
            self._do("tell", {"channel": self._server.channel, "last": last})
        except Exception as error:
            if not self._server.is_of_server(error):
                raise
        else:  # if not, the next write does; what is written is written
            self._telling.ended(began, began, told=True)

    def _send(self, values: dict[str, Any]) -> None:
        if self._refused is not None:
            raise self._refused
        values["epoch"] = self.epoch
        self._sent = values["last"]
        self._asked = True
        found = self._connection.execute(self._texts["write"], values, prepare=True).fetchall()
        if not found:
            # By the fence, so for certain not: another one's, or it is not as this one left it.
            self._sent = self._durable
            self._regain(values["before"])
            raise self._refused or JournalError(f"{self.path} was not as it was left")

    def resolve(self, after: int) -> Outcome:
        """Return which of the rows beyond version *after* are there, for good."""
        if self._asked:
            self._regain(after)
        return Outcome(max(after, self._durable), self._refused)

    def _regain(self, after: int) -> None:
        """Connect anew and raise the epoch; note what is there, which then is final.

        What was sent before and is on its way still, or in work at the server, either has the lock
        of the row, and is waited for, or comes later, and finds another epoch.
        """
        self._asked = True
        server, texts = self._server, self._texts
        self._connection.close()
        connection = self._connected()
        try:
            found = server.ask(connection, texts["take_again"], self._known)
            ended = [] if found else server.ask(connection, texts["ended"], self._known)
            who = [] if found else server.ask(connection, texts["holder"])
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        if found:
            self.epoch, version = found[0]
            self._durable = after
            if version < after:
                self._refused = JournalFileError(self.path, BACK.format(version, after))
            elif version not in (after, self._sent):
                self._refused = JournalFileError(self.path, CHANGED.format(version, after))
            else:
                self._durable = version
        else:
            # All up to there is this one's, for nobody else could write before.
            self._durable = max(after, ended[0][0] if ended else 0)
            text = f"{self.path} is written by {who[0][0] if who else 'nobody'} now"
            self._refused = FencedError(f"{text}; this store only reads")
        self._asked = False

    # Beside it.

    def view(self) -> PostgresView:
        """Return a look at what is there now. From any thread."""
        return PostgresView(self._server)

    def oldest(self) -> int:
        """Return the oldest version that can be gone back to."""
        [(first, newest)] = self._server.ask(self._connection, self._texts["reach"])
        return int(newest if first is None else first - 1)

    def drop(self, upto: int, most: int) -> bool:
        """Let go of the rows up to version *upto*, at most *most*; return whether more are left."""
        if self._trimming is not None:
            self._trimming.forget()
        try:
            if self._server.is_over(self._connection):
                self._regain(self._durable)
            last = min(upto, self.oldest() + most)
            values = {**self._mine(), "upto": last}
            if not self._server.ask(self._connection, self._texts["drop"], values):
                self._regain(self._durable)
        except Exception as error:
            if self._server.is_of_server(error):
                raise JournalError(f"nothing was dropped from {self.path}: {error}") from error
            raise
        if self._refused is not None:
            raise self._refused
        return last < upto

    def tidy(self) -> None:
        """Let go of what is beyond the bounds. What fails in it is tried again after the next."""
        trimming, made = self._trimming, self._untrimmed
        if trimming is None or not made or self._server.is_over(self._connection):
            return
        try:
            with self._connection.transaction():
                # Should it be lost with the server, it is done again.
                self._connection.execute("SET LOCAL synchronous_commit = off")
                if self._do("still_mine", self._mine()).fetchall():
                    trimming.trim(self._do, self._durable, made, time())
        except Exception as error:
            trimming.forget()
            if not self._server.is_of_server(error):
                raise
            if not self._told:
                _log.warning(
                    "the log of %s was not shortened: %s",
                    self.path,
                    error,
                    extra={"cowstate_event": "journal_not_shortened", "cowstate_path": self.path},
                )
            self._told = True  # for there is a next try with each write
        else:
            trimming.committed()
            self._untrimmed = 0
            self._told = False

    def _do(self, name: str, values: Any = None) -> Any:
        return self._connection.execute(self._texts[name], values)

    def _mine(self) -> dict[str, Any]:
        """Return what the row of the writer holds for as long as this one is that."""
        # The epoch alone may come again: in a schema that was deleted and made anew, say.
        return {"epoch": self.epoch, "token": self._known["token"]}

    def close(self) -> None:
        """Let go of the server, and of the right to write. May be called twice."""
        connection, self._connection = self._connection, Closed(self.path)
        lease, self._lease = self._lease, None
        try:
            if lease is not None:
                lease.end()
                if not self._asked and self._refused is None:
                    give_up(self._server, connection, self._texts["give_up"], self._known)
        finally:
            connection.close()

    def abandon(self) -> None:
        """Forget the connection without a touch: it belongs to the parent of a fork."""
        if self._lease is not None:
            self._lease.abandon()
            self._lease = None
        never_freed(self._connection)
        self._connection = Closed(self.path)

    def __del__(self) -> None:
        # Of one that was dropped: the lease ends by itself.
        self._connection.close()

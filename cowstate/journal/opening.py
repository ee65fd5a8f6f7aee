"""To open the file of a store: `open_store`."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from inspect import signature
from types import UnionType
from typing import Any, Final, Literal, TypeVar, overload

from cowstate.codec import Codec
from cowstate.encoding import Hook
from cowstate.errors import ArgumentTypeError, ArgumentValueError, CodecError
from cowstate.immutability import Immutability
from cowstate.invariants import Invariant, Invariants
from cowstate.meta import M
from cowstate.meter import Meter
from cowstate.sameness import Sameness
from cowstate.showing import shown
from cowstate.slips import ensure_flag
from cowstate.store import Aggregates, Indexes, Store
from cowstate.timeline import History

from .arguments import ensure_nameless, ensure_path, ensure_seconds, ensure_wait, without_collecting
from .bounds import Bounds
from .encoded import Encoder
from .errors import JournalFileError
from .log import Log
from .migration import Migration, Migrations, rewriter
from .postgres.log import PostgresLog
from .postgres.server import Server, is_url
from .sqlite import SqliteLog
from .store import JournaledStore, Sync
from .view import Form

__all__ = ["open_store"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_OPTIONS: Final = signature(Store.__init__).parameters.keys() - {"self", "records", "meta"}
"""What is handed on to the store."""


@overload
def open_store(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: type[K],
    record: type[V],
    meta: type[M],
    indexes: Indexes[V] | None = None,
    aggregates: Aggregates[V] | None = None,
    invariants: Mapping[str, Invariant] | None = None,
    sync: Sync = "full",
    interval: float = 0.1,
    form: Form = "json",
    lease: float = 5.0,
    wait: float | None = 10.0,
    bounds: Bounds | None = None,
    schema: int = 0,
    migrate: Migrations | None = None,
    migrate_meta: Migrations | None = None,
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    history: History | None = None,
    maps: str = "auto",
    immutability: Immutability = "type",
    allow_none: bool = False,
    same: Sameness = "identity",
    lock_timeout: float | None = None,
    deferred_refcount: bool | None = None,
    meter: Meter | None = None,
    eager: bool = False,
) -> JournaledStore[K, V, M | None]: ...


@overload
def open_store(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: type[K],
    record: type[V],
    meta: Any = None,
    indexes: Indexes[V] | None = None,
    aggregates: Aggregates[V] | None = None,
    invariants: Mapping[str, Invariant] | None = None,
    sync: Sync = "full",
    interval: float = 0.1,
    form: Form = "json",
    lease: float = 5.0,
    wait: float | None = 10.0,
    bounds: Bounds | None = None,
    schema: int = 0,
    migrate: Migrations | None = None,
    migrate_meta: Migrations | None = None,
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    history: History | None = None,
    maps: str = "auto",
    immutability: Immutability = "type",
    allow_none: bool = False,
    same: Sameness = "identity",
    lock_timeout: float | None = None,
    deferred_refcount: bool | None = None,
    meter: Meter | None = None,
    eager: bool = False,
) -> JournaledStore[K, V, Any]: ...


# Of a union no type checker infers what it is a type of: who opens one says which.
@overload
def open_store(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: Any,
    record: UnionType,
    meta: Any = None,
    indexes: Indexes[Any] | None = None,
    aggregates: Aggregates[Any] | None = None,
    invariants: Mapping[str, Invariant] | None = None,
    sync: Sync = "full",
    interval: float = 0.1,
    form: Form = "json",
    lease: float = 5.0,
    wait: float | None = 10.0,
    bounds: Bounds | None = None,
    schema: int = 0,
    migrate: Migrations | None = None,
    migrate_meta: Migrations | None = None,
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    history: History | None = None,
    maps: str = "auto",
    immutability: Immutability = "type",
    allow_none: bool = False,
    same: Sameness = "identity",
    lock_timeout: float | None = None,
    deferred_refcount: bool | None = None,
    meter: Meter | None = None,
    eager: bool = False,
) -> JournaledStore[Any, Any, Any]: ...


def open_store(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: Any,
    record: Any,
    meta: Any = None,
    sync: Sync = "full",
    interval: float = 0.1,
    form: Form = "json",
    lease: float = 5.0,
    wait: float | None = 10.0,
    bounds: Bounds | None = None,
    schema: int = 0,
    migrate: Migrations | None = None,
    migrate_meta: Migrations | None = None,
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    eager: bool = False,
    **options: Any,
) -> JournaledStore[Any, Any]:
    """Open the store in the file, or on the server, at *path* for writing; make it if need be.

    One store at a time writes a file, in one process; it is a database of SQLite's, that any tool
    may read meanwhile. Costs O(N), to read and decode every record: one that is broken is found
    here. See *eager* for what is derived of them.

    Args:
        path: the file. Beside it there are ``-wal`` and ``-shm``, which belong to it while it is
            open: who copies it then, copies ``-wal``, too. And ``-writer``, which is empty. Or the
            URL of a database on a PostgreSQL server, ``postgresql://user@host/database``, where all
            machines can write and follow it. That needs the extra ``postgres``. Its tables are in a
            schema ``cowstate_`` and *name*.
        name: on a server, which of its stores.
        key: the type of the keys, for `Codec`.
        record: the type of the records; for several ``A | B``, each with ``tag=True``.
        meta: the type of the meta value, which is None until it is set: the third parameter of the
            store's type is that, or None.
        sync: ``"full"``: a write that has returned is on disk. ``"normal"``: it is with the
            operating system: a crash of the process loses nothing, one of the machine the last
            moments, and leaves the file whole. ``"interval"``: it is in memory, at once, as in any
            other store, and the disk follows. A crash of the process loses what came since.
        interval: for that, how far the disk may be behind, in seconds. The write that finds it over
            has all written; what comes after the last one is written by `Journal.flush`, at the
            end of the ``with`` or of the main thread.
        form: how values are encoded in a new file: ``"json"``, for people, or ``"msgpack"``. A
            file that is there keeps its form.
        lease: on a server, for how many seconds after its last sign of life the writer is taken
            for alive. Then another one may take over; the one before is refused from then on
            (`FencedError`), whether it knows of that or not.
        wait: on a server, for how many seconds to wait for the one that writes now; None for ever,
            as a standby does. It is told at once when that one is closed.
        bounds: how far back the log may go; all of it is kept if this is left out. See also
            `Journal.compact`.
        schema: a number of yours for what the records look like; raise it when that changes.
        migrate: how records of an older schema become those of now: ``{1: fn}``, where *fn* takes
            a record of schema 1 as data (dicts, lists, strings, numbers) and returns one of schema
            2, as data or as a record. It is called for every record, also in the log, in one
            transaction, before the store is opened; equal ones may share a call.
        migrate_meta: likewise for the meta value, where there is one. What differs between two
            schemas may be records, meta or both; each number needs a function in one of the two.
        enc_hook: as of `Codec`.
        dec_hook: as of `Codec`.
        eager: whether indexes and aggregates are built before this returns. Otherwise each is
            built when it is first asked for, and all of them by the first write, before it takes
            the lock: until then the store reads at once, and what building them raises comes
            there. To remove one builds none. Say True where a program is to fail at its start, if
            it is to fail.
        options: the others are those of `Store`: *indexes*, *aggregates*, *invariants*, *history*
            and so on. None of them is kept in the file, so give them each time.

    Raises:
        WriterActiveError: another store writes the file; it says who.
        JournalFileError: the file is another program's, is damaged, was copied without its
            ``-wal`` before there was anything else, has a second name (a hard link), or holds what
            *key*, *record* and *meta* are no types of; or records of a newer schema, or of an
            older one that *migrate* has no way from.
        FencedError: on a server, another one took over while this one read.
        JournalError: it cannot be opened or made.
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        InvariantError: the records in the file are refused; with *eager* also
            UniqueViolationError, and what functions of yours raise.

    >>> import os, tempfile
    >>> from cowstate import Record, journal
    >>> class Slot(Record):
    ...     quantity: int
    >>> path = os.path.join(tempfile.mkdtemp(), "positions.db")
    >>> with journal.open_store(path, key=str, record=Slot) as slots:
    ...     commit = slots.set("50000", Slot(3))
    >>> with journal.open_store(path, key=str, record=Slot) as slots:
    ...     slots.snapshot()["50000"], slots.snapshot().version
    (Slot(quantity=3), 1)
    """
    ensure_path(path)
    _ensure_options(options)  # before a file is made, as all that is looked at here
    if sync not in ("full", "normal", "interval"):
        raise ArgumentValueError(f"sync must be 'full', 'normal' or 'interval', not {shown(sync)}")
    ensure_seconds("interval", interval)
    ensure_seconds("lease", lease)
    if wait is not None:
        ensure_wait(wait)
    if not isinstance(bounds, Bounds | None):
        raise ArgumentTypeError(f"bounds must be Bounds(versions=...), not {shown(bounds)}")
    ensure_flag(eager, "eager")
    codec: Codec[Any, Any] = Codec(
        key=key, record=record, meta=meta, form=form, enc_hook=enc_hook, dec_hook=dec_hook
    )
    migration = Migration(schema, migrate, migrate_meta)
    log = _log(path, name, form, sync, schema, bounds, lease, wait)
    try:
        if log.form != form:
            codec = Codec(
                key=key,
                record=record,
                meta=meta,
                form=log.form,
                enc_hook=enc_hook,
                dec_hook=dec_hook,
            )
        text = log.form == "json"
        way = migration.way_from(log.path, log.schema)
        if way is not None:
            records = rewriter(log.path, way.records, codec.record, text, enc_hook)
            metas = rewriter(log.path, way.meta, codec.meta, text, enc_hook)
            log.rewrite(records, metas, schema)
        encoder: Encoder[Any, Any] = Encoder(codec, key, text, longest_key=log.longest_key)
        return _loaded(log, encoder, sync, options, interval, eager)
    except BaseException:
        log.close()
        raise


def _log(
    path: str | os.PathLike[str],
    name: str | None,
    form: Form,
    sync: Sync,
    schema: int,
    bounds: Bounds | None,
    lease: float,
    wait: float | None,
) -> Log:
    durably: Literal["full", "normal"] = "normal" if sync == "normal" else "full"
    if not is_url(path):
        ensure_nameless(name)
        return SqliteLog(path, form, durably, schema, bounds)
    server = Server(os.fspath(path), name)
    return PostgresLog(server, form, durably, schema, bounds, lease, wait)


def _ensure_options(options: Mapping[str, Any]) -> None:
    """Raise if no store can be made with *options*: by making one, which nobody sees."""
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise ArgumentTypeError(
            f"open_store has no option {shown(unknown[0])}; it has its own, and "
            f"{', '.join(sorted(_OPTIONS))}"
        )
    # But for what would be asked of no records at all.
    Invariants(options.get("invariants"))
    others: dict[str, Any] = {**options, "invariants": None}
    Store[Any, Any](**others)


def _loaded(
    log: Log,
    encoder: Encoder[Any, Any],
    sync: Sync,
    options: Mapping[str, Any],
    interval: float,
    eager: bool,
) -> JournaledStore[Any, Any]:
    try:
        return without_collecting(
            lambda: JournaledStore(log, encoder, sync, options, interval, eager)
        )
    except CodecError as error:
        raise JournalFileError(log.path, f"holds what is not of these types: {error}") from error

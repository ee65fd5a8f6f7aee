"""To follow the file of a store: `follow`."""

from __future__ import annotations

import os
from collections.abc import Hashable
from types import UnionType
from typing import Any, TypeVar, overload

from cowstate.codec import Codec
from cowstate.deferral import deferral
from cowstate.encoding import Hook
from cowstate.errors import ArgumentTypeError, CodecError
from cowstate.maps import map_kind
from cowstate.meta import M
from cowstate.ring import Ring
from cowstate.schema import Schema
from cowstate.showing import shown
from cowstate.snapshot import Snapshot
from cowstate.store import Aggregates, Indexes
from cowstate.timeline import BACKLOG, History, Timeline

from .arguments import ensure_path, ensure_seconds, without_collecting
from .chase import OTHER
from .encoded import Encoder
from .errors import JournalFileError
from .follower import Follower
from .migration import Migration
from .tails import tail_of
from .view import View

__all__ = ["follow"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@overload
def follow(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: type[K],
    record: type[V],
    meta: type[M],
    indexes: Indexes[V] | None = None,
    aggregates: Aggregates[V] | None = None,
    schema: int = 0,
    every: float | None = None,
    history: History | None = None,
    maps: str = "auto",
    dec_hook: Hook | None = None,
) -> Follower[K, V, M | None]: ...


@overload
def follow(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: type[K],
    record: type[V],
    meta: Any = None,
    indexes: Indexes[V] | None = None,
    aggregates: Aggregates[V] | None = None,
    schema: int = 0,
    every: float | None = None,
    history: History | None = None,
    maps: str = "auto",
    dec_hook: Hook | None = None,
) -> Follower[K, V, Any]: ...


@overload
def follow(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: Any,
    record: UnionType,
    meta: Any = None,
    indexes: Indexes[Any] | None = None,
    aggregates: Aggregates[Any] | None = None,
    schema: int = 0,
    every: float | None = None,
    history: History | None = None,
    maps: str = "auto",
    dec_hook: Hook | None = None,
) -> Follower[Any, Any, Any]: ...


def follow(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    key: Any,
    record: Any,
    meta: Any = None,
    indexes: Indexes[Any] | None = None,
    aggregates: Aggregates[Any] | None = None,
    schema: int = 0,
    every: float | None = None,
    history: History | None = None,
    maps: str = "auto",
    dec_hook: Hook | None = None,
) -> Follower[Any, Any, Any]:
    """Follow the store in the file, or on the server, at *path*, whoever writes it.

    When this returns, all that is there can be read. Costs O(N), and a look *every* so often by a
    thread of its own.

    Args:
        path: the file, which any process of this machine may write; or the URL of a database on a
            PostgreSQL server, as of `open_store`. It must be there.
        name: on a server, which of its stores.
        key: the type of the keys, as of `open_store`.
        record: the type of the records, likewise.
        meta: the type of the meta value, likewise.
        indexes: `Index` by name: those of this reader, whatever the writer has.
        aggregates: `Aggregate` by name, likewise.
        schema: the number of the schema of the records.
        every: how often to look, in seconds, while something comes. For a file a hundredth. When
            nothing has come for a second, and the system tells of the next write (Linux does, 32
            followers of a process), it is four times a second, in case that was missed; elsewhere
            four times as rarely, but at least each twentieth of a second. No less than a
            thousandth is slept. If a twentieth or more is given, it is that always. A
            server wakes whoever follows, so there it is 1, for when it could not; but where it
            only repeats another one's log a twentieth is right. `Follower.wait_for(version=)` looks
            at once.
        history: how much of the past is kept in memory; see `History`.
        maps: which map holds the records, as of `Store`.
        dec_hook: as of `Codec`.

    Raises:
        JournalNotFoundError: there is no such file, or no store of that name on the server.
        JournalFileError: it is none of a store, is of another schema, or holds what *key*, *record*
            and *meta* are no types of.
        JournalError: the process has no more files to open, or the server cannot be had.
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        UniqueViolationError: the records are no good for a unique index.

    >>> import os, tempfile
    >>> from cowstate import Aggregate, journal
    >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
    >>> with journal.open_store(path, key=str, record=int) as counts:
    ...     commit = counts.set("a", 1)
    ...     total = Aggregate.sum(lambda n: n)
    ...     with journal.follow(path, key=str, record=int, aggregates={"all": total}) as seen:
    ...         commit = counts.set("b", 2)
    ...         now = seen.wait_for(version=commit.version, timeout=60)
    >>> now["b"], now.total("all")
    (2, 3)
    """
    ensure_path(path)
    if every is not None:
        ensure_seconds("every", every)
    number = Migration(schema, None, None).schema
    if not isinstance(history, History | None):
        raise ArgumentTypeError(f"history must be a History(versions=...), not {shown(history)}")
    kind, bounds = map_kind(maps), History() if history is None else history
    ring: Ring[Any] = Ring(max(bounds.versions, BACKLOG))
    # What is in the file was looked at when it was written.
    rules: Schema[Any, Any] = Schema(
        kind, indexes, aggregates, None, ring, "trusted", True, "identity"
    )
    tail, often = tail_of(path, name, every)
    try:
        view = tail.look()
        assert view is not None  # the first look finds something
        if view.schema != number:
            raise JournalFileError(tail.path, OTHER.format(view.schema, number))
        text = view.form == "json"
        codec: Codec[Any, Any] = Codec(
            key=key,
            record=record,
            meta=meta,
            form="json" if text else "msgpack",
            dec_hook=dec_hook,
        )
        encoder: Encoder[Any, Any] = Encoder(codec, key, text)
        first = without_collecting(lambda: _first(view, encoder, rules))
        defers = deferral(None, rules.trunk_of)
        timeline = Timeline(bounds, ring, first, rules.size_of, defers)
        made: Follower[Any, Any, Any] = Follower(tail, encoder, rules, timeline, number, often)
        if defers is not None:
            defers.of(made)
        made.ready(view)
        tail.done()
    except BaseException as error:
        tail.close()
        refused = tail.refused(error) if isinstance(error, Exception) else None
        if refused is not None:
            raise refused from error
        raise
    made.start()
    return made


def _first(view: View, encoder: Encoder[K, V], rules: Schema[K, V]) -> Snapshot[K, V]:
    """Return what is there."""
    try:
        records = dict(encoder.records([(key, value) for key, value, _ in view.records()]))
        return rules.first(records, encoder.meta(view.meta()), view.reach().newest, later=False)
    except CodecError as error:
        raise JournalFileError(view.path, f"holds what is not of these types: {error}") from error

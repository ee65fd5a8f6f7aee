"""Snapshots, change sets and commits as JSON or msgpack, by the types of what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import ne
from typing import Any, Generic, TypeVar, overload

from msgspec import UNSET, Raw

from .changes import MISSING, ChangeSet, Delta
from .commit import Commit
from .derivation import Derivation
from .documents import Document, Layout
from .encoding import Data, Form, Hook, Part, Settings
from .errors import (
    ArgumentValueError,
    ChangeSetMismatchError,
    CodecError,
    ForeignSnapshotError,
)
from .keys import ensure_findable, ensure_hashable
from .lineage import Lineage, Origin
from .meta import M, WithMeta
from .ring import Ring
from .showing import shown
from .slips import ensure_function
from .snapshot import Snapshot

__all__ = ["Codec"]

K = TypeVar("K")
V = TypeVar("V")


class _Decoded(Lineage):
    """What the snapshots have in common that are decoded from one and the commits upon it."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(Derivation.readable({}, ()), Origin(Ring(1)))


class Codec(WithMeta, Generic[K, V, M]):
    """Snapshots, change sets and commits to bytes and back, by msgspec and the types given.

    Every type that msgspec knows may stand in a record: records, frozen dataclasses and attrs
    classes, named tuples, enums, Decimal (as a string, to the last digit), dates, UUIDs, tuples
    and frozensets. What is read is checked against the types. What is written is read again, too,
    for nothing looked at the types when the records were made: so nothing is written that would
    be read as something else, or not at all.

    Immutable and thread-safe: one for a program will do. Costs what is encoded; `encode` of a
    snapshot and `decode_snapshot` O(N), of a commit O(changes).

    Args:
        key: the type of the keys.
        record: the type of the records; for several ``A | B``, each with ``tag=True``.
        meta: the type of the meta value; by default it must be None.
        form: ``"json"``, for people and browsers, or ``"msgpack"``, smaller and quicker.
        check: whether what is encoded is read again, which takes two to three times as long.
        enc_hook: ``fn(value)``, what to encode in place of a value that msgspec does not know.
        dec_hook: ``fn(type, value)``, that value again, of what was encoded.

    Attributes:
        key: the keys alone, as a `Part`.
        record: the records alone.
        meta: the meta value alone.

    Raises:
        ArgumentTypeError: msgspec cannot read such a type.

    >>> from cowstate import Codec, Record, Store
    >>> class Slot(Record):
    ...     quantity: int
    >>> codec = Codec(key=str, record=Slot)
    >>> store = Store({"a": Slot(1)})
    >>> codec.encode(store.snapshot())
    b'{"version":0,"meta":null,"records":{"a":{"quantity":1}}}'
    >>> codec.decode_snapshot(codec.encode(store.snapshot())) == store.snapshot()
    True
    >>> codec.encode(store.set("b", Slot(2)))
    b'{"version":1,"changes":{"b":{"new":{"quantity":2}}}}'
    """

    __slots__ = ("_layout", "_raw", "key", "meta", "record")
    key: Part[K]
    record: Part[V]
    meta: Part[M]

    @overload
    def __init__(
        self,
        key: type[K],
        record: type[V],
        meta: type[M],
        *,
        form: Form = "json",
        check: bool = True,
        enc_hook: Hook | None = None,
        dec_hook: Hook | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: Codec[K, V, Any],  # pyright: ignore[reportInvalidTypeVarUse]
        key: type[K],
        record: type[V],
        meta: Any = None,
        *,
        form: Form = "json",
        check: bool = True,
        enc_hook: Hook | None = None,
        dec_hook: Hook | None = None,
    ) -> None: ...

    # Of a union no type checker infers what it is a type of: who gives one says Codec[str, A | B].
    @overload
    def __init__(
        self,
        key: Any,
        record: Any,
        meta: Any = None,
        *,
        form: Form = "json",
        check: bool = True,
        enc_hook: Hook | None = None,
        dec_hook: Hook | None = None,
    ) -> None: ...

    def __init__(
        self,
        key: Any,
        record: Any,
        meta: Any = None,
        *,
        form: Form = "json",
        check: bool = True,
        enc_hook: Hook | None = None,
        dec_hook: Hook | None = None,
    ) -> None:
        if form not in ("json", "msgpack"):
            raise ArgumentValueError(f"form must be 'json' or 'msgpack', not {shown(form)}")
        for name, hook in (("enc_hook", enc_hook), ("dec_hook", dec_hook)):
            if hook is not None:
                ensure_function(hook, f"{name} must be a function")
        settings = Settings(form, bool(check), enc_hook, dec_hook)
        self.key = Part("key", key, settings)
        self.record = Part("record", record, settings)
        self.meta = Part("meta", meta, settings)
        self._layout = Layout(key, record, meta, settings)
        self._raw = Layout(key, Raw, Raw, settings)  # to find where something is wrong

    def encode(self, value: Snapshot[K, V, M] | ChangeSet[K, V] | Commit[K, V, M]) -> bytes:
        """Return a snapshot, a change set or a commit as bytes.

        A commit is its version, what it changed, and ``meta`` if it changed that; and the version
        that it started from, if that is not the one before.

        Raises:
            CodecError: it cannot be encoded, or would be read as something else; says where.
            ArgumentTypeError: *value* is none of these.

        >>> from cowstate import ChangeSet, Codec
        >>> Codec(key=str, record=int).encode(ChangeSet({"a": (1, 2)}))
        b'{"a":{"old":1,"new":2}}'
        """
        document, made = self._layout.document_of(value)
        try:
            return document.encode(made)
        except CodecError:
            for key, _ in _rows_of(made):
                self.key.encode_at(f"key {shown(key, 60)}", key)
            for part, path, each in self._pieces(made):
                part.encode_at(path, each)
            raise

    def decode_snapshot(self, data: Data) -> Snapshot[K, V, M]:
        """Return the snapshot that *data* stands for.

        It has the version and meta of the one that was encoded, no indexes and no totals, and
        belongs to no store. Give it to `Store`, or to `Store.replace_all`, or read it as it is.

        Raises:
            CodecError: the data is none of a snapshot of these types; says where.
            MutableRecordError: the records are of a type that can be changed.
            UnhashableKeyError, ArgumentValueError: a key cannot be a key.

        >>> from cowstate import Codec, Store
        >>> snapshot = Codec(key=int, record=str).decode_snapshot(
        ...     '{"version": 7, "meta": null, "records": {"1": "one"}}')
        >>> snapshot.version, snapshot[1], Store(snapshot).snapshot()[1]
        (7, 'one', 'one')
        """
        document = self._read(self._layout.snapshot, self._raw.snapshot, data)
        records: dict[K, V] = _mapping_of(document.records, "records")
        self.record.accept(records.values())
        self.meta.accept((document.meta,))
        lineage = _Decoded()
        held = lineage.derivation.kind.build(records)
        return Snapshot(document.version, document.meta, held, (), (), object(), lineage)

    def decode_changes(self, data: Data) -> ChangeSet[K, V]:
        """Return the change set that *data* stands for.

        It can be applied to what holds equal records (see `ChangeSet.apply`). It does not compose
        with another one, for `ChangeSet.then` goes by identity: read commits for that.

        Raises:
            CodecError: the data is none of a change set of these types; says where.
            MutableRecordError, UnhashableKeyError, ArgumentValueError: as for a snapshot.

        >>> from cowstate import Codec
        >>> Codec(key=str, record=int).decode_changes('{"a": {"new": 1}, "b": {"old": 2}}')
        ChangeSet({'a': Change(old=MISSING, new=1), 'b': Change(old=2, new=MISSING)})
        """
        return ChangeSet(self._delta(self._read(self._layout.changes, self._raw.changes, data)))

    def decode_commit(self, data: Data, before: Snapshot[K, V, M] | None = None) -> Commit[K, V, M]:
        """Return the commit that *data* stands for, which goes on from *before*.

        A commit leads from one snapshot to the next, so it takes the one that it started from:
        one that `decode_snapshot` returned, or the ``after`` of one that this returned; or None
        for the first item of who follows with ``initial=True``, which starts from nothing. What it
        does not change are the very records of *before*, so the changes of several compose.
        Costs O(k log N) for k changes.

        Raises:
            CodecError: the data is none of a commit of these types; says where.
            ChangeSetMismatchError: it does not go on from *before*; a commit was lost or is there
                twice.
            ForeignSnapshotError: *before* was not decoded.
            MutableRecordError, UnhashableKeyError, ArgumentValueError: as for a snapshot.

        >>> from cowstate import Codec, Store
        >>> codec, store = Codec(key=str, record=int), Store({"a": 1})
        >>> here = codec.decode_snapshot(codec.encode(store.snapshot()))
        >>> commit = codec.decode_commit(codec.encode(store.set("a", 2)), here)
        >>> commit.after.version, dict(commit.after), commit.changes
        (1, {'a': 2}, ChangeSet({'a': Change(old=1, new=2)}))
        """
        if before is None:
            before = _nothing()
        elif not isinstance(before, Snapshot) or type(before._lineage) is not _Decoded:
            raise ForeignSnapshotError(
                "decode_commit goes on from a snapshot that a codec has decoded; a store goes on "
                "by its writes: store.transact(codec.decode_changes(data).apply)"
            )
        document = self._read(self._layout.commit, self._raw.commit, data)
        delta = self._delta(document.changes)
        moves = bool(delta) or document.meta is not UNSET or document.since is not UNSET
        start = document.version - int(moves)
        if document.since is not UNSET:
            start = document.since
            if start >= document.version:
                raise CodecError("commit.since", f"must be below the version, {document.version}")
        held = before._map
        torn = [
            key for key, (old, _) in delta.items() if not self._holds(held.get(key, MISSING), old)
        ]
        if start != before.version or torn:
            raise ChangeSetMismatchError(torn, f"version {before.version}, but at {start}")
        if not moves:
            return Commit(before, before, {})
        meta = before.meta if document.meta is UNSET else document.meta
        self.meta.accept((meta,))
        # The very records that are there, so that a commit begins with what the last ended with.
        delta = {key: (held.get(key, MISSING), new) for key, (_, new) in delta.items()}
        return _step(before, document.version, meta, delta)

    def _holds(self, held: object, old: object) -> bool:
        if held is MISSING or old is MISSING:
            return held is old
        return self.record.agree(held, old)

    def _read(self, document: Document, raw: Document, data: Data) -> Any:
        try:
            return document.decode(data)
        except CodecError:
            try:
                rough = raw.decode(data)
            except CodecError:
                rough = None
            if rough is not None:
                for part, path, each in self._pieces(rough):
                    part.decode_at(path, each)
            raise

    def _pieces(self, document: Any) -> Iterator[tuple[Part[Any], str, Any]]:
        """Yield what *document* holds, each with its part and with where it stands."""
        meta = getattr(document, "meta", UNSET)
        if meta is not UNSET:
            yield self.meta, "meta", meta
        for key, each in _rows_of(document):
            where = f"[{shown(key, 60)}]"
            if isinstance(each, (self._layout.change, self._raw.change)):
                for name in ("old", "new"):
                    if getattr(each, name) is not UNSET:
                        yield self.record, f"changes{where}.{name}", getattr(each, name)
            else:
                yield self.record, f"records{where}", each

    def _delta(self, rows: Any) -> Delta[K, V]:
        delta: Delta[K, V] = {}
        for key, change in _mapping_of(rows, "changes").items():
            old, new = [MISSING if each is UNSET else each for each in (change.old, change.new)]
            if old is new is MISSING:
                raise CodecError(f"changes[{shown(key, 60)}]", "has neither old nor new")
            delta[key] = (old, new)
        for pair in delta.values():
            self.record.accept([each for each in pair if each is not MISSING])
        return delta


def _rows_of(document: Any) -> Iterable[tuple[Any, Any]]:
    for name in ("records", "changes"):
        document = getattr(document, name, document)
    return document.items() if isinstance(document, dict) else document


def _mapping_of(rows: Any, name: str) -> dict[Any, Any]:
    """Return rows, by whichever layout they came, as a dict whose keys may be keys."""
    if isinstance(rows, dict):
        found = rows
    else:
        for key, _ in rows:
            ensure_hashable(key)
        found = dict(rows)
        if len(found) < len(rows):
            raise CodecError(name, "one key is there more than once")
    if any(map(ne, found, found)):
        for key in found:
            ensure_findable(key)
    return found


def _nothing() -> Snapshot[Any, Any]:
    lineage = _Decoded()
    return Snapshot(-1, None, lineage.derivation.kind.build({}), (), (), object(), lineage)


def _step(before: Snapshot[K, V], version: int, meta: Any, delta: Delta[K, V]) -> Commit[K, V]:
    """Return the commit of *delta* and *meta* over a snapshot that nothing is derived from."""
    lineage = before._lineage
    deletes = any(new is MISSING for _, new in delta.values())
    writes = {key: new for key, (_, new) in delta.items()}
    records = lineage.derivation.kind.apply(before._map, writes, deletes)
    after: Snapshot[K, V] = Snapshot(version, meta, records, (), (), object(), lineage)
    return Commit(before, after, delta)

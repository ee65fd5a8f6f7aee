"""Commits to rows of a log and back, by a codec: `Encoder`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from time import time
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import inspect

from cowstate.changes import MISSING
from cowstate.codec import Codec
from cowstate.commit import Commit, written
from cowstate.encoding import Part
from cowstate.errors import ArgumentTypeError, CodecError
from cowstate.showing import shown

from .log import Row
from .view import Encoded

__all__ = ["MOST", "Encoder"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

_ONE_FORM: Final = (
    inspect.StrType,
    inspect.IntType,
    inspect.BytesType,
    inspect.UUIDType,
    inspect.DateType,
    inspect.EnumType,
    inspect.LiteralType,
)
"""Types of which equal keys are the same bytes."""


MOST: Final = 250_000_000
"""How many bytes one key, record or meta value may be: a row of SQLite's holds a thousand million,
and one of the log is a key and two records. A value of PostgreSQL's holds about as much, and bytes
that are sent there take twice their length."""

KNOWN: Final = 1_000
"""How many keys it is known of how they are written, so that it need not be worked out again."""

SHORT: Final = 100
"""Of keys that are written in no more than this."""


class Encoder(Generic[K, V]):
    """Turns the commits of one store into rows, one after the other, and rows into what they say.

    Encoding is done by who may write, so the times that it gives never go back.

    Equal keys are one key, and a row of a table is found by its bytes. Where equal keys may be
    different bytes (``Decimal("1.0")`` and ``Decimal("1.00")``), each is written as it was first.

    Args:
        codec: by which types, and in which form.
        key: the type of the keys.
        text: whether the form is text.
        clock: what time it is, in seconds since 1970.
        longest_key: how many bytes a key may be.
    """

    def __init__(
        self,
        codec: Codec[K, V],
        key: Any,
        text: bool,
        clock: Callable[[], float] = time,
        longest_key: int = MOST,
    ) -> None:
        self._longest_key = longest_key
        self.codec = codec
        self._text = text
        self._clock = clock
        self._latest = 0.0
        self._nothing: Encoded = "null" if text else msgspec.msgpack.encode(None)
        self._one_form = _has_one_form(key)
        self._first_form: dict[K, Encoded] = {}
        # How keys were written that were written of late.
        self._names: dict[K, Encoded] = {}
        self._key = self._name_of if self._one_form else self._first_name_of

    def begin(self, latest: float) -> None:
        """Go on after a row of the time *latest*."""
        self._latest = latest

    def row_of(self, commit: Commit[K, V]) -> Row:
        """Return *commit* as a row.

        Raises:
            CodecError: it holds what cannot be encoded, or would be read as something else.
        """
        self._latest = max(self._latest, self._clock())
        before, after = commit.before, commit.after
        record = self.codec.record
        # Exact tuples of what holds nothing else: the garbage collector lets go of these.
        name, encode = self._key, self._written
        writes = tuple(
            [
                (name(key), None if new is MISSING else encode(record, new))
                for key, new in written(commit)
            ]
        )
        meta = self._meta(after.meta) if before.meta is not after.meta else None
        return Row(after.version, self._latest, writes, meta)

    def _meta(self, value: Any) -> Encoded:
        # None, whatever the type: a store begins with it, so it can be gone back to.
        return self._nothing if value is None else self._written(self.codec.meta, value)

    def _first_name_of(self, key: K) -> Encoded:
        forms = self._first_form
        found = forms.get(key)
        if found is None:
            found = forms[key] = self._name_of(key)
        return found

    def _name_of(self, key: K) -> Encoded:
        # Exact, for what is equal to a str may be written as something else, or not at all.
        name = self._names.get(key) if type(key) is str else None
        if name is None:
            name = self._new_name_of(key)
        return name

    def _new_name_of(self, key: K) -> Encoded:
        name = self._written(self.codec.key, key)
        # Of a text each character is one to four bytes.
        if len(name) * 4 > self._longest_key and len(_bytes(name)) > self._longest_key:
            raise CodecError(
                self.codec.key.name,
                f"{len(_bytes(name)):,} bytes are more than a key may be here "
                f"({self._longest_key:,})",
            )
        if type(key) is str and len(name) <= SHORT:
            if len(self._names) >= KNOWN:
                self._names = {}
            self._names[key] = name
        return name

    def _written(self, part: Part[T], value: T) -> Encoded:
        data = part.encode_at(part.name, value)
        if len(data) > MOST:
            # Here, where it is refused alone; in the file it would fail all that wait with it.
            raise CodecError(
                part.name,
                f"{len(data):,} bytes are more than a journal holds in one piece ({MOST:,}); keep "
                "it beside the store, and in the record where it is",
            )
        return data.decode() if self._text else data

    # And back.

    def read(self, parts: Iterable[Sequence[tuple[Encoded, Encoded]]]) -> tuple[dict[K, V], int]:
        """Return the records that the rows of their table stand for, and how many rows there are.

        How equal keys were written is remembered, for these who may be written anew.

        Args:
            parts: the rows, many at a time.

        Raises:
            CodecError: one of them stands for none; says which.
        """
        found: dict[K, V] = {}
        count = 0
        for rows in parts:
            keys, records = self._decoded(rows)
            found.update(zip(keys, records, strict=True))
            count += len(rows)
            if not self._one_form:
                self._first_form.update(zip(keys, [name for name, _ in rows], strict=True))
        return found, count

    def records(self, rows: Sequence[tuple[Encoded, Encoded]]) -> list[tuple[K, V]]:
        """Return the keys and records that *rows* of the table of records stand for.

        Raises:
            CodecError: one of them stands for none; says which.
        """
        return list(zip(*self._decoded(rows), strict=True))

    def _decoded(self, rows: Sequence[tuple[Encoded, Encoded]]) -> tuple[list[K], list[V]]:
        try:
            keys = self.codec.key.decode_all([name for name, _ in rows])
            return keys, self.codec.record.decode_all([value for _, value in rows])
        except (CodecError, ArgumentTypeError):
            for name, value in rows:
                self._ensure_readable(name, value)
            raise

    def _ensure_readable(self, name: Encoded, value: Encoded) -> None:
        where = f"record under {shown(name)}"
        try:
            self.codec.key.decode_at(f"key {shown(name)}", name)
            self.codec.record.decode_at(where, value)
        except ArgumentTypeError as error:  # a number, say, that somebody else wrote
            raise CodecError(where, str(error)) from error

    def meta(self, data: Encoded | None) -> Any:
        """Return a meta value; None where there was none yet."""
        return None if data is None or data == self._nothing else self.codec.meta.decode(data)


def _bytes(name: Encoded) -> bytes:
    return name.encode() if isinstance(name, str) else name


def _has_one_form(key: Any) -> bool:
    """Whether equal keys of this type are always the same bytes."""
    return _is_of_one_form(inspect.type_info(key))


def _is_of_one_form(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.TupleType):
        return all(map(_is_of_one_form, kind.item_types))
    return isinstance(kind, _ONE_FORM)

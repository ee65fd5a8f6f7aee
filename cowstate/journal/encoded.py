"""Commits to rows of a log and back, by a codec: `Encoder`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from time import time
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import inspect

from cowstate.changes import MISSING
from cowstate.codec import Codec
from cowstate.commit import Commit
from cowstate.encoding import Part
from cowstate.errors import ArgumentTypeError, CodecError
from cowstate.showing import shown

from .log import Encoded, Row

__all__ = ["Encoder"]

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
and one of the log is a key and two records."""


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
    """

    def __init__(
        self, codec: Codec[K, V], key: Any, text: bool, clock: Callable[[], float] = time
    ) -> None:
        self.codec = codec
        self._text = text
        self._clock = clock
        self._latest = 0.0
        self._nothing: Encoded = "null" if text else msgspec.msgpack.encode(None)
        self._first_form: dict[K, Encoded] | None = None if _has_one_form(key) else {}

    def begin(
        self, latest: float, rows: Sequence[tuple[Encoded, Encoded]], keys: Iterable[K]
    ) -> None:
        """Go on after a row of the time *latest*, where *rows* are there, for *keys*."""
        self._latest = latest
        if self._first_form is not None:
            self._first_form = {key: name for key, (name, _) in zip(keys, rows, strict=True)}

    def row_of(self, commit: Commit[K, V]) -> Row:
        """Return *commit* as a row.

        Raises:
            CodecError: it holds what cannot be encoded, or would be read as something else.
        """
        self._latest = max(self._latest, self._clock())
        before, after, changes = commit.before, commit.after, commit.changes
        record = self.codec.record
        writes = [
            (self._key(key), None if new is MISSING else self._written(record, new))
            for key, (_, new) in changes.items()
        ]
        meta = self._meta(after.meta) if before.meta is not after.meta else None
        return Row(after.version, self._latest, writes, meta)

    def _meta(self, value: Any) -> Encoded:
        # None, whatever the type: a store begins with it, so it can be gone back to.
        return self._nothing if value is None else self._written(self.codec.meta, value)

    def _key(self, key: K) -> Encoded:
        forms = self._first_form
        if forms is None:
            return self._written(self.codec.key, key)
        found = forms.get(key)
        if found is None:
            found = forms[key] = self._written(self.codec.key, key)
        return found

    def _written(self, part: Part[T], value: T) -> Encoded:
        data = part.encode(value)
        if len(data) > MOST:
            # Here, where it is refused alone; in the file it would fail all that wait with it.
            raise CodecError(
                part.name, f"{len(data):,} bytes are more than a file holds in one piece ({MOST:,})"
            )
        return self._in_form(data)

    def _in_form(self, data: bytes) -> Encoded:
        return data.decode() if self._text else data

    # And back.

    def records(self, rows: Sequence[tuple[Encoded, Encoded]]) -> list[tuple[K, V]]:
        """Return the keys and records that *rows* of the table of records stand for.

        Raises:
            CodecError: one of them stands for none; says which.
        """
        key, record = self.codec.key, self.codec.record
        try:
            keys = key.decode_all([name for name, _ in rows])
            records = record.decode_all([value for _, value in rows])
        except (CodecError, ArgumentTypeError):
            return [self._record(name, value) for name, value in rows]
        return list(zip(keys, records, strict=True))

    def _record(self, name: Encoded, value: Encoded) -> tuple[K, V]:
        where = f"record under {shown(name)}"
        try:
            key = self.codec.key.decode_at(f"key {shown(name)}", name)
            return key, self.codec.record.decode_at(where, value)
        except ArgumentTypeError as error:  # a number, say, that somebody else wrote
            raise CodecError(where, str(error)) from error

    def meta(self, data: Encoded | None) -> Any:
        """Return a meta value; None where there was none yet."""
        return None if data is None or data == self._nothing else self.codec.meta.decode(data)


def _has_one_form(key: Any) -> bool:
    """Whether equal keys of this type are always the same bytes."""
    return _is_of_one_form(inspect.type_info(key))


def _is_of_one_form(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.TupleType):
        return all(map(_is_of_one_form, kind.item_types))
    return isinstance(kind, _ONE_FORM)

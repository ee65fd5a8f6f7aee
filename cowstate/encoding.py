"""Values of one type as bytes and back, by msgspec: `Part`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from .errors import ArgumentTypeError, CodecError, MutableRecordError
from .immutability import check_immutable
from .sameness import same
from .showing import cut, shown

__all__ = ["Data", "Form", "Hook", "Part", "Settings"]

T = TypeVar("T")

Form: TypeAlias = Literal["json", "msgpack"]
"""What the bytes are."""

Data: TypeAlias = bytes | bytearray | memoryview | str
"""What is decoded; a str is JSON."""

Hook: TypeAlias = Callable[..., Any]

_PATH: Final = re.compile(r"(?s)(.*) - at (`key` in )?`\$(.*)`\Z")


class Settings(NamedTuple):
    """What all parts of a codec have in common; see `Codec`."""

    form: Form
    check: bool
    enc_hook: Hook | None
    dec_hook: Hook | None


class Part(Generic[T]):
    """Values of one type as bytes and back: the keys of a `Codec`, its records, or its meta.

    Made by a codec. What stores keys and records one by one, in a table, say, uses its parts.
    Thread-safe; costs what the value holds.

    Attributes:
        name: what an error calls such a value.

    >>> from cowstate import Codec
    >>> key = Codec(key=tuple[str, int], record=int).key
    >>> key.encode(("a", 1)), key.decode('["a",1]')
    (b'["a",1]', ('a', 1))
    """

    __slots__ = ("_check", "_decode", "_enc_hook", "_encode", "_exact", "_known", "name")

    def __init__(self, name: str, of: Any, settings: Settings) -> None:
        form: Any = msgspec.json if settings.form == "json" else msgspec.msgpack
        self.name = name
        try:
            self._decode = form.Decoder(of, dec_hook=settings.dec_hook).decode
        except Exception as error:  # a class of the user's may raise anything
            raise ArgumentTypeError(
                f"{name}={shown(of)} is no type that msgspec reads: {cut(str(error))}. Of several "
                "classes make each a Record with tag=True, and give A | B"
            ) from error
        self._encode = form.Encoder(enc_hook=settings.enc_hook).encode
        self._enc_hook = settings.enc_hook
        self._check = settings.check
        self._known: set[type] = set()
        # What is exactly a str is read again as it is, if it can be written.
        self._exact = str if of is str else None

    def encode(self, value: T) -> bytes:
        """Return *value* as bytes.

        Raises:
            CodecError: it cannot be encoded, or what would be read again is another value.

        >>> from cowstate import Codec
        >>> Codec(key=str, record=float).record.encode(float("nan"))
        Traceback (most recent call last):
            ...
        cowstate.errors.CodecError: record: expected `float`, got `null`, if it were read again
        """
        return self.encode_at(self.name, value)

    def decode(self, data: Data) -> T:
        """Return the value that *data* stands for.

        Raises:
            CodecError: it stands for none of this type; the error says where.
            MutableRecordError: the type is one that can be changed.
            ArgumentTypeError: *data* is no bytes.

        >>> from cowstate import Codec
        >>> Codec(key=str, record=tuple[int, ...]).record.decode(b"[1, 2]")
        (1, 2)
        """
        return self.decode_at(self.name, data)

    def decode_all(self, data: Iterable[Data]) -> list[T]:
        """Return the values that each of *data* stands for; quicker than one after the other.

        Raises:
            CodecError, MutableRecordError: as for `decode`, of whichever it is.

        >>> from cowstate import Codec
        >>> Codec(key=str, record=int).record.decode_all(["1", "2"])
        [1, 2]
        """
        each = list(data)
        try:
            values = list(map(self._decode, each))
        except (TypeError, ValueError, RecursionError):
            return [self.decode(one) for one in each]  # which raises, and says what
        self.accept(values)
        return values

    def encode_at(self, path: str, value: T) -> bytes:
        """Return *value* as bytes; an error says that it is at *path*."""
        try:
            data: bytes = self._encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CodecError(path, f"cannot be encoded: {cut(str(error))}") from error
        if self._check and type(value) is not self._exact:
            # By the same types as whoever reads it. What nobody looked at when the record was made
            # (a str for an int, a NaN, which JSON has no word for) would be found by him.
            try:
                again = self._decode(data)
            except Exception as error:
                where, problem = _place(path, error)
                raise CodecError(where, f"{problem}, if it were read again") from error
            if not self.agree(value, again):
                raise CodecError(
                    path,
                    f"{shown(value, 120)} would be read again as {shown(again, 120)}, so it is not "
                    "of the type that the codec is for",
                )
            if type(again) not in self._known:
                self._ensure_accepted(path, value, again)
        return data

    def decode_at(self, path: str, data: Data | msgspec.Raw) -> T:
        """Return the value that *data* stands for; an error says that it is at *path*."""
        try:
            value: T = self._decode(data)
        except (TypeError, ValueError, RecursionError) as error:
            if isinstance(error, TypeError) and not _is_bytes(data):
                raise ArgumentTypeError(f"{path} is read from bytes, not {shown(data)}") from None
            raise CodecError(*_place(path, error)) from error
        self.accept((value,))
        return value

    def _ensure_accepted(self, path: str, value: T, again: T) -> None:
        try:
            self.accept((again,))
        except MutableRecordError as error:
            raise CodecError(
                path,
                f"{shown(value, 120)} would be read again as {shown(again, 120)}, which is refused "
                f"then: {error}; give the codec the type that it is of",
            ) from error

    def accept(self, values: Iterable[T]) -> None:
        """Raise `MutableRecordError` if one of *values* is known to be mutable, by its type."""
        for kind in {*map(type, values)} - self._known:
            check_immutable(next(value for value in values if type(value) is kind))
            self._known.add(kind)

    def agree(self, one: object, other: object) -> bool:
        """Whether they are equal, or of the same parts.

        So that what equals nothing (a NaN, or a class that has no ``==``) agrees with what was
        made of it.
        """
        if same(one, other):
            return True
        try:
            return self._parts(one) == self._parts(other)
        except Exception:
            return False

    def _parts(self, value: object) -> str:
        # Classes come apart into their fields, and what is no class of the user's stays what it
        # is: a Decimal is not the str that it is written as. In words, a NaN is a NaN.
        return repr(
            msgspec.to_builtins(
                value, builtin_types=_KEPT, enc_hook=self._enc_hook, order="deterministic"
            )
        )


_KEPT: Final = (bytes, bytearray, date, datetime, time, timedelta, Decimal, UUID)


def _is_bytes(data: object) -> bool:
    return isinstance(data, bytes | bytearray | memoryview | msgspec.Raw)


def _place(path: str, error: Exception) -> tuple[str, str]:
    """Return where below *path* something is wrong, and what, of an error of msgspec's."""
    found = _PATH.match(str(error))
    if found is None:
        return path, _as_clause(str(error))
    problem, of_key, where = found.groups()
    return f"{path}{cut(where)}{' key' if of_key else ''}", _as_clause(problem)


def _as_clause(text: str) -> str:
    return cut(text[:1].lower() + text[1:] if text[1:2].islower() else text)

"""From the records and the meta value of an older schema to those of now: `Migration`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from cowstate.encoding import Hook, Part
from cowstate.errors import ArgumentTypeError, ArgumentValueError, CodecError
from cowstate.showing import shown
from cowstate.slips import ensure_function, plain

from .errors import JournalFileError
from .view import Encoded

__all__ = ["Migration", "Migrations", "Way", "rewriter"]

Step: TypeAlias = Callable[[Any], Any]
"""Makes a value of one schema, as data, one of the next."""

Migrations: TypeAlias = Mapping[int, Step]
"""By the number of a schema, what makes a value of it one of the next."""


MOST: Final = 2**31 - 1
"""The last number of a schema."""

META: Final = "meta"
"""What the part of a codec is called that is for the meta value."""


class Way(NamedTuple):
    """The steps from the schema of a file to that of now, each with the number that it leads from.

    Attributes:
        records: those of the records.
        meta: those of the meta value.
    """

    records: list[tuple[int, Step]]
    meta: list[tuple[int, Step]]


class Migration:
    """The number of the schema that values are of now, and how older ones are led up to it.

    Args:
        schema: the number; 0 where nobody has begun to count.
        records: by the number of a schema, the function that makes a record of it one of the next.
        meta: likewise of the meta value. A number that is in one of the two only says that the
            others are as before.

    Raises:
        ArgumentTypeError, ArgumentValueError: that makes no sense.
    """

    def __init__(self, schema: int, records: Migrations | None, meta: Migrations | None) -> None:
        if not isinstance(schema, int) or isinstance(schema, bool):
            raise ArgumentTypeError(f"schema must be a whole number, not {shown(schema)}")
        if not 0 <= schema <= MOST:
            raise ArgumentValueError(f"schema must be from 0 to {MOST}, not {shown(schema)}")
        self.schema = schema
        self._records = _steps("migrate", "a record", records)
        self._meta = _steps("migrate_meta", "a meta value", meta)

    def way_from(self, path: str, found: int) -> Way | None:
        """Return the way from the schema that was *found* in the file at *path*; None, if it is it.

        Raises:
            JournalFileError: it is a newer one, or a step is missing.
        """
        if found > self.schema:
            raise JournalFileError(
                path,
                f"holds records of schema {found}, and this program knows {self.schema}: it is "
                "too old for the file, or the file is another program's; use the program that "
                "wrote it, or name another file",
            )
        numbers = range(found, self.schema)
        missing = [number for number in numbers if number not in {*self._records, *self._meta}]
        if missing:
            raise JournalFileError(
                path,
                f"holds records of schema {found}, and this program {self.schema}; name another "
                "file if it is another program's. Else whoever calls open_store gives it "
                f"migrate={{{missing[0]}: function}}, which makes a record of schema {missing[0]} "
                "one of the next; or migrate_meta, if it is the meta value that differs",
            )
        if not numbers:
            return None
        return Way(
            [(number, self._records[number]) for number in numbers if number in self._records],
            [(number, self._meta[number]) for number in numbers if number in self._meta],
        )


def _steps(name: str, what: str, steps: Migrations | None) -> dict[int, Step]:
    if steps is not None and not isinstance(steps, Mapping):
        raise ArgumentTypeError(
            f"{name} must be a mapping of functions, such as {{1: from_1_to_2}}, not {shown(steps)}"
        )
    made = dict(steps or {})
    for number, step in made.items():
        ensure_function(step, f"{name}[{shown(number)}] is a function of {what} as data")
    return made


def rewriter(
    path: str, steps: Sequence[tuple[int, Step]], part: Part[Any], text: bool, hook: Hook | None
) -> Callable[[Encoded], Encoded]:
    """Return what takes an encoded value through *steps*; each different one once.

    Args:
        path: the file, for errors.
        steps: what makes a value one of the next schema, and the number that it leads from.
        part: what the values are of now.
        text: whether they are encoded as text.
        hook: encodes what msgspec does not know.
    """
    form: Any = msgspec.json if text else msgspec.msgpack
    encode, decode = form.Encoder(enc_hook=hook).encode, form.Decoder().decode

    @lru_cache(maxsize=10_000)
    def rewritten(old: Encoded) -> Encoded:
        value = decode(old)
        if value is None and part.name == META:
            return old  # there is none, whatever its type
        for number, step in steps:
            try:
                value = plain(step(value), "a migration")
            except Exception as error:
                error.add_note(f"in the migration from schema {number}, of {shown(old)}")
                raise
        try:
            data = part.encode(part.decode(encode(value)))
        except (CodecError, TypeError, ValueError) as error:
            raise JournalFileError(
                path,
                f"is as before, for what the migration made of {shown(old)} is no {part.name} of "
                f"now: {error}",
            ) from error
        return data.decode() if text else data

    return rewritten

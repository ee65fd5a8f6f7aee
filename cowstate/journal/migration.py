"""From the records of an older schema to those of now: `Migration`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from cowstate.codec import Codec
from cowstate.encoding import Hook
from cowstate.errors import ArgumentTypeError, ArgumentValueError, CodecError
from cowstate.showing import shown
from cowstate.slips import ensure_function, plain

from .errors import JournalFileError
from .log import Encoded

__all__ = ["Migration", "rewriter"]


class Migration:
    """The number of the schema that records are of now, and how older ones are led up to it.

    Args:
        schema: the number; 0 where nobody has begun to count.
        steps: by the number of a schema, the function that makes a record of it one of the next.

    Raises:
        ArgumentTypeError, ArgumentValueError: that makes no sense.
    """

    def __init__(self, schema: int, steps: Mapping[int, Callable[[Any], Any]] | None) -> None:
        if not isinstance(schema, int) or isinstance(schema, bool):
            raise ArgumentTypeError(f"schema must be a whole number, not {shown(schema)}")
        if schema < 0:
            raise ArgumentValueError(f"schema must be at least 0, not {schema}")
        if steps is not None and not isinstance(steps, Mapping):
            raise ArgumentTypeError(
                f"migrate must be a mapping of functions, such as {{1: from_1_to_2}}, not "
                f"{shown(steps)}"
            )
        self.schema = schema
        self._steps = dict(steps or {})
        for number, step in self._steps.items():
            ensure_function(step, f"migrate[{shown(number)}] is a function of a record as data")

    def steps_from(self, path: str, found: int) -> list[tuple[int, Callable[[Any], Any]]]:
        """Return the steps from the schema that was *found* in the file at *path*.

        Raises:
            JournalFileError: it is a newer one, or a step is missing.
        """
        if found > self.schema:
            raise JournalFileError(
                path,
                f"holds records of schema {found}, and this program knows {self.schema}: it is "
                "too old for the file",
            )
        missing = [number for number in range(found, self.schema) if number not in self._steps]
        if missing:
            raise JournalFileError(
                path,
                f"holds records of schema {found}, and this program {self.schema}; give open_store "
                f"migrate={{{missing[0]}: function}}, which makes a record of schema {missing[0]} "
                "one of the next",
            )
        return [(number, self._steps[number]) for number in range(found, self.schema)]


def rewriter(
    path: str,
    steps: list[tuple[int, Callable[[Any], Any]]],
    codec: Codec[Any, Any],
    text: bool,
    enc_hook: Hook | None,
) -> Callable[[Encoded], Encoded]:
    """Return what takes an encoded record through *steps*; each different one once."""
    form: Any = msgspec.json if text else msgspec.msgpack
    encode, decode = form.Encoder(enc_hook=enc_hook).encode, form.Decoder().decode

    @lru_cache(maxsize=10_000)
    def rewritten(old: Encoded) -> Encoded:
        value = decode(old)
        for number, step in steps:
            try:
                value = plain(step(value), "a migration")
            except Exception as error:
                error.add_note(f"in the migration from schema {number}, of {shown(old)}")
                raise
        try:
            data = codec.record.encode(codec.record.decode(encode(value)))
        except (CodecError, TypeError, ValueError) as error:
            raise JournalFileError(
                path,
                f"is as before, for what the migration made of {shown(old)} is no record of now: "
                f"{error}",
            ) from error
        return data.decode() if text else data

    return rewritten

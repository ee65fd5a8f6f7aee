"""Our client order ids in the alphabet of a venue, and back: `Alphabet`.

Ours are ``{prefix}-{slot key}-{B|S}{sequence}`` (see `cowstate.positions.client_order_id`). Some
venues take no dot, some no dash, some only a few characters. What is written in another way is
read back to the letter, so that an order is known as ours by its id alone, wherever it is listed.
"""

from __future__ import annotations

import re
from typing import Final

from cowstate import Record

from ...book.ids import split_client_oid
from ...errors import InvalidOrderError

__all__ = ["ALNUM", "ANY", "NO_DOT", "Alphabet"]


class Alphabet(Record):
    """In which characters a venue takes client ids, and how many of them.

    Attributes:
        dash: what stands for the dashes of an id of ours.
        dot: what stands for the dot of its key.
        taken: a regular expression for what the venue takes.
        longest: of how many characters at most.

    >>> ALNUM.written("grid-50000.5-B12"), ALNUM.read("gridZ50000D5ZB12")
    ('gridZ50000D5ZB12', 'grid-50000.5-B12')
    >>> ALNUM.read("web7f2")
    'web7f2'
    """

    dash: str
    dot: str
    taken: str
    longest: int

    def written(self, client_oid: str) -> str:
        """Return *client_oid* as the venue takes it. Pure.

        Raises:
            InvalidOrderError: it cannot be written so that it is read back.
        """
        text = client_oid
        parts = split_client_oid(client_oid)
        if parts is not None:
            prefix, (key, side, sequence) = parts
            number = key.replace(".", self.dot)
            text = f"{prefix}{self.dash}{number}{self.dash}{side.value[0]}{sequence}"
        if not re.fullmatch(self.taken, text, re.ASCII) or self.read(text) != client_oid:
            raise InvalidOrderError(
                f"client order id {client_oid!r}: this venue takes {self.taken} only; use a prefix "
                "of letters and digits"
            )
        if len(text) > self.longest:
            raise InvalidOrderError(
                f"client order id {text!r} has {len(text)} characters, and this venue takes "
                f"{self.longest}; use a shorter prefix"
            )
        return text

    def read(self, text: str) -> str:
        """Return the id that was written as *text*; what is not one of ours, as it stands. Pure."""
        dash, dot = re.escape(self.dash), re.escape(self.dot)
        match = re.fullmatch(rf"(.+){dash}([0-9]+)(?:{dot}([0-9]+))?{dash}([BS][0-9]+)", text)
        if match is None:
            return text
        prefix, whole, part, end = match.groups()
        key = whole if part is None else f"{whole}.{part}"
        found = f"{prefix}-{key}-{end}"
        return found if split_client_oid(found) is not None else text


ANY: Final = Alphabet("-", ".", r"[A-Za-z0-9_.:/-]+", 36)
"""Ids stand as they are."""

NO_DOT: Final = Alphabet("-", "_", r"[A-Za-z0-9_-]+", 36)
"""A key's dot is an underscore."""

ALNUM: Final = Alphabet("Z", "D", r"[A-Za-z0-9]+", 32)
"""Letters and digits alone."""

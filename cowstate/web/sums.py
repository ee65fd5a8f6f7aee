"""How many records there are, and what fields of them come to, moved on by changes: `Sums`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from cowstate.errors import CodecError
from cowstate.journal.reading import as_text
from cowstate.journal.view import Encoded, View
from cowstate.journal.watching import EXACTLY, amount_in

__all__ = ["Sums", "sums_of"]


class Sums(NamedTuple):
    """What all records of one version come to.

    Attributes:
        version: the version.
        records: how many there are.
        totals: of each field that was asked for, the sum over the records that have it.
    """

    version: int
    records: int
    totals: dict[str, Decimal]

    def after(self, view: View, upto: int) -> Sums:
        """Return those of version *upto*, a later one. O(what changed in between)."""
        records, totals = self.records, dict(self.totals)
        for _, old, new in view.moves(self.version, upto):
            records += (new is not None) - (old is not None)
            if totals:
                _add(totals, old, -1)
                _add(totals, new, 1)
        return Sums(upto, records, totals)

    def said(self) -> tuple[tuple[str, str], ...]:
        """Return the totals, written out: the same, whichever way they were added up."""
        return tuple((name, _written(total)) for name, total in self.totals.items())


def sums_of(view: View, fields: Sequence[str]) -> Sums:
    """Return what the records come to that *view* has. O(N)."""
    totals = dict.fromkeys(fields, Decimal(0))
    if fields:
        for _, value, _ in view.records():
            _add(totals, value, 1)
    return Sums(view.reach().newest, view.count(), totals)


def _written(total: Decimal) -> str:
    # What was added and taken away again leaves zeros behind the point, and may leave a sign.
    return f"{EXACTLY.plus(total).normalize(EXACTLY):f}"


def _add(totals: dict[str, Decimal], value: Encoded | None, times: int) -> None:
    record = None if value is None else _decoded(value)
    if isinstance(record, dict):
        for name, total in totals.items():
            amount = amount_in(record.get(name))
            totals[name] = EXACTLY.add(total, amount if times > 0 else EXACTLY.minus(amount))


def _decoded(value: Encoded) -> object:
    try:
        return msgspec.json.decode(as_text(value))
    except CodecError:
        return None  # somebody else's

"""What the page shows of one moment: `Seen`, from a look at the file and what was seen before."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final, NamedTuple

from cowstate.journal.reading import Reader
from cowstate.journal.view import Committed, Encoded
from cowstate.positions.book.account import Account
from cowstate.positions.book.slots import InventorySlot
from cowstate.records import Record
from cowstate.showing import cut

from .sums import Sums, sums_of
from .texts import KEY, ROW, name_of, text_of
from .trader import account_of, slot_of

__all__ = ["Brief", "Head", "Row", "Seen", "brief_of", "rested", "seen_in"]

ROWS: Final = 2_000
"""How many records the page has: the first ones, in the order of their keys in the file."""

COMMITS: Final = 20
"""How many of the last commits are listed."""

SPAN: Final = 2.0
"""Over how many seconds a rate is reckoned."""


class Row(Record):
    """One record: the *version* that it is of, its *text*, and what it is if it is a slot."""

    version: int
    text: str
    slot: InventorySlot | None = None


class Brief(Record):
    """One commit, in short; *time* is in seconds since 1970, None if it is no time."""

    version: int
    time: float | None
    who: str
    keys: int


class Head(Record):
    """What is shown beside the records.

    Attributes:
        version: the version.
        oldest: the oldest version that can be gone back to.
        records: how many records there are.
        rate: commits a second, over the last two seconds.
        lag: how many seconds after its commit the version was seen; None if it was there before.
        totals: of each field that was asked for, its name and the sum over all records.
        commits: the last ones, the newest first.
        meta: the meta value.
        account: what that is in a file that a position manager keeps.
        name: of the file, without its directory.
        trouble: why the file cannot be read for now.
    """

    version: int
    oldest: int
    records: int
    rate: float = 0.0
    lag: float | None = None
    totals: tuple[tuple[str, str], ...] = ()
    commits: tuple[Brief, ...] = ()
    meta: str = ""
    account: Account | None = None
    name: str = ""
    trouble: str = ""


class Seen(NamedTuple):
    """All of that, and what the next look goes on from.

    Attributes:
        head: what is shown beside the records.
        rows: the records that are shown, by the names of their keys.
        sums: what all records come to.
        mark: the newest commit, by which it is known that it is still the same log.
        moments: when which version was there, for the rate, by a clock that never goes back.
    """

    head: Head
    rows: Mapping[str, Row]
    sums: Sums
    mark: Brief | None
    moments: tuple[tuple[float, int], ...]


def seen_in(
    reader: Reader, before: Seen | None, fields: Sequence[str], now: float, ticks: float
) -> Seen:
    """Return what *reader* finds. O(what changed since *before*), and O(N) at first.

    Args:
        reader: a look at the file.
        before: what was seen last; None for nothing.
        fields: the names of fields to sum up.
        now: what time it is, in seconds since 1970.
        ticks: what time it is by a clock that never goes back.
    """
    oldest, newest = reader.reach()
    shown: Mapping[str, Row] = {} if before is None else before.rows
    if before is not None and not _goes_on(reader, before, oldest, newest):
        before = None
    commits = tuple(map(brief_of, reader.commits(max(oldest, newest - COMMITS), newest)))[::-1]
    last = commits[0] if commits else None
    data = reader.meta()
    account = account_of(data)
    sums = sums_of(reader, fields) if before is None else before.sums.after(reader, newest)
    moments = (*(() if before is None else before.moments), (ticks, newest))
    moments = _lately(moments, ticks)
    lag = None  # of what was there before anybody looked
    if before is not None:
        lag = _lag(last, now) if before.head.version != newest else before.head.lag
    head = Head(
        newest,
        oldest,
        sums.records,
        _rate(moments),
        lag,
        sums.said(),
        commits,
        "" if data is None else text_of(data, ROW),
        account,
        cut(os.path.basename(reader.path), KEY),
    )
    return Seen(head, _rows(reader, before, shown, account), sums, last, moments)


def rested(before: Seen, ticks: float) -> Seen:
    """Return what is seen when nobody has written since: the rate goes down."""
    version = before.head.version
    moments = _lately((*before.moments, (ticks, version)), ticks)
    head = before.head.replace(rate=_rate(moments), trouble="")
    return before._replace(head=head, moments=moments)


def brief_of(commit: Committed) -> Brief:
    """Return a commit in short, whatever somebody has written there."""
    time: object = commit.time
    known = isinstance(time, int | float) and isfinite(time)
    return Brief(
        commit.version,
        float(commit.time) if known else None,
        cut(str(commit.who), KEY),
        commit.keys,
    )


def _goes_on(reader: Reader, before: Seen, oldest: int, newest: int) -> bool:
    """Whether the log still goes on from what was seen, and tells what came in between."""
    seen = before.head.version
    if not oldest <= seen <= newest:
        return False
    if before.mark is None or seen == oldest:
        return True
    found = next(reader.commits(seen - 1, seen), None)
    return found is not None and brief_of(found) == before.mark


def _rows(
    reader: Reader, before: Seen | None, shown: Mapping[str, Row], account: Account | None
) -> dict[str, Row]:
    """Return the rows; one that is as it was *shown* is the very object: nobody is told of it."""
    known: Mapping[str, Row] = {}
    if before is not None and (before.head.account is None) is (account is None):
        known = before.rows
    rows: dict[str, Row] = {}
    for key, version in reader.first(ROWS):
        name = name_of(key)
        row = known.get(name)
        if row is None or row.version != version:
            row = _row(reader.value(key), version, account is not None)
            row = shown[name] if shown.get(name) == row else row
        rows[name] = row
    return rows


def _row(value: Encoded | None, version: int, trader: bool) -> Row:
    return Row(version, text_of(value, ROW), slot_of(value) if trader else None)


def _lately(moments: tuple[tuple[float, int], ...], ticks: float) -> tuple[tuple[float, int], ...]:
    """Return the moments of the last seconds, and the one before these."""
    old = [each for each in moments if each[0] <= ticks - SPAN]
    return (*old[-1:], *(each for each in moments if each[0] > ticks - SPAN))


def _lag(last: Brief | None, now: float) -> float | None:
    return None if last is None or last.time is None else max(0.0, now - last.time)


def _rate(moments: Sequence[tuple[float, int]]) -> float:
    (began, first), (ended, last) = moments[0], moments[-1]
    return (last - first) / (ended - began) if ended > began else 0.0

"""What the page shows of one moment: `Seen`, from a look at the file and what was seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final, NamedTuple

from cowstate.journal.view import Committed, Encoded, View
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
        name: of the store: of its file, without its directory, or the one that it has on a server.
        trouble: why it cannot be read for now.
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
        schema: the number of the schema that the records are of.
    """

    head: Head
    rows: Mapping[str, Row]
    sums: Sums
    mark: Brief | None
    moments: tuple[tuple[float, int], ...]
    schema: int = 0


def seen_in(
    view: View, before: Seen | None, fields: Sequence[str], now: float, ticks: float
) -> Seen:
    """Return what *view* has. O(what changed since *before*), and O(N) at first.

    Args:
        view: a look at the store.
        before: what was seen last; None for nothing.
        fields: the names of fields to sum up.
        now: what time it is, in seconds since 1970.
        ticks: what time it is by a clock that never goes back.
    """
    oldest, newest = view.reach()
    shown: Mapping[str, Row] = {} if before is None else before.rows
    if before is not None and not _goes_on(view, before, oldest, newest):
        before = None
    commits = tuple(map(brief_of, view.commits(max(oldest, newest - COMMITS), newest)))[::-1]
    last = commits[0] if commits else None
    meta, account = _meta(view, before, newest)
    sums = sums_of(view, fields) if before is None else before.sums.after(view, newest)
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
        meta,
        account,
    )
    rows = _rows(view, before, shown, account is not None)
    return Seen(head, rows, sums, last, moments, view.schema)


def rested(before: Seen, ticks: float, trouble: str = "") -> Seen:
    """Return what is seen when nobody has written since, or it cannot be read: the rate goes down.

    Args:
        before: what was seen last.
        ticks: what time it is by a clock that never goes back.
        trouble: why it cannot be read for now.
    """
    version = before.head.version
    moments = _lately((*before.moments, (ticks, version)), ticks)
    head = before.head.replace(rate=_rate(moments), trouble=trouble)
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


def _goes_on(view: View, before: Seen, oldest: int, newest: int) -> bool:
    """Whether the log still goes on from what was seen, and tells what came in between."""
    seen = before.head.version
    # A migration rewrites records, and makes no version.
    if not oldest <= seen <= newest or view.schema != before.schema:
        return False
    if before.mark is None or seen == oldest:
        return True
    found = next(view.commits(seen - 1, seen), None)
    return found is not None and brief_of(found) == before.mark


def _meta(view: View, before: Seen | None, newest: int) -> tuple[str, Account | None]:
    """Return the meta value as a text, and the account that it is; as long as it may be."""
    if before is not None and view.meta_before(before.head.version, newest) is None:
        return before.head.meta, before.head.account
    data = view.meta()
    return "" if data is None else text_of(data, ROW), account_of(data)


def _rows(
    view: View, before: Seen | None, shown: Mapping[str, Row], trader: bool
) -> dict[str, Row]:
    """Return the rows; one that is as it was *shown* is the very object: nobody is told of it."""
    known: Mapping[str, Row] = {}
    if before is not None and (before.head.account is not None) is trader:
        known = before.rows
    first = [(name_of(key), key, version) for key, version in view.first(ROWS)]
    rows: dict[str, Row | None] = {name: known.get(name) for name, _, _ in first}
    wanted = {}
    for name, key, version in first:
        row = rows[name]
        if row is None or row.version != version:
            wanted[key] = name, version
    for key, value in view.values([*wanted]):
        name, version = wanted[key]
        row = _row(value, version, trader)
        rows[name] = shown[name] if shown.get(name) == row else row
    return {name: row for name, row in rows.items() if row is not None}


def _row(value: Encoded, version: int, trader: bool) -> Row:
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

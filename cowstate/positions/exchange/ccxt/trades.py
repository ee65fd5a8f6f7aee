"""How a venue's list of our trades is walked from a moment to its end: `Walk`, `Step`.

No two venues page alike. Some list what is oldest first, from a moment or from a trade on; some
what is newest first, a page at a time. All look at a window of time at most, so an empty page is
the end of a window, and not of the list. What is asked next, and what an answer settles, is worked
out here, without a client.

A cursor is a text: ``t:1700000000000`` goes on at that moment, ``i:28457`` after that trade.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from cowstate import Record

from ...book.reports import TradeReport
from ...errors import ExchangeError

__all__ = ["Paging", "Step", "Walk", "first_step", "in_order", "next_cursor", "older_page"]


class Paging(StrEnum):
    """How a venue pages its list of our trades.

    BY_ID: oldest first; from a moment within a window, or from a trade on without one. BY_CURSOR:
    newest first, and each answer brings the cursor of the next page. BY_LAST: newest first, and
    the next page is what is older than an entry. BY_OFFSET: newest first, and the next page leaves
    out as many as were seen.
    """

    BY_ID = "BY_ID"
    BY_CURSOR = "BY_CURSOR"
    BY_LAST = "BY_LAST"
    BY_OFFSET = "BY_OFFSET"


class Walk(Record):
    """How one venue's list is walked.

    Attributes:
        paging: in which order, and by what.
        window_ms: how long a time is looked at in one request.
        page: how many entries an answer holds at most.
        key: the name of what names the next page, in the params of a request or in an entry.
    """

    paging: Paging
    window_ms: int
    page: int
    key: str = ""


class Step(Record):
    """What is to be asked.

    Attributes:
        since_ms: from which moment on; None: from a trade on.
        until_ms: up to which, itself included; None: without an end.
        params: what else, by the venue's names.
    """

    since_ms: int | None
    until_ms: int | None
    params: tuple[tuple[str, Any], ...] = ()


def first_step(walk: Walk, since_ms: int | None, cursor: str | None, now_ms: int) -> Step:
    """Return what is asked first for the page of *cursor*, or from *since_ms* on. Pure.

    *now_ms* is the time at the venue, and not before it: it says whether a window reaches the
    present.

    Raises:
        ExchangeError: *cursor* is none of this venue's.

    >>> first_step(Walk(Paging.BY_ID, 1_000, 500), None, "i:7", 0).params
    (('fromId', '8'),)
    """
    kind, _, text = (cursor or "").partition(":")
    known = kind in ("t", "i") and text.isascii() and text.isdigit()
    if cursor is not None and not (known and (kind == "t" or walk.paging is Paging.BY_ID)):
        raise ExchangeError(f"there is no page {cursor!r} here")
    if kind == "i":
        return Step(None, None, (("fromId", str(int(text) + 1)),))
    if cursor is None and since_ms is None and walk.paging is Paging.BY_ID:
        return Step(None, None, (("fromId", "0"),))
    start = int(text) if cursor is not None else since_ms
    if start is None:
        start = max(now_ms - walk.window_ms + 1, 0)
    return Step(start, max(start, min(start + walk.window_ms - 1, now_ms)))


def older_page(
    walk: Walk,
    step: Step,
    seen: int,
    page: Sequence[Mapping[str, Any]],
    token: str | None,
    listed: int | None = None,
) -> Step | None:
    """Return what is asked for the page after *page*, where the newest come first. Pure.

    Args:
        walk: of the venue.
        step: what was asked.
        seen: how many entries of this window have come, those of this answer among them.
        page: ccxt's entries.
        token: the cursor that the answer brought.
        listed: how many entries the answer had, those of other markets among them, where the venue
            lists them all; None: as many as *page*.

    Returns:
        None: the window has no more.
    """
    count = len(page) if listed is None else listed
    if walk.paging is Paging.BY_ID or not count:
        return None
    if walk.paging is Paging.BY_CURSOR:
        return step.replace(params=((walk.key, token),)) if token else None
    if count < walk.page:
        return None
    if walk.paging is Paging.BY_OFFSET:
        return step.replace(params=((walk.key, seen),))
    oldest = min(_whole((each.get("info") or {})[walk.key]) for each in page)
    return step.replace(params=(("after", str(oldest)),))


def next_cursor(
    walk: Walk, step: Step, entries: Sequence[TradeReport], now_ms: int
) -> tuple[bool, str | None]:
    """Return whether the list ends after *entries*, and where it goes on if not. Pure.

    *entries* are all of the step's window, or one page of it where the oldest come first.

    >>> walk = Walk(Paging.BY_ID, 1_000, 500)
    >>> next_cursor(walk, Step(5_000, 5_999), (), now_ms=9_000)
    (False, 't:6000')
    """
    if walk.paging is Paging.BY_ID and entries:
        full = len(entries) >= walk.page
        ended = not full and (step.until_ms is None or step.until_ms >= now_ms)
        return ended, None if ended else f"i:{entries[-1].trade_id}"
    if step.until_ms is None or step.until_ms >= now_ms:
        return True, None
    return False, f"t:{step.until_ms + 1}"


def in_order(
    entries: Sequence[TradeReport], said: Sequence[Mapping[str, Any]]
) -> tuple[TradeReport, ...]:
    """Return *entries* as they moved the position, each once. Pure.

    *said* is what ccxt said of each. Within a millisecond the venue's sequence decides, where it
    gives one, then the number of the trade, then the order in which they came.
    """
    ranked = sorted(
        (each.time_ms, _whole(info.get("seq")), _whole(each.trade_id), place)
        for place, (each, info) in enumerate(
            zip(entries, (each.get("info") or {} for each in said), strict=True)
        )
    )
    found = (entries[place] for *_, place in ranked)
    return tuple({(each.trade_id, each.order_id): each for each in found}.values())


_NO_NUMBER: Final = 0


def _whole(text: object) -> int:
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdigit() else _NO_NUMBER

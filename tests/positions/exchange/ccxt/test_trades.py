"""Walking a list of trades: all of them, each once, in order, however a venue pages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import Side, TradeReport
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.ccxt import Paging, Walk
from cowstate.positions.exchange.ccxt.trades import (
    Step,
    first_step,
    in_order,
    next_cursor,
    older_page,
)

NOW = 10_000
Entry = dict[str, Any]


class Lister:
    """A venue with trades at some moments, which pages as its walk says, and no better."""

    def __init__(self, walk: Walk, moments: list[int]) -> None:
        self.walk = walk
        self.requests = 0
        self.trades: list[Entry] = [
            {"id": str(number), "timestamp": moment, "info": {"seq": number, "bill": number}}
            for number, moment in enumerate(sorted(moments), 1)
        ]

    def ask(self, step: Step) -> tuple[list[Entry], str | None]:
        self.requests += 1
        params, page = dict(step.params), self.walk.page
        if "fromId" in params:
            found = [each for each in self.trades if int(each["id"]) >= int(params["fromId"])]
            return found[:page], None
        assert step.since_ms is not None
        assert step.until_ms is not None
        assert step.until_ms - step.since_ms < self.walk.window_ms
        found = [e for e in self.trades if step.since_ms <= e["timestamp"] <= step.until_ms]
        if self.walk.paging is Paging.BY_ID:
            return found[:page], None
        found.reverse()
        skipped = int(params.get("cursor") or params.get("ofs") or 0)
        if "after" in params:
            found = [each for each in found if each["info"]["bill"] < int(params["after"])]
        rest = found[skipped:]
        token = str(skipped + page) if len(rest) > page else None
        return rest[:page], token


WALKS = {
    Paging.BY_ID: "",
    Paging.BY_CURSOR: "cursor",
    Paging.BY_LAST: "bill",
    Paging.BY_OFFSET: "ofs",
}


def report(each: Entry) -> TradeReport:
    price = Decimal(100)
    return TradeReport(each["id"], "7", None, "X", Side.BUY, price, Decimal(1), each["timestamp"])


def walked(
    lister: Lister,
    since: int | None,
    ends: Callable[..., tuple[bool, str | None]] = next_cursor,
) -> list[str]:
    """Read to the end, as `CcxtExchange.fetch_my_trades` and `read_pages` do."""
    walk, cursor, ids = lister.walk, None, list[str]()
    for _ in range(400):
        step = asking = first_step(walk, since, cursor, NOW)
        found: list[Entry] = []
        while True:
            page, token = lister.ask(asking)
            found += page
            older = older_page(walk, asking, len(found), page, token)
            if older is None:
                break
            asking = older
        entries = in_order([report(each) for each in found], found)
        ids += [str(each.trade_id) for each in entries]
        complete, cursor = ends(walk, step, entries, NOW)
        if complete:
            return ids
        assert cursor is not None
    raise AssertionError("it goes on for ever")


moments = st.lists(st.integers(0, NOW), max_size=40)
pages = st.integers(1, 7)
windows = st.integers(50, 2_000)


@pytest.mark.parametrize("paging", Paging)
@given(moments=moments, page=pages, window=windows, since=st.integers(0, NOW))
def test_all_are_read_once_and_in_order(
    paging: Paging, moments: list[int], page: int, window: int, since: int
) -> None:
    lister = Lister(Walk(paging, window, page, WALKS[paging]), moments)
    wanted = [each["id"] for each in lister.trades if each["timestamp"] >= since]
    assert walked(lister, since) == wanted


@given(moments=moments, page=pages)
def test_all_that_there_are_can_be_read_by_number(moments: list[int], page: int) -> None:
    lister = Lister(Walk(Paging.BY_ID, 100, page), moments)
    assert walked(lister, None) == [each["id"] for each in lister.trades]
    assert lister.requests <= len(moments) // page + 2


def test_an_empty_window_taken_for_the_end_loses_what_comes_after_it() -> None:
    """The test can fail: so reads who takes an empty page for the end of the list."""

    def hasty(walk: Walk, step: Step, entries: Any, now: int) -> tuple[bool, str | None]:
        complete, cursor = next_cursor(walk, step, entries, now)
        return complete or not entries, cursor

    lister = Lister(Walk(Paging.BY_ID, 1_000, 5), [9_000])
    assert walked(lister, 0, ends=hasty) == []
    assert walked(lister, 0) == ["1"]


def test_within_a_millisecond_the_venues_sequence_decides() -> None:
    said = [
        {"id": name, "timestamp": 5, "info": {"seq": seq}} for name, seq in (("a", 3), ("b", 2))
    ]
    entries = [report(each) for each in said]
    assert [each.trade_id for each in in_order(entries, said)] == ["b", "a"]
    doubled = in_order([*entries, *entries], [*said, *said])
    assert [each.trade_id for each in doubled] == ["b", "a"]


@pytest.mark.parametrize("cursor", ["", "7", "t:", "t:x", "i:-1", "p:5", "i:7"])
def test_a_cursor_of_another_venue_is_refused(cursor: str) -> None:
    with pytest.raises(ExchangeError, match="no page"):
        first_step(Walk(Paging.BY_CURSOR, 100, 5, "cursor"), None, cursor, NOW)

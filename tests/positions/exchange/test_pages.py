"""Lists in pages: read to their end, or to the end of the budget, and said which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentValueError
from cowstate.positions.errors import ExchangeError, NetworkError
from cowstate.positions.exchange.listing import Listing
from cowstate.positions.exchange.pages import read_pages


def paged(items, size, fails_at=None, as_of=lambda start: start):
    """A list in pages of *size*, whose cursors are where they begin."""
    asked = []

    def ask(cursor):
        start = int(cursor or 0)
        asked.append(start)
        if len(asked) == fails_at:
            raise NetworkError("no answer")
        end = start + size
        complete = end >= len(items)
        return Listing(
            tuple(items[start:end]),
            complete=complete,
            cursor=None if complete else str(end),
            as_of_ms=as_of(start),
        )

    return ask, asked


@given(st.integers(0, 12), st.integers(1, 4), st.integers(1, 8), st.integers(0, 12))
def test_what_is_read_is_the_list_from_the_cursor_on_as_far_as_the_budget_goes(
    count, size, budget, start
):
    start = min(start, count)
    ask, asked = paged(range(count), size)
    found = read_pages(ask, budget, str(start) if start else None)
    assert list(found.items) == list(range(count))[start : start + budget * size]
    assert found.requests == len(asked) <= budget
    assert found.complete is (start + budget * size >= count)
    assert found.error is None
    if not found.complete:
        rest = read_pages(ask, 99, found.cursor)
        assert [*found.items, *rest.items] == list(range(count))[start:]
    assert found.as_of_ms == start


@given(st.integers(1, 5))
def test_what_came_before_a_request_failed_is_not_lost(fails_at):
    ask, _ = paged(range(20), 3, fails_at)
    found = read_pages(ask, 9)
    assert len(found.items) == 3 * (fails_at - 1)
    assert isinstance(found.error, ExchangeError)
    assert (found.complete, found.requests) == (False, fails_at)
    ask, _ = paged(range(20), 3)
    rest = read_pages(ask, 9, found.cursor)
    assert [*found.items, *rest.items] == list(range(20))


@pytest.mark.parametrize("cursor", [None, "page"])
def test_a_page_that_leads_nowhere_ends_the_reading_and_not_the_list(cursor):
    """By time alone, a millisecond that holds more than a page cannot be passed."""
    found = read_pages(lambda at: Listing((1, 2), complete=False, cursor=cursor or at), 9, "page")
    assert (found.items, found.complete, found.requests) == ((1, 2), False, 1)
    lost = read_pages(lambda at: Listing((1, 2), complete=False), 9)
    assert (lost.complete, lost.cursor, lost.requests) == (False, None, 1)


def test_the_moment_of_a_list_is_known_only_if_every_page_says_it():
    ask, _ = paged(range(9), 3, as_of=lambda start: None if start == 6 else 50 - start)
    assert read_pages(ask, 2).as_of_ms == 47
    assert read_pages(ask, 9).as_of_ms is None


def test_a_budget_is_at_least_one():
    with pytest.raises(ArgumentValueError, match="budget is 0"):
        read_pages(lambda at: Listing(), 0)

"""Whatever was missed in between, who does what it is told shows what there is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate import Lagged, Store
from cowstate.journal.reading import Changed, Committed
from cowstate.web.messages import CHANGES, encoded, item_of, version_of
from cowstate.web.seen import Head, Row, Seen
from cowstate.web.sums import Sums
from cowstate.web.texts import DECODED, KEY, LONG, ROW, name_of, text_of
from cowstate.web.watcher import board_of, show
from tests.web.serving import Browser

KEYS = st.sampled_from(["a", "b", "<script>alert(1)</script>", "\u2028", "__proto__", "\ud800"])
ROWS = st.dictionaries(KEYS, st.builds(Row, st.integers(0, 3), st.text(max_size=9)))
HEADS = st.builds(Head, st.integers(0, 9), st.just(0), st.integers(0, 9), meta=st.text(max_size=9))


def seen_of(head: Head, rows: dict[str, Row], before: Seen | None = None) -> Seen:
    # As `seen_in` has it: what is as it was is the very row.
    known = {} if before is None else before.rows
    kept = {name: known[name] if known.get(name) == row else row for name, row in rows.items()}
    return Seen(head, kept, Sums(head.version, len(rows), {}), None, ((0.0, 0),))


def told(browser: Browser, feed: Any) -> None:
    item = feed.poll()
    if item is not None:
        browser.take(json.loads(encoded(item_of(item))))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(HEADS, ROWS, st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_two_browsers_that_are_told_at_other_times_show_the_same(
    steps: Sequence[tuple[Head, dict[str, Row], bool, bool]],
) -> None:
    found = seen_of(*steps[0][:2])
    board: Store[str, Row, Head] = board_of(found)
    browsers = [(Browser(), board.feed("latest", initial=True)) for _ in range(2)]
    for head, rows, *awake in steps:
        found = seen_of(head, rows, found)
        show(board, found)
        for (browser, feed), is_awake in zip(browsers, awake, strict=True):
            if is_awake:
                told(browser, feed)
    for browser, feed in browsers:
        told(browser, feed)
        assert browser.rows == {name: row.text for name, row in found.rows.items()}
        assert browser.head["meta"] == found.head.meta
        assert browser.told["state"] == 1
        assert browser.told["change"] <= len(steps)


def test_what_is_the_same_is_not_told() -> None:
    found = seen_of(Head(1, 0, 1), {"a": Row(1, "1")})
    board = board_of(found)
    show(board, found)
    assert board.snapshot().version == 0
    show(board, found._replace(head=found.head.replace(rate=1.0)))
    assert board.snapshot().version == 1


def test_who_is_too_far_behind_begins_anew() -> None:
    found = seen_of(Head(1, 0, 1), {"a": Row(1, "1")})
    board = board_of(found)
    snapshot = board.snapshot()
    message = item_of(Lagged(1, snapshot))
    assert (message["kind"], message["to"], message["rows"]) == ("state", 0, [["a", "1"]])


def test_a_message_is_one_line_of_ascii_whatever_is_in_it() -> None:
    text = encoded({"a": "\n\r\u2028\u0000\ud800é</script>"})
    assert text.isascii()
    assert text.splitlines() == [text]
    assert json.loads(text) == {"a": "\n\r\u2028\u0000\ud800é</script>"}


@given(st.text() | st.binary() | st.integers() | st.floats() | st.none())
def test_any_value_of_a_file_is_text_of_bounded_length(value: object) -> None:
    assert len(text_of(value, 40)) <= 40 + 80
    assert isinstance(name_of(value), str)


def test_what_is_long_is_cut_and_not_looked_into() -> None:
    note = 60
    for size in (ROW + 10, DECODED + 10, 50 * DECODED):
        for value in ('"' + "a" * size + '"', b"\xdb" + size.to_bytes(4, "big") + b"a" * size):
            for most in (KEY, ROW, LONG):
                assert len(text_of(value, most)) <= most + note or size < LONG
            assert len(name_of(value)) <= KEY + note + 17
            other = value[:-2] + (b"ab" if isinstance(value, bytes) else 'b"')
            assert name_of(other) != name_of(value)


def test_of_a_commit_so_many_changes_are_told_and_how_many_more_there_are() -> None:
    commit = Committed(7, "noon", 3, CHANGES + 5, None, '"<b>"')  # type: ignore[arg-type]
    changes = [Changed(f'"{n}"', None, "1" * 9_000) for n in range(CHANGES + 5)]
    found = version_of(commit, changes)
    assert (len(found["changes"]), found["more"]) == (CHANGES, 5)
    assert (found["time"], found["who"], found["meta"]) == (
        None,
        "3",
        {"old": None, "new": '"<b>"'},
    )
    assert len(encoded(found)) < CHANGES * (LONG + 200)

"""What is seen by going on from the last look is what is seen by looking anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cowstate import Record
from cowstate.journal import Bounds, open_store
from cowstate.journal.reading import Reader
from cowstate.web import seen
from cowstate.web.seen import ROWS, Seen, rested, seen_in


class Held(Record):
    amount: Decimal
    owner: str = ""


@contextmanager
def look(path: Path) -> Iterator[Reader]:
    reader = Reader(str(path))
    try:
        yield reader
    finally:
        reader.close()


def seen_of(path: Path, before: Seen | None = None, now: float = 0.0, ticks: float = 0.0) -> Seen:
    with look(path) as reader:
        return seen_in(reader, before, ["amount"], now, ticks)


def essence(found: Seen) -> Any:
    head = found.head.replace(rate=0.0, lag=None)
    return head, dict(found.rows), found.sums._replace(totals=dict(found.sums.totals))


KEYS = st.sampled_from("abcdef")
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9, max_value=9)
WRITES = st.lists(st.tuples(KEYS, AMOUNTS | st.none()), min_size=1, max_size=5)
STEPS = st.lists(
    st.tuples(st.sampled_from(["look", "one", "one", "several", "meta", "compact"]), WRITES),
    max_size=12,
)


def do(store: Any, what: str, writes: list[tuple[str, Decimal | None]]) -> None:
    def put(tx: Any) -> None:
        for key, amount in writes:
            if amount is None:
                tx.pop(key, None)
            else:
                tx[key] = Held(amount)

    if what == "meta":
        store.set_meta(str(writes))
    elif what == "compact":
        store.journal.compact()
    elif what == "several":
        store.transact(put)
    else:
        for write in writes:
            store.transact(lambda tx, write=write: put_one(tx, write))


def put_one(tx: Any, write: tuple[str, Decimal | None]) -> None:
    key, amount = write
    if amount is None:
        tx.pop(key, None)
    else:
        tx[key] = Held(amount)


ZERO = Decimal("0.000")


@example([("look", []), ("one", [("a", ZERO), ("a", None)])], "json", 2)
@example(
    [("one", [("b", ZERO)]), ("look", []), ("one", [("a", ZERO), ("a", None)] * 3)], "json", ROWS
)
@settings(max_examples=25, deadline=None)
@given(STEPS, st.sampled_from(["json", "msgpack"]), st.sampled_from([2, 4, ROWS]))
def test_to_go_on_is_to_look_anew(steps: list[Any], form: str, rows: int) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "ROWS", rows)
        path = Path(directory) / "held.db"
        bounds = Bounds(versions=3)
        with open_store(path, key=str, record=Held, meta=str, form=form, bounds=bounds) as store:
            found = seen_of(path)
            for what, writes in [*steps, ("look", [])]:
                if what != "look":
                    do(store, what, writes)
                    continue
                before, found = found, seen_of(path, found)
                assert essence(found) == essence(seen_of(path))
                assert found.head.version == store.snapshot().version
                assert found.head.records == len(store.snapshot())
                total = sum((each.amount for each in store.snapshot().values()), Decimal(0))
                assert found.sums.totals == {"amount": total}
                # What has not changed is the very row, so that nobody is told of it.
                for name, row in found.rows.items():
                    if before.rows.get(name) == row:
                        assert before.rows[name] is row


def test_the_rows_are_the_first_ones_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "ROWS", 2)
    path = tmp_path / "held.db"
    with open_store(path, key=str, record=Held) as store:
        store.replace_all({name: Held(Decimal(1)) for name in "bcd"})
        first = seen_of(path)
        assert ([*first.rows], first.head.records) == (['"b"', '"c"'], 3)
        store.set("a", Held(Decimal(2)))
        second = seen_of(path, first)
        assert ([*second.rows], second.head.records) == (['"a"', '"b"'], 4)
        assert second.head.totals == (("amount", "5"),)
        store.delete("a")
        third = seen_of(path, second)
    assert third.rows == first.rows


def test_rate_and_lag(tmp_path: Path) -> None:
    path = tmp_path / "held.db"
    with open_store(path, key=str, record=Held) as store:
        store.set("a", Held(Decimal(0)))
        found = seen_of(path, now=1e10, ticks=10.0)
        assert (found.head.rate, found.head.lag) == (0.0, None)
        for n in range(1, 51):
            store.set("a", Held(Decimal(n)))
        time = seen_of(path).head.commits[0].time
        assert time is not None
        found = seen_of(path, found, now=time + 0.5, ticks=10.5)
        assert (found.head.rate, found.head.lag) == (100.0, pytest.approx(0.5))
        assert rested(found, 11.0).head.rate == 50.0
        # What it was an hour ago says nothing of now; how late the version was does.
        quiet = rested(rested(found, 11.0), 3600.0)
        assert (quiet.head.rate, quiet.head.lag) == (0.0, pytest.approx(0.5))
        assert len(quiet.moments) < 4


def test_a_log_that_is_another_one_is_looked_at_anew(tmp_path: Path) -> None:
    paths = [tmp_path / "one.db", tmp_path / "other.db"]
    for n, path in enumerate(paths):
        with open_store(path, key=str, record=Held) as store:
            for key in "ab":
                store.set(key, Held(Decimal(n)))
    one, other = [seen_of(path) for path in paths]
    found = seen_of(paths[1], one)
    assert essence(found) == essence(other)
    assert found.rows['"a"'].text == '{"amount":"1","owner":""}'


class Asked(Reader):
    """Knows how often it was asked for the meta value, which may be long."""

    metas = 0

    def meta(self) -> Any:
        Asked.metas += 1
        return super().meta()


def test_a_meta_value_that_nobody_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "held.db"
    monkeypatch.setattr(Asked, "metas", 0)
    with open_store(path, key=str, record=Held, meta=str) as store:
        found, metas = None, []
        for value in ("open", None, "shut", None):
            if value is not None:
                store.set_meta(value)
            store.set("a", Held(Decimal(len(metas))))
            reader = Asked(str(path))
            try:
                found = seen_in(reader, found, [], 0.0, 0.0)
            finally:
                reader.close()
            metas.append((Asked.metas, found.head.meta))
    assert metas == [(1, '"open"'), (1, '"open"'), (2, '"shut"'), (2, '"shut"')]


class Renamed(Record):
    sum: Decimal


def test_what_was_migrated_is_shown_though_it_makes_no_version(tmp_path: Path) -> None:
    path = tmp_path / "held.db"
    with open_store(path, key=str, record=Held) as store:
        store.set("a", Held(Decimal(3)))
    found = seen_of(path)
    step = {0: lambda record: {"sum": record["amount"]}}
    open_store(path, key=str, record=Renamed, schema=1, migrate=step).close()
    after = seen_of(path, found)
    assert essence(after) == essence(seen_of(path))
    assert after.head.version == found.head.version
    assert after.rows['"a"'].text == '{"sum":"3"}'
    assert (found.head.totals, after.head.totals) == ((("amount", "3"),), (("amount", "0"),))


def test_what_somebody_else_wrote_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "held.db"
    with open_store(path, key=str, record=Held) as store:
        for key in "abcd":
            store.set(key, Held(Decimal(1)))
    with sqlite3.connect(path) as other:
        other.execute("UPDATE records SET value = '{' WHERE key = '\"a\"'")
        other.execute("UPDATE records SET value = 17 WHERE key = '\"b\"'")
        other.execute("UPDATE records SET value = x'00ff' WHERE key = '\"c\"'")
        other.execute("UPDATE records SET key = '\"' WHERE key = '\"d\"'")
        other.execute("UPDATE commits SET time = 'noon'")
    other.close()
    found = seen_of(path)
    assert found.head.records == 4
    assert [row.text.startswith("(cannot be read") for row in found.rows.values()].count(True) == 3
    assert found.head.commits[0].time is None
    assert found.head.totals == (("amount", "1"),)

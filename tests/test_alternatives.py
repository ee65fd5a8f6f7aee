"""The comparison with what else there is: each answer has a source or a test; these are some."""

from __future__ import annotations

import pickle
import re
import sqlite3
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cowstate.maps import available_maps

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/explanation/alternatives.md").read_text(encoding="utf-8")
SOURCE = re.compile(r"`(tests/[\w/.-]+)`|\]\((https://[^)]+)\)")


# The page


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def rows_of(page: str) -> dict[str, dict[str, tuple[str, str]]]:
    """By feature and by what it is asked of: the answer, and what shows it."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        if "| with | answer | shown by |" in section:
            table = section.partition("|---|---|---|\n")[2].partition("\n\n")[0]
            rows = map(cells_of, table.splitlines())
            found[section.partition("\n")[0]] = {who: (said, by) for who, said, by in rows}
    return found


def summary_of(page: str) -> dict[str, dict[str, str]]:
    """The same from the table at the top: the answer in a word."""
    top = page.partition("## In short\n\n")[2].partition("\n\n")[0].splitlines()
    names = cells_of(top[0])[1:]
    found = {}
    for line in top[2:]:
        feature, *answers = cells_of(line)
        place = re.search(r"#([\w-]+)\)", feature)
        assert place, feature
        found[place[1]] = dict(zip(names, answers, strict=True))
    return found


def mistakes_in(page: str) -> list[str]:
    rows, found = rows_of(page), []
    summary = summary_of(page)
    places = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-"): title for title in rows}
    if places.keys() != summary.keys():
        found.append(f"sections and summary differ: {sorted(places.keys() ^ summary.keys())}")
    for place in places.keys() & summary.keys():
        told = rows[places[place]]
        if told.keys() != summary[place].keys():
            found.append(f"{place}: {sorted(told.keys() ^ summary[place].keys())}")
            continue
        for who, (said, by) in told.items():
            if re.split(r"\W", said)[0] != summary[place][who]:
                found.append(f"{place}, {who}: {summary[place][who]}, but {said}")
            sources = SOURCE.findall(by)
            if not sources or any(test and not (ROOT / test).exists() for test, _ in sources):
                found.append(f"{place}, {who}: nothing shows it: {by}")
    return found


def test_each_answer_has_a_source_or_a_test_and_is_that_of_the_summary() -> None:
    assert mistakes_in(PAGE) == []
    assert len(rows_of(PAGE)) > 8
    assert {len(told) for told in rows_of(PAGE).values()} == {8}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| [old versions](#old-versions) | yes |", "| [old versions](#old-versions) | no |"),
        ("`tests/test_pins.py`", "`tests/test_pans.py`"),
        ("| `tests/laws/test_interrupts.py` |", "| see there |"),
        ("| Redis | no: bytes |", "| Valkey | no: bytes |"),
        ("## Old versions", "## Older versions"),
    ],
)
def test_an_answer_without_one_or_another_one_is_seen(old: str, new: str) -> None:
    assert old in PAGE
    assert mistakes_in(PAGE.replace(old, new, 1))


# What it says of maps in a variable


@pytest.fixture(params=sorted({"immutables", "pyrsistent"}.intersection(available_maps())))
def make(request: pytest.FixtureRequest) -> Callable[[dict[str, Any]], Any]:
    # Only what is to be had, for another one would switch the GIL on.
    made: Callable[[dict[str, Any]], Any]
    if request.param == "immutables":
        from immutables import Map as made  # noqa: N813
    else:
        from pyrsistent import pmap as made
    return made


def test_a_persistent_map_stays_what_it_was(make: Callable[[dict[str, Any]], Any]) -> None:
    before = make({"a": 1, "b": 1})
    after = before.set("a", 2)
    assert (before["a"], after["a"]) == (1, 2)
    assert after["b"] is before["b"]
    assert pickle.loads(pickle.dumps(after)) == after


def test_of_two_who_assign_what_they_made_of_one_map_the_second_wins(
    make: Callable[[dict[str, Any]], Any],
) -> None:
    held = make({"a": 0})
    seen_by_one, seen_by_other = held, held
    held = seen_by_one.set("a", seen_by_one["a"] + 1)
    held = seen_by_other.set("a", seen_by_other["a"] + 1)
    assert held["a"] == 1


def test_changes_to_a_map_aside_are_nobodys_if_one_raises(
    make: Callable[[dict[str, Any]], Any],
) -> None:
    held = make({"a": 1, "b": 1})
    with pytest.raises(ZeroDivisionError):
        held = held.set("a", 2).set("b", 1 // 0)
    assert dict(held) == {"a": 1, "b": 1}


def test_a_persistent_map_has_no_versions_no_indexes_and_tells_nobody(
    make: Callable[[dict[str, Any]], Any],
) -> None:
    offered = set(dir(make({})))
    assert not offered & {"version", "diff", "find", "index", "subscribe", "watch", "observe"}


def test_a_persistent_map_takes_a_value_that_changes(
    make: Callable[[dict[str, Any]], Any],
) -> None:
    value = [1]
    held = make({"a": value})
    value.append(2)
    assert held["a"] is value
    assert held["a"] == [1, 2]


# Of a lock and a dict


def test_changes_to_a_dict_under_a_lock_are_half_done_if_one_raises() -> None:
    lock, held = threading.Lock(), {"a": 1, "b": 1}
    with pytest.raises(ZeroDivisionError), lock:
        held["a"] = 2
        held["b"] = 1 // 0
    assert held == {"a": 2, "b": 1}


def test_who_looks_under_a_lock_holds_up_who_writes() -> None:
    lock, held = threading.Lock(), {"a": [1]}
    with lock:
        copied = dict(held)
        assert not lock.acquire(blocking=False)
    held["a"].append(2)
    assert copied["a"] == [1, 2]  # and what was not copied whole goes on changing


# Of a database within the process


def test_a_transaction_of_sqlite_is_all_or_none_and_gives_back_columns(tmp_path: Path) -> None:
    path = tmp_path / "things.db"
    one = sqlite3.connect(path)
    one.execute("create table thing (name text primary key, size int)")
    one.execute("insert into thing values ('a', 1)")
    one.commit()
    with pytest.raises(ZeroDivisionError), one:
        one.execute("update thing set size = 2 where name = 'a'")
        raise ZeroDivisionError
    other = sqlite3.connect(path)
    assert other.execute("select * from thing").fetchall() == [("a", 1)]
    with pytest.raises(sqlite3.Error):
        one.execute("insert into thing values ('b', ?)", (object(),))
    one.close()
    other.close()


# Of this package


def test_two_packages_come_with_it() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [re.split(r"\W", each)[0] for each in told["project"]["dependencies"]]
    assert needed == ["pyrsistent", "msgspec"]

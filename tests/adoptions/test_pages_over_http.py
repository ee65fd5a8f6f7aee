"""What the two pages say: which releases they are about, and figures of the command they name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.adoptions import load
from tests.adoptions.asked import PAGES, programs_of
from tests.adoptions.pinned import EXTRAS, text_of
from tests.pages import pins_of


def rows_of(text: str, heading: str) -> list[list[str]]:
    """The rows of the table with that first line."""
    body = text.partition(heading + "\n")[2].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()[1:]]


def number(cell: str) -> float:
    return float(re.sub(r"[^\d.]", "", cell))


@pytest.mark.parametrize(("page", "package"), PAGES.items())
def test_the_release_that_a_page_is_about_is_the_one_that_is_installed(
    page: str, package: str
) -> None:
    pins = pins_of(text_of(page))
    assert list(pins) == [package]
    assert any(line.startswith(f"{package}=={pins[package]}") for line in EXTRAS["adoptions"])
    assert f"`{package}` {pins[package]}" in text_of(page)
    assert any("adoptions" in requirement for requirement in EXTRAS["test"])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_the_command_that_its_figures_come_from(page: str) -> None:
    text = text_of(page)
    assert f"$ python -m tests.adoptions.load {page}" in text
    # In processor time: of what is published, 1.00; of ours, what it is.
    costs = rows_of(text, load.COSTS[1])
    assert {what for what, *_ in costs} == {what for what, *_ in costs[::2]}
    for theirs, ours in zip(costs[::2], costs[1::2], strict=True):
        assert number(theirs[3]) == 1
        assert number(ours[3]) == pytest.approx(number(ours[2]) / number(theirs[2]), abs=0.02)


def test_the_page_of_sessions_shows_what_was_lost_and_that_nothing_is() -> None:
    found = rows_of(text_of("sessions"), load.sessions_lost({})[0])
    assert {row[0] for row in found} == set(load.shops(programs_of("sessions")))
    for store, at_once, *rest in found:
        answered, lost, again = map(number, rest[:3])
        assert answered > 0
        assert (lost > 0) == (store == "`InMemoryStore`" and at_once == "4")
        assert (again > 0) == (store == "`Sessions`" and at_once == "4")


def test_the_page_of_the_exporter_shows_what_was_lost_and_that_nothing_is() -> None:
    found = rows_of(text_of("exporter"), load.exporter_lost({})[0])
    assert [row[0] for row in found] == list(load.registries(programs_of("exporter")))
    (_, failed, _, lost), (scrapes, *of_ours) = (list(map(number, row[1:])) for row in found)
    assert failed > 0
    assert lost > 0
    assert scrapes > 50
    assert (of_ours[0], of_ours[2]) == (0, 0)


# That the command still does what it did


def lost_in(found: dict[str, Any]) -> list[int]:
    return [told["lost"] for name, told in found.items() if "InMemory" not in name]


def test_the_load_on_sessions_loses_nothing_of_ours() -> None:
    programs_of("sessions")
    found = load.sessions(rounds=1, visitors=1, each=2)
    assert lost_in(found) == [0] * 4
    assert {told["200"] for told in found.values()} == {8, 2}
    assert len(load.sessions_lost(found)) == 2 + 6
    assert len(load.cost("x", load.sessions_alone(rounds=1, times=10))) == 2


def test_the_load_on_the_exporter_loses_nothing_of_ours() -> None:
    programs_of("exporter")
    found = load.exporter(rounds=1, threads=2, each=200)
    assert found["`StoredRegistry`"]["lost"] == found["`StoredRegistry`"]["500"] == 0
    assert {told["counted"] for told in found.values()} == {400}
    assert len(load.exporter_lost(found)) == 2 + 2
    for costs in load.exporter_alone(rounds=1, times=10):
        assert len(load.cost("x", costs)) == 2

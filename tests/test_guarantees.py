"""Each row of the page of guarantees names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/explanation/guarantees.md").read_text(encoding="utf-8")
WHERE = re.compile(r"`(tests/[\w/.-]+)`")


class Row(NamedTuple):
    claim: str
    limit: str
    shown_by: str


def rows_of(page: str) -> list[Row]:
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [Row(*(cell.strip() for cell in line.split("|")[1:-1])) for line in lines]
    return [row for row in rows if row.claim != "claim"]


def found_in(place: str) -> list[str]:
    """The names of the tests in a file, or in all files of a folder."""
    path = ROOT / place
    files = path.rglob("test_*.py") if path.is_dir() else [path] if path.exists() else []
    return [
        node.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
        or (isinstance(node, ast.ClassDef) and node.name.startswith("Test"))
    ] + [
        # How hypothesis's machines become tests.
        name
        for file in files
        for name in re.findall(r"^(Test\w+) = ", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def unshown(page: str) -> list[str]:
    """The claims that name no test, or one that is not there."""
    bad = []
    for row in rows_of(page):
        places = WHERE.findall(row.shown_by)
        if row.claim and not (places and all(map(found_in, places))):
            bad.append(row.claim)
    return bad


def test_each_claim_names_tests_that_are_there() -> None:
    assert unshown(PAGE) == []
    assert sum(bool(row.claim) for row in rows_of(PAGE)) > 35


@pytest.mark.parametrize(
    "folder",
    ["faults", "histories", "laws", "parallel", "properties", "schedules", "tree", "worlds"],
)
def test_what_shows_laws_is_named(folder: str) -> None:
    assert any(place.startswith(f"tests/{folder}") for place in WHERE.findall(PAGE))


def test_a_claim_without_a_test_is_seen() -> None:
    page = (
        "| claim | where it ends | shown by |\n|---|---|---|\n"
        "| A. | | `tests/test_ring.py` |\n| B. | | |\n| | so far | |\n"
        "| C. | | `tests/no_such.py` |\n| D. | | `tests/conftest.py` |\n"
        "| E. | | `tests/laws/`, `tests/test_gone.py` |\n"
    )
    assert unshown(page) == ["B.", "C.", "D.", "E."]

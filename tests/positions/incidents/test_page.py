"""The page of incidents names tests that are there, in the files that it names, and all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = (ROOT / "docs/explanation/incidents.md").read_text(encoding="utf-8")


def named_in(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


TESTS = {file.name: named_in(file) for file in sorted(HERE.glob("test_*.py"))}
STORIES = re.split(r"^### ", PAGE.split("## Found on our own first rule")[0], flags=re.M)[1:]
ROWS = re.findall(r"^\| (?!what was found|-)(.*) \| (.*) \|$", PAGE, re.M)


def named(text: str) -> list[str]:
    return re.findall(r"`(test_\w+)`", text)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.splitlines()[0])
def test_each_incident_tells_what_the_rule_was_what_ours_does_and_names_its_test(
    story: str,
) -> None:
    parts = re.findall(r"^- \*\*(There|The rule was|Ours|Tests?)\*\*", story, re.M)
    assert [part.rstrip("s") for part in parts] == ["There", "The rule wa", "Our", "Test"]
    (file,) = re.findall(r"`tests/positions/incidents/(test_\w+\.py)`", story)
    assert set(named(story)) <= TESTS[file]
    assert named(story)


def test_there_are_thirteen_incidents_and_fifteen_rows() -> None:
    assert (len(STORIES), len(ROWS)) == (13, 15)


def test_each_row_names_tests_that_are_there() -> None:
    everywhere = set().union(*TESTS.values())
    for found, tests in ROWS:
        elsewhere = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        there = set().union(*(named_in(ROOT / file) for file in elsewhere))
        assert named(tests), found
        assert set(named(tests)) <= everywhere | there, found

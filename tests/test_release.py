"""What is said of a release in several places is the same in each."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import cowstate

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_version_is_the_same_wherever_it_stands() -> None:
    cited = re.findall(r"^version: (.*)$", CITATION, re.MULTILINE)
    assert cited == [PROJECT["version"]] == [cowstate.__version__]


def test_the_licence_and_the_authors_are_the_same_wherever_they_stand() -> None:
    assert f"\nlicense: {PROJECT['license']}\n" in CITATION
    assert [f"  - name: {author['name']}" for author in PROJECT["authors"]] == re.findall(
        r"^  - name: .*$", CITATION, re.MULTILINE
    )


def test_the_pythons_that_are_named_are_those_of_the_page_on_stability() -> None:
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))
    assert PROJECT["requires-python"] == f">=3.{named[0]}"
    assert named == [str(minor) for minor in range(int(named[0]), int(named[-1]) + 1)]
    stability = (ROOT / "docs/explanation/stability.md").read_text(encoding="utf-8")
    assert f"CPython 3.{named[0]} to 3.{named[-1]}, and 3.{named[-1]} free-threaded" in stability


# The changelog


def without_a_way(changes: str) -> list[str]:
    """The entries of what is changed or gone that do not say how to change over."""
    found = []
    for part in re.split(r"^### ", changes, flags=re.MULTILINE)[1:]:
        if part.startswith(("Changed", "Removed")):
            part = re.split(r"^## ", part, flags=re.MULTILINE)[0]
            entries = re.split(r"^- ", part, flags=re.MULTILINE)[1:]
            way = "*To change over:* "
            found += [each for each in entries if way not in " ".join(each.split())]
    return found


def test_each_change_says_how_to_change_over() -> None:
    assert without_a_way(CHANGES) == []
    assert CHANGES.partition("\n### Changed\n")[2].partition("\n### ")[0].count("\n- ") > 20


@pytest.mark.parametrize("part", ["Changed", "Removed"])
def test_one_that_does_not_is_seen(part: str) -> None:
    text = f"## [Unreleased]\n### Added\n- b\n### {part}\n- a is c. *To change\n  over:* d.\n- e\n"
    assert without_a_way(f"{text}## [0.1.0] - 2020-01-01\n### Fixed\n- f\n") == ["e\n"]


def test_the_newest_changes_are_those_of_the_version() -> None:
    named = re.findall(r"^## \[(.*?)\](?: - \d{4}-\d\d-\d\d)?$", CHANGES, re.MULTILINE)
    assert named[0] in ("Unreleased", PROJECT["version"])
    # What is not released yet is not called as what is.
    assert PROJECT["version"] not in named[1:]

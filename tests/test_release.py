"""What is said of a release in several places is the same in each."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import cowstate

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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

"""The page about what was found names each package with its release, and the extra installs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.hunt.pinned import PAGE, RELEASES, ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize("package", RELEASES)
def test_what_was_found_is_on_the_page_and_its_release_is_installed(package: str) -> None:
    assert f"`{package}` {RELEASES[package]} |" in PAGE
    assert re.search(rf"^## {package}: ", PAGE, re.MULTILINE)
    assert f"{package}=={RELEASES[package]}" in EXTRAS["hunt"]
    assert (Path(__file__).parent / f"test_{package}.py").is_file()


def test_there_is_nothing_on_the_page_without_a_test() -> None:
    told = set(re.findall(r"^## (\w+): ", PAGE, re.MULTILINE))
    assert told == set(RELEASES)
    assert any("hunt" in requirement for requirement in EXTRAS["test"])

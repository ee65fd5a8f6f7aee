"""Releases of other people's packages that `docs/adoptions` is about, and what its pages hold."""

from __future__ import annotations

import tomllib
import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

import pytest

from tests.pages import ROOT, run_page

EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "project"
]["optional-dependencies"]
RELEASES = {"kubernetes": "37.0.2", "python-binance": "1.0.37"}


def pinned(package: str, module: str) -> Any:
    """Import a module of one of these, or skip what asks for it, with a reason."""
    release = RELEASES[package]
    try:
        found = version(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed here", allow_module_level=True)
    if found != release:
        pytest.skip(f"this is about {package} {release}, not {found}", allow_module_level=True)
    with warnings.catch_warnings():
        # Theirs to see to, and no matter of ours.
        warnings.simplefilter("ignore", DeprecationWarning)
        return import_module(module)


def text_of(page: str) -> str:
    return (ROOT / "docs/adoptions" / f"{page}.md").read_text(encoding="utf-8")


@cache
def adapter(page: str) -> SimpleNamespace:
    """What the examples of a page leave behind."""
    return SimpleNamespace(**run_page(text_of(page), page))

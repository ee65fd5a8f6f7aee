"""Releases of other people's packages, in which a mistake was found: the tests are about these."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cowstate.errors import ScheduleError
from cowstate.testing import Model, NotLinearizableError, Scenario
from cowstate.testing.schedules import explore

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/bug-hunt.md").read_text(encoding="utf-8")
RELEASES = {
    "blinker": "1.9.0",
    "boltons": "26.2.0",
    "expiringdict": "1.2.2",
    "jinja2": "3.1.6",
    "limits": "5.8.0",
    "prometheus_client": "0.26.0",
    "urllib3": "2.8.0",
}


def pinned(module: str) -> ModuleType:
    """Import a module of one of these, or skip the test with a reason."""
    package = module.partition(".")[0]
    release = RELEASES[package]
    try:
        found = version(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed here: pip install 'cowstate[hunt]'")
    if found != release:
        pytest.skip(f"it was found in {package} {release}, and {found} is installed here")
    return import_module(module)


def told(
    scenario: Scenario, make: Callable[[], Any], module: str, model: Model[Any] | None = None
) -> list[str]:
    """What the calls of *scenario* are told in an order of its threads that breaks it; sorted."""
    pinned(module)
    with pytest.raises(ScheduleError) as caught:
        explore(scenario.program(make, model), modules=[module], reduction=False)
    error = caught.value.error
    assert isinstance(error, NotLinearizableError), error
    return sorted(str(call) for call in error.calls)


def passes(scenario: Scenario, make: Callable[[], Any], module: str) -> None:
    """Run every order of *scenario* within the bound; there must be more than two."""
    pinned(module)
    found = explore(scenario.program(make), modules=[module], reduction=False)
    assert found.complete
    assert found.schedules > 2

"""Every law of this folder fails on the bugs that it names."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from tests.worlds.staging import CAUGHT, Bug, logged

for name in (
    "callbacks",
    "costs",
    "delivery",
    "ends",
    "inside",
    "joint",
    "keys",
    "lock",
    "memory",
    "waiting",
):
    import_module(f"tests.worlds.test_{name}")
PAIRS = [(law, bug) for law, bugs in CAUGHT.items() for bug in bugs]


def named(value: object) -> str:
    if isinstance(value, Bug):
        return value.seed.__name__
    return str(getattr(value, "__name__", value)).removeprefix("test_")


@pytest.mark.parametrize(("law", "bug"), PAIRS, ids=named)
def test_a_seeded_bug_shows(
    law: Callable[[], object], bug: Bug, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug.seed(monkeypatch)
    if bug.hangs:
        monkeypatch.setattr("tests.standing.PATIENCE", 0.3)
    with (
        logged(),
        pytest.raises((Exception, pytest.fail.Exception), match=bug.said),
    ):
        law()

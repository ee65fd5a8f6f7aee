"""Every law of this folder fails on the bugs that it names."""

from __future__ import annotations

import re
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
def test_a_seeded_bug_shows(law: Callable[[], object], bug: Bug) -> None:
    # Some show only where two threads meet, which on a busy machine may take another try; and
    # which of a law's assertions is the first to fail depends on how the threads ran.
    said = [what_is_said(law, bug)]
    while len(said) < 3 and not re.search(bug.said, said[-1]):
        said.append(what_is_said(law, bug))
    assert any(said), "the law holds with the bug"


def what_is_said(law: Callable[[], object], bug: Bug) -> str:
    """What the law says with the bug; nothing if it holds."""
    with pytest.MonkeyPatch.context() as patch, logged():
        bug.seed(patch)
        if bug.hangs:
            patch.setattr("tests.standing.PATIENCE", 0.3)
        try:
            law()
        except (Exception, pytest.fail.Exception) as error:
            return str(error) or type(error).__name__
    return ""

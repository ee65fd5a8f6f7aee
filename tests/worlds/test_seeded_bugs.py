"""Every law of this folder fails on the bugs that it names."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module

import pytest

from tests.standing import HungError
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
    "past",
    "waiting",
):
    import_module(f"tests.worlds.test_{name}")
HUNG = "somebody waits for ever"
PAIRS = [(law, bug) for law, bugs in CAUGHT.items() for bug in bugs]


def named(value: object) -> str:
    if isinstance(value, Bug):
        return value.seed.__name__
    return str(getattr(value, "__name__", value)).removeprefix("test_")


@pytest.mark.parametrize(("law", "bug"), PAIRS, ids=named)
def test_a_seeded_bug_shows(law: Callable[[], object], bug: Bug) -> None:
    # Some show only where two threads meet, which on a busy machine may take another try.
    wanted = f"{bug.said}|{HUNG}" if bug.hangs else bug.said
    said = [what_is_said(law, bug)]
    while len(said) < 3 and not re.search(wanted, said[-1]):
        said.append(what_is_said(law, bug))
    assert re.search(wanted, said[-1]), f"with the bug the law says {said}"


def what_is_said(law: Callable[[], object], bug: Bug) -> str:
    """What the law says with the bug; nothing if it holds."""
    with pytest.MonkeyPatch.context() as patch, logged():
        bug.seed(patch)
        if bug.hangs:
            patch.setattr("tests.standing.PATIENCE", 0.3)
        try:
            law()
        except HungError as error:
            return f"{HUNG}: {error}"
        except (Exception, pytest.fail.Exception) as error:
            return str(error)
    return ""

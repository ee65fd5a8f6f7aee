"""Without hypothesis, what does not need it works, and what does says which extra brings it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cowstate.testing

WITHOUT = """
import sys
sys.modules["hypothesis"] = None
import cowstate.testing
from cowstate import MissingExtraError
"""


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + program],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_needs_no_hypothesis_works_without_it() -> None:
    program = """
from cowstate.testing import Call, ManualClock, Model, Recorder, check_linearizable, run_threads
recorder = Recorder()
box = recorder.wrap([])
run_threads(lambda: box.append(1), lambda: box.append(1))
print(len(check_linearizable(recorder.calls(), Model.sequential(list)).order))
"""
    assert python(program) == "2"


@pytest.mark.parametrize("name", ["explore_object", "StoreMachine", "stores"])
def test_what_needs_it_says_what_to_install(name: str) -> None:
    program = f"""
try:
    from cowstate.testing import {name}
except MissingExtraError as error:
    print(error.extra, error)
"""
    assert python(program).startswith("testing cowstate.testing.")
    assert python(program).endswith("pip install 'cowstate[testing]'")


def test_with_it_every_name_is_there() -> None:
    for name in cowstate.testing.__all__:
        assert getattr(cowstate.testing, name) is not None
    assert set(cowstate.testing.__all__) <= set(dir(cowstate.testing))
    with pytest.raises(AttributeError, match="has no attribute 'nothing_like_it'"):
        _ = cowstate.testing.nothing_like_it

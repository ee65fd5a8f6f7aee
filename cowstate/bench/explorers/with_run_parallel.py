"""pytest-run-parallel on the programs: a test that its plugin runs in several threads at once."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Any

import pytest

from .attempts import Attempt, cannot
from .programs import TRIALS, Trial

__all__ = ["by_stress", "test_program"]

_ROUNDS = 1_000
_VARIABLE = "COWSTATE_EXPLORERS_TRIAL"


class _Round:
    """One state, run by one thread for each body; who is last says whether it holds."""

    def __init__(self, trial: Trial) -> None:
        self.state = trial.make()
        self._left = len(trial.bodies)
        self._lock = threading.Lock()

    def is_last(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left == 0


class _Rounds:
    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.wrong = 0
        self.rounds = [_Round(trial) for _ in range(_ROUNDS)]


_rounds: list[_Rounds] = []


@pytest.fixture
def rounds() -> _Rounds:
    """Make what all threads share, which a fixture is for the plugin."""
    made = _Rounds(TRIALS[os.environ[_VARIABLE]])
    _rounds.append(made)
    return made


def test_program(rounds: _Rounds, thread_index: int, iteration_index: int) -> None:
    """Run one body of the program; be run by the plugin, in as many threads as it has bodies."""
    round_ = rounds.rounds[iteration_index]
    try:
        rounds.trial.bodies[thread_index](round_.state)
    finally:
        if round_.is_last() and not round_.state.holds():
            rounds.wrong += 1
            pytest.fail("it does not hold")


class _Watch:
    def __init__(self) -> None:
        self.reports: list[Any] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.reports.append(report)


def by_stress(trial: Trial) -> Attempt:
    """Run the program so many times, in threads of which the system says who goes on."""
    if trial.tasks:
        return cannot("it runs threads, each with a loop of its own")
    watch = _Watch()
    os.environ[_VARIABLE] = trial.name
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryDirectory() as root:
        pytest.main(
            [
                *("-p", "pytest_run_parallel.plugin", "-p", "no:cacheprovider", "-q"),
                *("-c", os.devnull, "--rootdir", root, "--capture", "no"),
                f"--parallel-threads={len(trial.bodies)}",
                f"--iterations={_ROUNDS}",
                __file__,
            ],
            plugins=[watch],
        )
    (report,) = watch.reports
    wrong = _rounds[-1].wrong
    return Attempt(
        "failed" if report.failed else "passed",
        _ROUNDS,
        report.duration,
        complete=False,
        said=f"{wrong} of {_ROUNDS} rounds went wrong" if report.failed else "",
    )

"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs/how-to/schedules.md"

HEAD = """
import threading
import pytest

class Counter:
    def __init__(self):
        self.n = 0
        self.lock = threading.Lock()

    def add(self):
        with self.lock:
            self.add_unlocked()

    def add_unlocked(self):
        n = self.n
        self.n = n + 1
"""

RIGHT = """
@pytest.mark.schedules
def test_adding():
    counter = Counter()
    def check():
        assert counter.n == 2
    return [counter.add, counter.add], check
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> object:
    pytester.makeconftest('pytest_plugins = ["cowstate.testing.plugin"]')
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")

    def run_it(source: str) -> pytest.RunResult:
        pytester.makepyfile(HEAD + source)
        return pytester.runpytest_subprocess("-q")

    return run_it


def test_a_right_program_passes_and_a_wrong_one_fails_with_its_schedule(run: object) -> None:
    result = run(RIGHT)  # type: ignore[operator]
    result.assert_outcomes(passed=1)
    result = run(RIGHT.replace("counter.add", "counter.add_unlocked"))  # type: ignore[operator]
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [r".*To run it again: replay\(program, '[AB]\d+ [AB]\d+\. [AB]', modules="]
    )
    result.stdout.fnmatch_lines(["*lost: *wrote Counter.n at *"])


def test_the_first_test_on_the_page_is_five_lines_and_finds_a_lost_hit(run: object) -> None:
    shown = re.findall(r"```text\n(@pytest.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (first,) = shown
    assert len(first.splitlines()) <= 5
    hit = first.replace("hits", "n").replace(".hit", ".add")
    run(hit).assert_outcomes(passed=1)  # type: ignore[operator]
    run(hit.replace(".add", ".add_unlocked")).assert_outcomes(failed=1)  # type: ignore[operator]


def test_options_fixtures_parameters_and_samples_are_heard(run: object) -> None:
    result = run("""
@pytest.fixture
def times():
    return 2

@pytest.mark.parametrize("method", ["add", "add_unlocked"])
@pytest.mark.schedules(preemptions=0)
def test_no_preemption(method, times):
    counter = Counter()
    def check():
        assert counter.n == times
    return [getattr(counter, method)] * times, check

@pytest.mark.schedules(["json"], samples=20, seed=3, depth=None)
def test_samples(record_property):
    counter = Counter()
    def check():
        assert counter.n == 2
    return [counter.add_unlocked] * 2, check

class TestInAClass:
    @pytest.mark.schedules
    def test_method(self):
        counter = Counter()
        return [counter.add], None
""")  # type: ignore[operator]
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*sample(seed=3, depth=None)*"])


@pytest.mark.parametrize("modules", ['"json.decoder"', 'modules="json.decoder"', "threading"])
def test_a_module_that_is_not_in_a_list_is_refused(run: object, modules: str) -> None:
    result = run(f"@pytest.mark.schedules({modules})" + RIGHT.replace("@pytest.mark.schedules", ""))  # type: ignore[operator]
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ArgumentTypeError: modules must be a list*for one write [[]*"])


def test_a_marked_test_that_returns_no_program_is_told_what_to_do(run: object) -> None:
    result = run("""
@pytest.mark.schedules
def test_nothing():
    pass
""")  # type: ignore[operator]
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*return [[]add, add[]], check*"])

"""Our explorer beside others: the page is made of the file, and ours says that again here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cowstate.bench.explorers import __main__ as command
from cowstate.bench.explorers import page, rounds
from cowstate.bench.explorers.attempts import Attempt, Explorer
from cowstate.bench.explorers.explorers import EXPLORERS, OURS
from cowstate.bench.explorers.programs import TRIALS, Trial
from cowstate.bench.explorers.rounds import Run
from cowstate.bench.measure import gil_enabled
from cowstate.errors import ArgumentValueError

ROOT = Path(__file__).resolve().parents[2]
STORED = rounds.read(page.DOCS / page.FILE)
TEXT = (page.DOCS / page.PAGE).read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- table: ([^>]+?) -->\n.*?<!-- end -->", re.DOTALL)
FIGURE = re.compile(r"\b\d[\d.,]*\s*(?:schedules|times|ms|us|s|seconds|rounds|runs)\b")
PYTHON = f"CPython {sys.version_info.major}.{sys.version_info.minor}."

trials = pytest.mark.parametrize("trial", TRIALS.values(), ids=TRIALS)


def test_the_tables_of_the_page_are_those_of_the_file() -> None:
    assert page.rendered(TEXT, STORED) == TEXT, "run python -m cowstate.bench.explorers"


def test_each_table_stands_on_the_page_once_and_no_figure_is_typed_by_hand() -> None:
    assert sorted(match[1] for match in BLOCK.finditer(TEXT)) == sorted(page.BLOCKS)
    assert FIGURE.findall(BLOCK.sub("", TEXT)) == []


def test_all_explorers_were_given_all_programs() -> None:
    assert list(STORED.attempts) == list(EXPLORERS)
    for of in STORED.attempts.values():
        assert list(of) == list(TRIALS)
    assert {"machine", "python", "packages", "load", "load afterwards", "date", "rounds"} <= set(
        STORED.conditions
    )


def test_the_extra_installs_the_releases_that_the_page_is_about() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {each.partition(";")[0].strip() for each in project["optional-dependencies"]["peers"]}
    named = {f"{name}=={release}" for name, release in STORED.conditions["packages"].items()}
    assert named == {each for each in pinned if not each.startswith("pytest>")}
    assert set(STORED.conditions["packages"]) == {e.package for e in EXPLORERS.values()} - {""}


@trials
def test_ours_says_what_the_page_says_in_as_many_schedules(trial: Trial) -> None:
    again = EXPLORERS[OURS].attempt(trial)
    for stored in STORED.attempts[OURS][trial.name]:
        assert again.verdict == stored.verdict
        # A store has another path where there is no GIL.
        if gil_enabled() or trial.name != "update of a store":
            assert again.schedules == stored.schedules
        assert (again.complete, again.replayed) == (stored.complete, stored.replayed)


@pytest.mark.skipif(
    not STORED.conditions["python"].startswith(PYTHON), reason="of another release's instructions"
)
@trials
def test_so_it_does_by_instructions(trial: Trial) -> None:
    name = "cowstate, instructions"
    again = EXPLORERS[name].attempt(trial)
    for stored in STORED.attempts[name][trial.name]:
        assert (again.verdict, again.schedules) == (stored.verdict, stored.schedules)


@trials
def test_what_goes_wrong_is_found_and_what_is_right_passes(trial: Trial) -> None:
    by_lines, by_instructions = (
        STORED.attempts[name][trial.name][0] for name in (OURS, "cowstate, instructions")
    )
    # Both accesses are in one line, and a line is one step.
    missed = trial.name == "lost update, one line"
    assert by_lines.verdict == ("failed" if trial.wrong and not missed else "passed")
    if not trial.tasks:
        assert by_instructions.verdict == ("failed" if trial.wrong else "passed")
    for each in (by_lines, by_instructions):
        assert each.replayed is (True if each.verdict == "failed" else None)
        assert each.complete is (True if each.verdict == "passed" else None)


def test_three_preemptions_are_what_that_program_takes() -> None:
    trial = TRIALS["three preemptions"]._replace(preemptions=2)
    assert EXPLORERS[OURS].attempt(trial).verdict == "passed"


def test_another_verdict_and_another_time_make_another_page() -> None:
    lock = Attempt("failed", 2, 0.5)
    ours = {**STORED.attempts[OURS], "lock": [lock]}
    changed = page.rendered(TEXT, Run(STORED.conditions, {**STORED.attempts, OURS: ours}))
    assert "| lock, which is right | **wrong alarm**, 2 |" in changed
    assert "| lock, which is right | 500 ms (500 ms) |" in changed


@pytest.mark.parametrize("busy", [True, False])
def test_the_page_says_so_if_the_machine_was_busy(busy: bool) -> None:
    where = {**STORED.conditions, "load": [9.5 if busy else 0.5], "load afterwards": [1.0]}
    text = page.rendered(TEXT, Run(where, STORED.attempts))
    assert ("no figures to quote" in text) is busy


@pytest.mark.parametrize(
    ("name", "attempts", "said"),
    [
        ("lock", [], "-"),
        ("lock", [Attempt("cannot")], "-"),
        ("lock", [Attempt("passed", 2, 0.1, complete=True)], "right, all 2"),
        ("lock", [Attempt("passed", 1500, 0.1, complete=False)], "right, 1,500"),
        ("lock", [Attempt("hung"), Attempt("hung")], "**hangs**"),
        ("lock", [Attempt("undecided", 1, 5.0)], "**undecided**, 1"),
        ("condition, missed", [Attempt("failed", 4, 0.1)], "found, 4"),
        ("condition, missed", [Attempt("passed", 4, 0.1, complete=True)], "**missed**, all 4"),
        (
            "condition, missed",
            [Attempt("passed", 9, 0.1), Attempt("failed", 9, 0.1), Attempt("passed", 9, 0.1)],
            "found in 1 of 3, 9",
        ),
        ("condition, missed", [Attempt("hung"), Attempt("passed", 9)], "**hangs** in 1 of 2"),
    ],
)
def test_a_cell_says_what_is_right_and_what_is_not(
    name: str, attempts: list[Attempt], said: str
) -> None:
    assert page.verdict_of(TRIALS[name], attempts) == said


def test_what_was_measured_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = Run({"python": "one"}, {OURS: {"lock": [Attempt("passed", 2, 0.12344, complete=True)]}})
    rounds.write(tmp_path / "file.json", run)
    run.attempts[OURS]["lock"][0].seconds = 0.1234
    assert rounds.read(tmp_path / "file.json") == run
    with pytest.raises(ArgumentValueError, match="explorers measure, in a checkout"):
        rounds.read(tmp_path / "none.json")


def test_a_program_is_tried_in_a_process_of_its_own_and_ended_if_it_hangs() -> None:
    trial, explorer = TRIALS["lock"], EXPLORERS[OURS]
    assert rounds.apart(explorer, trial).schedules == explorer.attempt(trial).schedules
    sleeps = (
        "import time; from cowstate.bench.explorers import explorers, rounds;"
        "ours = explorers.EXPLORERS['cowstate'];"
        "ours = ours._replace(limit_s=0.1, attempt=lambda trial: time.sleep(600));"
        "rounds.limited(ours, None)"
    )
    waits = ("-c", sleeps)
    hung = rounds.apart(explorer._replace(started=waits), trial)
    assert (hung.verdict, hung.seconds) == ("hung", None)
    fails = ("-c", "import sys; sys.exit('no such thing')")
    with pytest.raises(ArgumentValueError, match="no such thing"):
        rounds.apart(explorer._replace(started=fails), trial)


def test_each_round_tries_all_and_what_takes_long_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def apart(explorer: Explorer, trial: Trial) -> Attempt:
        return Attempt("passed", 1, 9.0 if explorer.name == "long" else 1.0)

    monkeypatch.setattr(rounds, "apart", apart)
    ours = EXPLORERS[OURS]
    several = [
        ours,
        ours._replace(name="long"),
        ours._replace(name="none", package="none-such-package"),
    ]
    asked: list[str] = []
    run = rounds.measured(3, asked.append, several, [TRIALS["lock"]])
    assert {name: len(of["lock"]) for name, of in run.attempts.items()} == {OURS: 3, "long": 1}
    assert len(asked) == 4


def test_the_command_measures_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / page.PAGE).write_text(BLOCK.sub(r"<!-- table: \1 -->\n<!-- end -->", TEXT))
    monkeypatch.setattr(command, "measured", lambda count, tell: STORED)
    assert command.main(["measure", "--rounds", "2", "--docs", str(tmp_path)]) == 0
    assert (tmp_path / page.PAGE).read_text(encoding="utf-8") == TEXT
    assert rounds.read(tmp_path / page.FILE) == STORED
    (tmp_path / page.PAGE).write_text(BLOCK.sub(r"<!-- table: \1 -->\n<!-- end -->", TEXT))
    assert command.main(["--docs", str(tmp_path)]) == 0
    assert (tmp_path / page.PAGE).read_text(encoding="utf-8") == TEXT


def test_without_the_others_ours_is_tried_all_the_same() -> None:
    program = (
        "import sys\n"
        "for name in ('frontrun', 'interleave_test', 'simloom', 'pytest'):\n"
        "    sys.modules[name] = None\n"
        "from cowstate.bench.explorers.__main__ import main\n"
        "main(['try', 'cowstate', 'lock'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert '"verdict":"passed"' in done.stdout, done.stderr

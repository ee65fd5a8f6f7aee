"""A run from start to end, once with real tests of a small project, and else without any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

import tests.mutation.__main__ as command
from tests.mutation import trial
from tests.mutation.explained import Key, ListError, as_entry, explained, stale
from tests.mutation.killers import NEAR, stages_of
from tests.mutation.killers_of_positions import POSITIONS
from tests.mutation.trial import Stage, UnfitError
from tests.mutation.watch import NONE

LATER = "def later(a, b):\n    return a if a > b else b\n"
COUNT = "def count(n):\n    while n > 0:\n        n -= 1\n    return n\n"
TEST = "from cowstate.pure import count, later\n\n\ndef test_both():\n"
PROJECT = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "cowstate/__init__.py": "",
    "cowstate/pure.py": LATER + COUNT,
    "tests/test_pure.py": TEST + "    assert (later(2, 3), later(3, 2), count(2)) == (3, 3, 0)\n",
}
PURE = ["--module", "cowstate/pure.py", "--jobs", "1"]
RETURNED = "return a if a > b else b"
SAME = Key("cowstate/pure.py", "later", f"{RETURNED} | a > b -> a >= b")
KILLED = SAME._replace(change=f"{RETURNED} -> None")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    explain(tmp_path, {})
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "explained", lambda: explained(tmp_path / "explained.toml"))
    monkeypatch.setattr(trial, "SPARE", 2.0)
    return tmp_path


def explain(project: Path, reasons: dict[Key, str]) -> None:
    entries = [as_entry(key, why) for key, why in reasons.items()]
    (project / "explained.toml").write_text("\n".join(entries))


class Judge:
    """Stands in for a workshop: a mutant survives if it is the one that changes nothing."""

    def __init__(self, root: Path, scratch: Path) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def warm(self, files: Sequence[str]) -> None:
        pass

    def time(self, files: Sequence[str]) -> Stage:
        return Stage(files, NONE)

    def killer(self, module: str, text: str, stages: Sequence[Stage]) -> tuple[int, bool] | None:
        return None if "a >= b" in text else (len(stages) - 1, False)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Workshop", Judge)


def test_a_run_tells_who_killed_how_many_and_who_is_alive(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*PURE, "--jobs", "2", "--least", "100"]) == 1
    out = capsys.readouterr().out
    assert as_entry(SAME) in out
    assert out.count("[[equivalent]]") == 2  # the other: to count a zero down, or not
    row = next(line.split() for line in out.splitlines() if line.startswith("all "))
    mutants, near, others, limit, alive = map(int, row[1:6])
    assert (others, alive) == (0, 2)
    assert limit >= 1  # to count up has no end
    assert mutants == near + limit + alive
    assert command.main(["--module", "cowstate/none.py"]) == 2
    (project / "tests/test_pure.py").write_text(TEST + "    assert later(3, 2) == 2\n")
    with (
        pytest.raises(UnfitError, match="as it is"),
        trial.Workshop(project, project / "scratch") as workshop,
    ):
        workshop.time(["tests/test_pure.py"])


@pytest.mark.usefixtures("judge")
def test_a_survivor_ends_it_with_1_until_it_is_explained(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*PURE, "--least", "99"]) == 1
    assert as_entry(SAME) in capsys.readouterr().out
    assert command.main([*PURE, "--least", "50"]) == 0
    explain(project, {SAME: "Of equals, either is the later."})
    assert command.main([*PURE, "--least", "100"]) == 0
    assert "100.0 %" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.usefixtures("judge")
def test_who_asks_the_nearest_alone_hears_of_no_others(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "tests/test_other.py").write_text("")

    def killed(*argv: str) -> tuple[int, int]:
        command.main([*PURE, *argv])
        out = capsys.readouterr().out
        row = next(line.split() for line in out.splitlines() if line.startswith("all "))
        return int(row[2]), int(row[3])

    assert killed()[0] == 0
    assert killed("--near") == killed()[::-1]


@pytest.mark.usefixtures("judge")
def test_a_list_that_says_too_much_ends_it_with_1(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(project, {SAME._replace(function="earlier"): "Gone."})
    assert command.main([*PURE, "--least", "0"]) == 1
    assert "on the list, and no mutant" in capsys.readouterr().out
    explain(project, {SAME: "The same.", KILLED: "Not so."})
    assert command.main(PURE) == 0
    assert command.main([*PURE, "--explained"]) == 1
    assert f"on the list, and killed: {KILLED}" in capsys.readouterr().out


@pytest.mark.usefixtures("judge")
def test_a_sample_is_as_large_as_said_and_the_same_for_the_same_seed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(*argv: str) -> list[str]:
        assert command.main([*PURE, "--list", *argv]) == 0
        return capsys.readouterr().out.splitlines()

    everything = listed()
    assert listed("--sample", "100") == everything
    some = listed("--sample", "3")
    assert len(some) == 3
    assert set(some) < set(everything)
    assert listed("--sample", "3", "--seed", "0") == some
    assert len(listed("--only", "later")) == 4


def test_what_is_on_the_list_has_a_reason_and_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    quoted = SAME._replace(change="return 'ü' -> \"\\\"")
    path.write_text(as_entry(SAME, "It is the same.") + as_entry(quoted, "So."))
    assert explained(path) == {SAME: "It is the same.", quoted: "So."}
    for wrong in (as_entry(SAME), 2 * as_entry(SAME, "Why?"), '[[equivalent]]\nwhy = "Why?"\n'):
        path.write_text(wrong)
        with pytest.raises(ListError):
            explained(path)
    other = SAME._replace(module="cowstate/other.py")
    assert stale([SAME, other], [SAME.module], []) == [SAME]
    assert stale([SAME], [SAME.module], [SAME]) == []
    assert explained()


def test_the_nearest_tests_come_first_and_each_of_them_once() -> None:
    tests = Path(__file__).parents[1]
    for module in command.core():
        stages = stages_of(module, tests, thorough=True)
        files = [file for stage in stages for file in stage]
        assert len(files) == len(set(files))
        assert all((command.ROOT / file).exists() for file in files)
        assert len(stages) >= 2
    assert stages_of("cowstate/maps.py", tests)[0] == [
        "tests/test_maps.py",
        "tests/test_deferral.py",
    ]
    assert stages_of("cowstate/positions/book/orders.py", tests)[0] == [
        "tests/positions/book/test_orders.py",
        "tests/positions/book/test_slots.py",
        "tests/positions/book/test_user_stream.py",
    ]


def test_what_the_list_of_nearest_tests_names_exists() -> None:
    # A name that is none is passed over in a run, and then the nearest tests are not asked.
    tests = Path(__file__).parents[1]
    named = {*POSITIONS, *(name for near in NEAR.values() for name in near)}
    there = {name for name in named if (tests / name).is_dir() or (tests / f"{name}.py").exists()}
    assert named - there == set()
    assert [module for module in NEAR if not (command.ROOT / module).exists()] == []

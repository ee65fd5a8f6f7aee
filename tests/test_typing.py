"""What users' type checkers see: the types in ``typing/``, the mistakes in ``typing_mistakes/``."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CASES = sorted((TESTS / "typing").glob("*.py"))
MISTAKES = TESTS / "typing_mistakes" / "mistakes.py"
CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-error-summary"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}
VERSION = {"mypy": "--python-version", "pyright": "--pythonversion"}
# What a line is said to be wrong with: ``file:12: error`` and ``file:12:5 - error``.
ERROR = re.compile(r"mistakes\.py:(\d+)(?::\d+)?(?: -|:) error")


@pytest.fixture(params=CHECKERS)
def checker(request: pytest.FixtureRequest) -> list[str]:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed here")
    return CHECKERS[request.param]


def check(checker: list[str], path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *checker, str(path)],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", ["3.11", "3.13"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_inferred_types_are_as_written(checker: list[str], path: Path, version: str) -> None:
    result = check([*checker, VERSION[checker[0]], version], path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_wrong_type_would_be_seen(checker: list[str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from typing import assert_type\n"
        "from cowstate import Store\n"
        "assert_type(Store({'a': 1}).snapshot()['a'], str)\n"
    )
    result = check(checker, wrong)
    assert result.returncode != 0
    assert "int" in result.stdout


def marked(checker: str, version: str) -> set[int]:
    """The lines that are mistakes for a type checker that checks for *version*."""
    marks = ("# wrong", f"# wrong from {version}", f"# wrong for {checker}")
    lines = enumerate(MISTAKES.read_text().splitlines(), 1)
    return {number for number, line in lines if line.endswith(marks)}


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_mistakes_are_found_and_nothing_else(checker: list[str], version: str) -> None:
    result = check([*checker, VERSION[checker[0]], version], MISTAKES)
    found = {int(number) for number in ERROR.findall(result.stdout)}
    assert found == marked(checker[0], version), result.stdout + result.stderr


def test_there_are_mistakes_of_each_kind() -> None:
    everywhere = marked("pyright", "3.11")
    assert len(everywhere) > 20
    assert len(marked("pyright", "3.13") - everywhere) > 3
    assert len(marked("mypy", "3.11") - everywhere) == 1


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_programs_of_users_are_checked(checker: str) -> None:
    # By `.ci/run typing`, with the package, in one go.
    config = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    settings = config["tool"][checker]
    programs = (TESTS / "worlds" / "programs").glob("*.py")
    assert {
        f"tests/worlds/programs/{each.name}" for each in programs if each.stem[:5] != "test_"
    } <= {
        *settings.get("files", ()),
        *settings.get("include", ()),
    }


def test_the_package_says_that_it_is_typed() -> None:
    import cowstate

    assert (Path(cowstate.__file__).parent / "py.typed").is_file()

"""What users' type checkers see: the types that ``typing/`` states are mypy's."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CASES = sorted((TESTS / "typing").glob("*.py"))

needs_mypy = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="mypy is not installed here"
)


def mypy(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_mypy
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_inferred_types_are_as_written(path: Path) -> None:
    result = mypy(path)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_mypy
def test_a_wrong_type_would_be_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from typing import assert_type\n"
        "from cowstate import Store\n"
        "assert_type(Store({'a': 1}).snapshot()['a'], str)\n"
    )
    result = mypy(wrong)
    assert result.returncode != 0
    assert "int" in result.stdout


def test_the_package_says_that_it_is_typed() -> None:
    import cowstate

    assert (Path(cowstate.__file__).parent / "py.typed").is_file()

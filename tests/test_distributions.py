"""What CI asks of the distributions and of the releases that it pins: each fault is seen.

The programs are in ``.ci``, and run here as CI runs them, on a small tree and with a service that
says what it is told to.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.commanding import ROOT, posix

PINS = ROOT / ".ci/constraints.txt"


def ran(program: str, *arguments: object) -> tuple[int, str]:
    run = [sys.executable, str(ROOT / ".ci" / program), *map(str, arguments)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


# Known faults


def service(folder: Path, dependencies: Any) -> Path:
    """A `pip-audit` that gives this answer, whatever it is asked."""
    program = folder / "pip-audit"
    said = json.dumps({"dependencies": dependencies})
    program.write_text(f"#!{sys.executable}\nprint({said!r})\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@posix
def test_a_known_fault_of_a_release_ends_it_with_1(tmp_path: Path) -> None:
    fault = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
    program = service(tmp_path, [{"name": "a", "version": "1.0", "vulns": [fault]}])
    assert ran("audit.py", program, PINS) == (1, "a 1.0: PYSEC-1, mended in ['1.1']\n")
    program = service(tmp_path, [{"name": "a", "version": "1.0", "vulns": []}])
    assert ran("audit.py", program, PINS) == (0, "1 releases, none with a known fault\n")


@posix
@pytest.mark.parametrize(
    ("dependencies", "why"),
    [
        ([], "not a word"),
        ([{"name": "a", "skip_reason": "not found"}], "not found"),
        (None, "it said nothing"),
    ],
)
def test_who_cannot_be_asked_is_told_in_a_line(dependencies: Any, why: str, tmp_path: Path) -> None:
    program = service(tmp_path, dependencies)
    if dependencies is None:
        program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    told = f"-- no advisory service to be had here: nothing was audited ({why})\n"
    assert ran("audit.py", program, PINS) == (0, told)


# Pins


def test_each_release_is_pinned_exactly_and_as_the_extras_pin_it() -> None:
    lines = [each for each in PINS.read_text().splitlines() if not each.startswith("#")]
    pinned = [re.fullmatch(r"([a-z0-9-]+)==([\w.]+)( ; .+)?", each) for each in lines]
    assert all(pinned)
    found = {(each[1], each[2]) for each in pinned if each is not None}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras, left_out = text.split("\npeers = [")  # which are installed on request alone
    extras += left_out.partition("\n]\n")[2]
    ours = {
        (name.lower().replace("_", "-"), version)
        for name, version in re.findall(r'"([\w-]+)(?:\[\w+\])?==([\w.]+)', extras)
    }
    assert len(ours) > 10
    assert ours <= found


# Distributions

TREE = {
    "cowstate/__init__.py": "", "cowstate/py.typed": "", "cowstate/web/page/index.html": "",
    "cowstate/web/page/page.js": "", "tests/test_a.py": "", "LICENSE": "", "README.md": "",
}  # fmt: skip
ABOUT = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")


def told_of(folder: Path, more: dict[str, str], less: set[str]) -> tuple[int, str]:
    """Compare a small tree with distributions that have more or less in them."""
    for name in TREE:
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "dist").mkdir()
    names = [*({*TREE} - less), *more]
    with zipfile.ZipFile(folder / "dist/cowstate-1.0-py3-none-any.whl", "w") as wheel:
        for name in (each for each in names if each.startswith("cowstate/")):
            wheel.writestr(name, "")
        for name in ABOUT:
            wheel.writestr(f"cowstate-1.0.dist-info/{name}", "")
    with tarfile.open(folder / "dist/cowstate-1.0.tar.gz", "w:gz") as source:
        for name in [*names, "PKG-INFO"]:
            entry = tarfile.TarInfo(f"cowstate-1.0/{name}")
            if more.get(name):
                entry.type, entry.linkname = tarfile.SYMTYPE, more[name]
            source.addfile(entry, BytesIO())
    return ran("contents.py", folder / "tree", folder / "dist")


def test_distributions_of_the_tree_are_as_they_should_be(tmp_path: Path) -> None:
    assert told_of(tmp_path, {}, set()) == (0, "9 files in the wheel, 8 in the source\n")


@pytest.mark.parametrize(
    ("more", "less", "told"),
    [
        ({"cowstate/keys.toml": ""}, set(), "wheel: cowstate/keys.toml does not belong there"),
        ({"notes.txt": ""}, set(), "source: notes.txt does not belong there"),
        ({"tests/link.py": "/etc/passwd"}, set(), "source: cowstate-1.0/tests/link.py is no file"),
        ({}, {"cowstate/web/page/page.js"}, "wheel: cowstate/web/page/page.js is missing"),
        ({}, {"tests/test_a.py"}, "source: tests/test_a.py is missing"),
    ],
)
def test_what_is_too_much_or_missing_is_told(
    more: dict[str, str], less: set[str], told: str, tmp_path: Path
) -> None:
    status, said = told_of(tmp_path, more, less)
    assert status == 1
    assert told in said.splitlines()

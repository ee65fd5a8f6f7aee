"""Inputs that are led by coverage: atheris, which is libFuzzer for Python.

It needs ``pip install atheris``, which there is for CPython up to 3.13 on Linux and macOS. What it
gives are bytes, and choices are read from them: what it finds out of a byte is what was chosen.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

from tests.hostile.drawing import Drawn

__all__ = ["covered"]


def covered(name: str, inputs: int, seconds: float) -> NoReturn:
    """Knock at a door for as many inputs; libFuzzer ends the process, and tells what broke."""
    import atheris

    for module in [each for each in sys.modules if each.partition(".")[0] in ("cowstate", "tests")]:
        if module not in ("tests", "tests.hostile", __name__):
            del sys.modules[module]  # to be imported anew, and watched
    with atheris.instrument_imports(include=["cowstate"]):
        doors = importlib.import_module("tests.hostile.doors")
    options = [f"-runs={inputs}", f"-max_total_time={min(int(seconds), 10**6)}", "-timeout=60"]
    with doors.DOORS[name].opened() as knock:
        atheris.Setup(
            [sys.argv[0], *options, "-rss_limit_mb=3072", "-max_len=2048", "-len_control=0"],
            lambda data: _knocked(knock, data),
        )
        atheris.Fuzz()
    raise SystemExit(0)


def _knocked(knock: object, data: bytes) -> None:
    knock(Drawn(data))  # type: ignore[operator]

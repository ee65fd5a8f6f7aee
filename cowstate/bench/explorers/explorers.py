"""All explorers, each in the ways of using it that its documents name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from . import ours, with_frontrun, with_interleave, with_simloom
from .attempts import Attempt, Explorer
from .programs import Trial

__all__ = ["EXPLORERS", "OURS", "installed"]


def _by_stress(trial: Trial) -> Attempt:
    # It brings pytest along, which what is here can be looked at without.
    from .with_run_parallel import by_stress

    return by_stress(trial)


# Under its command, and with its locks in place before anything that makes one is imported, which
# its plugin for pytest sees to. What follows, "-m" and this package, is left to the second line.
_LOCKS_FIRST: Final = (
    "import runpy, sys, frontrun._cooperative as locks; locks.patch_locks(); "
    "module, sys.argv = sys.argv[2], sys.argv[2:]; runpy.run_module(module, run_name='__main__')"
)
_FRONTRUN: Final = (
    *("-c", "import sys, frontrun.cli as cli; sys.exit(cli.main(sys.argv[1:]))"),
    *(sys.executable, "-c", _LOCKS_FIRST),
)

OURS: Final = "cowstate"
"""The one that the others are compared with."""

EXPLORERS: Final[Mapping[str, Explorer]] = {
    each.name: each
    for each in (
        Explorer(OURS, "", "cowstate", "`explore`, `explore_tasks`", ours.by_lines),
        Explorer(
            "cowstate, instructions",
            *("", "cowstate", '`explore(every="instruction")`'),
            ours.by_instructions,
        ),
        Explorer(
            "frontrun",
            *("frontrun", "frontrun", '`explore(clock="virtual")`'),
            with_frontrun.by_dpor,
            started=_FRONTRUN,
        ),
        Explorer(
            "frontrun, random",
            *("frontrun", "frontrun", '`explore(strategy="random", clock="virtual")`'),
            with_frontrun.at_random,
            started=_FRONTRUN,
        ),
        Explorer(
            "interleave-test, lines",
            *("interleave-test", "interleave_test"),
            '`explore(strategy="dfs", granularity="line")`',
            with_interleave.by_lines,
        ),
        Explorer(
            "interleave-test, instructions",
            *("interleave-test", "interleave_test", '`explore(strategy="dfs")`'),
            with_interleave.by_instructions,
        ),
        Explorer(
            "interleave-test, random",
            *("interleave-test", "interleave_test", "`explore`"),
            with_interleave.at_random,
        ),
        Explorer("simloom", "simloom", "simloom", "`explore_systematic`", with_simloom.by_delays),
        Explorer(
            "pytest-run-parallel",
            *("pytest-run-parallel", "pytest_run_parallel.plugin"),
            "`--parallel-threads`, `--iterations`",
            _by_stress,
            limit_s=60.0,
            same_again=False,
        ),
    )
}
"""By name; ours first."""


def installed(explorer: Explorer) -> str:
    """Return its release, or an empty string where it is not installed; "ours" for ours.

    >>> installed(EXPLORERS[OURS])
    'ours'
    """
    if not explorer.package:
        return "ours"
    try:
        return version(explorer.package)
    except PackageNotFoundError:
        return ""

"""Running tests against mutants, each in a scratch copy of the project, within limits."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.mutation.watch import LOOK, Limits, Watch

COPIED = ("cowstate", "tests", "docs", "pyproject.toml", "README.md")
NURSERY = Path(__file__).with_name("nursery.py")
TIMES = 5
SPARE = 5.0  # seconds that any stage may take beyond that many times what it takes unmutated
PATIENCE = 4  # how many times that is waited, by the clock: others may be at work on the machine
USUAL = [
    *("-x", "-q", "--tb=line"),
    # What killed the last mutant is asked first: the next one stands beside it.
    *("--failed-first", "-o", "cache_dir=.killers"),
    # The nursery has imported a plugin that pytest would have imported in its own way.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
]
PASSED, COLLECTED_NOTHING = 0, 5


class Stage(NamedTuple):
    """Test files that are run together, and what they may take."""

    files: Sequence[str]
    limits: Limits


class UnfitError(Exception):
    """The tests do not pass, or do not run, on the module as it is."""


class Workshop:
    """A scratch copy of the project, in which one module at a time is another one.

    Use it in a ``with``, for it has a process.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        self._home = scratch / "project"
        self._output = scratch / "output"
        for name in COPIED:
            source, target = root / name, self._home / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy2(source, target)
        # What the one who starts us has set for its own Python and pytest is not for these.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PY")}
        self._nursery = subprocess.Popen(
            [sys.executable, "-P", NURSERY],
            cwd=self._home,
            env=kept | {"CI": "true", "HYPOTHESIS_PROFILE": "whether"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._orders, self._answers = self._nursery.stdin, self._nursery.stdout

    def warm(self, files: Sequence[str]) -> None:
        """Have Python compile all tests, and hypothesis read all modules, which it keeps; run some.

        What happens once must not count as what a stage takes.
        """
        self._run(["--collect-only", "tests"], Watch(), compiles=True)
        self._run(files, Watch())

    def time(self, files: Sequence[str]) -> Stage:
        """Return the stage of *files* with a limit, from a run on the package as it is.

        Raises:
            UnfitError: they do not pass.
        """
        taken = Watch()
        if self._run(files, taken) != PASSED:
            said = self._output.read_text(encoding="utf-8", errors="replace")
            raise UnfitError(f"{', '.join(files)} on the package as it is: {said[-2000:]}")
        return Stage(files, taken.limits(TIMES, SPARE, PATIENCE))

    def killer(self, module: str, text: str, stages: Sequence[Stage]) -> tuple[int, bool] | None:
        """Return the number of the stage that kills *module* with *text*, and whether by its limit.

        None if it survives.
        """
        with self._mutated(module, text):
            for number, stage in enumerate(stages):
                status = self._run(stage.files, Watch(stage.limits))
                if status != PASSED:
                    return number, status is None
        return None

    @contextmanager
    def _mutated(self, module: str, text: str) -> Iterator[None]:
        path = self._home / module
        before = path.read_text(encoding="utf-8")
        # Compiled anew in each process: what is cached is told from the text by a second's stamp.
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
        path.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")

    def _run(self, args: Sequence[str], watch: Watch, *, compiles: bool = False) -> int | None:
        """Run pytest; return its status, None where a limit ended it."""
        order = {
            "args": [*USUAL, *args],
            "output": str(self._output),
            "environment": {} if compiles else {"PYTHONDONTWRITEBYTECODE": "1"},
            "alarm": watch.alarm(),
        }
        self._orders.write(json.dumps(order).encode() + b"\n")
        number = int(self._answers.readline())
        try:
            while not select.select([self._answers], [], [], LOOK)[0]:
                if watch.is_over(number):
                    with suppress(ProcessLookupError):  # it has just ended
                        os.killpg(number, signal.SIGKILL)
                    self._answers.readline()
                    return None
        except BaseException:
            self._nursery.kill()
            with suppress(ProcessLookupError):  # it may be about to make its session
                os.killpg(number, signal.SIGKILL)
            raise
        status = int(self._answers.readline())
        if status == COLLECTED_NOTHING:
            raise UnfitError(f"{', '.join(args)}: there is no test in it")
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._orders.close()
        self._nursery.wait()
        self._answers.close()

"""A process that has imported what all tests need, but nothing of the package, and forks.

Told on its input, as a line of JSON, with what arguments pytest is to be called, it says the
number of a child that does so, and then, when that has ended, its status. The child leads a
session of its own, so that whoever has waited too long can end it with all that it has started.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import resource
import signal
import sys
import traceback
from contextlib import redirect_stdout, suppress

import pytest

NEEDED = ["attrs", "hypothesis.strategies", "immutables", "msgspec", "pyrsistent", "rich"]
MEMORY = 4 << 30  # bytes, for a mutant that grows without an end


def prepare() -> None:
    for name in NEEDED:
        with suppress(ImportError):
            importlib.import_module(name)
    # Has pytest import its plugins as it wants them, and no conftest, which imports the package.
    with redirect_stdout(io.StringIO()):
        pytest.main(["--version", "--noconftest", "-c", os.devnull])


def child(args: list[str], output: str, environment: dict[str, str], alarm: int) -> int:
    os.setsid()
    signal.alarm(alarm)  # for when whoever should end it has been ended
    # Whoever started all this may have it ignored, and the tests of Ctrl-C with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stands_for in ((0, nothing), (1, file), (2, file)):
        os.dup2(stands_for, number)
    os.environ.update(environment)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    return int(pytest.main(args))


def main() -> None:
    prepare()
    say = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        order = json.loads(line)
        number = os.fork()
        if not number:
            status = 3
            try:
                status = child(**order)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        print(number, file=say)
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), file=say)


if __name__ == "__main__":
    main()

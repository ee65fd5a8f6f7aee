"""The page that leads in five minutes to a grid that runs: what is to be pasted does what it says.

The commands are run as they stand, in a shell, in processes of their own, and what the page shows
is asked for over HTTP. Only what installs the package is left out, and the package at hand put in
its place; unless ``$COWSTATE_CHECKOUT`` is a checkout in which all of it is to be done.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.commanding import COMMAND, ROOT, SECONDS, environment, posix
from tests.pages import FENCE
from tests.web.serving import browsing, client_of

PAGE = (ROOT / "docs/tutorial/five-minutes.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:8642/"
CHECKOUT = os.environ.get("COWSTATE_CHECKOUT")


class Steps(NamedTuple):
    install: str
    trade: str
    watch: str
    doubt: str
    go_on: str


STEPS = Steps(*(found["body"] for found in FENCE.finditer(PAGE) if found["language"] == "sh"))


class Place:
    """Where it is pasted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What is installed is to be used, and nothing that is at hand.
        self.environment = {k: v for k, v in environment().items() if k != "PYTHONPATH"}

    def run(self, pasted: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-c", pasted],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    @contextmanager
    def terminal(self, pasted: str) -> Iterator[subprocess.Popen[str]]:
        """Paste it in a terminal of its own, which is closed at the end."""
        with self.run(pasted) as process:
            try:
                yield process
            finally:
                close(process)

    def done(self, pasted: str) -> tuple[int, str]:
        """Paste it, and wait for its end; return its status and what it printed."""
        with self.terminal(pasted) as process:
            told, _ = process.communicate(timeout=SECONDS)
            return process.returncode, told


def close(process: subprocess.Popen[str]) -> None:
    """End all that was started in a terminal, as roughly as can be."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    if CHECKOUT is not None:
        return Place(Path(CHECKOUT))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    command = tmp_path / ".venv/bin/cowstate"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {shlex.join(COMMAND)} "$@"\n', "utf-8")
    command.chmod(0o755)
    return Place(tmp_path)


def until(happens: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Ask again and again, while *process* goes on."""
    limit = time.monotonic() + SECONDS
    while not happens():
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < limit


@posix
def test_by_pasting_there_is_a_grid_with_a_journal_a_reconciler_and_a_page(place: Place) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8642))
        except OSError:
            pytest.skip("something else is at the port of the page")
    if CHECKOUT is not None:
        assert place.done(STEPS.install) == (0, "")
    with ExitStack() as terminals:
        grid = terminals.enter_context(place.terminal(STEPS.trade))
        # Whoever pastes is slower than this.
        until((place.folder / "grid.db").exists, grid)
        until(lambda: place.done(STEPS.doubt)[0] == 0, grid)
        page = terminals.enter_context(place.terminal(STEPS.watch))
        assert page.stdout is not None
        assert URL in page.stdout.readline()
        with client_of(URL) as browser:
            shown = browser.get("/")
            assert shown.status_code == 200
            assert "<title>" in shown.text
        with browsing(URL) as told:
            first = next(told)
            held = next(each for each in told if float(each["position"]["held"]) > 0)
            assert held["version"] > first["version"]
            assert held["records"] > 10
            assert [name for name, _ in held["totals"]] == ["position_qty"]
        status, told_by_log = place.done(STEPS.doubt)
        assert status == 0
        assert re.fullmatch(r"versions 0 to \d+: all is as the log says\n", told_by_log)
        assert grid.poll() is None
        close(grid)
        grid.wait(SECONDS)
        killed_at = newest(place)
        grid = terminals.enter_context(place.terminal(STEPS.go_on))
        with browsing(URL) as told:
            assert any(each["version"] > killed_at + 10 for each in told)
        assert grid.poll() is None
        assert page.poll() is None


def newest(place: Place) -> int:
    found = re.search(r"to (\d+):", place.done(STEPS.doubt)[1])
    assert found is not None
    return int(found[1])


def test_the_page_says_where_to_look_and_has_nothing_else_to_be_typed() -> None:
    assert f"<{URL}>" in PAGE
    assert {found["language"] for found in FENCE.finditer(PAGE)} == {"sh"}

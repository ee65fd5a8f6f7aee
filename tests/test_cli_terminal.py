"""The command at a terminal: a bar for whoever watches, that never changes what is told."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
from itertools import islice

import pytest

from cowstate.cli import main
from tests.commanding import (
    INTERRUPTIBLE,
    SECONDS,
    WITHOUT_RICH,
    environment,
    posix,
    rows,
    run,
)


def on_terminal(argv, *, program=INTERRUPTIBLE, columns=80, **env):
    """Run with standard error on a terminal; return the status, the output, what was shown."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", program, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={name: value for name, value in environment(**env).items() if name != "COLUMNS"},
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:
        pass  # how Linux says that the other side of a terminal was closed
    finally:
        os.close(ours)
    with process:
        out = process.stdout.read().decode()
    return process.wait(SECONDS), out, shown.decode()


@posix
@pytest.mark.parametrize("columns", [80, 20, 1])
def test_a_terminal_shows_a_bar_that_is_gone_at_the_end(columns):
    status, out, shown = on_terminal(["replay", "--count=3000"], columns=columns)
    assert status == 0
    assert out.startswith("tape: ")
    assert "\x1b[" not in out
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    if columns == 80:
        assert "replaying" in shown
        assert "/3000" in shown


@posix
def test_the_bar_knows_the_length_of_a_file(tmp_path):
    path, tape = tmp_path / "trades.csv", rows()
    path.write_text("".join(islice(tape, 1_234)))
    status, _, shown = on_terminal(["replay", str(path)])
    assert status == 0
    assert "/1234" in shown
    status, _, shown = on_terminal(["replay", str(tmp_path / "none.csv")])
    assert status == 2
    assert "No such file" in shown


@posix
@pytest.mark.parametrize(
    "quiet",
    [{"program": WITHOUT_RICH}, {"TERM": "dumb"}, {"argv": ["replay", "--count=500", "--json"]}],
    ids=["without rich", "on a dumb terminal", "for machines"],
)
def test_there_is_no_bar(quiet):
    status, out, shown = on_terminal(**({"argv": ["replay", "--count=500"]} | quiet))
    assert status == 0
    assert out
    assert shown == ""


def test_a_pipe_gets_no_bar():
    done = run("replay", "--count=500")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


# The same in this process, where coverage can see it


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("kind", ["synthetic", "plain", "gzipped", "missing"])
def test_the_bar_never_changes_the_report(capsys, monkeypatch, tmp_path, kind):
    path = tmp_path / ("trades.csv.gz" if kind == "gzipped" else "trades.csv")
    text = "".join(islice(rows(), 600)).encode()
    if kind != "missing":
        path.write_bytes(gzip.compress(text) if kind == "gzipped" else text)
    argv = ["replay", "--count=600"] if kind == "synthetic" else ["replay", str(path)]
    plain = main(argv), re.sub(r"\S+ s\n", "", capsys.readouterr().out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert (main(argv), re.sub(r"\S+ s\n", "", capsys.readouterr().out)) == plain
    assert ("replaying" in sys.stderr.getvalue()) or kind == "missing"
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(argv) == plain[0]
    assert "replaying" not in sys.stderr.getvalue()

"""The command as a process: its streams, its signals and what it ends with."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from array import array
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

import cowstate
from cowstate.cli import main
from tests.commanding import (
    INTERRUPTIBLE,
    SECONDS,
    environment,
    is_one_line,
    posix,
    rows,
    run,
    shell,
)
from tests.standing import eventually

if os.name == "posix":
    import fcntl
    import termios

modes = pytest.mark.parametrize("mode", [[], ["--threads"]], ids=["virtual", "threads"])


# Dispatch


def test_the_module_is_the_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cowstate", "replay", "--count=50", "--json"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("cowstate", run_name="__main__")
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out)["trades"] == 50


def test_importing_the_main_module_runs_nothing(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cowstate", "--version"])
    imported = runpy.run_module("cowstate.__main__", run_name="imported")
    assert imported["main"] is main
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--version"], f"cowstate {cowstate.__version__}\n"),
        (["--help"], "replay"),
        (["replay", "--help"], "exit status: 0 both sides agree; 1 they differ"),
        (["replay", "--help"], "are strings,\nexact decimals"),
    ],
)
def test_what_is_asked_for_is_printed_and_ends_with_0(capsys, argv, said):
    assert main(argv) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND; see cowstate --help"),
        (["reply"], "invalid choice: 'reply'"),
        (["--bogus"], "error: "),
        (["replay", "--levels"], "argument --levels: expected one argument; see cowstate replay"),
    ],
)
def test_bad_usage_gets_one_line_and_ends_with_2(capsys, argv, message):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert is_one_line(err, message)


def test_the_same_run_gives_the_same_output_whatever_the_hash_seed():
    argv = ["replay", "--json", "--count=3000", "--lose=0.1", "--delay=0.2", "--no-answer=0.1"]
    reports = []
    for seed in ("0", "1"):
        done = run(*argv, env=environment(PYTHONHASHSEED=seed))
        assert (done.returncode, done.stderr) == (0, "")
        reports.append(re.sub(r'"wall_seconds": [^,]*', "", done.stdout))
    assert reports[0] == reports[1]


# Where the output goes


@posix
@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        (">/dev/full", "cowstate replay: error: cannot write the output: No space left"),
        (">&-", "cowstate: error: standard output is closed"),
    ],
)
def test_output_that_cannot_be_written_ends_with_2(redirection, message):
    done = shell(f'"$@" {redirection}', "replay", "--count=50")
    assert done.returncode == 2
    assert is_one_line(done.stderr, message)


@posix
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_an_error_that_cannot_be_told_still_ends_with_2_and_leaves_the_output_empty(redirection):
    done = shell(f'"$@" {redirection}', "replay", "no-such-file")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@posix
@pytest.mark.parametrize(
    "argv",
    [
        ["replay", "--count=50"],
        ["replay", "--help"],
        ["chaos", "--world=calm", "--worlds=1", "--json"],
        ["chaos", "--world=calm", "--story=1"],
        ["bench", "--list"],
    ],
)
def test_a_reader_that_has_gone_ends_it_without_a_word(argv):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(*argv, stdout=writing)
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141


@posix
def test_a_file_whose_name_is_no_text_is_replayed_and_named(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"trades-\xff.csv")
    try:
        with open(path, "wb") as file:
            file.write(b"17,61800.30,0.5,30900.15,1723161256322,true\n")
    except OSError:
        pytest.skip("this file system takes only text for names")
    for encoding in ("ascii", "utf-8"):
        done = run("replay", path, env=environment(PYTHONIOENCODING=encoding))
        assert (done.returncode, done.stderr) == (0, "")
        assert "trades-" in done.stdout


# Signals: the tape comes through a pipe, so the moment is known


def started(mode, program=INTERRUPTIBLE, stdin="/dev/stdin", **kwargs):
    """Start a replay of a tape without end, and return it when it is well under way."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, "replay", stdin, *mode],
        stdin=subprocess.PIPE,
        env=environment(),
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | kwargs),
    )
    written, tape = 0, rows()
    # More than a pipe and a reader's buffer hold: that it is written means that it was replayed.
    while written < 300_000:
        written += process.stdin.write("".join(islice(tape, 50)).encode())
    process.stdin.flush()
    assert process.poll() is None
    return process


# CPython looks for signals before it lets a thread sleep, and when one wakes it. What comes between
# the two is slept through. So either there is always more to read, or it is known to sleep.


def feed_until_it_ends(process):
    """Write on as long as it reads; whatever it does, this is over when it has ended."""
    os.set_blocking(process.stdin.fileno(), False)

    def written_or_ended():
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(process.stdin.fileno(), next(tape).encode())
        return process.poll() is not None

    # From the middle of a row on, perhaps: it is over before anybody reads that.
    tape = rows()
    eventually(written_or_ended, "it should end", SECONDS)


def await_sleep(process):
    """Return when it has read all that there is, and waits for more."""
    state = Path(f"/proc/{process.pid}/stat")
    unread = array("i", [0])

    def sleeps():
        fcntl.ioctl(process.stdin, termios.FIONREAD, unread)
        return not unread[0] and state.read_text().rsplit(")", 1)[1].split()[0] == "S"

    eventually(sleeps, "it should wait for more", SECONDS)


def check_interrupted(process):
    assert process.wait(SECONDS) == 130
    with process:
        assert process.stdout.read() == b""
        error = process.stderr.read().decode()
    assert error == "cowstate replay: interrupted; nothing was kept\n"


@posix
@modes
def test_ctrl_c_in_the_middle_ends_with_130_and_one_line(mode):
    process = started(mode)
    process.send_signal(signal.SIGINT)
    feed_until_it_ends(process)
    check_interrupted(process)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nothing tells whether it sleeps")
@modes
def test_ctrl_c_while_it_waits_for_more_ends_it_the_same_and_nothing_more_is_waited_for(mode):
    process = started(mode)
    await_sleep(process)
    process.send_signal(signal.SIGINT)
    check_interrupted(process)


# Ctrl-C that comes when a module is looked for, which is before any of its code has run.
LOADING = """
import signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Press())
from cowstate.cli import main
status = main()
print(sys.argv[1] in sys.modules)
sys.exit(status)
"""


@posix
@pytest.mark.parametrize(
    "name",
    [
        "cowstate.bench",
        "cowstate.positions",
    ],
)
def test_ctrl_c_while_it_is_loaded_ends_with_130_and_one_line(name):
    done = subprocess.run(
        [sys.executable, "-c", LOADING, name],
        check=False,
        timeout=SECONDS,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert (done.returncode, done.stdout) == (130, "False\n")
    assert done.stderr == "cowstate: interrupted; nothing was kept\n"


@posix
@modes
def test_sigterm_ends_it_at_once(mode):
    process = started(mode)
    process.terminate()
    assert process.wait(SECONDS) == -signal.SIGTERM
    with process:
        assert process.stdout.read() == process.stderr.read() == b""


@posix
@pytest.mark.parametrize("stdin", ["/dev/stdin", "-"])
def test_a_tape_from_a_pipe_is_replayed_to_its_end(stdin):
    process = started(["--json"], stdin=stdin)
    out, err = process.communicate(b"", timeout=SECONDS)
    assert (process.returncode, err) == (0, b"")
    report = json.loads(out)
    assert report["trades"] >= 600
    assert report["tape"] == ("standard input" if stdin == "-" else stdin)


@posix
@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        ("<&-", "standard input: it is closed; give a file"),
        ("</dev/null", "standard input: the file holds no trade"),
    ],
)
def test_standard_input_without_a_tape_ends_with_2(redirection, message):
    done = shell(f'"$@" {redirection}', "replay", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr, message)


# The same in this process, where coverage can see it


class Closed(io.StringIO):
    """A stream that takes everything until it is flushed."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def flush(self):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device"), 2, "cannot write the output: No space left"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was kept"),
    ],
)
def test_what_happens_to_the_output_decides_the_status(capsys, monkeypatch, error, status, said):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed(error))
        assert main(["replay", "--count=20"]) == status
    assert said in capsys.readouterr().err


def test_without_standard_streams_the_status_still_tells(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["replay", "--count=20"]) == 2
    monkeypatch.setattr(sys, "stderr", Closed(OSError(28, "No space left on device")))
    assert main(["replay", "--count=20"]) == 2

"""The command as a process: its streams, its signals, the terminal, and what it ends with."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from itertools import count, islice
from pathlib import Path

import pytest

import cowstate
from cowstate.cli import main

ROOT = Path(cowstate.__file__).parents[1]
COMMAND = [sys.executable, "-m", "cowstate"]
# A shell may have started the tests with SIGINT ignored, and children inherit that.
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from cowstate.cli import main; sys.exit(main(sys.argv[1:]))"
)
WITHOUT_RICH = "import sys; sys.modules['rich'] = None; " + INTERRUPTIBLE
SECONDS = 60
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and terminals")
modes = pytest.mark.parametrize("mode", [[], ["--threads"]], ids=["virtual", "threads"])


def environment(**changes):
    inherited = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    return {**inherited, "PYTHONPATH": str(ROOT), "TERM": "xterm", **changes}


def run(*argv, env=None, **kwargs):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | kwargs
    return subprocess.run(
        [*COMMAND, *argv],
        check=False,
        timeout=SECONDS,
        text=True,
        env=env or environment(),
        **streams,
    )


def shell(script, *argv):
    """Run the command as ``"$@"`` of a shell script."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *argv],
        check=False,
        timeout=SECONDS,
        capture_output=True,
        text=True,
        env=environment(),
    )


def is_one_line(text, message):
    return text.count("\n") == 1 and text.endswith("\n") and message in text


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
@pytest.mark.parametrize("argv", [["replay", "--count=50"], ["replay", "--help"]])
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


def rows():
    """The start of a tape, in long rows of which there are always more."""
    for number in count(1):
        price = 60_000 + number % 31
        time = 1_700_000_000_000 + 40 * number
        yield f"{number},{price},0.01,{'1' * 400},{time},{number % 2}\n"


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


@posix
@modes
def test_ctrl_c_in_the_middle_ends_with_130_and_one_line(mode):
    process = started(mode)
    process.send_signal(signal.SIGINT)
    # Its input stays open: it must not wait for more.
    assert process.wait(SECONDS) == 130
    with process:
        assert process.stdout.read() == b""
        error = process.stderr.read().decode()
    assert error == "cowstate replay: interrupted; nothing was kept\n"


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


# The terminal


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


class Closed(io.StringIO):
    """A stream that takes everything until it is flushed."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def flush(self):
        raise self.error


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

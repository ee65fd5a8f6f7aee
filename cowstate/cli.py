"""The command ``cowstate``: its subcommands, exit statuses, and what it says when all is not well.

A subcommand is a module with ``add_arguments(parser)`` and ``run(args) -> int``, which writes to
standard output and returns the exit status. What goes wrong around it is dealt with here, for all
of them: one line on standard error, never a traceback for what a user can cause.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn, Protocol, TextIO

import cowstate
from cowstate.errors import CowstateError
from cowstate.showing import printable

__all__ = ["BAD_USAGE", "INTERRUPTED", "UNREAD", "main"]

BAD_USAGE = 2
"""Bad usage, a bad file, or nowhere to write to."""

INTERRUPTED = 130
"""Ctrl-C: 128 and the number of the signal, as the shells have it."""

UNREAD = 141
"""Whoever read the output went away before its end; likewise."""


class _Command(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    def run(self, args: argparse.Namespace, /) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with *argv* (by default the process's) and return its exit status.

    What the subcommand returned; or 2 for bad usage, a bad file or output that cannot be
    written, 130 for Ctrl-C, 141 if nobody read to the end. What it returned of itself, if not 0,
    comes before those of its output.
    """
    name, out, status = "cowstate", sys.stdout, 0
    if out is None:
        return _fail(name, "standard output is closed; there is nowhere to write to")
    try:
        if isinstance(out, TextIOWrapper):
            # The name of a file need not be text in the terminal's encoding.
            out.reconfigure(errors="backslashreplace")
        args = _parse(argv)
        if isinstance(args, int):
            status = args
        else:
            name = f"cowstate {args.command}"
            command: _Command = args.implementation
            status = command.run(args)
        out.flush()
    except CowstateError as error:
        return _fail(name, str(error))
    except KeyboardInterrupt:
        _say(f"{name}: interrupted; nothing was kept")
        return INTERRUPTED
    except BrokenPipeError:
        _forget(out)
        return status or UNREAD
    except OSError as error:
        _forget(out)
        failed = _fail(name, f"cannot write the output: {error.strerror or error}")
        return status or failed
    return status


def _parse(argv: Sequence[str] | None) -> argparse.Namespace | int:
    """Return the arguments, or the exit status if parsing them was all that there was to do."""
    try:
        return _parser().parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else BAD_USAGE


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        _say(f"{self.prog}: error: {message}; see {self.prog} --help")
        raise SystemExit(BAD_USAGE)


def _parser() -> argparse.ArgumentParser:
    # Here, so that Ctrl-C while they are loaded is dealt with like any other.
    from cowstate.bench import command as bench_command
    from cowstate.journal import command as journal
    from cowstate.positions.command import chaos as chaos_command
    from cowstate.positions.command import reconcile as reconcile_command
    from cowstate.positions.command import replay as replay_command
    from cowstate.positions.command import trade as trade_command
    from cowstate.web import command as serve_command

    parser = _Parser(
        prog="cowstate",
        description=(
            "Copy-on-write state: the files of stores, the reference application at work, and what "
            "it costs."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cowstate {cowstate.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add(commands, "log", "list the commits in the file of a store", journal.log)
    _add(commands, "show", "show the records in one, now or as they were", journal.show)
    _add(commands, "diff", "show what differs between two versions in one", journal.diff)
    _add(commands, "verify", "recompute one from its log", journal.verify)
    _add(commands, "watch", "show one while somebody writes it", journal.watch)
    _add(commands, "serve", "show one in a browser, live", serve_command)
    _add(commands, "export", "print one as lines of JSON", journal.export)
    _add(commands, "replay", "trade a grid over a tape of trades", replay_command)
    _add(commands, "chaos", "judge reconcilers in worlds where all goes wrong", chaos_command)
    _add(commands, "reconcile", "hold positions against a live account", reconcile_command)
    _add(commands, "trade", "trade a grid at an exchange, or on paper", trade_command)
    _add(commands, "bench", "measure the store against locks and peers", bench_command)
    return parser


def _add(
    commands: argparse._SubParsersAction[_Parser], name: str, what: str, command: _Command
) -> None:
    parser = commands.add_parser(name, help=what, allow_abbrev=False)
    command.add_arguments(parser)
    parser.set_defaults(implementation=command)


def _fail(name: str, why: str) -> int:
    _say(f"{name}: error: {why}")
    return BAD_USAGE


def _say(line: str) -> None:
    """Write one line to standard error; if that cannot be, the exit status has to do."""
    if sys.stderr is None:
        return
    try:
        print(printable(" ".join(line.splitlines())), file=sys.stderr, flush=True)
    except OSError:
        _forget(sys.stderr)


def _forget(stream: TextIO) -> None:
    # What is left in its buffer would be written, in vain and not in silence, when Python ends.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

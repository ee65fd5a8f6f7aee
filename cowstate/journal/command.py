"""The commands ``cowstate log``, ``show``, ``diff``, ``verify``, ``export``, ``watch``: to look."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from math import nan
from time import sleep
from typing import Any, TypeAlias

from cowstate.errors import ArgumentValueError, CompactedError
from cowstate.showing import printable, shown

from .addressing import add_place, ensure_place
from .errors import JournalFileError
from .history import seconds_of
from .postgres.server import is_url
from .reading import as_text
from .tails import view_of
from .verifying import faults_of
from .view import Committed, Encoded, View
from .watching import drawn, looks

__all__ = ["diff", "export", "log", "show", "verify", "watch"]

_EPILOG = """\
The store is only read, whoever writes it meanwhile. Keys and records are printed
as the JSON that they are stored as; with --json so is everything, one object a
line.

exit status: 0 all is well; 1 verify found something wrong; 2 bad usage, a bad
file, or output that cannot be written; 130 interrupted by Ctrl-C; 141 nobody
read the output to its end.
"""


Options: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]


class _Command:
    """One of them."""

    def __init__(
        self, what: str, run: Callable[[argparse.Namespace], int], *options: Options
    ) -> None:
        self._what = what
        self._run = run
        self._options = options

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its options to *parser*."""
        parser.description = self._what
        parser.epilog = _EPILOG
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        add_place(parser)
        # Of several that say when, one.
        options = parser.add_mutually_exclusive_group() if _AT in self._options else parser
        for names, how in self._options:
            options.add_argument(*names, **how)
        parser.add_argument("--json", action="store_true", help="print for machines")

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit status."""
        ensure_place(args.file, args.name)
        try:
            return self._run(args)
        except (sqlite3.Error, UnicodeError) as error:
            # In a URL there may be a password.
            place = f"the store {args.name}" if is_url(args.file) else args.file
            raise JournalFileError(place, f"cannot be read to its end: {error}") from error


def _of_one_moment(
    look: Callable[[View, argparse.Namespace], int],
) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        view = view_of(args.file, args.name)
        try:
            return look(view, args)
        finally:
            view.close()

    return run


@_of_one_moment
def _log(view: View, args: argparse.Namespace) -> int:
    oldest, newest = view.reach()
    after = oldest if args.last is None else max(oldest, newest - args.last)
    found = view.commits(after, newest)
    if args.json:
        _print(_commit_of(view, each) for each in found)
    else:
        _print_table(
            ("version", "time", "keys", "meta", "who"),
            ((each.version, _day(each.time), each.keys, _moved(each), each.who) for each in found),
        )
    return 0


def _commit_of(view: View, commit: Committed) -> dict[str, Any]:
    made: dict[str, Any] = {
        "version": commit.version,
        "time": commit.time,
        "who": commit.who,
        "changes": [
            {"key": _plain(key)} | _old_and_new(old, new)
            for key, old, new in view.changes(commit.version)
        ],
    }
    if commit.new_meta is not None:
        made["meta"] = _old_and_new(commit.old_meta, commit.new_meta)
    return made


@_of_one_moment
def _show(view: View, args: argparse.Namespace) -> int:
    version = _version_of(view, args)
    records = _records_at(view, version)
    meta = _meta_at(view, version)
    if args.json:
        print(
            json.dumps(
                {
                    "version": version,
                    "meta": None if meta is None else _plain(meta),
                    "records": [
                        {"key": _plain(key), "record": _plain(value)} for key, value in records
                    ],
                }
            )
        )
        return 0
    _print_lines([f"version {version}, {len(records)} records, meta {_text(meta)}"])
    _print_table(("key", "record"), ((_text(key), _text(value)) for key, value in records))
    return 0


@_of_one_moment
def _diff(view: View, args: argparse.Namespace) -> int:
    older, newer = (_known(view, version) for version in (args.older, args.newer))
    before, after = dict(_records_at(view, older)), dict(_records_at(view, newer))
    keys = [
        key for key in sorted({*before, *after}, key=_text) if before.get(key) != after.get(key)
    ]
    rows = [(key, before.get(key), after.get(key)) for key in keys]
    if args.json:
        _print({"key": _plain(key)} | _old_and_new(old, new) for key, old, new in rows)
    else:
        _print_table(("key", "old", "new"), (tuple(map(_text, row)) for row in rows))
    return 0


@_of_one_moment
def _verify(view: View, args: argparse.Namespace) -> int:
    faults: list[str] = []
    try:
        faults += faults_of(view)
    except (sqlite3.Error, UnicodeError) as error:
        faults.append(f"it cannot be read to its end: {error}")
    oldest, newest = view.reach()
    if args.json:
        print(json.dumps({"oldest": oldest, "newest": newest, "faults": faults}))
    else:
        _print_lines(faults)
        print(
            f"versions {oldest} to {newest}: "
            + (f"{len(faults)} faults" if faults else "all is as the log says")
        )
    return 1 if faults else 0


@_of_one_moment
def _export(view: View, args: argparse.Namespace) -> int:
    version = _version_of(view, args)
    meta = _meta_at(view, version)
    print(json.dumps({"version": version, "meta": None if meta is None else _plain(meta)}))
    _print(
        {"key": _plain(key), "record": _plain(value)} for key, value in _records_at(view, version)
    )
    return 0


def _watch(args: argparse.Namespace) -> int:
    try:
        _follow(args)
    except KeyboardInterrupt:
        pass  # which is how one ends it
    return 0


def _follow(args: argparse.Namespace) -> None:
    found = looks(args.file, args.total or (), partial(sleep, args.every), name=args.name)
    for number, look in enumerate(islice(found, args.count)):
        if args.json:
            text = json.dumps(look._asdict())
        elif sys.stdout.isatty():
            text = drawn(look, number > 0)
        else:
            text = "  ".join(drawn(look, False).splitlines())
        print(text, flush=True)


# What was


def _version_of(view: View, args: argparse.Namespace) -> int:
    if args.as_of is not None:
        version = view.version_at(args.as_of)
        oldest = view.reach().oldest
        if version is None:
            raise CompactedError(oldest - 1, oldest)
        return version
    return view.reach().newest if args.at is None else _known(view, args.at)


def _known(view: View, version: int) -> int:
    oldest, newest = view.reach()
    if version > newest or version < 0:
        raise ArgumentValueError(f"there is no version {version}; the newest is {newest}")
    if version < oldest:
        raise CompactedError(version, oldest)
    return version


def _records_at(view: View, version: int) -> list[tuple[Encoded, Encoded]]:
    records = {key: value for key, value, _ in view.records()}
    for key, old in view.before(version, view.reach().newest):
        if old is None:
            records.pop(key, None)
        else:
            records[key] = old
    return sorted(records.items(), key=_key_text)


def _key_text(row: tuple[Encoded, Encoded]) -> str:
    return _text(row[0])


def _meta_at(view: View, version: int) -> Encoded | None:
    found = view.meta_before(version, view.reach().newest)
    return view.meta() if found is None else found[0]


# On paper


def _plain(value: Encoded) -> Any:
    return json.loads(_text(value))


def _text(value: Encoded | None) -> str:
    return "-" if value is None else as_text(value)


def _old_and_new(old: Encoded | None, new: Encoded | None) -> dict[str, Any]:
    both = {"old": old, "new": new}
    return {name: _plain(value) for name, value in both.items() if value is not None}


def _day(seconds: float) -> str:
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return f"{shown(seconds)}?"  # for people, of a file that somebody changed
    return day.isoformat(" ", "milliseconds").removesuffix("+00:00")


def _moved(commit: Committed) -> str:
    return "" if commit.new_meta is None else _text(commit.new_meta)


def _print(objects: Iterable[dict[str, Any]]) -> None:
    for each in objects:
        print(json.dumps(each))


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line))


def _print_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [names, *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    _print_lines(_laid_out(lines, widths))


def _laid_out(lines: Iterable[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return seconds_of(float(text))
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no time; write 2026-08-01T12:00:00+00:00, or seconds since 1970"
            ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _count(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 19 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of commits; write 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = nan
    if not 0.001 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no pause; write seconds, such as 0.5")
    return seconds


_AT = ("--at",), {"type": int, "metavar": "VERSION", "help": "as of a version"}
_AS_OF = ("--as-of",), {"type": _moment, "metavar": "TIME", "help": "as of a time; UTC if without"}
_LAST = ("--last",), {"type": _count, "metavar": "COUNT", "help": "the last ones only"}

log = _Command("List the commits of a store, with their time and who made them.", _log, _LAST)
show = _Command("Show the records of a store, now or as they were.", _show, _AT, _AS_OF)
diff = _Command(
    "Show what differs between two versions of a store.",
    _diff,
    (("older",), {"type": int, "metavar": "A", "help": "a version"}),
    (("newer",), {"type": int, "metavar": "B", "help": "another one"}),
)
verify = _Command("Recompute a store from its log, and say what is not as it should be.", _verify)
watch = _Command(
    "Show the version, the records, the rate and the lag of a store, while somebody writes it.",
    _watch,
    (("--total",), {"action": "append", "metavar": "FIELD", "help": "sum up a field; repeatable"}),
    (("--every",), {"type": _seconds, "default": 0.5, "metavar": "SECONDS", "help": "how often"}),
    (("--count",), {"type": _count, "metavar": "COUNT", "help": "end after so many versions"}),
)
export = _Command("Print a store as JSON, a line for each record.", _export, _AT, _AS_OF)

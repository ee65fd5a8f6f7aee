"""What the runs over whole modules found, in a file beside this one, and as a table of README.md.

A module is named with a digest of its code, so of each is known whether it is still what was tried.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

RECORD = Path(__file__).with_name("record.json")
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- record -->\n", "<!-- end -->\n"


class Outcome(NamedTuple):
    """What became of the mutants of one module.

    Attributes:
        code: what `digest` said of the module.
        day: when, as 2026-11-30.
        explained: how many are on the list of those that no test can kill. They were not tried.
        near: how many the nearest tests killed.
        others: how many only another test killed.
        limit: how many ran beyond their limit.
        alive: how many nobody noticed.
    """

    code: str
    day: str
    explained: int
    near: int
    others: int
    limit: int
    alive: int

    @property
    def tried(self) -> int:
        return self.near + self.others + self.limit + self.alive


def digest(source: str) -> str:
    """Name what *source* does: comments and the form may change."""
    return sha256(ast.dump(ast.parse(source)).encode()).hexdigest()[:16]


def load(path: Path = RECORD) -> dict[str, Outcome]:
    """Return the outcome of each module that was recorded; none where there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no record.
    """
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {module: Outcome(**entry) for module, entry in entries.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no record of runs: {error}") from None


def saved(record: Mapping[str, Outcome]) -> str:
    """Return *record* as text, one line for each module."""
    lines = (f"{json.dumps(name)}: {json.dumps(record[name]._asdict())}" for name in sorted(record))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def changed(record: Mapping[str, Outcome], sources: Mapping[str, str]) -> list[str]:
    """Return the modules of *sources* that were not recorded as they are."""
    return [
        name
        for name, source in sources.items()
        if name not in record or record[name].code != digest(source)
    ]


def table(record: Mapping[str, Outcome]) -> str:
    """Return what README.md says of *record*."""
    rows = [_row(f"`{_short(name)}`", record[name].day, [record[name]]) for name in sorted(record)]
    total = _row("all", "", record.values())
    head = "| module | day | mutants | on the list | near | others | limit | alive | score, in % |"
    return "\n".join([head, "|---|---|---:|---:|---:|---:|---:|---:|---:|", *rows, total, ""])


def _row(name: str, day: str, outcomes: Iterable[Outcome]) -> str:
    some = list(outcomes)
    explained = sum(each.explained for each in some)
    tried = sum(each.tried for each in some)
    alive = sum(each.alive for each in some)
    killers = [sum(getattr(each, by) for each in some) for by in ("near", "others", "limit")]
    figures = [tried + explained, explained, *killers, alive]
    shown = " | ".join(f"{figure:,}" for figure in figures)
    return f"| {name} | {day} | {shown} | {100 * (1 - alive / tried) if tried else 100.0:.1f} |"


def _short(module: str) -> str:
    return module.removeprefix("cowstate/").removesuffix(".py")


def filled(page: str, record: Mapping[str, Outcome]) -> str:
    """Return the text of a *page* with the table made anew.

    Raises:
        ValueError: it has no place for one.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN.strip()} … {END.strip()}")
    return f"{before}{begin}\n{table(record)}\n{end}{after}"

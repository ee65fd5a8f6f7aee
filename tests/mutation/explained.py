"""The mutants that no test can kill, each with the reason: they do what the module does."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutator import Mutant

LIST = Path(__file__).with_name("explained.toml")


class Key(NamedTuple):
    """What names a mutant wherever it stands: no line, so that lines may move."""

    module: str
    function: str
    change: str


class ListError(Exception):
    """The list of explained mutants is not what it must be."""


def key_of(module: str, mutant: Mutant) -> Key:
    return Key(module, mutant.function, mutant.change)


def explained(path: Path = LIST) -> dict[Key, str]:
    """Return the reason for each mutant on the list.

    Raises:
        ListError: an entry lacks a part, has no reason, or is there twice.
    """
    reasons: dict[Key, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []):
        if set(entry) != {*Key._fields, "why"} or not entry["why"].strip():
            raise ListError(f"an entry has a module, function, change and why: {entry}")
        key = Key(entry["module"], entry["function"], entry["change"])
        if key in reasons:
            raise ListError(f"listed twice: {key}")
        reasons[key] = entry["why"]
    return reasons


def as_entry(key: Key, why: str = "") -> str:
    """Return the entry of one mutant, as it stands in the list."""
    # Of the strings of JSON, all are strings of TOML.
    parts = {**key._asdict(), "why": why}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in parts.items()]
    return "\n".join(["[[equivalent]]", *lines, ""])


def stale(reasons: Iterable[Key], modules: Iterable[str], known: Iterable[Key]) -> list[Key]:
    """Return the keys on the list, of *modules*, that name no mutant any more."""
    wanted, there = set(modules), set(known)
    return [key for key in reasons if key.module in wanted and key not in there]

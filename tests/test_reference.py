"""The reference says what there is: every public name, with its arguments, and no other."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import pytest

import cowstate
import cowstate.metrics
import cowstate.mirror
import cowstate.positions
import cowstate.testing
import cowstate.testing.schedules
import cowstate.testing.tasks
from cowstate import Store, aio, errors
from cowstate.cli import main
from tests.within import WITHIN

DOCS = Path(__file__).resolve().parents[1] / "docs" / "reference"
REFERENCE = (DOCS / "index.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in REFERENCE.splitlines()
    if line.startswith("| ")
]


def one_of_each() -> list[Any]:
    store = Store({"a": 1})
    with store.transaction() as tx, cowstate.Store({"a": 1}).observe() as window:
        pass
    commit = store.set("a", 2)
    return [
        *(store, store.snapshot(), commit, commit.changes, tx, store.draft(), window),
        *(store.subscribe(print), store.feed(), store.pin(), store.statistics(), aio.feed(store)),
        *(cowstate.Index(str), cowstate.Aggregate.count(), cowstate.History()),
        cowstate.Lagged(1, store.snapshot()),
    ]


OBJECTS = {
    next(cls.__name__ for cls in type(each).__mro__ if not cls.__name__.startswith("_")): each
    for each in one_of_each()
}


def public_names(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def given_by_its_kind(thing: object) -> set[str]:
    """What every mapping, tuple or error has, so that nobody needs to be told."""
    kinds = [tuple] if isinstance(thing, tuple) else []
    if isinstance(thing, MutableMapping):
        kinds.append(MutableMapping)
    elif isinstance(thing, Mapping):
        kinds.append(Mapping)
    return {name for kind in kinds for name in public_names(kind)}


def said_of(name: str) -> str:
    """All rows of the reference that begin with *name*, or with a method of it."""
    head = re.compile(rf"`(aio\.)?{name}\b")
    return "\n".join(" | ".join(row) for row in ROWS if head.search(row[0]))


@pytest.mark.parametrize("name", OBJECTS)
def test_what_a_user_can_reach_is_in_the_reference_or_within_the_package(name: str) -> None:
    thing = OBJECTS[name]
    found = public_names(thing) - given_by_its_kind(thing) - WITHIN.get(name, set())
    said = said_of(name) + (said_of("Transaction") if name == "Draft" else "")
    if name == "Statistics":
        said = REFERENCE.split("### What `statistics()` tells")[1].split("###")[0]
        found -= {"replace"}
    if name == "History":
        found -= {"replace"}
    assert {each for each in found if not re.search(rf"\b{each}\b", said)} == set()


@pytest.mark.parametrize("name", WITHIN)
def test_what_is_within_the_package_is_there_and_is_not_in_the_reference(name: str) -> None:
    thing = OBJECTS.get(name) or getattr(cowstate, name)
    assert public_names(thing) >= WITHIN[name]
    rows = said_of(name)
    told = {each for each in WITHIN[name] if re.search(rf"`(\w+\.)?{each}[`(]", rows)}
    # A subscription, feed or pin is closed by its user; what a workspace has of that name is not.
    assert told - {"close"} == set()


def test_the_store_is_no_thread_and_no_condition() -> None:
    # Its base class had these once.
    assert public_names(Store()).isdisjoint({"join", "leave", "wake_all"})


@pytest.mark.parametrize(
    "module",
    [
        *(cowstate, aio, cowstate.metrics, cowstate.mirror, cowstate.positions),
        *(cowstate.testing, cowstate.testing.schedules, cowstate.testing.tasks),
    ],
    ids=lambda m: m.__name__,
)
def test_every_name_that_a_module_exports_is_in_the_reference(module: Any) -> None:
    names = [name for name in module.__all__ if not name.startswith("__")]
    assert [name for name in names if not re.search(rf"`[^`\n]*\b{name}\b", REFERENCE)] == []


# Signatures


def signatures() -> Iterator[tuple[str, list[str]]]:
    """The calls in the first column: what is called, and its arguments as they are written."""
    for row in ROWS:
        for call, arguments in re.findall(r"`([\w.]+)\((.*?)\)`", row[0]):
            yield call, [each.strip() for each in arguments.split(",") if each.strip()]


def found(call: str) -> Any:
    thing: Any = cowstate
    for name in call.split("."):
        thing = aio if name == "aio" else getattr(thing, name)
    return thing


def written(function: Any) -> list[str]:
    """The arguments of *function* as the reference writes them, but for their defaults."""
    signature = inspect.signature(function)
    parts: list[str] = []
    keywords = False
    for name, parameter in signature.parameters.items():
        if name == "self":
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            name, keywords = f"*{name}", True
        elif parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            parts.append("*")
            keywords = True
        parts.append(name)
    return parts


CALLS = [(call, names) for call, names in signatures() if hasattr(cowstate, call.split(".")[0])]


def test_there_are_signatures_in_the_reference() -> None:
    assert len(CALLS) > 25


@pytest.mark.parametrize(("call", "names"), CALLS, ids=[call for call, _ in CALLS])
def test_a_signature_in_the_reference_is_that_of_the_function(call: str, names: list[str]) -> None:
    function = found(call)
    assert [name.partition("=")[0] for name in names] == written(function)
    parameters = inspect.signature(function).parameters
    for name, equals, default in (name.partition("=") for name in names):
        if equals and default != "...":
            assert repr(parameters[name].default) == default.replace('"', "'")


# Errors


ERRORS = {
    row[0].strip(" `"): row[1]
    for row in ROWS
    if row[0].strip().endswith("Error`") and len(row) == 3
}


def test_the_table_of_errors_says_of_each_what_else_it_is() -> None:
    told = {name: set(re.findall(r"`(\w+)`", also)) for name, also in ERRORS.items()}
    # Those of which a user would catch: no `Exception`, and no `LookupError` of a `KeyError`.
    true = {
        name: {
            base.__name__
            for base in getattr(errors, name).__bases__
            if base is not errors.CowstateError
        }
        for name in told
    }
    assert told == true
    assert told.keys() == {
        name for name in cowstate.__all__ if name.endswith("Error") and name != "CowstateError"
    }


def test_the_page_of_errors_names_each() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert [name for name in ERRORS if not re.search(rf"\b{name}\b", page)] == []


# The command line


def test_every_command_is_in_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    usage = capsys.readouterr().out
    commands = re.findall(r"^ {4}(\w+) ", usage, re.MULTILINE)
    assert {"replay", "bench"} <= set(commands)
    table = REFERENCE.split("on the command line")[1]
    assert [command for command in commands if f"| `cowstate {command}" not in table] == []


def test_every_option_of_replay_is_in_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS.parent / "how-to" / "replay.md").read_text(encoding="utf-8")
    assert main(["replay", "--help"]) == 0
    options = set(re.findall(r"^ {2}(?:-h, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    table = page.split("## Options")[1].split("##")[0]
    assert options - {"--help"} == set(re.findall(r"^\| `(--[\w-]+)`", table, re.MULTILINE))


def test_every_field_of_the_json_report_is_in_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS.parent / "how-to" / "replay.md").read_text(encoding="utf-8")
    assert main(["replay", "--count=50", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    table = page.split("## JSON")[1].split("\n## ")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(firsts))) == set(fields)


def test_every_row_of_the_report_is_in_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS.parent / "how-to" / "replay.md").read_text(encoding="utf-8")
    assert main(["replay", "--count=500"]) == 0
    rows = re.findall(r"^ {2}([a-z ]+?) {2,}", capsys.readouterr().out, re.MULTILINE)
    sample = page.split("```console")[1]
    assert [row for row in rows if f"\n  {row} " not in sample] == []

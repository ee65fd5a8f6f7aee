"""Every public name says what it is, and shows it."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

import cowstate
from cowstate import CowstateError, aio, metrics, mirror, testing
from cowstate.testing import schedules, tasks
from tests.pages import PAGES, blocks_of, failures_of, modules, run_page
from tests.within import WITHIN

EXPORTED = [name for name in cowstate.__all__ if not name.startswith("__")]
CALLABLE = [
    name
    for name in EXPORTED
    if inspect.isclass(getattr(cowstate, name)) or inspect.isfunction(getattr(cowstate, name))
]


# What one only ever gets from a method of that name.
GOT_FROM = {"Statistics": "statistics"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What examples show: the names in them, and the classes of what they make."""
    names: set[str] = set()
    values: list[Any] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(tmp_path_factory.mktemp("examples"))
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            names.update(word for _, body in blocks_of(text) for word in re.findall(r"\w+", body))
            values += run_page(text, page.name).values()
        for name in modules():
            for test in doctest.DocTestFinder().find(importlib.import_module(name)):
                failures_of(test)
                values += test.globs.values() if test.examples else ()
                for example in test.examples:
                    names.update(re.findall(r"\w+", example.source + example.want))
    return names | {cls.__name__ for value in values for cls in type(value).__mro__}


def documentation_of(name: str) -> str | None:
    value = getattr(cowstate, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__doc__
    return documented_values().get(name)


def documented_values() -> dict[str, str]:
    """Strings that stand below the assignment of a name in the modules of the core."""
    found: dict[str, str] = {}
    for path in Path(cowstate.__file__).parent.glob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, following in itertools.pairwise(body):
            target: Any = node.target if isinstance(node, ast.AnnAssign) else None
            text = following.value if isinstance(following, ast.Expr) else None
            if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
                found[target.id] = str(text.value)
    return found


@pytest.mark.parametrize("name", EXPORTED)
def test_a_public_name_says_what_it_is(name: str) -> None:
    text = documentation_of(name)
    assert text
    assert text.strip()
    # A Struct or a NamedTuple without one would show a signature that nobody wrote.
    assert not text.startswith(f"{name}(")


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_class_or_function_has_an_example_that_runs(name: str, shown: set[str]) -> None:
    assert GOT_FROM.get(name, name) in shown, (
        f"no example in a docstring, README.md or docs/ shows {name}"
    )


PUBLIC = [
    cowstate.Store, cowstate.Snapshot, cowstate.Transaction, cowstate.Draft, cowstate.ChangeSet,
    cowstate.Commit, cowstate.Observation, cowstate.Record, cowstate.Index, cowstate.Aggregate,
]  # fmt: skip


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_every_public_method_has_a_docstring(cls: type) -> None:
    bare = [
        name
        for base in cls.__mro__
        if base.__module__.startswith("cowstate")
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property | classmethod))
        and not inspect.getdoc(getattr(cls, name))
    ]
    assert not bare


# Each docstring shows an example


def is_called(thing: object) -> bool:
    return inspect.isclass(thing) or inspect.isfunction(thing)


ENTRIES = [getattr(cowstate, name) for name in CALLABLE] + [
    *(aio.wait_for, aio.feed, aio.AsyncFeed),
    *(schedules.explore, schedules.replay, schedules.Exploration, schedules.Schedule),
    *(schedules.Step, schedules.Trace, schedules.sample),
    *(tasks.explore_tasks, tasks.replay_tasks, tasks.TaskSchedule),
    *(mirror.Mirror, mirror.AsyncMirror, mirror.MirrorStatus, mirror.jittered),
    *(mirror.PollingSource, mirror.FileSource, mirror.Listed, mirror.Changes, mirror.Pause),
    *(metrics.Metrics, metrics.Figure, metrics.Metric, metrics.Sample),
    *(each for name in testing.__all__ if is_called(each := getattr(testing, name))),
]


# What is the same for all of a kind is shown once, on a page of theirs.
WITHOUT_ONE_OF_ITS_OWN = (CowstateError,)


def members_of(cls: type) -> dict[str, Any]:
    """The public methods and properties that a class has, from itself or from a base of ours."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("cowstate"):
            found.update(vars(base))
    kinds = (property, classmethod, staticmethod)
    return {
        name: getattr(cls, name)
        for name, value in found.items()
        if not name.startswith("_")
        and name not in WITHIN.get(cls.__name__, ())
        and (inspect.isfunction(value) or isinstance(value, kinds))
    }


def bare_of(entry: Any) -> list[str]:
    """What of *entry* no example shows: itself, and its methods and properties.

    A property may be shown in the example of its class.
    """
    of_class = inspect.getdoc(entry) or ""
    bare = [] if ">>>" in of_class else [entry.__name__]
    for name, member in members_of(entry).items() if inspect.isclass(entry) else ():
        example = inspect.getdoc(member) or ""
        shown_above = isinstance(member, property) and f".{name}" in of_class.partition(">>>")[2]
        if not shown_above and not re.search(rf">>> (?s:.*)\b{name}\b", example):
            bare.append(f"{entry.__name__}.{name}")
    return bare


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_each_docstring_shows_an_example(entry: Any) -> None:
    if inspect.isclass(entry) and issubclass(entry, WITHOUT_ONE_OF_ITS_OWN):
        assert members_of(entry) == {}
    else:
        assert bare_of(entry) == []


def test_a_method_without_an_example_is_seen() -> None:
    class Thing:
        """A thing.

        >>> Thing().seen
        1
        """

        @property
        def seen(self) -> int:
            """A number."""
            return 1

        @property
        def unseen(self) -> int:
            """A number."""
            return 1

        def shown(self) -> None:
            """Do it.

            >>> Thing().shown()
            """

        def other(self) -> None:
            """Do it.

            >>> Thing().shown()
            """

    Thing.__module__ = "cowstate"
    assert bare_of(Thing) == ["Thing.unseen", "Thing.other"]

"""Every example runs: those in docstrings, and those in the README and the documentation."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import itertools
import pkgutil
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cowstate
from cowstate import CowstateError, History, Store, aio
from cowstate.bench import command as bench_command
from cowstate.cli import main
from cowstate.positions.command import chaos as chaos_command
from cowstate.positions.command import replay as replay_command
from cowstate.testing import schedules
from tests.within import WITHIN

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = doctest.ELLIPSIS
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NO_TEST = "<!-- no test -->"
FENCE = re.compile(r"^```(?P<language>[a-z]*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    found = pkgutil.walk_packages(cowstate.__path__, "cowstate.")
    return ["cowstate", *(module.name for module in found if not module.name.endswith("__main__"))]


def failures_of(test: doctest.DocTest) -> str:
    """Run the examples of *test*; what went wrong, or nothing."""
    told: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append, clear_globs=False)
    return "".join(told)


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_the_docstrings_of_a_module_run(name: str) -> None:
    module = importlib.import_module(name)
    told = [failures_of(test) for test in doctest.DocTestFinder().find(module)]
    assert not "".join(told), "".join(told)


# Pages. The blocks of one page are one session, from top to bottom. A block with prompts is a
# doctest; one without is run. ``<!-- no test -->`` on the line before a block leaves it out.


def blocks_of(text: str) -> list[tuple[int, str]]:
    """The examples in Python of a page: ``(line, source)``, as they come."""
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        left_out = before.rstrip().endswith(NO_TEST)
        if match["language"] in ("python", "pycon") and not left_out:
            found.append((before.count("\n") + 2, match["body"]))
    return found


def run_page(text: str, name: str) -> dict[str, Any]:
    """Run the examples of a page; returns the names that they leave behind."""
    session = ModuleType("page")
    session.__dict__["__name__"] = "page"
    # Classes find their annotations, and pickles their classes, by way of their module.
    sys.modules["page"] = session
    try:
        for line, body in blocks_of(text):
            where = f"{name}, line {line}"
            if ">>>" in body:
                test = doctest.DocTestParser().get_doctest(body, {}, where, name, line - 1)
                test.globs = session.__dict__
                told = failures_of(test)
                assert not told, told
            else:
                code = compile("\n" * (line - 1) + body, name, "exec", dont_inherit=True)
                exec(code, session.__dict__)
    finally:
        del sys.modules["page"]
    return session.__dict__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_on_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page.read_text(encoding="utf-8"), page.name)


def test_the_asynchronous_example_goes_on_after_it_has_lagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/how-to/follow-changes.md"
    follow = run_page(page.read_text(encoding="utf-8"), page.name)["follow"]
    store = Store({"a": 0}, history=History(versions=2))

    async def main() -> None:
        async with aio.feed(store) as changes:
            for n in range(1, 6):
                store.set("a", n)
            following = asyncio.create_task(follow(changes))
            await asyncio.sleep(0)
            for n in (6, 7):
                await asyncio.to_thread(store.set, "a", n)
            await asyncio.wait_for(following, 30)

    asyncio.run(main())
    assert "start again" in capsys.readouterr().out


# What is typed into a shell


def shell_of(text: str) -> list[tuple[int, str, str]]:
    """The commands of a page that begin with ``cowstate``: ``(line, command, output shown)``."""
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        if match["language"] not in ("console", "sh") or before.rstrip().endswith(NO_TEST):
            continue
        first = before.count("\n") + 2
        prompt = r"^\$ " if match["language"] == "console" else r"^"
        for typed in re.finditer(
            prompt + r"(cowstate .*)\n((?:(?!\$ ).*\n)*)", match["body"], re.M
        ):
            line = first + match["body"][: typed.start()].count("\n")
            shown = typed[2] if match["language"] == "console" else ""
            found.append((line, typed[1].partition(" #")[0], shown))
    return found


TYPED = [
    pytest.param(command, shown, id=f"{page.name}:{line}")
    for page in PAGES
    for line, command, shown in shell_of(page.read_text(encoding="utf-8"))
]
# Of what a command prints, that which is another each time.
VARIES = re.compile(
    r"\d+\.\d\d s$|(?<=Python )[\d.]+, [\d.]+ s, [\d,]+ worlds a minute$", re.MULTILINE
)


@pytest.mark.parametrize(("command", "shown"), TYPED)
def test_a_command_on_a_page_is_understood(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (replay_command, chaos_command, bench_command):
        monkeypatch.setattr(module, "run", lambda args: 0)
    assert main(shlex.split(command)[1:]) == 0


def wrongly_shown(command: str, shown: str, printed: str) -> str:
    """What differs between what a page shows of a command and what that printed, or nothing."""
    want, got = (VARIES.sub("(some)", text) for text in (shown, printed))
    same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
    return "" if same else f"{command} prints\n{got}\nand the page shows\n{want}"


@pytest.mark.parametrize(("command", "shown"), [each for each in TYPED if each.values[1].strip()])
def test_the_output_of_a_command_is_what_the_page_shows(
    command: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = re.search(r"^\w+ failed in \d+ world|^HEALED; [1-9]|^UNHEALED", shown, re.M)
    assert main(shlex.split(command)[1:]) == (1 if fails else 0)
    assert wrongly_shown(command, shown, capsys.readouterr().out) == ""


def test_an_output_that_is_not_so_is_seen() -> None:
    page = "```console\n$ cowstate replay\ntrades 5\n  wall 0.10 s\n$ cowstate bench # long\n```\n"
    (_, command, shown), (_, other, nothing) = shell_of(page)
    assert (command, other, nothing) == ("cowstate replay", "cowstate bench", "")
    assert wrongly_shown(command, shown, "trades 5\n  wall 9.99 s\n") == ""
    assert "trades 6" in wrongly_shown(command, shown, "trades 6\n  wall 0.10 s\n")


def test_outputs_are_shown() -> None:
    assert sum(bool(each.values[1].strip()) for each in TYPED) >= 3


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).as_posix() for page in PAGES if page.is_relative_to(docs)}
    linked = {match["target"] for match in LINK.finditer(index)}
    assert pages - linked == {"index.md"}


# What a page points to

LINK = re.compile(r"\]\((?!\w+:)(?P<target>[^)#]*)(?:#(?P<heading>[^)]+))?\)")
PATH = re.compile(r"`(?P<target>(?:cowstate|docs|tests)/[\w/-]+(?:\.\w+)?)`")


def lost_on(page: Path, text: str) -> list[str]:
    """The links, and the paths in the text, that lead nowhere; paths start at the root."""
    lost = []
    for match in LINK.finditer(text):
        target, heading = page.parent / match["target"], match["heading"]
        if not target.exists():
            lost.append(match["target"])
        elif heading is not None:
            shown = target.read_text(encoding="utf-8") if match["target"] else text
            if heading not in headings_of(shown):
                lost.append(f"{match['target']}#{heading}")
    paths = [match["target"] for match in PATH.finditer(text)]
    return lost + [target for target in paths if not (ROOT / target).exists()]


def headings_of(text: str) -> set[str]:
    """The names by which links find the headings of a page, as forges and Sphinx make them."""
    prose = FENCE.sub("", text)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    assert lost_on(page, page.read_text(encoding="utf-8")) == []


def test_a_page_that_points_to_nothing_is_seen() -> None:
    text = "[a](LICENSE), [b](docs/none.md#x), [c](http://there/d.md), `tests/none.py`, `tests`"
    assert lost_on(ROOT / "README.md", text) == ["docs/none.md", "tests/none.py"]


def test_a_link_to_a_heading_that_is_not_there_is_seen() -> None:
    text = "## What `x()` is, and why\n[a](#what-x-is-and-why), [b](#b), [c](README.md#try-it)\n"
    text += "[d](README.md#d)\n```sh\n# e\n```\n[e](#e)"
    assert lost_on(ROOT / "README.md", text) == ["#b", "README.md#d", "#e"]


# The public names


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

ENTRIES = [getattr(cowstate, name) for name in CALLABLE] + [
    *(aio.wait_for, aio.feed, aio.AsyncFeed),
    *(schedules.explore, schedules.replay, schedules.Exploration, schedules.Schedule),
    *(schedules.Step, schedules.Trace),
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


# That a broken example is seen


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("```python\nraise LookupError\n```\n", LookupError),
        ("```python\n>>> 1 + 1\n3\n```\n", AssertionError),
        ("```pycon\n>>> unknown\n```\n", AssertionError),
        ("```python\nx = 1\n```\n\ntext\n\n```python\n>>> x\n2\n```\n", AssertionError),
        ("```python\nthis is no python\n```\n", SyntaxError),
    ],
)
def test_a_broken_example_on_a_page_fails(page: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_page(page, "page.md")


@pytest.mark.parametrize(
    "page",
    [
        "```python\nx = 1\n```\n\n```python\n>>> x\n1\n```\n",
        "```sh\nexit 1\n```\n",
        "<!-- no test -->\n```python\nraise LookupError\n```\n",
        "no example",
    ],
)
def test_a_page_in_order_passes(page: str) -> None:
    run_page(page, "page.md")


def test_a_broken_example_in_a_docstring_fails() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "broken", None, 0)
    assert "Expected:\n    3" in failures_of(test)

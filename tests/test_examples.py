"""Every example runs: those in docstrings, and those in the README and the documentation."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import itertools
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cowstate

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = doctest.ELLIPSIS
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
        left_out = before.rstrip().endswith("<!-- no test -->")
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


# What a page points to

LINK = re.compile(r"\]\((?!\w+:)(?P<target>[^)#]+)")
PATH = re.compile(r"`(?P<target>(?:cowstate|docs|tests)/[\w/-]+(?:\.\w+)?)`")


def lost_on(page: Path, text: str) -> list[str]:
    """The links, and the paths in the text, that lead nowhere; paths start at the root."""
    links = [match["target"] for match in LINK.finditer(text)]
    paths = [match["target"] for match in PATH.finditer(text)]
    lost = [target for target in links if not (page.parent / target).exists()]
    return lost + [target for target in paths if not (ROOT / target).exists()]


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    assert lost_on(page, page.read_text(encoding="utf-8")) == []


def test_a_page_that_points_to_nothing_is_seen() -> None:
    text = "[a](LICENSE), [b](docs/none.md#x), [c](http://there/d.md), `tests/none.py`, `tests`"
    assert lost_on(ROOT / "README.md", text) == ["docs/none.md", "tests/none.py"]


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

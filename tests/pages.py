"""The pages of the documentation, and how what stands on them is run."""

from __future__ import annotations

import doctest
import pkgutil
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import cowstate

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = doctest.ELLIPSIS


def written_in(docs: Path) -> list[Path]:
    """The pages below *docs* that somebody wrote: not those that the site makes of docstrings."""
    made = docs / "reference/api"
    return sorted(page for page in docs.rglob("*.md") if not page.is_relative_to(made))


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written_in(ROOT / "docs")]
NO_TEST = "<!-- no test -->"
NEEDS = re.compile(r"^<!-- needs (?P<pins>.+) -->$", re.MULTILINE)
FENCE = re.compile(r"^```(?P<language>[a-z]*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    found = pkgutil.walk_packages(cowstate.__path__, "cowstate.")
    return ["cowstate", *(module.name for module in found if not module.name.endswith("__main__"))]


def failures_of(test: doctest.DocTest) -> str:
    """Run the examples of *test*; what went wrong, or nothing."""
    told: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append, clear_globs=False)
    return "".join(told)


# Pages. The blocks of one page are one session, from top to bottom. A block with prompts is a
# doctest; one without is run. ``<!-- no test -->`` on the line before a block leaves it out.
# ``<!-- needs PACKAGE==RELEASE … -->`` on a page says which releases of other people it is about.


def pins_of(text: str) -> dict[str, str]:
    """The releases that a page is about, by package."""
    found = [pin.split("==") for match in NEEDS.finditer(text) for pin in match["pins"].split()]
    return dict(found)


def missing(text: str) -> str:
    """Which of the releases that a page is about is not installed here, or nothing."""
    for package, release in pins_of(text).items():
        try:
            found = version(package)
        except PackageNotFoundError:
            return f"it is about {package} {release}, which is not installed here"
        if found != release:
            return f"it is about {package} {release}, and {found} is installed here"
    return ""


def blocks_of(text: str) -> list[tuple[int, str]]:
    """The examples in Python of a page: ``(line, source)``, as they come."""
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        left_out = before.rstrip().endswith(NO_TEST)
        if match["language"] in ("python", "pycon") and not left_out:
            found.append((before.count("\n") + 2, match["body"]))
    return found


def run_page(text: str, name: str, *, prompts: bool = True) -> dict[str, Any]:
    """Run the examples of a page; returns the names that they leave behind."""
    session = ModuleType("page")
    session.__dict__["__name__"] = "page"
    # Classes find their annotations, and pickles their classes, by way of their module.
    sys.modules["page"] = session
    try:
        for line, body in blocks_of(text):
            where = f"{name}, line {line}"
            if ">>>" in body and not prompts:
                continue
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

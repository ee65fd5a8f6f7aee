"""The reference, generated: a page for each public module, of all that its ``__all__`` names.

The pages are written to ``reference/api`` before Sphinx looks for pages, and are not kept in the
repository. They are reStructuredText, so that nobody takes them for pages that somebody wrote.
"""

from __future__ import annotations

import importlib
import inspect
import runpy
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx

MODULES: Final = {
    "cowstate": "the store, and all that goes with it",
    "cowstate.errors": "what else is raised",
    "cowstate.aio": "waiting and feeds for tasks",
    "cowstate.journal": "stores in a file",
    "cowstate.mirror": "stores that are kept equal to something elsewhere",
    "cowstate.mirror.kubernetes": "objects of a Kubernetes API",
    "cowstate.metrics": "what monitoring systems are told",
    "cowstate.metrics.prometheus": "for Prometheus",
    "cowstate.metrics.opentelemetry": "for OpenTelemetry",
    "cowstate.testing": "tests of what several threads use",
    "cowstate.testing.schedules": "programs in every order of their threads",
    "cowstate.testing.tasks": "programs in every order of their tasks",
    "cowstate.positions": "a grid's positions, and their reconciler",
    "cowstate.positions.errors": "what positions and exchanges raise",
}
"""What is documented by its ``__all__``, each with what its page is called."""

# What the modules use of each other's objects is no part of the reference, and what a class has
# from these others is not told again.
_ROOT: Final = Path(__file__).resolve().parents[2]
_WITHIN: Final[dict[str, set[str]]] = runpy.run_path(str(_ROOT / "tests/within.py"))["WITHIN"]
_FOREIGN: Final = (
    "object, BaseException, Exception, tuple, Mapping, MutableMapping, RuleBasedStateMachine"
)


def names_of(module: str) -> list[str]:
    """What is public in a module and not in one before it: as ordered there, errors last."""
    held = importlib.import_module(module)
    before = map(importlib.import_module, takewhile(lambda each: each != module, MODULES))
    told = {id(getattr(other, name)) for other in before for name in other.__all__}
    names = [
        name
        for name in held.__all__
        if not name.startswith("__") and id(getattr(held, name)) not in told
    ]
    return sorted(names, key=lambda name: _is_error(getattr(held, name)))


def _is_error(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseException)


def _directive(module: str, name: str) -> str:
    thing = getattr(importlib.import_module(module), name)
    if _is_error(thing):
        return f".. autoexception:: {name}\n   :show-inheritance:\n"
    if inspect.isclass(thing):
        within = ", ".join(sorted(_WITHIN.get(name, ())))
        without = f"   :exclude-members: {within}\n" if within else ""
        told = f".. autoclass:: {name}\n   :members:\n   :inherited-members: {_FOREIGN}\n"
        return told + without
    if inspect.isfunction(thing):
        return f".. autofunction:: {name}\n"
    return f".. autodata:: {name}\n   :no-value:\n"


def _anchor(module: str, name: str) -> str:
    """A place for links from the source, which lead to the first page with a name from there."""
    source = getattr(getattr(importlib.import_module(module), name), "__module__", None)
    for first in MODULES:
        held = importlib.import_module(first)
        if any(
            getattr(getattr(held, each), "__module__", "") == source for each in names_of(first)
        ):
            break
    if first == module or source is None:
        return ""
    return f'.. raw:: html\n\n   <span id="{first}.{name}"></span>\n\n'


def page_of(module: str) -> str:
    """The source of the page of a module."""
    title = f"``{module}``: {MODULES[module]}"
    parts = [title, "=" * len(title), "", f".. automodule:: {module}", "   :no-members:", ""]
    parts += [f".. currentmodule:: {module}", ""]
    parts += [_anchor(module, name) + _directive(module, name) for name in names_of(module)]
    return "\n".join(parts)


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference" / "api"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.rst"):
        if old.stem not in MODULES:
            old.unlink()
    for module in MODULES:
        page, text = folder / f"{module}.rst", page_of(module)
        # Only what is another one is read again.
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Have the pages written before all else."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

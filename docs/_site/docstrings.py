"""The docstrings as they are read: Google's sections, and names that the reference may not have.

Napoleon does the sections. It would also take the words before a colon in the docstring of a
property for a type, which here they never are, so it is not asked about those as properties.

In single backticks stand names. One that the reference has, by whichever module, becomes a link;
one of Python's or of the package's inside stays text; one that is nowhere is a warning.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from names import known_names
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, GoogleDocstring

_CONFIG: Final = Config(napoleon_use_ivar=True)
_OF_PYTHON: Final = {"Decimal", "datetime", "Path", *dir(builtins), *sys.stdlib_module_names}


def _sections(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    what = "function" if what in ("property", "attribute", "data") else what
    lines[:] = GoogleDocstring(lines, _CONFIG, app, what, name, thing, options).lines()


@cache
def vocabulary(package: Path) -> frozenset[str]:
    """Every name that is given to something in the package: functions, fields, parameters."""
    names: set[str] = set()
    for module in package.rglob("*.py"):
        names.update((module.stem, module.parent.name))
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    names.add(node.name)
                case ast.arg():
                    names.add(node.arg)
                case ast.alias():
                    names.add((node.asname or node.name).rpartition(".")[2])
                case ast.Name(ctx=ast.Store()):
                    names.add(node.id)
                case ast.Attribute(ctx=ast.Store()):
                    names.add(node.attr)
    return frozenset(names)


def is_a_name(target: str, package: Path) -> bool:
    """Whether something is called so, in Python, in a package of others or in this one."""
    parts = re.sub(r"[^\w.].*", "", target.rpartition("~")[2]).split(".")
    if parts[0] in _OF_PYTHON:
        return True
    if parts[0] == package.name:
        parts = parts[1:]
    elif len(parts) > 1 and importlib.util.find_spec(parts[0]) is not None:
        return True
    return all(part in vocabulary(package) for part in parts)


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    if node.get("refdomain") != "py":
        return None
    target, here = node["reftarget"], node.get("refdoc", env.docname)
    place = known_names(env).get(target)
    if place is not None:
        uri = app.builder.get_relative_uri(here, place[0]) if place[0] != here else ""
        return nodes.reference("", "", shown, internal=True, refuri=f"{uri}#{place[1]}")
    package = Path(app.srcdir).resolve().parent / "cowstate"
    return shown if is_a_name(target, package) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Read docstrings so, and resolve the names in them."""
    app.connect("autodoc-process-docstring", _sections)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

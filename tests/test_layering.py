"""Imports run downward only, and a module stays one concept long."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import cowstate

PACKAGE = Path(cowstate.__file__).parent

# From the top to the bottom; a module imports from the lines below its own only. A package is one
# unit: within it, its modules import each other freely.
LAYERS = [
    ["__main__"],
    ["cli"],
    ["bench"],
    ["positions", "testing"],
    ["aio", "journal"],
    ["store"],
    ["readstore", "blocks", "observation"],
    ["committer", "feeds", "statistics"],
    ["draft", "transactions", "delivery", "waits"],
    ["schema", "subscribers", "writelock"],
    ["torn"],
    ["reservation"],
    ["workspace", "timeline", "waiters", "invariants"],
    ["members"],
    ["snapshot"],
    ["ring", "derived", "scope", "locks"],
    ["maps"],
    ["changes"],
    ["records"],
    ["process"],
    ["errors"],
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}

# Applications see what every user sees, and nothing else of the core: the names that the package
# exports.
ON_THE_PUBLIC_SURFACE = {"positions"}
CORE = {unit for unit, level in LEVEL.items() if level >= LEVEL["store"]}
LONGEST = 420


# What the core may import from outside, by unit; the rest of it, the standard library alone.
OUTSIDE = {
    "records": {"msgspec"},
    "derived": {"msgspec"},
    "snapshot": {"msgspec"},
    "maps": {"pyrsistent", "immutables"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in MODULES]


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(source: str, path: Path) -> list[tuple[str, ...]]:
    """Every import as the absolute dotted path of a module; ``from . import x`` counts as x."""
    package = ("cowstate", *path.relative_to(PACKAGE).parts[:-1])
    found: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = (*start, *(node.module.split(".") if node.module else ()))
            if node.module is None or (module == ("cowstate",) and node.level):
                found += [(*module, alias.name) for alias in node.names]
            else:
                found.append(module)
    return found


def faults_of(source: str, path: Path) -> list[str]:
    """What is wrong with the imports of a module, in words."""
    unit = unit_of(path)
    faults = []
    for imported in imports_of(source, path):
        name = ".".join(imported)
        if imported[0] != "cowstate":
            outside = imported[0] not in sys.stdlib_module_names
            if outside and unit in CORE and imported[0] not in OUTSIDE.get(unit, set()):
                faults.append(f"the core imports {name}, which is no part of Python")
            continue
        target = imported[1] if len(imported) > 1 else "__init__"
        if target == unit:
            continue
        if target == "__init__":
            if unit in CORE:
                faults.append("the core imports the whole package, which imports the core")
        elif target not in LEVEL:
            faults.append(f"it imports {name}, which is in no layer of this test: give it one")
        elif unit in ON_THE_PUBLIC_SURFACE and target in CORE:
            faults.append(f"{unit} imports {name}; it may only use `from cowstate import ...`")
        elif LEVEL[target] <= LEVEL[unit]:
            faults.append(f"{unit} imports {name}, which is not below it")
    return faults


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_imports_only_from_the_layers_below_it(path: Path) -> None:
    unit = unit_of(path)
    if unit == "__init__":
        targets = [i[1] for i in imports_of(path.read_text(), path) if i[0] == "cowstate"]
        assert [t for t in targets if t not in CORE] == [], "the public names are the core's"
        return
    assert unit in LEVEL, f"{unit} is in no layer: give it one in LAYERS of {__file__}"
    assert faults_of(path.read_text(), path) == []


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_is_no_longer_than_one_concept(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST, "this wants to be two modules"


@pytest.mark.parametrize(
    ("unit", "line", "fault"),
    [
        ("changes.py", "from .store import Store", "not below it"),
        ("changes.py", "from . import store", "not below it"),
        ("store.py", "import cowstate.positions.model", "not below it"),
        ("ring.py", "from .derived import Index", "not below it"),
        ("committer.py", "from cowstate import Store", "imports the whole package"),
        ("committer.py", "import attrs", "no part of Python"),
        ("changes.py", "import pyrsistent", "no part of Python"),
        ("changes.py", "def f():\n    from .novel import thing", "in no layer"),
        ("positions/model.py", "from cowstate.snapshot import Snapshot", "may only use"),
        ("positions/model.py", "from ..records import Record", "may only use"),
    ],
)
def test_the_test_sees_what_is_wrong(unit: str, line: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(line, PACKAGE / unit))


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        ("store.py", "from .committer import Committer"),
        ("maps.py", "from pyrsistent import pmap"),
        ("positions/model.py", "from cowstate import Record\nfrom .ids import price_key"),
        ("cli.py", "import rich"),
    ],
)
def test_the_test_lets_pass_what_is_right(unit: str, line: str) -> None:
    assert faults_of(line, PACKAGE / unit) == []

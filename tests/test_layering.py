"""Imports run downward only, nobody reaches into a module, and a module stays one concept long."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

import cowstate

PACKAGE = Path(cowstate.__file__).parent

# From the top to the bottom; a module imports from the lines below its own only. A package is one
# unit: within it, its modules import each other freely, but for those that have rooms, below.
LAYERS = [
    ["__main__"],
    ["cli"],
    ["bench", "web"],
    ["metrics"],
    ["positions", "testing"],
    ["mirror"],
    ["aio", "journal"],
    ["store"],
    ["writestore"],
    ["readstore", "blocks", "bulk", "deriving", "observation"],
    ["measured"],
    ["committer", "feeds", "statistics"],
    ["draft", "transactions", "delivery", "waits"],
    ["codec"],
    ["schema", "groups", "writelock", "documents"],
    ["torn"],
    ["reservation", "subscribers", "bells"],
    ["workspace", "timeline", "waiters", "invariants"],
    ["items", "lookups", "members"],
    ["commit"],
    ["snapshot"],
    ["lineage", "views"],
    ["ring", "derivation", "ranges", "scope", "locks", "deferral", "meter"],
    ["totals"],
    ["aggregate", "index"],
    ["maps", "later"],
    ["thawing"],
    ["kinds"],
    ["ordered", "tree"],
    ["changes", "encoding"],
    ["blame", "exact", "freezing", "immutability", "keys", "records", "sameness", "slips"],
    ["process"],
    ["errors"],
    ["raised"],
    ["meta", "paths", "showing"],
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}

# Likewise within a package; each of these is a module or, with all that is in it, a package.
ROOMS = {
    "positions": [
        "command",
        "live",
        "simulation",
        "reconcile",
        "trading",
        "exchange",
        "book",
        "errors",
        "guard",
    ],
}

# Applications see what every user sees, and nothing else of the core: the names that the package
# exports.
ON_THE_PUBLIC_SURFACE = {"positions"}
PUBLIC = {*cowstate.__all__}
CORE = {unit for unit, level in LEVEL.items() if level >= LEVEL["store"]}
LONGEST = 420


# What the core may import from outside, by unit; the rest of it, the standard library alone.
OUTSIDE = {
    "freezing": {"pyrsistent"},
    "immutability": {"msgspec"},
    "index": {"msgspec"},
    "ordered": {"msgspec"},
    "thawing": {"msgspec"},
    "records": {"msgspec"},
    "codec": {"msgspec"},
    "documents": {"msgspec"},
    "meta": {"typing_extensions"},  # for type checkers, which bring it along
    "commit": {"msgspec"},
    "encoding": {"msgspec"},
    "showing": {"msgspec"},
    "snapshot": {"msgspec"},
    "maps": {"pyrsistent", "immutables"},
    "tree": {"msgspec"},
}

# Private names of other people's that there is no public name for.
NO_PUBLIC_NAME = {
    "_SubParsersAction": "argparse: the type of what add_subparsers returns",
    "_active": "threading: enumerate() waits for a lock that the caller may be holding",
    "_buckets": "pyrsistent: the vector of a map, which the garbage collector must see into",
    "_current_exceptions": "sys: documented, and private in name only",
    "_current_frames": "sys: documented, and private in name only",
    "_exit": "os: documented, and private in name only",
    "_exit_callbacks": "contextlib: what an ExitStack that was left by an exception still holds",
    "_get_running_loop": "asyncio: documented as get_running_loop that does not raise",
    "_getframe": "sys: documented, and private in name only",
    "_is_gil_enabled": "sys: documented, and private in name only",
    "_is_owned": "RLock: whether this thread holds it is asked in C, exact at every instruction",
    "_run": "asyncio: what a loop does with a handle",
    "_register_atexit": "threading: atexit comes after the threads that it would have to wake",
}

# Fields of values that users hold, for the core alone. With a public name they would be part of
# what users may rely on, and one of them is the very dict that other readers look at.
OF_SHARED_VALUES = {
    "_changed": "Commit: what changed, in the form that was cheapest to make",
    "_delta": "Commit: what changed, as a bare dict",
    "_indexes": "Snapshot",
    "_key_set": "Snapshot: another object whenever a key was added or deleted",
    "_lineage": "Snapshot: what the versions of one store have in common",
    "_map": "Snapshot: the records",
    "_of": "ChangeSet: made of a dict that nobody will change, without a copy",
    "_totals": "Snapshot",
}
OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in MODULES]


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def room_of(path: Path) -> str:
    """The room of a module whose unit has rooms; ``__init__``, which exports them, is none."""
    return path.relative_to(PACKAGE).with_suffix("").parts[1]


def room_fault_of(path: Path, imported: tuple[str, ...]) -> str | None:
    """What is wrong with an import within a package that has rooms, in words."""
    rooms = ROOMS[unit_of(path)]
    room, name = room_of(path), ".".join(imported)
    if room == "__init__":
        return None
    if len(imported) < 3:
        return f"it imports {name}, which imports all rooms, its own among them"
    target = imported[2]
    for each in (room, target):
        if each not in rooms:
            return f"it imports {name}, and {each} is no room: give it one in ROOMS"
    if rooms.index(target) < rooms.index(room):
        return f"{room} imports {name}, a room which is not below it"
    return None


def imports_of(source: str, path: Path) -> list[tuple[str, ...]]:
    """Every import as the absolute dotted path of a module; ``from . import x`` counts as x.

    So does ``from cowstate import x``, unless the package exports x.
    """
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
            elif module == ("cowstate",):
                names = [alias.name for alias in node.names]
                found += [module if name in PUBLIC else (*module, name) for name in names]
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
            if unit in ROOMS and (fault := room_fault_of(path, imported)):
                faults.append(fault)
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


def is_private(name: object) -> TypeGuard[str]:
    """Whether it starts with an underscore; what ends with one, too, is Python's or Enum's."""
    return isinstance(name, str) and name.startswith("_") and not name.endswith("_")


def definitions_in(tree: ast.Module) -> Iterator[str]:
    """Every name that the module defines, whatever it belongs to; a use defines nothing."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.Name(name, ast.Store()):
                yield name
            case ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
                yield name
            case ast.Assign([ast.Name("__slots__")], ast.Tuple(slots) | ast.List(slots)):
                yield from map(ast.literal_eval, slots)


def reach_ins_of(source: str, in_core: bool = False) -> list[str]:
    """Where a module uses a private name of another's, in words."""
    tree = ast.parse(source)
    known = {*definitions_in(tree), *NO_PUBLIC_NAME, *OF_NAMED_TUPLES}
    if in_core:
        known |= {*OF_SHARED_VALUES}
    faults = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("self" | "cls") | ast.Call(ast.Name("super"))):
                continue
            case ast.Attribute(_, str(name)):
                used = [name]
            case ast.Call(
                ast.Name("getattr" | "setattr" | "hasattr"), [_, ast.Constant(str(name)), *_]
            ):
                used = [name]
            case ast.ImportFrom(_, names):
                used = [alias.name for alias in names]
            case _:
                continue
        faults += [
            f"line {node.lineno}: {ast.unparse(node)} reaches for {name}, which is another module's"
            for name in used
            if is_private(name) and name not in known
        ]
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
def test_a_module_uses_no_private_name_of_another(path: Path) -> None:
    assert reach_ins_of(path.read_text(), in_core=unit_of(path) in CORE) == [], (
        "offer what is shared by a public name"
    )


WITH = {"__enter__", "__exit__"}


def ways_to_leave(source: str) -> list[str]:
    """What each class in *source* does at the ends of a ``with``, in one form."""
    return [
        "".join(ast.dump(method) for method in methods)
        for cls in ast.walk(ast.parse(source))
        if isinstance(cls, ast.ClassDef)
        and (methods := [each for each in cls.body if getattr(each, "name", "") in WITH])
    ]


def test_what_is_the_same_at_the_end_of_a_with_is_written_once() -> None:
    found = [way for path in MODULES for way in ways_to_leave(path.read_text(encoding="utf-8"))]
    assert len(found) == len(set(found)) > 5
    one = "class A:\n def __enter__(self): return self\n def __exit__(self, *_): self.close()\n"
    assert len(set(ways_to_leave(one + one.replace("A", "B")))) == 1


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_is_no_longer_than_one_concept(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST, "this wants to be two modules"


@pytest.mark.parametrize(
    ("unit", "line", "fault"),
    [
        ("changes.py", "from .store import Store", "not below it"),
        ("changes.py", "from . import store", "not below it"),
        ("store.py", "import cowstate.positions.book.model", "not below it"),
        ("ring.py", "from .derivation import Derivation", "not below it"),
        ("committer.py", "from cowstate import Store", "imports the whole package"),
        ("committer.py", "import attrs", "no part of Python"),
        ("changes.py", "import pyrsistent", "no part of Python"),
        ("changes.py", "def f():\n    from .novel import thing", "in no layer"),
        ("positions/book/model.py", "from cowstate.snapshot import Snapshot", "may only use"),
        ("positions/book/model.py", "from ...records import Record", "may only use"),
        ("positions/book/sync.py", "from ..trading.grid import plan_grid", "not below it"),
        ("positions/book/sync.py", "from .. import trading", "not below it"),
        ("positions/trading/manager.py", "from ..reconcile.breaker import x", "not below it"),
        ("positions/reconcile/plan.py", "import cowstate.positions.simulation.tape", "not below"),
        ("positions/errors.py", "from .book.ids import price_key", "not below it"),
        ("positions/book/model.py", "from cowstate.positions import Side", "imports all rooms"),
        ("positions/novel.py", "from .book.ids import price_key", "novel is no room"),
        ("positions/command.py", "from .novel import thing", "novel is no room"),
        ("positions/book/model.py", "from cowstate import store", "may only use"),
        ("positions/book/model.py", "from cowstate import Record, bench", "not below it"),
    ],
)
def test_the_test_sees_what_is_wrong(unit: str, line: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(line, PACKAGE / unit))


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        ("store.py", "from .committer import Committer"),
        ("maps.py", "from pyrsistent import pmap"),
        ("positions/book/model.py", "from cowstate import Record\nfrom .ids import price_key"),
        ("positions/book/model.py", "from ..errors import TapeError"),
        ("positions/reconcile/report.py", "from .plan import Look\nfrom ..book.ids import x"),
        ("positions/command.py", "from .simulation.replay import replay"),
        ("positions/__init__.py", "from .simulation.tape import Trade"),
        ("cli.py", "import rich"),
    ],
)
def test_the_test_lets_pass_what_is_right(unit: str, line: str) -> None:
    assert faults_of(line, PACKAGE / unit) == []


@pytest.mark.parametrize(
    "line",
    [
        "store._current",
        "store._current = 1",
        "store.snapshot()._map",
        "self.store._current",
        "self._store._current",
        "del other._x",
        "def f(x): return x._y._x\nclass A:\n    def _x(self): ...",
        "getattr(store, '_current', None)",
        "setattr(store, '_current', 1)",
        "from .core import _KINDS",
        "from .core import thing as x, _KINDS as KINDS",
        "class A:\n    __slots__ = ('_one',)\nf(other._two)",
    ],
)
def test_the_test_sees_a_private_name_of_another_module(line: str) -> None:
    assert len(reach_ins_of(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "self._current",
        "class A:\n    def of(cls): return cls._map",
        "class A:\n    def f(self): super()._f()",
        "class A:\n    def __init__(self): self._one = 1\n    def same(self, b): return b._one",
        "class A:\n    _one: int\ndef f(a): return a._one",
        "class A:\n    __slots__ = ('_one',)\ndef f(a): return a._one",
        "class A:\n    def _one(self): ...\nA()._one()",
        "class A:\n    def f(self): self._one, self.two = 1, 2\nA()._one",
        "change._replace(old=1)",
        "kind.__name__, member._value_",
        "sys._getframe(1)",
        "threading.RLock()._is_owned()",
        "getattr(sys, '_is_gil_enabled', None)",
        "for _ in xs: pass",
    ],
)
def test_the_test_lets_pass_a_private_name_of_the_module_s_own(line: str) -> None:
    assert reach_ins_of(line) == []

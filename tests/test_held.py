"""Nothing goes round a loop while it holds something.

An asynchronous exception (Ctrl-C, say) comes up, among other places, at the jump that leads a loop
back to its start. From CPython 3.12 on the compiler leaves some of these jumps outside of the
``try`` or ``with`` that the loop stands in; which ones depends on the release and on the shape of
the loop. An exception there passes by the handler, and what was held stays held for ever. So a
loop goes into a function of its own: the call of that is covered.
"""

from __future__ import annotations

import ast
import dis
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType

import pytest

import cowstate

PACKAGE = Path(cowstate.__file__).parent

# Whatever else a `with` is given holds something. By the name of what is called.
HOLDS_NOTHING = {
    "open": "a file closes itself when nobody refers to it",
    "_plain": "likewise: a file, unpacked",
    "mutate": "a map that is being built is dropped, and nobody has seen it",
    "progress": "a bar on a terminal",
    "suppress": "there is nothing to give back",
    "transaction": "a transaction ends when its `with` lets go of it, however that comes about",
}

# What the store is compared with, written as such programs are written.
NOT_OURS = {
    "bench.locked",
    "bench.locked_blotter",
    "bench.locked_index",
    "bench.locked_positions",
    "bench.everyday",
    "bench.locked_slots",
    "bench.rivals",
}

Loop = ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.SetComp | ast.DictComp
# Code of its own, entered by a call. A generator expression is, on every release; the other
# comprehensions are not any more.
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)


def name_of(node: ast.expr) -> str:
    """The last name of an expression: of ``a.b(c)``, that is b."""
    match node:
        case ast.Call():
            return name_of(node.func)
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
    return ast.unparse(node)


def within(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """These nodes and all that is in them, but not what is code of its own."""
    for node in nodes:
        yield node
        if not isinstance(node, FUNCTIONS):
            yield from within(ast.iter_child_nodes(node))


def goes_round(loop: Loop) -> bool:
    """Whether there is a jump back; a ``for`` whose body always ends it only makes one call."""
    if not isinstance(loop, ast.For | ast.AsyncFor | ast.While):
        return True
    if any(isinstance(node, ast.Continue) for node in within(loop.body)):
        return True
    return not isinstance(loop.body[-1], ast.Break | ast.Return | ast.Raise)


def loops(nodes: Iterable[ast.AST]) -> Iterator[Loop]:
    return (node for node in within(nodes) if isinstance(node, Loop) and goes_round(node))


def catches_everything(handler: ast.ExceptHandler) -> bool:
    kind = handler.type
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(name_of(each) == "BaseException" for each in kinds)


def guarded(node: ast.AST) -> tuple[str, list[ast.AST]] | None:
    """What a statement holds, in words, and the code that runs meanwhile; None if nothing."""
    match node:
        case ast.With() | ast.AsyncWith():
            given = [item.context_expr for item in node.items]
            for place, each in enumerate(given, 1):
                if name_of(each) not in HOLDS_NOTHING:
                    return f"`with {ast.unparse(each)}`", [*given[place:], *node.body]
        case ast.Try() | ast.TryStar() if node.finalbody:
            return "`try` with `finally`", [*node.body, *node.handlers, *node.orelse]
        case ast.Try() | ast.TryStar() if any(map(catches_everything, node.handlers)):
            return "`try` with `except BaseException`", [*node.body]
    return None


def between_calls(function: ast.AST) -> Iterator[Loop]:
    """The loops that begin after something was acquired and before the last thing is released."""
    body = list(within(ast.iter_child_nodes(function)))
    calls = [(place_of(node), name_of(node)) for node in body if isinstance(node, ast.Call)]
    taken = [place for place, name in calls if re.fullmatch("_?acquire", name)]
    given = [place for place, name in calls if re.fullmatch("_?release", name)]
    if taken and given:
        for loop in loops(ast.iter_child_nodes(function)):
            if min(taken) < place_of(loop) < max(given):
                yield loop


def place_of(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def held_loops(source: str) -> list[str]:
    """The loops of a module that go round while something is held, in words."""
    found: dict[Loop, str] = {}
    for node in ast.walk(ast.parse(source)):
        if (holding := guarded(node)) is not None:
            what, body = holding
            for loop in loops(body):
                found[loop] = f"line {loop.lineno}: this loop stands in a {what}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for loop in between_calls(node):
                found.setdefault(loop, f"line {loop.lineno}: a loop between acquire and release")
    return sorted(found.values())


OURS = {
    name: path
    for path in sorted(PACKAGE.rglob("*.py"))
    if (name := ".".join(path.relative_to(PACKAGE).with_suffix("").parts)) not in NOT_OURS
}


@pytest.mark.parametrize("path", OURS.values(), ids=OURS)
def test_no_loop_goes_round_while_something_is_held(path: Path) -> None:
    assert held_loops(path.read_text()) == [], "put the loop into a function of its own"


@pytest.mark.parametrize(
    "body",
    [
        "with self._lock:\n    for x in xs: x()",
        "with self._lock:\n    while xs: pass",
        "with self._lock, open(name) as file:\n    for x in file: x()",
        "with open(name) as file, self._lock:\n    for x in file: x()",
        "with self._lock, use([x() for x in xs]):\n    go()",
        "with novel():\n    for x in xs: x()",
        "with self._lock:\n    if xs:\n        y = [x() for x in xs]",
        "with self._lock:\n    y = {x: 1 for x in xs}",
        "with self._lock:\n    y = {x for x in xs}",
        "with self._lock:\n    for x in xs:\n        if x: continue\n        break",
        "with self._lock:\n    for x in xs:\n        if x: break",
        "try:\n    for x in xs: x()\nfinally:\n    done()",
        "try:\n    go()\nexcept ValueError:\n    for x in xs: x()\nfinally:\n    done()",
        "try:\n    go()\nexcept E:\n    pass\nelse:\n    while xs: x()\nfinally:\n    done()",
        "try:\n    for x in xs: x()\nexcept BaseException:\n    done()",
        "try:\n    for x in xs: x()\nexcept (KeyError, BaseException):\n    done()",
        "try:\n    for x in xs: x()\nexcept:\n    done()",
        "try:\n    try:\n        for x in xs: x()\n    except E: pass\nfinally:\n    done()",
        "lock.acquire()\nfor x in xs: x()\nlock.release()",
        "if self._acquire(True, 1):\n    y = [x() for x in xs]\n    self._release()",
    ],
)
def test_the_test_sees_a_loop_that_holds(body: str) -> None:
    assert len(held_loops(in_function(body))) == 1


def test_the_test_sees_a_coroutine_that_holds() -> None:
    body = "async with lock:\n    async for x in xs: x()"
    assert held_loops(f"async {in_function(body)}") != []


@pytest.mark.parametrize(
    "body",
    [
        "for x in xs:\n    with self._lock: x()",
        "while not lock.acquire(timeout=1):\n    warn()\nlock.release()",
        "lock.acquire()\nlock.release()\nfor x in xs: x()",
        "with self._lock:\n    self._all_of(xs)\nfor x in xs: x()",
        "with self._lock:\n    for x in xs: return x",
        "with self._lock:\n    def later():\n        for x in xs: x()",
        "with self._lock:\n    y = any(x() for x in xs)",
        "with self._lock:\n    y = list(map(call, xs))",
        "with open(name) as file:\n    for x in file: x()",
        "with suppress(OSError):\n    for x in xs: x()",
        "try:\n    for x in xs: x()\nexcept Exception:\n    warn()",
        "try:\n    go()\nexcept BaseException:\n    for _ in self._unlock: break\n    raise",
        "try:\n    go()\nfinally:\n    for x in xs: x()",
    ],
)
def test_the_test_lets_pass_what_holds_nothing_while_it_loops(body: str) -> None:
    assert held_loops(in_function(body)) == []


def in_function(body: str) -> str:
    return "def f(self, lock, xs):\n" + "".join(f"    {line}\n" for line in body.splitlines())


def bare_jumps(code: CodeType) -> list[int]:
    """Where the code jumps back with nothing to catch what comes up there."""
    bytecode = dis.Bytecode(code)
    return [
        jump.offset
        for jump in bytecode
        if jump.opname == "JUMP_BACKWARD"
        and not any(e.start <= jump.offset < e.end for e in bytecode.exception_entries)  # type: ignore[attr-defined]
    ]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="until 3.11 every jump was covered")
@pytest.mark.parametrize(
    "loop", ["for x in xs:\n        if x: x()", "y = [x() for x in xs if x]"], ids=["for", "list"]
)
def test_this_python_does_leave_such_jumps_bare(loop: str) -> None:
    names: dict[str, object] = {}
    exec(in_function(f"with lock:\n    {loop}"), names)
    code = names["f"].__code__  # type: ignore[attr-defined]
    assert bare_jumps(code), "if it leaves none any more on any release, this test can go"

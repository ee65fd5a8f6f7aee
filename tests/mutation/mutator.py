"""The mutants of a module: each a small change of its text that a test ought to notice.

A mutant keeps every line where it was, so that tests which count or trace lines still mean what
they say. What nothing runs is left alone: docstrings, annotations, overloads, messages.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
}
DELETED = (ast.Raise, ast.Delete, ast.AugAssign, ast.Break, ast.Continue)
PASS = ast.Pass()
# What stands between a node and the expressions and statements that it holds.
WITHIN = (
    ast.arg,
    ast.arguments,
    ast.comprehension,
    ast.ExceptHandler,
    ast.keyword,
    ast.match_case,
    ast.withitem,
)
LONGEST = 80  # of each part of a name


class Mutant(NamedTuple):
    """One change. *function* and *change* name it; where it stands may move.

    Attributes:
        function: the dotted name of what it is in, empty at the top of the module.
        change: the statement it is in, and what becomes of what.
        line: where it stands now.
        text: the whole module, changed.
    """

    function: str
    change: str
    line: int
    text: str


class Change(NamedTuple):
    """What becomes of a node."""

    old: ast.expr | ast.stmt
    new: ast.expr | ast.stmt


def mutants_of(source: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text."""
    found = []
    named: Counter[tuple[str, str]] = Counter()
    texts = {source}
    for function, statement, change in _changes(ast.parse(source)):
        text = _applied(source, change)
        if text in texts:
            continue
        texts.add(text)
        name = _name(statement, change)
        named[function, name] += 1
        times = named[function, name]
        numbered = name if times == 1 else f"{name} #{times}"
        found.append(Mutant(function, numbered, change.old.lineno, text))
    return found


Found = Iterator[tuple[str, ast.stmt, Change]]


def _changes(module: ast.Module) -> Found:
    bound: set[str] = set()
    for statement in module.body:
        yield from _in_statement(statement, "", bound)


def _in_statement(statement: ast.stmt, function: str, bound: set[str]) -> Found:
    """The changes of *statement* and what is in it; *bound* are the names that have a value."""
    if _is_left_alone(statement):
        return
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{statement.name}".lstrip(".")
        bound = {argument.arg for argument in ast.walk(statement) if isinstance(argument, ast.arg)}
    for change in _of_statement(statement, bound):
        yield function, statement, change
    for child in _evaluated(statement):
        if isinstance(child, ast.stmt):
            yield from _in_statement(child, function, bound)
        else:
            for change in _in_expression(child):
                yield function, statement, change
            bound |= _assigned(child)


def _assigned(*nodes: ast.expr) -> set[str]:
    return {
        name.id
        for node in nodes
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def _is_left_alone(statement: ast.stmt) -> bool:
    """Whether nothing runs *statement*, or only a type checker cares what it does."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
        return True
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func) in ("TypeVar", "ParamSpec")
    decorators = getattr(statement, "decorator_list", [])
    return any(ast.unparse(decorator).endswith("overload") for decorator in decorators)


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The children of *node* but for annotations, in the order of the text."""
    left_out = {id(getattr(node, name, None)) for name in ("annotation", "returns")}
    if isinstance(node, ast.ClassDef):
        # In the call of a base, the keywords say how the class is made.
        left_out |= {id(base) for base in node.bases}
        left_out |= {id(one) for one in node.decorator_list if _is_for_checkers(one)}
    for child in ast.iter_child_nodes(node):
        if id(child) in left_out:
            continue
        if isinstance(child, WITHIN):
            yield from _evaluated(child)
        elif isinstance(child, ast.stmt | ast.expr):
            yield child


def _is_for_checkers(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).startswith("dataclass_transform(")


def _of_statement(statement: ast.stmt, bound: set[str]) -> Iterator[Change]:
    match statement:
        case (
            ast.Expr(ast.Call() | ast.Await())
            | ast.Assign([ast.Attribute() | ast.Subscript()])
            | ast.AnnAssign(ast.Attribute(), value=ast.expr())
        ):
            yield Change(statement, PASS)
        case ast.Assign([target]) if _assigned(target) and _assigned(target) <= bound:
            yield Change(statement, PASS)  # what the names stood for before, they stand for still
        case ast.Return(None):
            yield Change(statement, PASS)
        case ast.Return(ast.expr() as value) if not _is_none(value):
            yield Change(value, ast.Constant(None))
        case ast.If(test) if not isinstance(test, ast.Constant):
            yield Change(test, ast.Constant(True))
            yield Change(test, ast.Constant(False))
        case ast.While(test) if not isinstance(test, ast.Constant):
            yield Change(test, ast.Constant(False))  # and never True, which has no end
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            yield Change(statement, ast.AugAssign(target, COMPUTED[type(op)](), value))
    if isinstance(statement, DELETED):
        yield Change(statement, PASS)


def _in_expression(node: ast.AST) -> Iterator[Change]:
    # Where in the text the parts of an f-string stand, CPython tells from 3.12 on only. What is in
    # them are messages and reprs, for the most part.
    if isinstance(node, ast.JoinedStr):
        return
    if isinstance(node, ast.expr):
        yield from _of_expression(node)
    for child in _evaluated(node):
        yield from _in_expression(child)


def _of_expression(node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.Compare(left, ops, comparators):
            for place, op in enumerate(ops):
                turned = [*ops[:place], COMPARED[type(op)](), *ops[place + 1 :]]
                yield Change(node, ast.Compare(left, turned, comparators))
        case ast.BoolOp(op, values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield Change(node, ast.BoolOp(other, values))
            for place in range(len(values)):
                rest = values[:place] + values[place + 1 :]
                yield Change(node, rest[0] if len(rest) == 1 else ast.BoolOp(op, rest))
        case ast.UnaryOp(ast.Not(), operand):
            yield Change(node, operand)
        case ast.UnaryOp(ast.USub(), operand):
            yield Change(node, operand)
        case ast.BinOp(left, op, right) if type(op) in COMPUTED and not _is_text(left, right):
            yield Change(node, ast.BinOp(left, COMPUTED[type(op)](), right))
        case ast.IfExp(test, body, orelse):
            yield Change(node, body)
            yield Change(node, orelse)
        case ast.Constant(bool() as value):
            yield Change(node, ast.Constant(not value))
        case ast.Constant(int() as value):
            yield Change(node, ast.Constant(value + 1))
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            for clause in node.generators:
                for test in clause.ifs:
                    yield Change(test, ast.Constant(True))
        case ast.Yield(ast.expr() as value) if not _is_none(value):
            yield Change(value, ast.Constant(None))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(*nodes: ast.expr) -> bool:
    return any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        for node in nodes
    )


def _name(statement: ast.stmt, change: Change) -> str:
    header, old, new = _header(statement), _shown(change.old), _shown(change.new)
    is_all_of_it = header in (old, f"return {old}", f"if {old}", f"while {old}")
    header, old, new = _cut(header), _cut(old), _cut(new)
    return f"{header} -> {new}" if is_all_of_it else f"{header} | {old} -> {new}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _header(statement: ast.stmt) -> str:
    """A statement in one line, without what is in its block."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return f"def {statement.name}"
        case ast.If(test):
            return f"if {_shown(test)}"
        case ast.While(test):
            return f"while {_shown(test)}"
        case ast.For(target, iterable) | ast.AsyncFor(target, iterable):
            return f"for {_shown(target)} in {_shown(iterable)}"
        case ast.With(items) | ast.AsyncWith(items):
            return f"with {', '.join(map(ast.unparse, items))}"
        case ast.Try() | ast.TryStar():
            return "try"
        case ast.Match(subject):
            return f"match {_shown(subject)}"
    return _shown(statement)


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _applied(source: str, change: Change) -> str:
    """Return *source* with a change, and as many lines as before."""
    old = change.old
    assert old.end_lineno is not None
    assert old.end_col_offset is not None
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: old.lineno - 1])) + old.col_offset
    end = sum(map(len, lines[: old.end_lineno - 1])) + old.end_col_offset
    data = source.encode()
    gone = "\n" * data[start:end].decode().count("\n")
    text = ast.unparse(change.new)
    if isinstance(change.new, ast.expr):
        # In parentheses, whatever it stands in, and they may span the lines that it had.
        text = f"({text}{gone})"
    else:
        text += gone
    return (data[:start] + text.encode() + data[end:]).decode()

"""Which statements stand on a line of a function: what the line can do is read off from them."""

from __future__ import annotations

import ast
import linecache
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Final

__all__ = ["Scope", "SourceLines", "lines_of", "runs_nothing"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS: Final = (
    *(ast.For, ast.AsyncFor, ast.While),
    # What they bind of their own may have the name of a variable of another function.
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


class Scope:
    """One function of a module's source.

    Attributes:
        node: the function.
        outer: the function around it, or None.
        bound: how often each name is bound in it; in a loop counts twice.
        first: the line of its first statement that does something.
    """

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self.node = node
        self.outer: Scope | None = None
        self.bound: Counter[str] = Counter()
        self.first = 0
        self._lines: dict[int, list[ast.AST] | None] = {}

    def at(self, line: int) -> list[ast.AST] | None:
        """Return what stands on *line*; None if something there goes over several lines."""
        return self._lines.get(line)

    def add(self, node: ast.AST, first: int, last: int) -> None:
        """Note that *node* stands on these lines."""
        self.first = self.first or first
        here = self._lines.setdefault(first, [])
        if first != last or here is None:
            self._lines.update(dict.fromkeys(range(first, last + 1)))
        else:
            here.append(node)


class SourceLines:
    """The functions of a module, to be found by their code.

    Attributes:
        nonlocals: the names that some function declares to be another's.
        stored: the names of the attributes that some line stores or deletes.
        restored: those that some line may store in an object that others know already.
    """

    def __init__(self, source: str) -> None:
        self.nonlocals: frozenset[str] = frozenset()
        self.stored: frozenset[str] = frozenset()
        self.restored: frozenset[str] = frozenset()
        self._scopes: defaultdict[tuple[str, int], list[Scope]] = defaultdict(list)
        self._lambdas: dict[int, tuple[CodeType, Scope | None]] = {}
        self._read(ast.parse(source))

    def scope(self, code: CodeType) -> Scope | None:
        """Return the function whose code that is; None if nobody can tell."""
        found = self._scopes.get((code.co_name, code.co_firstlineno), [])
        if len(found) < 2:
            return found[0] if found else None
        # By identity, for the hash of a code object costs a walk through it; kept, so that the
        # number stays its own.
        known = self._lambdas.get(id(code))
        if known is None:
            # Of two, the inner one comes later.
            of_it = [each for each in found if _is_of(code, each.node)]
            known = self._lambdas[id(code)] = (code, of_it[-1] if of_it else None)
        return known[1]

    def _read(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        self.nonlocals = frozenset(
            name for node in nodes if isinstance(node, ast.Nonlocal) for name in node.names
        )
        self.stored = _stored_in(nodes)
        self.restored = frozenset(_restored_in(tree))
        if any(_begins_again(tree)):
            self.restored |= self.stored
        self._walk(tree, None)

    def _walk(self, node: ast.AST, outer: Scope | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (*_FUNCTIONS, ast.Lambda)):
                scope = Scope(child)
                scope.outer = outer
                _fill(scope, child)
                lines = [each.lineno for each in getattr(child, "decorator_list", ())]
                name = "<lambda>" if isinstance(child, ast.Lambda) else child.name
                self._scopes[name, min([child.lineno, *lines])].append(scope)
                self._walk(child, scope)
            else:
                self._walk(child, outer)


def _stored_in(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset(
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    )


def _restored_in(node: ast.AST) -> Iterator[str]:
    """The names that are stored not once, by an ``__init__`` in the object that it begins.

    Those that are stored as keys, too: an object's names may stand in what they are stored in.
    """
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name="__init__", args=ast.arguments(args=[ast.arg(me), *_])):
                yield from _restored_by(child, me)
                continue
            case ast.Attribute(attr=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Subscript(slice=ast.Constant(str(name)), ctx=ast.Store() | ast.Del()):
                yield name
            case _:
                pass
        yield from _restored_in(child)


def _begins_again(node: ast.AST) -> Iterator[bool]:
    """Whether something but an ``__init__`` calls one, of an object that may be known already."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            continue
        if isinstance(child, ast.Attribute) and child.attr == "__init__":
            yield True
        yield from _begins_again(child)


def _restored_by(init: ast.FunctionDef, me: str) -> Iterator[str]:
    began = Counter(name for each in init.body for name in _began(each, me))
    yield from (name for name, times in began.items() if times > 1)
    others = [each for each in init.body if not any(_began(each, me))]
    yield from _restored_in(ast.Module(others, []))


def _began(statement: ast.stmt, me: str) -> Iterator[str]:
    """The name that *statement* stores in *me*, if it does no more than that."""
    match statement:
        case ast.Assign([ast.Attribute(ast.Name(owner), name)], _) | ast.AnnAssign(
            ast.Attribute(ast.Name(owner), name), _
        ) if owner == me:
            yield name
        case _:
            pass


def _is_of(code: CodeType, node: ast.AST) -> bool:
    """Whether all that *code* consists of stands in the body of *node*, if that is a lambda."""
    if not isinstance(node, ast.Lambda):
        return False
    body = node.body
    first = (body.lineno, body.col_offset)
    last = (body.end_lineno or 0, body.end_col_offset or 0)
    # What begins and ends a function takes no place.
    places = [
        ((line, column), (end, end_column))
        for line, end, column, end_column in code.co_positions()
        if line and end and column is not None and end_column
    ]
    return bool(places) and all(first <= start and end <= last for start, end in places)


def runs_nothing(function: ast.FunctionDef) -> bool:
    """Whether to define it runs nothing: no default, and no annotation but a mere name."""
    every = function.args
    args = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    notes = [function.returns, *(each.annotation for each in args if each is not None)]
    mere = all(each is None or isinstance(each, ast.Constant | ast.Name) for each in notes)
    return mere and not every.defaults and not any(every.kw_defaults)


def lines_of(module: ModuleType) -> SourceLines:
    """Return the functions of *module*."""
    return _read("".join(linecache.getlines(str(module.__file__), vars(module))))


@lru_cache(maxsize=256)
def _read(source: str) -> SourceLines:
    return SourceLines(source)


def _fill(scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
    arguments = node.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    given += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    scope.bound.update(each.arg for each in given)
    if isinstance(node, ast.Lambda):
        scope.add(ast.Expr(node.body), node.body.lineno, node.body.end_lineno or 0)
        return
    body = node.body
    if ast.get_docstring(node) is not None:
        body = body[1:]
    _lay_out(scope, body)
    scope.bound.update(_bound_in(node.body, 1))


def _lay_out(scope: Scope, body: Iterable[ast.stmt]) -> None:
    """Note on which lines the statements of *body*, and the heads of compound ones, stand."""
    for statement in body:
        for node, first, last in _heads(statement):
            scope.add(node, first, last)
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef, ast.Match)):
            continue
        for name in ("body", "orelse", "handlers", "finalbody"):
            inner = getattr(statement, name, [])
            if name == "handlers":
                for handler in inner:
                    last = handler.lineno if handler.type is None else handler.type.end_lineno
                    scope.add(handler, handler.lineno, last or 0)
                    _lay_out(scope, handler.body)
            else:
                _lay_out(scope, inner)


def _heads(statement: ast.stmt) -> Iterator[tuple[ast.AST, int, int]]:
    first, last = statement.lineno, statement.end_lineno or 0
    match statement:
        case ast.If(test) | ast.While(test):
            yield statement, first, test.end_lineno or 0
        case ast.For(iter=over) | ast.AsyncFor(iter=over):
            yield statement, first, over.end_lineno or 0
        case ast.With(items) | ast.AsyncWith(items):
            ends = [
                node.end_lineno or 0
                for item in items
                for node in (item.context_expr, item.optional_vars)
                if node is not None
            ]
            yield statement, first, max(ends)
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            start = min([first, *(each.lineno for each in statement.decorator_list)])
            yield statement, start, max(start, min(body[0].lineno - 1, last), first)
        case ast.Try() | ast.TryStar():
            return
        case _:
            # A class and a match are told from the outside as their whole.
            yield statement, first, last


def _bound_in(body: Iterable[ast.AST], weight: int) -> Counter[str]:
    """How often each name is bound in *body*, without the functions in it."""
    found: Counter[str] = Counter()
    for node in body:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found[node.id] += weight
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            found[node.name] += weight
            continue
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            found[node.name] += 2
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update({(each.asname or each.name.split(".")[0]): weight for each in node.names})
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
            found[node.name] += 2
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            found[node.rest] += 2
        loops = isinstance(node, _LOOPS)
        found += _bound_in(ast.iter_child_nodes(node), 2 if loops else weight)
    return found

"""What a line will touch, read off from its source and the objects that are there.

A line is understood only where every part of it is of a kind that is listed here, and only as far
as the objects at hand show what it does: a plain attribute of an object without hooks, an item of
a built-in container, arithmetic on built-in numbers and strings, a lock, a call of a function
whose lines are switch points of their own. All else may touch anything. Nothing is run to find
out.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any, Final, NamedTuple

from .footprints import Footprint
from .known import (
    CONTAINERS,
    FRESH,
    PLAIN,
    UNKNOWN,
    Method,
    NotUnderstoodError,
    Unknown,
    is_plain,
)
from .lines import Scope, runs_nothing
from .objects import Touched
from .primitives import Condition, Guard

__all__ = ["Reading", "View"]


class View(NamedTuple):
    """Where a thread stands.

    Attributes:
        code: the function.
        variables: its variables.
        names: those of its module.
        rest: whether it is in the middle of the line.
        settled: the variables of other functions that were bound before it began.
    """

    code: CodeType
    variables: Mapping[str, Any]
    names: Mapping[str, Any]
    rest: bool
    settled: frozenset[str] = frozenset()


_COMPARING: Final = (ast.Is, ast.IsNot)


class Reading:
    """One look at what stands on a line.

    Args:
        view: where the thread stands.
        scope: the function in the source.
        files: those whose lines are switch points.
        stored: the names of attributes that some line stores.
        nonlocals: the names that some function of the module declares to be another's.
        rebound: the names of the module that one of its functions may rebind.

    Attributes:
        touched: what has been found to be touched so far.
    """

    def __init__(
        self,
        view: View,
        scope: Scope,
        files: frozenset[str],
        stored: frozenset[str],
        nonlocals: frozenset[str],
        rebound: frozenset[str],
    ) -> None:
        self._view = view
        self._scope = scope
        self._stored = stored
        self._nonlocals = nonlocals
        self._rebound = rebound
        self.touched = Touched(files)
        self._changed: set[str] = set()

    def of(self, nodes: Sequence[ast.AST]) -> Footprint:
        """Return what *nodes*, which stand on the line, may touch.

        Raises:
            NotUnderstoodError: that may be anything.
        """
        if self._view.rest:
            # What the line binds may have been bound already.
            self._changed.update(
                each.id
                for node in nodes
                for each in ast.walk(node)
                if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)
            )
        for node in nodes:
            self._do(node)
        return self.touched.footprint()

    # Statements.

    def _do(self, node: ast.AST) -> None:
        match node:
            case ast.Expr(value):
                self.value(value)
            case ast.Return(value):
                if value is not None:
                    self.value(value)
            case ast.Assign(targets, value):
                given = self.value(value)
                for target in targets:
                    self._store(target, given)
            case ast.AnnAssign(ast.Name() as target, value=value):
                if value is not None:
                    self._store(target, self.value(value))
            case ast.AugAssign(target, value=value):
                self._augment(target, value)
            case ast.If(test) | ast.While(test):
                self._truth(test)
            case ast.Assert(test, message):
                self._truth(test)
                if message is not None:
                    self.value(message)
            case ast.With(items):
                self._enter(items)
            case ast.For(ast.Name() as target, ast.Call(ast.Name("range")) as over):
                self._plain(over)
                self._store(target, PLAIN)
            case ast.Raise(ast.expr() as error, None):
                found = self.value(error)
                if isinstance(found, type):
                    self.touched.call(found, (), {})
            case ast.ExceptHandler(kind, name):
                self._handle(kind, name)
            case ast.FunctionDef(name=name, decorator_list=[]) if runs_nothing(node):
                self._bind(name)
            case ast.Delete([ast.Subscript() | ast.Attribute() as target]):
                self._store(target, PLAIN)
            case ast.Pass() | ast.Break() | ast.Continue() | ast.Global() | ast.Nonlocal():
                pass
            case _:
                raise NotUnderstoodError

    def _augment(self, target: ast.expr, value: ast.expr) -> None:
        load = ast.parse(ast.unparse(target), mode="eval").body
        if not (is_plain(self.value(load)) and is_plain(self.value(value))):
            raise NotUnderstoodError
        self._store(target, PLAIN)

    def _enter(self, items: list[ast.withitem]) -> None:
        for item in items:
            found = self.value(item.context_expr)
            if not isinstance(found, Guard | Condition):
                raise NotUnderstoodError
            self.touched.use(found)
            if item.optional_vars is not None:
                self._store(item.optional_vars, PLAIN)

    def _handle(self, kind: ast.expr | None, name: str | None) -> None:
        if kind is not None:
            found = self.value(kind)
            if type(found) is not type:
                raise NotUnderstoodError
        if name is not None:
            self._bind(name)

    def _store(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(name):
                self._bind(name)
            case ast.Attribute(node, name):
                self.touched.put_attribute(self.value(node), name)
            case ast.Subscript(node, index):
                self.touched.put_item(self.value(node), self.value(index))
            case ast.Tuple(targets):
                if not (isinstance(value, Unknown) and value.fresh):
                    raise NotUnderstoodError
                for each in targets:
                    self._store(each, UNKNOWN)
            case _:
                raise NotUnderstoodError

    def _bind(self, name: str) -> None:
        code = self._view.code
        self._changed.add(name)
        if name in code.co_cellvars or name in code.co_freevars:
            self.touched.writes.add(("variable", name))
        elif name not in code.co_varnames:
            self.touched.writes.add(("name", name))

    # Expressions: each returns its value as far as that is known.

    def value(self, node: ast.expr) -> Any:
        """Return the value of *node*, as far as it is known, and count what it touches.

        Raises:
            NotUnderstoodError: that may be anything.
        """
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self._name(name)
            case ast.Attribute(owner, name):
                return self._moving(self.touched.attribute(self.value(owner), name))
            case ast.Subscript(holder, index):
                return self._moving(self.touched.item(self.value(holder), self.value(index)))
            case ast.Call(function, arguments, keywords):
                return self._call(function, arguments, keywords)
            case ast.NamedExpr(target, value):
                found = self.value(value)
                self._store(target, found)
                return found
            case ast.IfExp(test, body, orelse):
                self._truth(test)
                both = [self.value(body), self.value(orelse)]
                return PLAIN if all(map(is_plain, both)) else UNKNOWN
            case ast.Tuple(parts) | ast.List(parts):
                values = [self.value(part) for part in parts]
                plain = isinstance(node, ast.Tuple) and all(map(is_plain, values))
                return Unknown(plain, fresh=True)
            case ast.Dict(keys, values):
                for key in keys:
                    if key is None or not is_plain(self.value(key)):
                        raise NotUnderstoodError
                for each in values:
                    self.value(each)
                return FRESH
            case ast.Lambda(args) if not (args.defaults or any(args.kw_defaults)):
                return FRESH
            case _:
                return self._computed(node)

    def _computed(self, node: ast.expr) -> Any:
        match node:
            case ast.BinOp(left, _, right):
                self._plain(left, right)
            case ast.UnaryOp(ast.Not(), operand):
                self._truth(operand)
            case ast.UnaryOp(_, operand):
                self._plain(operand)
            case ast.BoolOp(_, values):
                for value in values:
                    self._truth(value)
                return UNKNOWN
            case ast.Compare(left, [ast.In() | ast.NotIn()], [right]):
                self._plain(left)
                holder = self.value(right)
                if not is_plain(holder):
                    self.touched.look_at(holder)
            case ast.Compare(left, operators, others):
                if all(isinstance(each, _COMPARING) for each in operators):
                    for other in (left, *others):
                        self.value(other)
                else:
                    self._plain(left, *others)
            case ast.JoinedStr(parts):
                self._plain(*parts)
            case ast.FormattedValue(value, format_spec=form):
                self._plain(value, *(() if form is None else (form,)))
            case _:
                raise NotUnderstoodError
        return PLAIN

    def _plain(self, *nodes: ast.expr) -> None:
        for node in nodes:
            if not is_plain(self.value(node)):
                raise NotUnderstoodError

    def _truth(self, node: ast.expr) -> None:
        if isinstance(node, ast.BoolOp):
            for each in node.values:
                self._truth(each)
            return
        found = self.value(node)
        if type(found) in CONTAINERS:
            self.touched.read_all(found)
        elif not is_plain(found):
            raise NotUnderstoodError

    def _moving(self, found: Any) -> Any:
        # Amid a line the thread may hold what was there before, and not what is there now; and
        # what the line itself has changed is not there yet.
        changed = any(place[0] != "primitive" for place in self.touched.writes)
        return UNKNOWN if self._view.rest or changed else found

    def _name(self, name: str) -> Any:
        code, variables = self._view.code, self._view.variables
        if name in code.co_cellvars or name in code.co_freevars:
            if name in self._view.settled and self.is_bound_once(name):
                return variables[name]  # for ever
            self.touched.reads.add(("variable", name))
            if self._view.rest and not self.is_bound_once(name):
                return UNKNOWN
            return UNKNOWN if name in self._changed else variables.get(name, UNKNOWN)
        if name in code.co_varnames:
            return UNKNOWN if name in self._changed else variables.get(name, UNKNOWN)
        if name.startswith("__"):  # it may have another name in a class
            raise NotUnderstoodError
        if name in self._view.names:
            # Rebound by nobody whose lines are here, but by what is not understood perhaps.
            self.touched.reads.add(("name", name))
        if name in self._rebound or name in self._stored:
            self.touched.reads.add(("name", name))
            if self._view.rest or name in self._changed:
                return UNKNOWN
        return self._view.names.get(name, vars(builtins).get(name, UNKNOWN))

    def is_bound_once(self, name: str) -> bool:
        """Whether the variable is bound in one place, once."""
        scope: Scope | None = self._scope
        while scope is not None and not scope.bound[name]:
            scope = scope.outer
        others = "cell_contents" in self._stored or name in self._nonlocals
        return scope is not None and scope.bound[name] == 1 and not others

    # Calls.

    def _call(
        self, function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
    ) -> Any:
        called = self.value(function)
        given = [self.value(each) for each in arguments if not isinstance(each, ast.Starred)]
        named = {each.arg: self.value(each.value) for each in keywords}
        if len(given) != len(arguments) or None in named:
            raise NotUnderstoodError
        found = self.touched.call(called, given, named)
        gets = isinstance(called, Method) and called.name == "get"
        return self._moving(found) if gets else found

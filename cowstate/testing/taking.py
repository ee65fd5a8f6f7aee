"""What a line takes, or writes to, before it does anything else: a lock, a condition, a store."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import MethodType
from typing import Any, Final

from ..writestore import WriteStore
from .primitives import Condition, Guard
from .reading import Reading

__all__ = ["may_take", "taken_first"]

_JOURNAL: Final = WriteStore.__module__.replace("writestore", "journal")
# Of a store: they wait for its lock before they look at anything that is given.
_WRITES: Final = (WriteStore.set, WriteStore.update, WriteStore.delete, WriteStore.compare_and_set)


def may_take(node: ast.AST) -> bool:
    """Whether *node* has one of the forms of which `taken_first` tells what they take."""
    match node:
        case ast.With([ast.withitem(_, None)]):
            return True
        case ast.Expr(ast.Call(ast.Attribute(_, "acquire"), [], [])):
            return True
        case (
            ast.Expr(ast.Call(ast.Attribute(_, name)))
            | ast.Return(ast.Call(ast.Attribute(_, name)))
            | ast.Assign([ast.Name()], ast.Call(ast.Attribute(_, name)))
        ):
            return any(name == write.__name__ for write in _WRITES)
        case _:
            return False


def taken_first(
    reading: Reading, nodes: Sequence[ast.AST]
) -> Guard | Condition | WriteStore[Any, Any, Any] | None:
    """Return what the line takes, or writes to, before it does anything else but look.

    None if it is not so. What it looks at is in `Reading.touched`.

    Args:
        reading: a look at the line that nothing has been read in yet.
        nodes: what stands on it.

    Raises:
        NotUnderstoodError: the line may touch anything before.
    """
    found = _asked_for(reading, nodes)
    # Whoever is called on the way, or finds something changed, would tell that it was passed.
    return None if reading.touched.callees or reading.touched.writes else found


def _asked_for(
    reading: Reading, nodes: Sequence[ast.AST]
) -> Guard | Condition | WriteStore[Any, Any, Any] | None:
    match nodes:
        case [ast.With([ast.withitem(node, None)])]:
            found = reading.value(node)
            return found if isinstance(found, Guard | Condition) else None
        case [ast.Expr(ast.Call(ast.Attribute(node, "acquire"), [], []))]:
            found = reading.value(node)
            return found if isinstance(found, Guard) else None
        case [
            ast.Expr(ast.Call(function, arguments, keywords))
            | ast.Return(ast.Call(function, arguments, keywords))
            | ast.Assign([ast.Name()], ast.Call(function, arguments, keywords))
        ]:
            found = reading.value(function)
            given = (*arguments, *(keyword.value for keyword in keywords))
            return _store_of(found) if all(_stays(reading, each) for each in given) else None
        case _:
            return None


def _stays(reading: Reading, node: ast.expr) -> bool:
    """Whether what is given is no value that code which is not understood may change."""
    known = len(reading.touched.reads_of_objects())
    return callable(reading.value(node)) or len(reading.touched.reads_of_objects()) == known


def _store_of(called: Any) -> WriteStore[Any, Any, Any] | None:
    """Return the store whose lock is what *called* asks for first, looking at no argument."""
    match called:
        case MethodType(__self__=WriteStore() as store, __func__=function):
            # One with a journal asks that first whether it can be written to.
            kept = any(kind.__module__.startswith(_JOURNAL) for kind in type(store).__mro__)
            return store if function in _WRITES and not kept else None
        case _:
            return None

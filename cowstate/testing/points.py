"""Where a thread may be left for another: the lines and instructions that can touch shared state.

An instruction that only moves locals and constants about commutes with whatever another thread
does, so a switch before it leads nowhere that a switch before the next one does not. Leaving
those places out therefore loses no outcome. All else counts, whether it is shared or not: an
attribute, an item, a call, a closure's cell, a comparison (it may be somebody's ``__eq__``).
"""

from __future__ import annotations

import ast
import dis
import importlib
import linecache
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, ModuleType

from ..errors import ArgumentTypeError, ArgumentValueError
from ..showing import shown
from .lines import lines_of

__all__ = ["CodePoints", "Territory", "listed"]

_LOCAL_PREFIXES = ("LOAD_FAST", "STORE_FAST", "DELETE_FAST", "JUMP_", "RETURN_")
# fmt: off
_LOCAL = frozenset([
    "RESUME", "NOP", "CACHE", "EXTENDED_ARG", "NOT_TAKEN", "POP_TOP", "COPY", "SWAP",
    "PUSH_NULL", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT", "COPY_FREE_VARS",
    "MAKE_CELL", "LOAD_CLOSURE", "MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "IS_OP",
    "BUILD_TUPLE", "BUILD_LIST", "PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE",
])
# fmt: on


class CodePoints:
    """The switch points of one code object.

    Attributes:
        lines: the numbers of the lines of which some instruction may touch shared state.
        offsets: the offsets of those instructions.
        names: the names that are looked up in its module, and in what is built in.
    """

    def __init__(self, code: CodeType, rebound: frozenset[str] | None) -> None:
        self.code = code
        every = list(dis.get_instructions(code))
        self._shared = list(_shared_instructions(every, rebound))
        self.lines = frozenset(line for _, line in self._shared)
        self.offsets = frozenset(offset for offset, _ in self._shared)
        self.names = frozenset(each.argval for each in every if each.opname == "LOAD_GLOBAL")
        self._goes_on: dict[int, bool] = {}

    def accesses(self, line: int) -> int:
        """Return how many instructions of *line* may touch shared state: more than one are a risk.

        A search by lines takes them as one step.
        """
        return sum(1 for _, where in self._shared if where == line)

    def goes_on(self, frame: FrameType) -> bool:
        """Whether the line at which *frame* stands may touch shared state after this instruction.

        *frame* is in the middle of a call: this is about what the line does once that returns.
        """
        offset = frame.f_lasti
        found = self._goes_on.get(offset)
        if found is None:
            here = frame.f_lineno
            found = any(line == here and later > offset for later, line in self._shared)
            self._goes_on[offset] = found
        return found


def _shared_instructions(
    every: Iterable[dis.Instruction], rebound: frozenset[str] | None
) -> Iterator[tuple[int, int]]:
    before = ""
    for instruction in every:
        name = instruction.opname
        line = None if instruction.positions is None else instruction.positions.lineno
        local = (
            name in _LOCAL
            or name.startswith(_LOCAL_PREFIXES)
            # A name of the module that no line may store is never rebound.
            or (name == "LOAD_GLOBAL" and rebound is not None and instruction.argval not in rebound)
            # A jump asks its operand for its truth, which is a call unless that is None or a bool.
            or (name.startswith("POP_JUMP") and (name.endswith("NONE") or before == "IS_OP"))
        )
        if not local and line is not None:
            yield instruction.offset, line
        if name not in ("CACHE", "NOT_TAKEN"):
            before = name


def listed(modules: Iterable[str | ModuleType]) -> tuple[str | ModuleType, ...]:
    """Return *modules* as a tuple; a single one, or its name, is refused.

    Raises:
        ArgumentTypeError: else a name would be taken letter by letter.
    """
    if isinstance(modules, str | ModuleType):
        raise ArgumentTypeError(
            f"modules must be a list of modules; for one write [{shown(modules)}]"
        )
    return tuple(modules)


class Territory:
    """The modules whose lines are switch points.

    Args:
        modules: modules, or the names of importable ones.

    Raises:
        ArgumentTypeError: something is neither.
        ArgumentValueError: none is given, or one has no Python source.
    """

    def __init__(self, modules: Iterable[str | ModuleType]) -> None:
        self.given = listed(modules)
        self.modules = tuple(_module(module) for module in self.given)
        if not self.modules:
            raise ArgumentValueError("name at least one module whose lines are switch points")
        self._rebound = {_file(module): _rebound_names(module) for module in self.modules}
        self.files = frozenset(self._rebound)
        # A module is an object, too: whoever stores an attribute may rebind a name of it.
        self._restored = frozenset[str]().union(
            *(lines_of(module).restored for module in self.modules)
        )
        self._points: dict[int, CodePoints] = {}

    def rebound(self, file: str) -> frozenset[str] | None:
        """Return the names of the module of *file* that may be rebound; None if nobody knows."""
        return self._rebound[file]

    def points(self, code: CodeType) -> CodePoints:
        """Return the switch points of *code*, those that it would have if it is in no module."""
        # By identity, for the hash of a code object costs a walk through it; the value keeps the
        # code object alive, so the number stays its own.
        found = self._points.get(id(code))
        if found is None:
            rebound = self._rebound.get(code.co_filename)
            found = CodePoints(code, None if rebound is None else rebound | self._restored)
            self._points[id(code)] = found
        return found


def _module(given: object) -> ModuleType:
    if isinstance(given, ModuleType):
        return given
    if isinstance(given, str):
        return importlib.import_module(given)
    raise ArgumentTypeError(f"a module, or the name of one, is needed, not {shown(given)}")


def _file(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or file.endswith((".so", ".pyd")):
        raise ArgumentValueError(
            f"{module.__name__} is not made of Python lines, so it has no switch points"
        )
    return file


def _rebound_names(module: ModuleType) -> frozenset[str] | None:
    """The names of *module* that one of its functions may rebind; None if nobody can tell."""
    source = "".join(linecache.getlines(_file(module), vars(module)))
    if not source:
        return None
    return frozenset(
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Global)
        for name in node.names
    )

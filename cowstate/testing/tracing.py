"""What a thread under a scheduler runs, event by event, and which of the events are points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from .points import CodePoints, Territory

__all__ = ["Note", "Point", "TraceFunction", "Tracer"]

TraceFunction: TypeAlias = Callable[[FrameType, str, Any], Any]

Point: TypeAlias = Callable[[tuple[int, int], FrameType, bool], None]
"""Called at each switch point with what tells it from others in one process, the frame that stands
there, and whether that is amid a line."""

Note: TypeAlias = Callable[[str, int, str], None]
"""Called with a file, a line and what to show before it, as the thread runs it."""

_WRITES_LOCALS_BACK: Final = sys.version_info < (3, 13)


class Tracer:
    """The trace function of the threads of one scheduler.

    It follows the modules of the territory. A thread pays one call of it for each function that
    it enters elsewhere, and nothing for what that does.

    Args:
        territory: the modules whose lines are switch points.
        point: called at each switch point.
        note: called at each line, if it is not None.
        instructions: make every instruction a switch point, not only every line.

    Attributes:
        cold: set when code is met for the first time, which may have filled what is filled on
            first use, so that the same code takes another path from now on.
    """

    def __init__(
        self, territory: Territory, point: Point, note: Note | None, instructions: bool
    ) -> None:
        self._territory = territory
        self._point = point
        self._note = note
        self._instructions = instructions
        self._locals: dict[int, TraceFunction] = {}
        self.cold = False

    def __call__(self, frame: FrameType, _event: str, _arg: object) -> TraceFunction | None:
        """Follow *frame* if it belongs to the territory."""
        code = frame.f_code
        if code.co_filename not in self._territory.files:
            return None
        if self._instructions:
            frame.f_trace_opcodes = True
        local = self._locals.get(id(code))
        if local is None:
            points = self._territory.points(code)
            local = self._by_instruction(points) if self._instructions else self._by_line(points)
            self._locals[id(code)] = local
            self.cold = True
        return local

    @contextmanager
    def elsewhere(self) -> Generator[None]:
        """Let another thread run what belongs to the territory, without points, meanwhile."""
        # From 3.12 on the interpreter stops reporting the instructions of code for good when a
        # thread that asks for none runs it.
        if not self._instructions:
            yield
            return
        before = sys.gettrace()
        sys.settrace(self._pass)
        try:
            yield
        finally:
            sys.settrace(before)

    def _pass(self, frame: FrameType, _event: str, _arg: object) -> TraceFunction | None:
        if frame.f_code.co_filename not in self._territory.files:
            return None
        frame.f_trace_opcodes = True
        return self._pass

    def _by_line(self, points: CodePoints) -> TraceFunction:
        lines, code, file = points.lines, id(points.code), points.code.co_filename
        point, note, points_of = self._point, self._note, self._territory.points
        files = self._territory.files
        refreshes = _refreshes(points.code)

        def local(frame: FrameType, event: str, _arg: object) -> TraceFunction:
            if event == "line":
                line = frame.f_lineno
                if line in lines:
                    point((code, line), frame, False)
                    if refreshes:
                        _refresh(frame)
                if note is not None:
                    note(file, line, "")
            elif event == "return":
                # The caller goes on in the middle of a line, for which there is no event.
                back = frame.f_back
                if (
                    back is not None
                    and back.f_code.co_filename in files
                    and points_of(back.f_code).goes_on(back)
                ):
                    point((code, -1), back, True)
                    if refreshes:
                        _refresh(frame)
                    if note is not None:
                        note(back.f_code.co_filename, back.f_lineno, "... ")
            return local

        return local

    def _by_instruction(self, points: CodePoints) -> TraceFunction:
        offsets, code, file = points.offsets, id(points.code), points.code.co_filename
        point, note = self._point, self._note
        refreshes = _refreshes(points.code)

        def local(frame: FrameType, event: str, _arg: object) -> TraceFunction:
            if event == "opcode" and frame.f_lasti in offsets:
                point((code, frame.f_lasti), frame, True)
                if refreshes:
                    _refresh(frame)
                if note is not None:
                    note(file, frame.f_lineno, f"[{frame.f_lasti}] ")
            return local

        return local


def _refreshes(code: CodeType) -> bool:
    """Whether the variables of *code* can be changed by others while it stands at a point."""
    return _WRITES_LOCALS_BACK and bool(code.co_cellvars or code.co_freevars)


def _refresh(frame: FrameType) -> None:
    """Have the interpreter forget what the variables of *frame* were when the point began.

    Before 3.13 it copies them before a trace function is called, and writes the copy back after:
    what other threads made of a closure's variables meanwhile would be undone.
    """
    _ = frame.f_locals

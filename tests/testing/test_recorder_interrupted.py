"""A recorded call that is interrupted, at whatever instruction, is recorded as what it was."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import cowstate.testing
from cowstate.testing import Raised, Recorder

HOME = str(Path(cowstate.testing.__file__).parent)


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def add(self, by: list[int]) -> list[int]:
        self.n += sum(by)
        return [self.n]

    def fail(self, by: list[int]) -> None:
        self.n += sum(by)
        raise LookupError("no")


def interrupted(at: int, operation: str) -> tuple[bool, Counter, Recorder]:
    """Call it, and raise at the instruction number *at* of the recorder; whether it came so far."""
    counter, recorder = Counter(), Recorder()
    call = getattr(recorder.wrap(counter), operation)
    left = at

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call([3])
    except (KeyboardInterrupt, LookupError):
        pass
    finally:
        sys.settrace(before)
    return left <= 0, counter, recorder


@pytest.mark.parametrize("operation", ["add", "fail"])
def test_what_was_done_is_recorded_and_as_done_only_if_it_was(operation: str) -> None:
    at, done, ended = 0, 0, 0
    while True:
        at += 1
        came, counter, recorder = interrupted(at, operation)
        calls = recorder.calls()
        assert len(calls) <= 1
        if counter.n:
            # Done: it is there, with its result, or as one that has not returned.
            (call,) = calls
            assert call.args == ([3],)
            done += 1
            if call.ended is not None:
                assert call.began < call.ended
                expected = [3] if operation == "add" else Raised(LookupError, "LookupError: no")
                assert call.result == expected
                ended += 1
        else:
            assert all(call.ended is None for call in calls)
        if not came:
            break
    # Before the call, between that and the end of its recording, and after.
    assert 0 < ended < done < at

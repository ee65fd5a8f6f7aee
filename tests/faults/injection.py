"""Exceptions at every point of a piece of code in turn, and what must be true of a store after."""

from __future__ import annotations

import ctypes
import gc
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import cowstate
from cowstate import ChangeSet, Commit, Store

PACKAGE = str(Path(cowstate.__file__).parent)
PATIENCE = 120.0
"""Seconds after which a thread that should be done counts as hung; not waited when all is well."""

Point = Callable[[CodeType], bool]


Place = tuple[object, ...]
"""Where an exception came up: the same place twice in a row leaves the same state twice."""


def _place(error: BaseException) -> Place:
    place: list[object] = []
    traceback = error.__traceback__
    while traceback is not None:
        place += (traceback.tb_frame.f_code, traceback.tb_lasti)
        traceback = traceback.tb_next
    return tuple(place)


class Injected(BaseException):
    """What is raised; no `Exception`, as little as KeyboardInterrupt is."""


class InjectedError(Exception):
    """The same as an ordinary error, which ``except Exception`` catches."""


PURE = {
    str(Path(PACKAGE, f"{name}.py"))
    for name in (
        "aggregate", "blame", "changes", "derivation", "draft", "exact", "index", "invariants",
        "keys", "kinds", "lineage", "lookups", "maps", "ordered", "ranges", "records", "ring",
        "schema", "snapshot", "thawing", "totals", "transactions", "tree", "views", "workspace",
    )
}  # fmt: skip
"""The modules that hold nothing: any line of them may fail, for want of memory say."""


def in_package(code: CodeType) -> bool:
    """Whether it is code of the package."""
    return code.co_filename.startswith(PACKAGE)


def in_pure_part(code: CodeType) -> bool:
    """Whether it is code of the package that holds no lock and changes nothing shared."""
    return code.co_filename in PURE


def _start(trace: Any) -> Any:
    """Begin to trace; returns what to give to `_stop`: the tracer before, coverage perhaps."""
    before = sys.gettrace()
    # A store of an earlier run must not be collected, and its finalizers traced, in this one.
    gc.disable()
    sys.settrace(trace)
    return before


def _stop(before: Any) -> None:
    sys.settrace(before)
    gc.enable()


def raise_at_line(
    write: Callable[[], object],
    number: int,
    error: type[BaseException] = Injected,
    where: Point = in_package,
) -> Place | None:
    """Do *write*, and raise *error* at its line event of that *number*; None if there is none."""
    seen = 0

    def local(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == number:
                raise error
        return local

    def enter(frame: FrameType, *_: object) -> Any:
        return local if where(frame.f_code) else None

    before = _start(enter)
    try:
        write()
    except error as raised:
        return _place(raised)
    finally:
        _stop(before)
    return ("caught",) if seen >= number else None


class _Arm:
    """``-arm`` is a Ctrl-C that comes in at this moment, without a line of Python being run.

    The interpreter looks for signals when it enters a function, after a call, and when it jumps
    backward. An operator whose method is a foreign function does none of these, so a trace
    function that ends with it lets the exception come up in the traced code, at the next point
    where one really can. A signal, because that is for the main thread alone: what is sent to a
    thread by its number may hit one that it has just started.
    """

    __neg__ = staticmethod(ctypes.pythonapi.PyErr_SetInterrupt)


_ARM = _Arm()


def interrupt_at_opcode(
    write: Callable[[], object],
    number: int,
    error: type[BaseException] = Injected,
    where: Point = in_package,
) -> Place | None:
    """Do *write*, with a signal pending from its opcode *number* on, the handler of which raises.

    That is the only way in which an exception can come up where no code raises one.
    """
    seen = 0
    armed = False

    def local(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen, armed
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == number:
                armed = True
                sys.settrace(None)
                -_ARM
                return None
        return local

    def enter(frame: FrameType, *_: object) -> Any:
        if not where(frame.f_code):
            return None
        # In this order: from CPython 3.13 on, the other one misses the first call of a function.
        frame.f_trace = local
        frame.f_trace_opcodes = True
        return local

    def handle(*_: object) -> None:
        nonlocal armed
        armed = False
        raise error

    def until_it_came_up() -> None:
        # At a backward jump of this loop at the latest. In a function of its own, because what
        # comes up at a loop's jump is caught by a `try` around a call for certain, and on CPython
        # 3.13 not always by one around the loop.
        while armed:
            pass

    handler = signal.signal(signal.SIGINT, handle)
    before = _start(enter)
    try:
        write()
        until_it_came_up()
    except error as raised:
        return _place(raised)
    finally:
        _stop(before)
        signal.signal(signal.SIGINT, handler)
    return ("caught",) if seen >= number else None


def in_another_thread(fn: Callable[[], object]) -> None:
    """Run *fn* in a thread; fail if it raises or hangs."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            fn()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "a lock was left behind"
    assert not failed, failed[0]


def derived_values(snapshot: Any) -> dict[str, Any]:
    """Everything that a snapshot derives from its records, in a form that can be compared."""
    derivation = snapshot._lineage.derivation
    indexes = {
        name: {
            value: set(snapshot.find_all(name, value))
            for value, _ in snapshot._indexes[place].items()
        }
        for name, place in derivation.index_positions.items()
    }
    totals = {name: snapshot.total(name) for name in derivation.total_positions}
    return {"indexes": indexes, "totals": totals}


def check_whole(store: Store[Any, Any], build: Callable[[Any], Store[Any, Any]]) -> None:
    """The current version is consistent in itself, and the ring leads to it without a gap."""
    current = store.snapshot()
    records = dict(current.items())
    assert len(current) == len(records)
    found, expected = derived_values(current), derived_values(build(records).snapshot())
    for role, values in expected.items():
        # Besides, there may be what was just being added.
        assert {name: found[role][name] for name in values} == values
    feed = store.feed(since=0)
    changes: list[Any] = []
    while (item := feed.poll()) is not None:
        assert isinstance(item, Commit), "a commit is not in the ring"
        changes.append(item.changes)
    assert len(changes) == current.version == feed.version
    whole = ChangeSet[Any, Any]()
    for change in changes:
        whole = whole.then(change)
    start = store.at(0)
    assert whole == current.diff(start)
    replayed = {**start, **{key: change.new for key, change in whole.items()}}
    assert {k: v for k, v in replayed.items() if v is not cowstate.MISSING} == records
    for version in range(current.version + 1):
        assert store.at(version).version == version

"""The faults: exceptions that come from outside, signals, finalizers, callbacks that raise, forks.

An exception from outside reaches a thread only while a *strike* at it is under way, and a strike
is settled before the thread goes on to the next thing, so none ever comes up in the simulation's
own work. A strike is decided by whoever it is at: how long to wait, or at which instruction.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Literal

import cowstate
from tests.simulation.story import Patience, stacks

PACKAGE = str(Path(cowstate.__file__).parent)
HERE = str(Path(__file__).parent / "twins.py")
PATIENCE = 240.0
SLICE = 0.5

Kind = Literal["none", "instruction", "thread", "signal"]


class Struck(BaseException):
    """What a strike raises; no `Exception`, as little as KeyboardInterrupt is."""


class Boom(BaseException):
    """What a callback raises that wants to be heard by the writer."""


class SnagError(Exception):
    """What a callback raises that only has gone wrong."""


class Strike:
    """One exception, or signal, that is to come up while a thread does something.

    With ``"instruction"`` it is pending from the instruction of that *number* that the thread
    executes in the package; with ``"thread"`` and ``"signal"``, another thread sends it after
    having counted to *number*.

    Attributes:
        deed: for a signal, what its handler does instead of raising.
        landed: whether it was sent at all.
    """

    def __init__(
        self,
        kind: Kind,
        number: int = 0,
        deed: Callable[[], object] | None = None,
    ) -> None:
        self.kind = kind
        self.number = number
        self.deed = deed
        self.thread = threading.get_ident()
        self.sent = False
        self.handled = False
        self._claim: dict[str, str] = {}
        self._before: Any = None
        self._trace: Any = None

    def begin(self, striker: Striker) -> None:
        """Let it come from now on."""
        if self.kind == "instruction":
            self._before = sys.gettrace()
            # Kept, for CPython 3.11 does not hold on to the function that it is about to call: a
            # finalizer that runs just then may itself be struck, and the function be let go of.
            self._trace = self._tracer()
            sys.settrace(self._trace)
        elif self.kind != "none":
            striker.orders.put(self)

    def settle(self) -> None:
        """Call it off if it has not been sent; if it has, raise it here, unless it was raised."""
        if self.kind == "instruction":
            sys.settrace(self._before)
        elif self.kind == "none" or self.claim("thread"):
            return
        self._await_it()

    def clear(self) -> None:
        """Leave nothing behind, after it was raised."""
        if self.kind == "instruction":
            sys.settrace(self._before)

    def claim(self, who: str) -> bool:
        """Whether it is *who* that decides what becomes of it, the first to ask."""
        return self._claim.setdefault("by", who) == who

    def _await_it(self) -> None:
        if self.kind == "instruction":
            _go_round(100)
            return
        give_up = time.monotonic() + PATIENCE
        while not (self.handled if self.kind == "signal" else self.sent):
            give_way()
            assert time.monotonic() < give_up, "a strike never came"
        # It comes up at one of the next turns, if it did not before, inside something that
        # swallowed it, as a finalizer does.
        _go_round(100)

    def _tracer(self) -> Any:
        arm, left = _arm(self.thread), self.number

        def local(frame: FrameType, event: str, _: object) -> Any:
            nonlocal left
            frame.f_trace_opcodes = True
            if event == "opcode":
                left -= 1
                if left == 0:
                    sys.settrace(None)
                    self.sent = True
                    -arm
                    return None
            return local

        def enter(frame: FrameType, *_: object) -> Any:
            if not frame.f_code.co_filename.startswith((PACKAGE, HERE)):
                return None
            frame.f_trace_opcodes = True
            return local

        return enter


def give_way() -> None:
    """Let other threads have the interpreter."""
    time.sleep(0)


def _go_round(times: int) -> None:
    # Each turn is a place where the interpreter looks for what is pending. In a function of its
    # own: a backward jump is not always covered by the try that the loop stands in.
    for _ in range(times):
        pass


class _Arm:
    """``-arm`` has an exception pending without a call, after which the interpreter would look."""


_set_async = ctypes.pythonapi.PyThreadState_SetAsyncExc


def _arm(thread: int) -> Any:
    call = partial(_set_async, ctypes.c_ulong(thread), ctypes.py_object(Struck))
    return type("_Armed", (_Arm,), {"__neg__": staticmethod(call)})()


class Striker:
    """The thread that sends exceptions and signals to others, one after the other."""

    def __init__(self) -> None:
        self.orders: SimpleQueue[Strike | None] = SimpleQueue()
        self._main = threading.main_thread().ident
        self._thread = threading.Thread(target=self._run, name="striker", daemon=True)

    def __enter__(self) -> Striker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.orders.put(None)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while (strike := self.orders.get()) is not None:
            _go_round(strike.number)
            if not strike.claim("striker"):
                continue
            if strike.kind == "signal":
                signal.pthread_kill(self._main, signal.SIGINT)  # type: ignore[arg-type]
            else:
                _set_async(ctypes.c_ulong(strike.thread), ctypes.py_object(Struck))
            strike.sent = True


class StuckError(BaseException):
    """Something that must not take long takes for ever; *stacks* tells where everybody stands.

    No `Exception`, so that a main thread that hangs is got out of what it does.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.stacks = stacks()


class Interrupts:
    """Ctrl-C while a simulation runs: what the strike says if there is one, else the real thing.

    A main thread that has not left the block when *patience* is over is interrupted by a
    `StuckError`.
    """

    def __init__(self, patience: Patience) -> None:
        self.current: Strike | None = None
        self._before: Any = None
        self._patience = patience
        self._stuck: StuckError | None = None
        self._left: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._handle)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.put(None)
        self._thread.join(PATIENCE)
        signal.signal(signal.SIGINT, self._before)

    def _watch(self) -> None:
        while True:
            try:
                self._left.get(timeout=SLICE)
                return
            except Empty:
                if self._stuck is None and not self._patience.over():
                    continue
                self._stuck = self._stuck or StuckError("the main thread is still at work")
                # Again, if something should have swallowed what the last one raised.
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]

    def _handle(self, *_: object) -> None:
        if self._stuck is not None:
            raise self._stuck
        strike = self.current
        if strike is None or strike.kind != "signal" or strike.claim("thread"):
            raise KeyboardInterrupt
        if strike.handled:
            return
        strike.handled = True
        if strike.deed is None:
            raise Struck
        strike.deed()


class Litter:
    """Garbage that only a collection finds, and whose finalizer does something then, if it may."""

    def __init__(self, deed: Callable[[], object], may: Callable[[], bool]) -> None:
        self._may = may
        self._deeds = [deed]
        self._self = self

    def __del__(self) -> None:
        # None, if its maker was struck while it was being made.
        for deed in getattr(self, "_deeds", ()):
            if self._may():
                deed()


def in_child(fn: Callable[[], object], seconds: float) -> str:
    """Run *fn* in a fork of this process; return what went wrong there, "" for nothing.

    What takes more *seconds* than that counts as hung.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on, Python warns of just what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:  # pragma: no cover (measured in the parent only)
        # A child that hangs must end by itself, and whatever happens must end here.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.alarm(int(seconds))
        try:
            fn()
        except BaseException:
            os.write(write, traceback.format_exc().encode()[-4000:])
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        problem = told.read()
    _, status = os.waitpid(child, 0)
    if status == 0:
        return ""
    return problem or f"the child hung, or crashed (status {status})"


class Quiet:
    """Takes what the interpreter can raise to nobody, and keeps the log of callbacks quiet.

    What was meant to come up is let pass; the rest goes to *accuse*.
    """

    def __init__(self, accuse: Callable[[str], None]) -> None:
        self._accuse = accuse
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Quiet:
        import logging

        hooks = (sys.unraisablehook, threading.excepthook)
        self._undo.callback(partial(setattr, sys, "unraisablehook", hooks[0]))
        self._undo.callback(partial(setattr, threading, "excepthook", hooks[1]))
        sys.unraisablehook = self._take
        threading.excepthook = self._take
        logger = logging.getLogger("cowstate")
        self._undo.callback(partial(setattr, logger, "disabled", logger.disabled))
        # Not by level: to look that up takes a lock, which an exception from outside may lose.
        logger.disabled = True
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _take(self, told: Any) -> None:
        kind = told.exc_type
        if not issubclass(kind, Struck | Boom):
            where = "".join(traceback.format_tb(told.exc_traceback)[-3:])
            self._accuse(f"{kind.__name__} that nobody hears: {told.exc_value}\n{where}")

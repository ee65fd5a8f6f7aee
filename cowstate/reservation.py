"""Who may write: a lock for the length of one function, and reservations that outlive it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from operator import call
from threading import get_ident, local
from time import monotonic
from types import CodeType, FrameType
from typing import Any, TypeAlias
from weakref import ref

from .process import caller_of
from .snapshot import Snapshot
from .timeline import Timeline
from .workspace import Workspace

__all__ = ["Reservation", "go_inside", "inside", "place_of", "thread_named"]

Within: TypeAlias = "tuple[ref[Reservation], ...]"

inside: ContextVar[Within] = ContextVar("cowstate.inside", default=())
"""The reservations that were made in this context: in this call chain, or in this task or in one
that started it. Those that are over may still be in it; weakly, for a context lives long."""

_looks = iter(inside.get, None)

_here = local()
"""Each thread has a `token` of its own: its number is given out again when it has ended."""


class Reservation:
    """A store's word that nobody but its owner writes, until it is over.

    The store's lock guards it, and is not held meanwhile: so nothing that happens to a thread
    leaves a lock taken, and any thread may end it. It belongs to a block, the object that stands
    in a ``with``, and it is over as soon as one of these is so. Each comes about by one store of
    an attribute or one loss of a reference, which no exception can cut in two:

    - it is `done`: the block was left, or it was given up;
    - the block is gone, or the ``with`` that it stood in (`alive` says so);
    - the store has published since. Nobody else may, so it was the owner: the publication is the
      end of the reservation, and there is nothing in between.

    Attributes:
        base: the version that it was made over.
        done: whether its owner, or whoever gave it up, has ended it.
        alive: what its life hangs on; called, it gives None once that is gone.
        block: the block that it belongs to, weakly.
        work: the transaction that is laid over *base*.
        thread: the thread that made it; another one may end it.
        in_task: whether it was made by code that an event loop runs.
        since: when, on the monotonic clock.
        frame: the ``id`` of the frame that made it.
    """

    __slots__ = (
        "__weakref__",
        "_code",
        "_instruction",
        "_timeline",
        "_token",
        "alive",
        "base",
        "block",
        "done",
        "frame",
        "in_task",
        "since",
        "thread",
        "work",
    )

    def __init__(
        self,
        timeline: Timeline[Any, Any],
        block: object,
        scope: ref[Any] | None,
        opener: FrameType,
    ) -> None:
        self._timeline = timeline
        self.base: Snapshot[Any, Any] | None = None
        self.done = False
        self.block = ref(block)
        self.alive: Callable[[], object] = self.block if scope is None else scope
        self.work: Workspace[Any, Any] | None = None
        self.thread = get_ident()
        self._token = _token()
        # Who has not imported it runs no event loop.
        asyncio = sys.modules.get("asyncio")
        self.in_task = asyncio is not None and asyncio._get_running_loop() is not None
        self.since = monotonic()
        # Which line that is, is worked out when somebody asks.
        # The frame's number, not the frame: that would keep all its locals.
        self.frame = id(opener)
        self._code: CodeType = opener.f_code
        self._instruction = opener.f_lasti

    def over(self) -> bool:
        """Whether others may write again."""
        return self.done or self.alive() is None or self._timeline.current is not self.base

    def is_to_come(self) -> bool:
        """Whether its owner waits for it."""
        return self.base is None and not self.done

    def end(self, why: str) -> None:
        """End it; who goes on writing in its transaction is told *why* not."""
        self.done = True
        if self.work is not None:
            self.work.close(why)

    @property
    def opened_at(self) -> str:
        """The file and line of the ``with``."""
        for start, end, line in self._code.co_lines():
            if start <= self._instruction < end and line is not None:
                return f"{self._code.co_filename}:{line}"
        return f"{self._code.co_filename}:{self._code.co_firstlineno}"

    def __str__(self) -> str:
        return (
            f"the transaction opened at {self.opened_at} by {thread_named(self.thread)}, "
            f"{monotonic() - self.since:.3g} s ago"
        )

    def is_around(self) -> bool:
        """Whether this call is inside it."""
        # Threads may inherit a context, and are not inside for that. But what was made in a task
        # is waited for by the task's own helpers in other threads.
        return ref(self) in inside.get() and (self.in_task or self.is_here())

    def is_here(self) -> bool:
        """Whether the calling thread made it."""
        return self._token is _token()


def go_inside(reservation: Reservation) -> None:
    """Note that this context is inside *reservation* from here on, as long as that lasts."""
    mine = (ref(reservation),)
    while True:
        before = inside.get()
        still = _still_open(before) if before else before
        if _replace(before, still + mine):
            return


def _replace(before: Within, after: Within) -> bool:
    """Let `inside` be *after* if it is *before*, in one step; return whether it was."""
    # Each step of `_looks` is a look after which nothing can come up before the next instruction:
    # rule 2 of `cowstate.locks`.
    if sys.version_info >= (3, 12):
        for now in _looks:
            if now is not before:
                return False
            inside.set(after)
            break
        return True
    # Until CPython 3.11 a collection may come up while a context variable is being set; a finalizer
    # that sets one itself then leaves freed memory in use, and the interpreter crashes. So there is
    # none meanwhile. The three steps are C code, and so is what takes them.
    collects = gc.isenabled()
    steps = (gc.disable, partial(inside.set, after), gc.enable if collects else gc.disable)
    taken: map[object] = map(call, steps)  # type: ignore[arg-type]
    try:
        for now in _looks:
            if now is not before:
                return False
            _, _, _ = taken
            break
    except BaseException:
        if collects:
            gc.enable()
        raise
    return True


def _still_open(within: Within) -> Within:
    found = [(known, known()) for known in within]
    return tuple(
        [known for known, r in found if r is not None and (r.is_to_come() or not r.over())]
    )


def _token() -> object:
    # In one step: a call in the middle of this one must not find, or leave, another token.
    return _here.__dict__.setdefault("token", object())


def place_of(frame: FrameType | None, package: str) -> str:
    """Return the file and line of the first frame, from *frame* outward, outside *package*."""
    while frame is not None and frame.f_code.co_filename.startswith(package):
        frame = caller_of(frame)
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def thread_named(ident: int) -> str:
    """Return a thread's name for a message, without a lock."""
    thread = _threads().get(ident)
    return f"thread {ident}" if thread is None else f"thread {thread.name!r}"


def _threads() -> dict[int, Any]:
    # `threading.enumerate` takes a lock that is not reentrant, and this may be called in the middle
    # of anything.
    threading = sys.modules["threading"]
    return getattr(threading, "_active", {})

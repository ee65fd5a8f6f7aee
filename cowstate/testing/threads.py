"""Threads that a program starts itself, run by its `Scheduler` as those that it returns are."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread, get_ident
from typing import Any, Final
from weakref import WeakKeyDictionary

from .primitives import Event
from .scheduler import Scheduler

__all__ = ["start_new", "threads_known_to", "timer"]

_COUNTED: Final = re.compile(r"^ThreadPoolExecutor-\d+")
_POOLS: Final = "concurrent.futures.thread"


class _Life:
    """Whether a thread that was started has ended."""

    def __init__(self) -> None:
        self.over = False

    def is_over(self) -> bool:
        return self.over


class _InOrder(set[Thread]):
    """A set in the order of addition; that of a plain one differs from run to run."""

    def __init__(self) -> None:
        super().__init__()
        self._order: dict[Thread, None] = {}

    def add(self, thread: Thread) -> None:
        super().add(thread)
        self._order[thread] = None

    def __iter__(self) -> Iterator[Thread]:
        return iter(self._order)


@contextmanager
def _pools_in_order(scheduler: Scheduler) -> Generator[None]:
    real = ThreadPoolExecutor.__init__

    def make(self: ThreadPoolExecutor, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        if scheduler.knows(get_ident()):
            vars(self)["_threads"] = _InOrder()

    try:
        _set_methods(ThreadPoolExecutor, {"__init__": make})
        yield
    finally:
        _set_methods(ThreadPoolExecutor, {"__init__": real})


@contextmanager
def threads_known_to(scheduler: Scheduler) -> Generator[None]:
    """Have the threads that a thread of *scheduler* starts run by it; others start real ones."""
    lives: WeakKeyDictionary[Thread, _Life] = WeakKeyDictionary()
    real = {name: getattr(Thread, name) for name in ("start", "join", "is_alive")}

    def start(self: Thread) -> None:
        """As the real one."""
        if not scheduler.knows(get_ident()):
            real["start"](self)
            return
        if self.ident is not None or self in lives:
            raise RuntimeError("threads can only be started once")
        scheduler.operate(self)
        life = lives[self] = _Life()

        def body() -> None:
            with _as_current(self):
                try:
                    self.run()
                except SystemExit:
                    pass
                finally:
                    life.over = True
                    _forget(self)

        # Whoever asks a thread of this kind whether it was started asks this event.
        vars(self)["_started"].set()
        scheduler.enlist(_name(self), body, idle=self.daemon or _is_of_a_pool(self))

    def join(self: Thread, timeout: float | None = None) -> None:
        """As the real one."""
        life = lives.get(self)
        if life is None or not scheduler.knows(get_ident()):
            real["join"](self, timeout)
            return
        if self is threading.current_thread():
            raise RuntimeError("cannot join current thread")
        scheduler.operate(self)
        if not life.over and not (timeout is not None and timeout <= 0):
            scheduler.block(life.is_over, timeout is not None, f"the end of {_name(self)}")

    def is_alive(self: Thread) -> bool:
        """As the real one."""
        life = lives.get(self)
        if life is None or not scheduler.knows(get_ident()):
            alive: bool = real["is_alive"](self)
            return alive
        scheduler.operate(self)
        return not life.over

    try:
        _set_methods(Thread, {"start": start, "join": join, "is_alive": is_alive})
        with _pools_in_order(scheduler):
            yield
    finally:
        _set_methods(Thread, real)


def _set_methods(kind: type, methods: Mapping[str, Callable[..., Any]]) -> None:
    for name, method in methods.items():
        setattr(kind, name, method)


def start_new(
    scheduler: Scheduler,
    function: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
) -> int:
    """As `_thread.start_new_thread`."""
    scheduler.operate(function)
    name = getattr(function, "__name__", "thread")
    return scheduler.enlist(name, lambda: function(*args, **(kwargs or {})), True).ident


def timer(scheduler: Scheduler, *args: Any, **kwargs: Any) -> threading.Timer:
    """Return a `threading.Timer` that waits by *scheduler*; its time is up as a wait's is."""
    made = threading.Timer(*args, **kwargs)
    vars(made)["finished"] = Event(scheduler)
    return made


@contextmanager
def _as_current(thread: Thread) -> Generator[None]:
    ident = get_ident()
    active = vars(threading)["_active"]
    before = active[ident]
    active[ident] = thread
    vars(thread)["_ident"] = ident
    try:
        yield
    finally:
        active[ident] = before


def _name(thread: Thread) -> str:
    # The names that Python gives count up for the life of the process.
    if thread.name.startswith("Thread-"):
        target = vars(thread).get("_target")
        return str(getattr(target, "__name__", type(thread).__name__))
    return _COUNTED.sub("pool", thread.name)


def _is_of_a_pool(thread: Thread) -> bool:
    return getattr(vars(thread).get("_target"), "__module__", "") == _POOLS


def _forget(thread: Thread) -> None:
    """Have nobody wait for *thread* when the process ends."""
    if (pools := sys.modules.get(_POOLS)) is not None:
        vars(pools)["_threads_queues"].pop(thread, None)

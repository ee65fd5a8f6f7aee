"""What stands for the makers of locks, queues and threads while a program is explored."""

from __future__ import annotations

import _thread
import concurrent.futures.thread
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import get_ident
from types import ModuleType
from typing import Any, Final

from .. import delivery, locks, waiters
from .adoption import Adoption
from .counters import Barrier, BoundedSemaphore, Semaphore
from .primitives import Condition, Event, Lock, Primitive, RLock
from .queues import LifoQueue, PriorityQueue, Queue, SimpleQueue
from .scheduler import Scheduler
from .threads import start_new, threads_known_to, timer

__all__ = ["known_to"]

_OF_THREADING: Final[dict[str, Callable[..., Any]]] = {
    "Lock": Lock,
    "RLock": RLock,
    "Condition": Condition,
    "Event": Event,
    "Semaphore": Semaphore,
    "BoundedSemaphore": BoundedSemaphore,
    "Barrier": Barrier,
    "Timer": timer,
}
_OF_QUEUE: Final[dict[str, Callable[..., Any]]] = {
    "Queue": Queue,
    "LifoQueue": LifoQueue,
    "PriorityQueue": PriorityQueue,
    "SimpleQueue": SimpleQueue,
}
_OF_THREAD: Final[dict[str, Callable[..., Any]]] = {
    "allocate_lock": Lock,
    "start_new_thread": start_new,
}
# Those that make the locks, the queues and the threads of a store.
_OF_THE_STORE: Final = (delivery, locks, waiters)
# Whose own locks have to be known for those of the program to work: a subclass of a queue, and
# the executors.
_BESIDES: Final = (queue, concurrent.futures.thread, sys.modules[Future.__module__])


class _Either:
    """What ``|`` makes of a `StandIn`: something to ask `isinstance` about."""

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self._parts = tuple(type(None) if part is None else part for part in parts)

    def __instancecheck__(self, instance: object) -> bool:
        return any(isinstance(instance, part) for part in self._parts)

    def __or__(self, other: Any) -> _Either:
        return _Either((*self._parts, other))

    def __ror__(self, other: Any) -> _Either:
        return _Either((other, *self._parts))


class StandIn:
    """Called in place of the maker of a lock: makes one that the search knows where it is due.

    That is in a thread of the program, for the code of the modules that were named. Otherwise it
    is the real one, and it is the real one for whoever asks anything else.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        real: Any,
        make: Callable[..., Any],
        homes: Mapping[int, bool],
    ) -> None:
        self._scheduler = scheduler
        self._real = real
        self._make = make
        self._homes = homes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        home = id(sys._getframe(1).f_globals)
        if home not in self._homes or not self._scheduler.knows(get_ident()):
            return self._real(*args, **kwargs)
        made = self._make(self._scheduler, *args, **kwargs)
        if self._homes[home] and isinstance(made, Primitive):
            made.quiet = True
        return made

    def __instancecheck__(self, instance: object) -> bool:
        kinds = [each for each in (self._real, self._make) if isinstance(each, type)]
        if not isinstance(self._real, type):
            kinds.append(type(self._real()))
        return isinstance(instance, tuple(kinds))

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[type, ...]:
        return (self._real,)

    def __getitem__(self, _kind: object) -> StandIn:
        return self

    def __or__(self, other: Any) -> _Either:
        return _Either((self, other))

    def __ror__(self, other: Any) -> _Either:
        return _Either((other, self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@contextmanager
def known_to(scheduler: Scheduler, modules: Sequence[ModuleType]) -> Generator[Callable[[], None]]:
    """Have *modules* make and use locks, queues and threads that *scheduler* knows.

    By whatever name they know the real ones. Yields what is to be called before each schedule.
    Threads that do not take part go on making real ones. So do the modules of the store, whether
    they are named or not; if not, to use theirs is no switch point.
    """
    looked_into = tuple(dict.fromkeys((*modules, *_BESIDES, *_OF_THE_STORE)))
    homes = {
        id(vars(module)): module in _OF_THE_STORE and module not in modules
        for module in looked_into
    }

    def standing_in(real: Any, make: Callable[..., Any]) -> StandIn:
        return StandIn(scheduler, real, make, homes)

    bound: list[tuple[ModuleType, str, Any, Any]] = []
    for module, kinds in ((threading, _OF_THREADING), (queue, _OF_QUEUE)):
        for name, make in kinds.items():
            real = getattr(module, name)
            bound.append((module, name, real, standing_in(real, make)))
    for name, make in _OF_THREAD.items():
        real = getattr(_thread, name)
        bound.append((_thread, name, real, standing_in(real, make)))
    adoption = Adoption(scheduler, looked_into, {id(real): ours for _, _, real, ours in bound})
    try:
        _set_all((module, name, ours) for module, name, _, ours in bound)
        adoption.begin()
        with threads_known_to(scheduler):
            yield adoption.renew
    finally:
        adoption.end()
        _set_all((module, name, real) for module, name, real, _ in bound)


def _set_all(names: Iterable[tuple[ModuleType, str, Any]]) -> None:
    for module, name, value in names:
        setattr(module, name, value)

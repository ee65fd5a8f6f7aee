"""Locks that are there before a program begins, and what is remembered from call to call.

A module may make a lock when it is imported, a class may hold one, and so may an object that
lives in a module. For the time of an exploration each is exchanged for one that the search knows,
in each schedule as it was found. Caches of `functools` are emptied, so that each schedule fills
them anew.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple

from .counters import Barrier, BoundedSemaphore, Semaphore
from .primitives import Condition, Event, Lock, Primitive, RLock
from .queues import LifoQueue, PriorityQueue, Queue, SimpleQueue
from .scheduler import Scheduler

__all__ = ["Adoption"]

_OBJECTS_AT_MOST: Final = 20_000
_Cache: Final = type(functools.lru_cache(lambda: None))


class _Place(NamedTuple):
    """Where something was found, and how it is put there."""

    put: Callable[[Any], None]
    found: object
    name: str


class Adoption:
    """What of some modules is exchanged while a program is explored.

    Args:
        scheduler: what the exchanged ones are to know.
        modules: where to look: their names, classes, functions and objects.
        stand_ins: by the identity of each maker of locks, what stands for it.
    """

    def __init__(
        self, scheduler: Scheduler, modules: Sequence[ModuleType], stand_ins: dict[int, Any]
    ) -> None:
        self._scheduler = scheduler
        self._stand_ins = stand_ins
        self._homes = {module.__name__ for module in modules}
        self._makers: list[_Place] = []
        self._made: list[_Place] = []
        self._caches: list[Any] = []
        self._seen: dict[int, object] = {}
        self._exchanged: dict[int, tuple[object, Primitive]] = {}
        for module in modules:
            self._look_into(module, module.__name__)

    def begin(self) -> None:
        """Exchange all, for the time of the exploration."""
        for place in self._makers:
            place.put(self._stand_ins[id(place.found)])
        for place in self._made:
            place.put(self._known(place.found, place.name))

    def renew(self) -> None:
        """Have what was exchanged be as it was found, and the caches be empty."""
        # Changed, and not exchanged once more: to set an attribute of a class stops all threads on
        # a free-threaded build.
        for found, known in list(self._exchanged.values()):
            name = known.name
            vars(known).update(vars(self._copied(found, name)))
            known.name = name
        for cache in self._caches:
            cache.cache_clear()

    def end(self) -> None:
        """Put all back."""
        for place in (*self._makers, *self._made):
            place.put(place.found)

    def _known(self, found: Any, name: str) -> Primitive:
        if id(found) not in self._exchanged:
            known = self._copied(found, name)
            known.name = f"the {type(known).__name__} {name}"
            self._exchanged[id(found)] = (found, known)
        return self._exchanged[id(found)][1]

    def _copied(self, found: Any, name: str) -> Primitive:
        # They have no public names for what they hold.
        scheduler, held = self._scheduler, getattr(found, "__dict__", {})
        match _KINDS[type(found)]:
            case "Lock":
                return Lock(scheduler, found.locked())
            case "RLock":
                return RLock(scheduler)
            case "Condition":
                lock = held["_lock"]
                known = self._known(lock, name) if type(lock) in _KINDS else lock
                return Condition(scheduler, known)
            case "Event":
                return Event(scheduler, found.is_set())
            case "Semaphore":
                return Semaphore(scheduler, held["_value"])
            case "BoundedSemaphore":
                return BoundedSemaphore(scheduler, held["_value"], held["_initial_value"])
            case "Barrier":
                return Barrier(scheduler, found.parties, held["_action"], held["_timeout"])
            case "SimpleQueue":
                return SimpleQueue(scheduler, _items(found))
            case kind:
                made = {"LifoQueue": LifoQueue, "PriorityQueue": PriorityQueue}.get(kind, Queue)
                return made(scheduler, found.maxsize, found.queue)

    def _look_into(self, start: ModuleType, name: str) -> None:
        todo: list[tuple[object, str]] = [(start, name)]
        while todo and len(self._seen) < _OBJECTS_AT_MOST:
            holder, name = todo.pop()
            if id(holder) in self._seen:
                continue
            self._seen[id(holder)] = holder
            if isinstance(holder, _Cache):
                self._caches.append(holder)
            for place in self._places(holder, name):
                if id(place.found) in self._stand_ins:
                    self._makers.append(place)
                elif type(place.found) in _KINDS:
                    self._made.append(place)
                elif self._is_worth_a_look(place.found):
                    todo.append((place.found, place.name))

    def _is_worth_a_look(self, found: object) -> bool:
        if isinstance(found, type | FunctionType):
            return found.__module__ in self._homes
        if isinstance(found, functools.cached_property | property | staticmethod | classmethod):
            return True
        if isinstance(found, list | dict | MethodType | functools.partial | _Cache):
            return True
        return type(found).__module__ in self._homes

    def _places(self, holder: Any, name: str) -> Iterator[_Place]:
        if isinstance(holder, FunctionType):
            yield from _of_function(holder, name)
            return
        if isinstance(holder, list):
            for index, value in enumerate(holder):
                yield _Place(functools.partial(_set_item, holder, index), value, name)
            return
        if isinstance(holder, dict):
            for key, value in list(holder.items()):
                yield _Place(functools.partial(_set_item, holder, key), value, name)
            return
        if isinstance(holder, ModuleType):
            for key, value in list(vars(holder).items()):
                if not key.startswith("__"):
                    put = functools.partial(_set_item, vars(holder), key)
                    yield _Place(put, value, f"{name}.{key}")
            return
        for key in _attributes(holder):
            try:
                value = (
                    vars(holder)[key] if isinstance(holder, type) else getattr(holder, key, None)
                )
            except Exception:  # a property of somebody's
                continue
            # Objects that refuse to be changed hold locks, too.
            set_it = setattr if isinstance(holder, type) else object.__setattr__
            put = functools.partial(set_it, holder, key)
            yield _Place(put, value, f"{name}.{key}")


def _attributes(holder: Any) -> list[str]:
    if isinstance(holder, type):
        return [key for key in vars(holder) if key not in ("__dict__", "__weakref__")]
    if isinstance(holder, staticmethod | classmethod | MethodType):
        return ["__func__"]
    if isinstance(holder, property):
        return ["fget", "fset", "fdel"]
    if isinstance(holder, functools.partial):
        return ["func"]
    if isinstance(holder, _Cache):
        return ["__wrapped__"]
    slots = [
        name
        for kind in type(holder).__mro__
        for name in _names(vars(kind).get("__slots__", ()))
        if not name.startswith("__")
    ]
    return [*getattr(holder, "__dict__", {}), *slots]


def _names(slots: Any) -> Sequence[str]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _of_function(function: FunctionType, name: str) -> Iterator[_Place]:
    for cell in function.__closure__ or ():
        try:
            yield _Place(functools.partial(_fill, cell), cell.cell_contents, name)
        except ValueError:  # nothing in it
            continue
    for index, value in enumerate(function.__defaults__ or ()):
        yield _Place(functools.partial(_set_default, function, index), value, name)
    if function.__kwdefaults__:
        for key, value in list(function.__kwdefaults__.items()):
            yield _Place(functools.partial(_set_item, function.__kwdefaults__, key), value, name)
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        yield _Place(functools.partial(setattr, function, "__wrapped__"), wrapped, name)


def _set_item(holder: Any, key: Any, value: Any) -> None:
    holder[key] = value


def _fill(cell: CellType, value: Any) -> None:
    cell.cell_contents = value


def _set_default(function: FunctionType, index: int, value: Any) -> None:
    defaults = list(function.__defaults__ or ())
    defaults[index] = value
    function.__defaults__ = tuple(defaults)


def _items(found: Any) -> list[Any]:
    items = []
    while not found.empty():
        items.append(found.get_nowait())
    for item in items:
        found.put(item)
    return items


_KINDS: Final[dict[type, str]] = {
    type(threading.Lock()): "Lock",
    type(threading.RLock()): "RLock",
    threading.Condition: "Condition",
    threading.Event: "Event",
    threading.Semaphore: "Semaphore",
    threading.BoundedSemaphore: "BoundedSemaphore",
    threading.Barrier: "Barrier",
    queue.Queue: "Queue",
    queue.LifoQueue: "LifoQueue",
    queue.PriorityQueue: "PriorityQueue",
    queue.SimpleQueue: "SimpleQueue",
}

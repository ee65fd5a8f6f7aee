"""Objects with a mistake that only several threads can see, each beside one without it."""

from __future__ import annotations

import threading
from threading import Lock
from typing import Any

from hypothesis import strategies as st

from cowstate import Store
from cowstate.testing.schedules import STORE

numbers = st.integers(0, 2)
keys = st.sampled_from("ab")


class Counter:
    """Loses updates."""

    operations: dict[str, list[Any]] = {"add": [], "read": []}

    def __init__(self) -> None:
        self.n = 0

    def add(self) -> int:
        n = self.n
        self.n = n + 1
        return n

    def read(self) -> int:
        return self.n


class LockedCounter(Counter):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()

    def add(self) -> int:
        with self.lock:
            return super().add()


class Cell:
    """Swaps in two steps."""

    operations: dict[str, list[Any]] = {"swap": [numbers], "write": [numbers]}

    def __init__(self) -> None:
        self.n = 0

    def swap(self, n: int) -> int:
        old = self.n
        self.n = n
        return old

    def write(self, n: int) -> None:
        self.n = n


class LockedCell(Cell):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()

    def swap(self, n: int) -> int:
        with self.lock:
            return super().swap(n)

    def write(self, n: int) -> None:
        with self.lock:
            super().write(n)


class CachedCell:
    """Reads from a cache that is filled after the fact: a write in between stays unseen."""

    operations: dict[str, list[Any]] = {"read": [], "write": [numbers]}

    def __init__(self) -> None:
        self.n = 0
        self.cached: int | None = None

    def read(self) -> int:
        if self.cached is not None:
            return self.cached
        n = self.n
        self.cached = n
        return n

    def write(self, n: int) -> None:
        self.n = n
        self.cached = None


class LockedCachedCell(CachedCell):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()

    def read(self) -> int:
        with self.lock:
            return super().read()

    def write(self, n: int) -> None:
        with self.lock:
            super().write(n)


class Seats:
    """Checks, and then acts on what may not be so any more."""

    operations: dict[str, list[Any]] = {"book": [keys], "cancel": [keys]}

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def book(self, key: str) -> bool:
        if key in self.taken:
            return False
        self.taken.add(key)
        return True

    def cancel(self, key: str) -> None:
        self.taken.discard(key)


class LockedSeats(Seats):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()

    def book(self, key: str) -> bool:
        with self.lock:
            return super().book(key)

    def cancel(self, key: str) -> None:
        with self.lock:
            super().cancel(key)


class Stack:
    """Raises an error that nobody asked for, where another thread took the last one."""

    operations: dict[str, list[Any]] = {"push": [numbers], "pop": []}

    def __init__(self) -> None:
        self.items: list[int] = []

    def push(self, n: int) -> None:
        self.items.append(n)

    def pop(self) -> int | None:
        if not self.items:
            return None
        return self.items.pop()


class LockedStack(Stack):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()

    def push(self, n: int) -> None:
        with self.lock:
            super().push(n)

    def pop(self) -> int | None:
        with self.lock:
            return super().pop()


class Pair:
    """Written in two steps, so that a reader sees half."""

    operations: dict[str, list[Any]] = {"write": [numbers], "read": []}

    def __init__(self) -> None:
        self.left = self.right = 0

    def write(self, n: int) -> None:
        self.left = n
        self.right = n

    def read(self) -> tuple[int, int]:
        left = self.left
        return left, self.right


class StoredPair:
    """The same in a store."""

    operations = Pair.operations

    def __init__(self) -> None:
        self.store: Store[str, int] = Store({"left": 0, "right": 0})

    def write(self, n: int) -> None:
        self.store.update_all(["left", "right"], lambda _: n)

    def read(self) -> tuple[int, int]:
        now = self.store.snapshot()
        return now["left"], now["right"]


class Transfer:
    """Takes two locks, in the order in which it was told to."""

    operations: dict[str, list[Any]] = {"move": [st.sampled_from([("a", "b"), ("b", "a")])]}

    def __init__(self) -> None:
        self.locks = {"a": threading.Lock(), "b": threading.Lock()}
        self.held = {"a": 5, "b": 5}

    def move(self, ends: tuple[str, str]) -> None:
        giver, taker = ends
        with self.locks[giver], self.locks[taker]:
            self.held[giver] -= 1
            self.held[taker] += 1


class OrderedTransfer(Transfer):
    def move(self, ends: tuple[str, str]) -> None:
        giver, taker = ends
        first, second = sorted(ends)
        with self.locks[first], self.locks[second]:
            self.held[giver] -= 1
            self.held[taker] += 1


WRONG: list[Any] = [Counter, Cell, CachedCell, Seats, Stack, Pair, Transfer]
RIGHT: list[Any] = [
    *(LockedCounter, LockedCell, LockedCachedCell, LockedSeats, LockedStack, StoredPair),
    OrderedTransfer,
]
MODULES = [__name__, *STORE]

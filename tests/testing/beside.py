"""Code that is not stepped through, and touches what it was not given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

target: Any = None


def _told(n: int) -> None:
    target.x = target.x * 2 + n


def asked() -> bool:
    """Whether there is something to be seen, which is noted."""
    target.z = target.z * 10 + target.x + 1
    return bool(target.x)


class Hooked:
    """Does something else when an attribute is stored."""

    def __setattr__(self, _name: str, n: Any) -> None:
        _told(n)


class Error(Exception):
    """Does something when it is made."""

    def __init__(self) -> None:
        _told(1)


class Pair:
    """Does something when it is gone through."""

    def __iter__(self) -> Iterator[int]:
        _told(1)
        return iter((1, 2))


class Lock:
    """Does something when it is taken, and when it is given back."""

    def acquire(self, *_args: Any) -> bool:
        """Take it."""
        _told(1)
        return True

    def release(self) -> None:
        """Give it back."""
        _told(2)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_args: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return True


class Lazy(property):
    """Notes that it was asked for."""

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is not None:
            owner.z = owner.z * 10 + owner.x
        return super().__get__(owner, kind)


class Falling:
    """Notes what it was asked for and does not have."""

    x = 1

    def __getattr__(self, _name: str) -> int:
        self.x = self.x * 2 + 1
        return 7

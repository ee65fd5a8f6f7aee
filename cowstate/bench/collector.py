"""The cyclic garbage collector, kept from what is measured."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["collector_off", "frozen"]


@contextmanager
def collector_off() -> Generator[None]:
    """Have no collection inside; one is made first, and afterwards all is as it was.

    >>> with collector_off():
    ...     gc.isenabled()
    False
    """
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def frozen() -> Generator[None]:
    """Have collections leave alone what is there already; what cannot be reached is gone first."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

"""A thread that takes no part in an exploration; this module is named to none."""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable


def run_in_nobodys_thread(function: Callable[[], object]) -> None:
    """Run *function* in a real thread, and wait for its end."""
    ended = allocate_lock()
    ended.acquire()

    def body() -> None:
        try:
            function()
        finally:
            ended.release()

    start_new_thread(body, ())
    ended.acquire()

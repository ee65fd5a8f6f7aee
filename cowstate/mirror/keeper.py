"""What a mirror is and says of itself, whoever keeps it, a thread or a task: `Keeper`."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import ClosedError, CowstateError, WaitTimeoutError
from ..slips import ensure_function
from ..store import Store
from .backoff import Backoff, backoff_of
from .course import Course
from .options import checked_seconds, checked_source, checked_store
from .plan import Owns
from .publisher import Publisher
from .status import MirrorStatus

if TYPE_CHECKING:
    from tenacity.wait import wait_base

__all__ = ["Keeper"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = logging.getLogger("cowstate")


class Keeper(ABC, Generic[K, V]):
    """A store, a source, and the course between them; who walks it is the subclass's own.

    Args:
        store, source, owns, resync, backoff, rewind, clock: as of `Mirror`.
        for_task: whether the source may be one that is awaited.

    Attributes:
        clock: the seconds in which its status tells of moments.
    """

    def __init__(
        self,
        store: Store[K, V, Any],
        source: Any,
        owns: Owns[K],
        resync: float | None,
        backoff: Backoff | wait_base | None,
        rewind: float,
        clock: Callable[[], float],
        *,
        for_task: bool,
    ) -> None:
        self._store: Store[K, V, Any] = checked_store(store)
        self._source: Any = checked_source(source, for_task=for_task)
        if owns is not None:
            ensure_function(owns, "owns is a function of a key")
        self._owns = owns
        self._publisher: Publisher[K, V] = Publisher(self._store, owns)
        if resync is not None:
            resync = checked_seconds("resync", resync, above_zero=True)
        ensure_function(clock, "clock is a function that returns seconds")
        self.clock = clock
        rewind = checked_seconds("rewind", rewind)
        self._course: Course[K, V] = Course(resync, rewind, backoff_of(backoff), clock)
        self._over = False

    @property
    def owns_all(self) -> bool:
        """Whether every key of the store is the mirror's.

        >>> from cowstate import Store
        >>> from cowstate.mirror import Mirror, PollingSource
        >>> Mirror(Store(), PollingSource(dict), owns=lambda key: key > 5).owns_all
        False
        """
        return self._owns is None

    @property
    def synced(self) -> bool:
        """Whether the store has held, once, all that a list told.

        >>> from cowstate import Store
        >>> from cowstate.mirror import Mirror, PollingSource
        >>> Mirror(Store(), PollingSource(dict)).synced
        False
        """
        return self._course.status.synced

    def status(self) -> MirrorStatus:
        """Return how it is doing, of one moment; O(1), never waits.

        >>> from cowstate import Store
        >>> from cowstate.mirror import Mirror, PollingSource
        >>> Mirror(Store(), PollingSource(dict)).status().state
        'new'
        """
        status = self._course.status
        if self._over:
            return status.replace(state="closed", retry_at=None)
        if self._has_ended():
            return status.replace(state="stopped", retry_at=None)
        return status

    @abstractmethod
    def _runs(self) -> bool:
        """Whether somebody walks the course."""

    @abstractmethod
    def _has_ended(self) -> bool:
        """Whether somebody did, and does not any more."""

    def _unsynced(self, timeout: float | None) -> CowstateError:
        """Return the error for who has waited in vain for the first list."""
        error = self._course.status.last_error
        why = "" if error is None else f"; the last error was {error}"
        if self._runs() and not self._over:
            return WaitTimeoutError(f"no list has come within {timeout} s{why}")
        return ClosedError(f"the mirror does not run, and was never synced{why}; start() another")

    def _stop_source(self) -> None:
        stop = getattr(self._source, "stop", None)
        if stop is None:
            return
        try:
            stop()
        except Exception:
            _log.exception(
                "the source of a mirror raised when it was stopped",
                extra={"cowstate_event": "mirror_source_failed"},
            )

    def __repr__(self) -> str:
        status = self.status()
        return (
            f"<{type(self).__name__} {status.state} synced={status.synced} "
            f"version={status.version}>"
        )

"""Writes to a store that begins with what a log holds: `BegunCommitter`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from cowstate.committer import Committer
from cowstate.delivery import Delivery
from cowstate.deriving import Removal
from cowstate.schema import Schema
from cowstate.timeline import Timeline
from cowstate.waiters import Waiters
from cowstate.writelock import WriteLock

from .encoded import Encoder

__all__ = ["BegunCommitter"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BegunCommitter(Committer[K, V], Generic[K, V]):
    """Writes to one store, each of which a log is given; what it is derived from was read there.

    Indexes and aggregates of what was read are built by the first write, or transaction, but for
    the removal of one.

    Args:
        schema, timeline, lock, delivery, waiters: as of a committer.
        encoder: turns commits into rows.
    """

    def __init__(
        self,
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        lock: WriteLock,
        delivery: Delivery[K, V],
        waiters: Waiters[K],
        encoder: Encoder[K, V],
    ) -> None:
        super().__init__(schema, timeline, lock, delivery, waiters)
        self._prepares = True
        self._unbuilt = True
        self._row_of = encoder.row_of
        # Whether each commit needs what goes before a publication, in a store of its own.
        self._announces = timeline.bounded or timeline.deferral is not None

    def _derive(self, argument: Any = None) -> None:
        """Have built what writes go on from; *argument* is that of the work to be done."""
        # Not under the lock, where all would wait for it.
        if self._unbuilt and not isinstance(argument, Removal):
            self._schema.make(self.timeline.current)
            self._unbuilt = False

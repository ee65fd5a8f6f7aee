"""Changes while nobody else may write, all or nothing: `Transaction`."""

from __future__ import annotations

from typing import TypeVar

from .changes import Absent
from .meta import M
from .snapshot import Snapshot
from .workspace import Workspace

__all__ = ["Transaction"]

K = TypeVar("K")
V = TypeVar("V")


class Transaction(Workspace[K, V, M]):
    """A mutable mapping over the current version, while nobody else may write: all or nothing.

    Made by ``with store.transaction() as tx`` and given to the function of ``store.transact``. No
    other writer comes between, so it cannot conflict; they wait, so it must be short. At the end
    everything becomes visible as one version; when the block or the function raises, nothing
    does. Readers are never held up.

    >>> from cowstate import Store
    >>> store = Store({"a": 5, "b": 0})
    >>> with store.transaction() as tx:
    ...     tx["a"] -= 3
    ...     tx["b"] += 3
    >>> tx.result.changes
    ChangeSet({'a': Change(old=5, new=2), 'b': Change(old=0, new=3)})
    """

    __slots__ = ()

    def outcome(self) -> tuple[Snapshot[K, V, M], dict[K, V | Absent], M]:
        """Return what to publish: the version it is over, what was written, the meta value."""
        return self._base, self._writes, self._meta

"""A life that goes on elsewhere: `Life`, all that a reconciler is beside the book.

A restart is something else: what was heard before it belongs to another moment, and is not kept.
"""

from __future__ import annotations

from cowstate import Record

from ..book.account import Account
from ..book.learnt import FillHistory
from .memory import Memory
from .report import ReconcilerStatus

__all__ = ["Life"]


class Life(Record):
    """What a reconciler knows, between two passes, that is not in the account.

    Attributes:
        memory: what it remembers from pass to pass, without the ledger where *current*.
        current: whether that ledger is the very one of the account.
        fills: when it learnt of each fill.
        status: how it is doing.
    """

    memory: Memory
    current: bool
    fills: FillHistory
    status: ReconcilerStatus

    @classmethod
    def of(
        cls, memory: Memory, account: Account, fills: FillHistory, status: ReconcilerStatus
    ) -> Life:
        """Return the life of these; what is the same object as in *account* is told to be so."""
        current = memory.ledger is account.ledger
        return cls(memory.replace(ledger=None) if current else memory, current, fills, status)

    def memory_on(self, account: Account) -> Memory:
        """Return what it remembers, on an *account* that is equal to the one that it was of."""
        return self.memory.replace(ledger=account.ledger) if self.current else self.memory

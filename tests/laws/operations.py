"""Every public operation of a store, each a small function of a `World` and of a `Hand` in it.

Two hands never write the same key, so neither operation of a pair is the reason why the other
fails, unless the table says so. What a call returns is bound in one straight line after it, and
a call that yields an item of a feed is either a plain call or a ``for``: between ``next`` and a
name somebody else's exception may come, and would take the item.
"""

from __future__ import annotations

from tests.laws import following, writing
from tests.laws.table import OPERATIONS, SEMANTIC_ERRORS, Operation

__all__ = ["OPERATIONS", "SEMANTIC_ERRORS", "Operation", "following", "writing"]

"""Measured: the copy-on-write store against what one would write with locks, and against peers.

Nothing here is needed to use the package. ``cowstate bench`` is the way in; `LockedStore` and
`LockedPositionManager` are the lock-based twins that it compares with, to be read as well.
"""

from .locked import LockedSnapshot, LockedStore
from .locked_positions import LockedPositionManager

__all__ = ["LockedPositionManager", "LockedSnapshot", "LockedStore"]

"""A desk whose manager keeps its positions in a file, and can die."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from cowstate.positions import InventorySlot, PositionManager, Reconciler
from cowstate.positions.book.kept import Sync
from tests.positions.reconcile.desk import CONFIG, Desk, Paper


class FileDesk(Desk):
    """A desk in the file at *path*; *saved* is what it begins with if it is new."""

    def __init__(
        self,
        path: Path,
        exchange: type[Paper] = Paper,
        *,
        saved: Any = (),
        sync: Sync = "full",
        **options: Any,
    ) -> None:
        self.path = path
        self.sync = sync
        self.images = 0
        super().__init__(exchange, saved=saved, **options)

    @classmethod
    def holding_in(cls, path: Path, quantity: str) -> Self:
        """A desk that holds *quantity*, as its exchange does, which then begins."""
        held = Decimal(quantity)
        desk = cls(path, saved=[InventorySlot(Decimal(300), held)] if held else ())
        desk.exchange.by_hand = held
        return desk

    def begin(self, saved: Any) -> None:
        self.manager = PositionManager.open(
            self.path, CONFIG, time_ms=self.now, sync=self.sync, interval=3_600
        )
        if saved:
            self.manager.restore_state(saved)
        self.reconciler = Reconciler(
            self.manager, self.exchange, time_ms=self.now, pause=self.pause, **self.options
        )

    def die(self) -> None:
        """Go on from what is on disk at this instant; what is in memory is gone."""
        self.images += 1
        image = self.path.with_name(f"{self.images}.db")
        copied(self.path, image)
        self.manager.close()
        self.path = image
        self.begin(())


def copied(path: Path, image: Path) -> None:
    """Copy the file of a store, as a process that died now would leave it."""
    for end in ("", "-wal"):
        each = Path(f"{path}{end}")
        if each.exists():
            shutil.copyfile(each, f"{image}{end}")

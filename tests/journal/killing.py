"""A log whose process dies at one of its writes."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from cowstate.journal.log import Row


class Killing:
    """Before the class of a log: the process dies at write *dies_at*, just before it or just after.

    Both are of the class, for the process has one such log at a time; at 0 it lives on.
    """

    dies_at = 0
    after = False

    def write(self, rows: Sequence[Row]) -> None:
        kind = type(self)
        kind.dies_at -= 1
        if kind.dies_at == 0 and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(rows)  # type: ignore[misc]
        if kind.dies_at == 0:
            os.kill(os.getpid(), signal.SIGKILL)

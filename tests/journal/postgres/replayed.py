"""One life of a replay that is kept on a server, for `test_replayed`: it may die at a write.

    python -m tests.journal.postgres.replayed DIES_AT before|after OPTIONS...

The command is run as it is; with DIES_AT 0 to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import cowstate.journal.opening
from cowstate.cli import main as command
from cowstate.journal.log import Row
from cowstate.journal.postgres.log import PostgresLog


class KillingLog(PostgresLog):
    """The log as it is, whose process dies at one of its writes: just before it, or just after."""

    dies_at = 0
    after = False

    def write(self, rows: Sequence[Row]) -> None:
        KillingLog.dies_at -= 1
        if KillingLog.dies_at == 0 and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(rows)
        if KillingLog.dies_at == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(dies_at: str, when: str, *options: str) -> int:
    KillingLog.dies_at, KillingLog.after = int(dies_at), when == "after"
    cowstate.journal.opening.PostgresLog = KillingLog  # type: ignore[misc]
    return command(["replay", "--json", *options])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

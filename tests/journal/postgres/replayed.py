"""One life of a replay that is kept on a server, for `test_replayed`: it may die at a write.

    python -m tests.journal.postgres.replayed DIES_AT before|after OPTIONS...

The command is run as it is; with DIES_AT 0 to its end.
"""

from __future__ import annotations

import sys

import cowstate.journal.opening
from cowstate.cli import main as command
from cowstate.journal.postgres.log import PostgresLog
from tests.journal.killing import Killing


class KillingLog(Killing, PostgresLog):
    """The log as it is, whose process may die at one of its writes."""


def main(dies_at: str, when: str, *options: str) -> int:
    KillingLog.dies_at, KillingLog.after = int(dies_at), when == "after"
    cowstate.journal.opening.PostgresLog = KillingLog  # type: ignore[misc]
    return command(["replay", "--json", *options])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A log in memory that does what `Log` promises, and what a disk does, when it is told to.

For what asks of the store alone in which order things happen: there is no file that would have to
be made anew for each of some thousand runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cowstate import Codec
from cowstate.journal import JournaledStore
from cowstate.journal.encoded import Encoder
from cowstate.journal.errors import JournalFileError
from cowstate.journal.log import Outcome, Rewritten, Row, Standing
from cowstate.journal.store import Sync
from cowstate.journal.view import Encoded, Form, View


class PlainLog:
    """Rows in a list: those that are on disk.

    Attributes:
        rows: they.
        faults: what becomes of the next writes, one each, and of asking: "before" and "after"
            fail before and after the rows are there; "mute" does not answer.
        begun: the records that were there before them.
    """

    path = "memory"
    epoch = 1
    took = 0.0
    form: Form = "json"
    schema = 0
    longest_key = 1_000

    def __init__(self, faults: Sequence[str] = (), begun: Mapping[str, int] | None = None) -> None:
        self.begun = begun or {}
        self.rows: list[Row] = []
        self.faults = list(faults)

    def standing(self) -> Standing:
        return Standing(0, 0.0, None)

    def records(self) -> Iterator[list[tuple[Encoded, Encoded]]]:
        found: list[tuple[Encoded, Encoded]] = [
            (f'"{key}"', str(n)) for key, n in self.begun.items()
        ]
        return iter([found])

    def write(self, rows: Sequence[Row]) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise OSError("before")
        self.rows = [*self.rows, *rows]
        if fault == "after":
            raise OSError("after")

    def resolve(self, after: int) -> Outcome:
        if self.faults[:1] == ["mute"]:
            self.faults.pop(0)
            raise OSError("mute")
        return Outcome(max([after, *(row.version for row in self.rows)]))

    def rewrite(self, record: Rewritten, meta: Rewritten, schema: int) -> None:
        raise NotImplementedError

    def view(self) -> View:
        raise JournalFileError(self.path, "cannot be read")

    def oldest(self) -> int:
        return self.rows[0].version - 1 if self.rows else 0

    def drop(self, upto: int, most: int) -> bool:
        self.rows = [row for row in self.rows if row.version > upto]
        return False

    def tidy(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def plain_store(
    log: PlainLog,
    options: Mapping[str, Any],
    clock: Callable[[], float] = lambda: 0.0,
    sync: Sync = "full",
    eager: bool = False,
) -> JournaledStore[str, int]:
    encoder = Encoder(Codec[str, int](key=str, record=int, meta=str), str, True, clock)
    return JournaledStore(log, encoder, sync, options, interval=1e9, eager=eager)


def versions(log: PlainLog) -> list[int]:
    return [row.version for row in log.rows]

"""A log whose writes are timed, for a store that was given a `Meter`: `TimedLog`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cowstate.measured import caller
from cowstate.meter import Figures, Stopwatch

from .log import Log, Outcome, Rewritten, Row, Standing
from .view import Encoded, Form, View

__all__ = ["TimedLog"]


class TimedLog:
    """Another log, as it is, with a look at the clock around each write.

    A store without a meter has none of this around its log.

    Args:
        log: what is written to.
        figures: of the store; its `syncs` are what is noted here.
    """

    def __init__(self, log: Log, figures: Figures) -> None:
        self._log = log
        self._clock = figures.clock
        self._watch = figures.syncs = Stopwatch()

    @property
    def path(self) -> str:
        """Where it is, for errors."""
        return self._log.path

    @property
    def epoch(self) -> int:
        """The number by which this one may write."""
        return self._log.epoch

    @property
    def took(self) -> float:
        """How many seconds the last write took."""
        return self._log.took

    @property
    def form(self) -> Form:
        """How values are encoded."""
        return self._log.form

    @property
    def schema(self) -> int:
        """The number of the schema of the records."""
        return self._log.schema

    @property
    def longest_key(self) -> int:
        """How many bytes an encoded key may be."""
        return self._log.longest_key

    def standing(self) -> Standing:
        """Return what it holds, but for the records."""
        return self._log.standing()

    def records(self) -> Iterator[list[tuple[Encoded, Encoded]]]:
        """Yield the key and the record of each record that is there, many at a time."""
        return self._log.records()

    def write(self, rows: Sequence[Row]) -> None:
        """Write *rows*; note how long that took, also if it failed."""
        began = self._clock()
        try:
            self._log.write(rows)
        finally:
            # In the turn, so nobody else notes meanwhile.
            self._watch.note(self._clock() - began, caller)

    def resolve(self, after: int) -> Outcome:
        """Return which of the rows beyond version *after* are on disk."""
        return self._log.resolve(after)

    def rewrite(self, record: Rewritten, meta: Rewritten, schema: int) -> None:
        """Rewrite every record and meta value; they are of *schema* then."""
        self._log.rewrite(record, meta, schema)

    def view(self) -> View:
        """Return a look at what is there now, beside the writing. From any thread."""
        return self._log.view()

    def oldest(self) -> int:
        """Return the oldest version that can be gone back to."""
        return self._log.oldest()

    def drop(self, upto: int, most: int) -> bool:
        """Let go of the rows up to version *upto*, at most *most*; return whether more are left."""
        return self._log.drop(upto, most)

    def tidy(self) -> None:
        """Do what is to be done now and then, after a write."""
        self._log.tidy()

    def close(self) -> None:
        """Let go of what it is kept in."""
        self._log.close()

    def abandon(self) -> None:
        """Forget what it is kept in, without a touch."""
        self._log.abandon()

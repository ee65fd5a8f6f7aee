"""To keep a store equal to a file that somebody else writes: `Chase`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from copy import copy
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from cowstate.changes import MISSING, Absent
from cowstate.commit import Commit
from cowstate.committer import Committer
from cowstate.errors import CodecError, CowstateError
from cowstate.schema import Schema
from cowstate.showing import cut
from cowstate.timeline import Timeline
from cowstate.waits import Source

from .encoded import Encoder
from .errors import Failure, JournalError, JournalFileError
from .history import Past
from .view import Reach, Tail, View

__all__ = ["OTHER", "Chase", "Replica"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

AT_ONCE: Final = 1_000
"""How many commits are read in one look, so that none keeps the file from being cleaned up."""

OTHER: Final = (
    "holds records of schema {}, and this program knows {}; follow it with the types of that one"
)

BACK: Final = (
    "was put back to an older state while it was followed (its newest version is {}, and {} was "
    "read); what is in memory can still be read. Follow it anew"
)

GAP: Final = (
    "lacks version {} in its log, and has later ones, so somebody else changed it; cowstate verify "
    "says what is wrong"
)

_log = logging.getLogger("cowstate")


class Replica(Committer[K, V], Generic[K, V]):
    """Publishes what others have written."""

    def take(self, commit: Commit[K, V], _: None = None) -> Commit[K, V]:
        """Publish *commit*, which follows upon the current version. As the work of `write`."""
        return self._publish(commit)

    def leap(self, commit: Commit[K, V], _: None = None) -> None:
        """Publish what *commit* leads to, and nothing of what was on the way. As work of `write`.

        It is told with the next commit.
        """
        self._waiters.notify_all()
        if self._deferral is not None:
            self._deferral.of_version(commit.after)
        self.timeline.leap(commit.after)


class Chase(Generic[K, V]):
    """Reads what is new in a file, and publishes it, commit by commit. By one thread.

    Args:
        tail: the file.
        schema: what follows from a write, in the store that is to be equal to it.
        timeline: the versions of that.
        encoder: what the rows of the file say.
        number: the number of the schema that the records are of.
        replica: publishes to that store.
        source: who waits for it.

    Attributes:
        tail: the file.
        past: what is in its log.
        level: when it was last known that all that was there had been published.
        synced: whether the last look came to the end of what was there.
        trouble: why it cannot be read for now.
    """

    def __init__(
        self,
        tail: Tail,
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        encoder: Encoder[K, V],
        number: int,
        replica: Replica[K, V],
        source: Source[K, V],
    ) -> None:
        self.tail = tail
        self.past: Past[K, V] = Past(tail.view, schema, timeline, encoder)
        self._schema = schema
        self._timeline = timeline
        self._encoder = encoder
        self._number = number
        self._replica = replica
        self._source = source
        # The commit that the current version is of, as it stands in the log.
        self._mark: tuple[int, float, str] | None = None
        self.level = monotonic()
        self.synced = False
        self.trouble: Exception | None = None

    @property
    def version(self) -> int:
        """The version that it has come to."""
        return self._timeline.current.version

    def step(self) -> bool:
        """Look once, and publish what is found; return whether there is more. Never raises.

        Only what is no `Exception` comes out, if it is sent to the thread.
        """
        began = monotonic()
        try:
            level = self._look()
        except Exception as error:
            self.synced = False
            self._failed(error)
            return False
        if level:
            self.level = began
        self.synced = level
        self.trouble = None
        return not level

    def _look(self) -> bool:
        view = self.tail.look()
        if view is None:
            return True
        level = False
        try:
            level = self._read(view)
        finally:
            self.tail.done(level)
        return level

    def _read(self, view: View) -> bool:
        reach = view.reach()
        self._ensure_the_same(view, reach)
        if self._timeline.current.version < reach.oldest:
            self._leap(view, reach)
        start = self._timeline.current
        upto = min(reach.newest, start.version + AT_ONCE)
        commits = self.past.replayed(view, start, upto)
        if not commits and start.version < reach.newest:
            raise JournalFileError(self.tail.path, GAP.format(start.version + 1))
        for commit in commits:
            if self._source.ended:
                break
            self._publish(self._replica.take, commit)
        self.note(view)
        return self._timeline.current.version == reach.newest

    def note(self, view: View) -> None:
        """Note which commit the current version is of."""
        now = self._timeline.current.version
        last = next(view.commits(now - 1, now), None)
        self._mark = None if last is None else (now, last.time, last.who)

    def _ensure_the_same(self, view: View, reach: Reach) -> None:
        """Raise if what is in the file does not follow upon what is here."""
        path, now = self.tail.path, self._timeline.current.version
        if view.schema != self._number:
            raise JournalFileError(path, OTHER.format(view.schema, self._number))
        if reach.newest < now:
            raise JournalFileError(path, BACK.format(reach.newest, now))
        # A look that failed before its end may have published more than the mark knows of.
        if self._mark is not None and self._mark[0] > reach.oldest:
            marked = self._mark[0]
            found = next(view.commits(marked - 1, marked), None)
            if found is None or self._mark != (marked, found.time, found.who):
                raise JournalFileError(path, BACK.format(reach.newest, now))

    def _leap(self, view: View, reach: Reach) -> None:
        """Go on from the oldest version that is left: what came before it is gone."""
        oldest, newest = reach
        records = dict(self._encoder.records([(key, value) for key, value, _ in view.records()]))
        for key, old in self.past.changed_since(view, oldest, newest).items():
            if old is MISSING:
                records.pop(key, None)
            else:
                records[key] = old
        before = self._timeline.current
        writes: dict[K, V | Absent] = {key: MISSING for key in before if key not in records}
        # What is as it was stays the very object.
        writes.update((key, new) for key, new in records.items() if before.get(key, MISSING) != new)
        moved = view.meta_before(oldest, newest)
        meta = self._encoder.meta(view.meta() if moved is None else moved[0])
        if meta == before.meta:
            meta = before.meta
        self._publish(self._replica.leap, self._schema.replay(before, writes, meta, oldest))

    def _publish(self, work: Callable[[Any, Any], Any], commit: Commit[K, V]) -> None:
        try:
            self._replica.write(work, commit)
        except Exception:
            raise
        except BaseException:
            if self.version < commit.version:
                raise  # it was struck, and must not go on with what comes after that
            # A subscriber's: there is no writer here whom it could reach.
            _log.exception(
                "a subscriber raised in the thread of a follower",
                extra={"cowstate_event": "subscriber_raised"},
            )

    # When it fails.

    def _failed(self, error: Exception) -> None:
        if self.tail.passes(error):
            if self.trouble is None:
                _log.warning(
                    "%s cannot be read for now: %s",
                    self.tail.path,
                    error,
                    extra={
                        "cowstate_event": "follower_failing",
                        "cowstate_path": self.tail.path,
                    },
                )
            self.trouble = error
            return
        lost = self._lost(error)
        if lost is not error:
            lost.__cause__ = error
        _log.error(
            "a follower ends: %s",
            lost,
            extra={"cowstate_event": "follower_ended", "cowstate_path": self.tail.path},
        )
        self.end(partial(copy, lost))

    def _lost(self, error: Exception) -> CowstateError:
        path = self.tail.path
        if isinstance(error, JournalError):
            return error
        refused = self.tail.refused(error)
        if refused is not None:
            return refused
        if isinstance(error, CodecError):
            return JournalFileError(path, f"holds what is not of these types: {error}")
        what = cut(f"{type(error).__name__}: {error}")
        return JournalError(f"{path} is not followed any more, for something failed here: {what}")

    def end(self, why: Failure) -> None:
        """Let nothing more come, and tell who waits; the first reason stays. From any thread."""
        source = self._source
        if source.why is None:
            source.why = why
        source.ended = True
        source.waiters.notify_all()

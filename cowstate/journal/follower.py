"""A store that follows a file which somebody else writes: `Follower`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from threading import Thread, current_thread
from time import monotonic
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar
from weakref import ref

from cowstate.errors import ArgumentTypeError, ArgumentValueError
from cowstate.meta import M
from cowstate.schema import Schema
from cowstate.showing import shown
from cowstate.snapshot import Snapshot
from cowstate.timeline import Timeline
from cowstate.writelock import WriteLock, is_writing

from .chase import Chase, Replica
from .encoded import Encoder
from .errors import JournalClosedError, JournalError, failing
from .logged import LoggedStore
from .pace import Pace
from .view import Tail, View

__all__ = ["Follower"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FAREWELL: Final = 1.0
"""For how long, in seconds, the end of the main thread waits for the one that looks at the file."""

DROPPED: Final = (
    "nobody holds the follower of {} any more, so nothing comes; keep it for as long as its feeds "
    "are read"
)

CHILD: Final = (
    "{} is followed by the process that this one was forked from; this one only reads what was "
    "there. Follow it in a process of its own: multiprocessing's 'spawn', say"
)


class Follower(LoggedStore[K, V, M], Generic[K, V, M], sealed=True):
    """A store that only reads, and is what another process writes to a file, a moment later.

    Made by `follow`. Snapshots, indexes, aggregates, feeds, subscriptions and waiting are those of
    any store, under the versions of the writer's. Each of its commits comes once, whole, in order;
    a feed that begins with ``since=`` goes back into the log. What was compacted away before it
    was read here is told as one `Lagged`, and then it goes on from the oldest version that is left.

    A thread of its own looks whether the file was written to: as often as `follow` was told, and
    more rarely when nothing has come for a second. It calls the subscribers, too, so one that takes
    long keeps the others, and this store, behind, and none of them may wait for what
    comes: subscribe such a one with ``via="thread"``. Where the writer says ``sync="normal"`` or
    ``"interval"``, what is read here is what is in the file, and that a crash of the machine could
    take back.

    Close it, or use it in a ``with``; one that nobody holds ends by itself, and so do its feeds. It
    ends by an error when the file is deleted or replaced, goes back, or is of another schema:
    waiting raises it then, feeds do, `failure` is it, and what is in memory can be read on. In the
    child of a fork it has ended.

    Attributes:
        path: the file, whole.
    """

    path: str

    def __init__(
        self,
        tail: Tail,
        encoder: Encoder[K, V],
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        number: int,
        every: float,
    ) -> None:
        super().__init__(schema, timeline, WriteLock(None), None)
        self.path = tail.path
        replica = Replica(schema, timeline, self._lock, self._delivery, self._waiters)
        chase = Chase(tail, schema, timeline, encoder, number, replica, self.source)
        self._chase = chase
        self._past = chase.past
        # It holds what it needs of the store, and not the store: who drops that ends it.
        self._thread = Thread(
            target=_serve,
            args=(ref(self), chase, every),
            name=f"follower of {tail.path}",
            daemon=True,
        )

    def ready(self, view: View) -> None:
        """Note what the look found that it was made from, all of it. By who makes it."""
        self._chase.note(view)
        self._chase.synced = True

    def start(self) -> None:
        """Begin to follow. By who makes it."""
        try:
            self.source.bringer = self._thread
            self._thread.start()
        except BaseException:
            if self._thread.ident is None:  # else it lets go of the file itself
                self._chase.tail.close()
            raise

    # How far it is.

    @property
    def synced(self) -> bool:
        """Whether the last look at the file found nothing that is not here."""
        return self._chase.synced and not self.source.ended

    @property
    def lag(self) -> float:
        """How old what is read here may be, in seconds: how long ago it was all there was."""
        return monotonic() - self._chase.level

    @property
    def closed(self) -> bool:
        """Whether it has ended, whatever by."""
        return self.source.ended

    @property
    def failure(self) -> Exception | None:
        """The error that it ended by, or that keeps it from reading now; None if all is well."""
        why = self.source.why
        if why is None:
            return self._chase.trouble
        return why() if self.source.is_lost() else None

    def look_soon(self) -> None:
        """Have the file looked at now, not only when it is time. For who knows of a write."""
        self._chase.tail.wake()

    def wait_for(
        self,
        predicate: Callable[[Snapshot[K, V, M]], object] | None = None,
        timeout: float | None = None,
        *,
        keys: Iterable[K] | None = None,
        version: int | None = None,
    ) -> Snapshot[K, V, M]:
        """Sleep until *predicate* is true, or *version* is here; return the snapshot.

        With ``version=commit.version``, of a commit that the writer was given, what that wrote can
        be read in what is returned. The file is looked at for it at once.

        Args:
            predicate: a function of a `Snapshot`; or none, if there is a *version*.
            timeout: in seconds; None for ever.
            keys: as of any store.
            version: a number, in place of a *predicate*.

        Raises:
            WaitTimeoutError: it was not true in time.
            JournalFileError, JournalClosedError: the follower has ended, so it never will be.
            ReentrantWriteError: called by a subscriber, in the thread that would bring it.
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.

        >>> import os, tempfile
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     with journal.follow(path, key=str, record=int) as seen:
        ...         commit = counts.set("a", 1)
        ...         seen.wait_for(version=commit.version, timeout=60)["a"]
        1
        """
        if (predicate is None) is (version is None):
            raise ArgumentTypeError("wait_for takes a predicate, or a version=; give one of them")
        if predicate is None:
            wanted = _checked_version(version)
            if keys is not None:
                raise ArgumentValueError("a version comes whatever it changes; leave out keys")
            if self.snapshot().version < wanted:
                self.look_soon()
            return super().wait_for(lambda now: now.version >= wanted, timeout)
        return super().wait_for(predicate, timeout, keys=keys)

    # The end.

    def close(self) -> None:
        """End it: feeds end, and who waits is told so. What is in memory can be read on.

        May be called twice, from any thread. When it returns the file is let go, but for a call
        out of a subscriber of its own, or inside a write to a store, which nobody waits in.
        """
        text = f"the follower of {self.path} was closed; follow the file again"
        self._chase.end(failing(JournalClosedError, text))
        self._chase.tail.wake()
        if self._thread is not current_thread() and self._thread.is_alive() and not is_writing():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _end_waits(self) -> None:
        super()._end_waits()
        self._chase.tail.wake()
        if self._thread is not current_thread() and self._thread.is_alive():
            self._thread.join(FAREWELL)  # it lets go of the file while there is an interpreter

    def _after_fork_in_child(self) -> None:
        super()._after_fork_in_child()
        self._chase.tail.abandon()
        self._chase.end(failing(JournalClosedError, CHILD.format(self.path)))

    def __repr__(self) -> str:
        now = self.snapshot()
        state = ", ended" if self.closed else ""
        return f"<Follower of {self.path} version={now.version} records={len(now)}{state}>"


def _serve(store: ref[Follower[Any, Any, Any]], chase: Chase[Any, Any], every: float) -> None:
    """Look again and again, until the store is closed, or gone."""
    try:
        _serve_on(store, chase, every)
    except BaseException as error:
        # Sent by another thread. Who waits is not to wait for ever.
        what = f"{chase.tail.path} is not followed any more, for its thread was struck"
        chase.end(failing(JournalError, what, error))
        raise
    finally:
        chase.synced = False
        chase.tail.close()


def _serve_on(store: ref[Follower[Any, Any, Any]], chase: Chase[Any, Any], every: float) -> None:
    tail = chase.tail
    pace = Pace(every, monotonic())
    while (follower := store()) is not None:
        if follower.closed:
            return
        del follower
        if not chase.step():
            tail.sleep(pace.pause((chase.version, tail.stirs), monotonic()))
    chase.end(failing(JournalError, DROPPED.format(chase.tail.path)))


def _checked_version(version: object) -> int:
    if not isinstance(version, int) or isinstance(version, bool):
        raise ArgumentTypeError(f"a version is a whole number, not {shown(version)}")
    if version < 0:
        raise ArgumentValueError(f"versions begin with 0; there is no {version}")
    return version

"""The half of a store that only reads: `ReadStore`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Generic, NoReturn, TypeVar

from .commit import Commit
from .delivery import Delivery, Via
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ForeignSnapshotError,
    ReentrantWriteError,
)
from .feeds import NOTHING, Feed, FeedMode
from .items import Lagged
from .measured import MeasuredSubscription
from .meta import M, WithMeta
from .meter import Figures
from .process import register
from .schema import Schema
from .showing import shown
from .slips import NotAMapping, Sealed, ensure_flag, ensure_function
from .snapshot import Snapshot
from .statistics import Statistics, statistics_of
from .subscribers import OnError, Subscription
from .timeline import Pin, Timeline
from .waiters import Waiters
from .waits import Source, checked_keys, deadline_of
from .writelock import WriteLock, is_writing

__all__ = ["ReadStore"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ReadStore(Sealed, NotAMapping, WithMeta, Generic[K, V, M], sealed=True):
    """The versions of a store, to look at and to follow. Every method, from any thread, any time.

    A face over what it was made of. Nothing here takes the store's lock but to sleep (see
    `Source`), and nothing loses or doubles a subscription, pin or feed, whatever comes up in the
    middle of it.

    Attributes:
        source: what the package's own followers, such as `cowstate.aio`, need of it.
    """

    source: Source[K, V]

    # In an instance dict, not in slots: on a free-threaded build another thread reads an instance
    # attribute in about a third of the time of a slot.

    def __init__(
        self,
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        lock: WriteLock,
        figures: Figures | None,
    ) -> None:
        self._figures = figures
        self._schema = schema
        self._timeline = timeline
        self._lock = lock
        self._delivery: Delivery[K, V] = Delivery(timeline)
        self._waiters: Waiters[K] = Waiters()
        self.source = Source(timeline, self._waiters, lock)
        register(self)

    def snapshot(self) -> Snapshot[K, V, M]:
        """Return the current version of everything. No lock, no copy, O(1), never blocks.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> before = store.snapshot()
        >>> commit = store.set("a", 2)
        >>> before["a"], store.snapshot()["a"]
        (1, 2)
        """
        return self._timeline.current

    def statistics(self, snapshot: Snapshot[K, V, M] | None = None) -> Statistics:
        """Return figures of one version and of what serves it. Costs O(retained).

        Args:
            snapshot: of which version; None for the current one. Who reads figures of a snapshot,
                too, gives that: between two calls others write.

        Raises:
            ForeignSnapshotError: it is a snapshot of another store.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> commit = store.set("b", 2)
        >>> figures = store.statistics()
        >>> figures.version, figures.records, figures.retained
        (1, 2, 1)
        >>> store.statistics(commit.before).records
        1
        """
        of = self._timeline.current if snapshot is None else self._own(snapshot)
        serving = self._timeline, self._delivery, self._waiters, self._lock
        return statistics_of(of, self._schema, *serving, self._figures)

    # Following

    def subscribe(
        self,
        callback: Callable[[Commit[K, V, M]], object],
        *,
        keys: Iterable[K] | None = None,
        initial: bool = False,
        on_error: OnError = "log",
        on_lagged: Callable[[Lagged[K, V, M]], object] | None = None,
        via: Via = "writer",
    ) -> Subscription[K, V, M]:
        """Have ``callback(commit)`` called for every commit from now on, once, in version order.

        A commit made by a callback is delivered after the current one, to everybody. No callback
        runs while its thread is inside a write to any store: what comes due there is delivered
        when the outermost write has ended. What a callback raises reaches neither the writer nor
        other subscribers, but for exceptions that are no `Exception`, such as KeyboardInterrupt:
        those reach the writer, when the other subscribers have had the commit.

        A write delivers its own commit, what callbacks write meanwhile, and at most 8 commits of
        others; the rest is delivered by a thread of the store's, which comes and goes with the
        need. So a slow callback slows its writers down, and captures none. When more than 1,024
        commits wait, the oldest are passed over, and the subscriber is told so. A callback with
        *keys* costs the commits of other keys nothing.

        With *initial*, what is there comes first, as a commit whose ``changes`` add it all, over a
        ``before`` of version -1 that holds nothing; then what comes after that, and neither misses
        nor doubles anything, whoever writes. It comes by the same hand as the others: if that is
        the writers', by this thread, before this method returns. But inside a write it comes when
        that has ended, inside a callback when that has returned, and beside somebody who is
        delivering by that one, soon. It comes also where there is nothing.

        Args:
            callback: what to call with each `Commit`.
            keys: only commits that change one of these keys, with the changes of these keys
                alone; None for all.
            initial: whether to begin with what is there.
            on_error: ``"log"`` what it raises and go on, ``"stop"`` to log and end the
                subscription, or a function of ``(error, commit)``.
            on_lagged: called with a `Lagged` if commits were passed over. Without it that is an
                error, `LaggedError`, and goes the way of *on_error*, with the newest commit.
            via: who calls it: ``"writer"``, the threads that write; ``"thread"``, always the
                thread of the store's; or an asyncio event loop, that loop.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> with store.subscribe(lambda commit: print(commit.version, commit.changes)) as seen:
        ...     commit = store.set("a", 2)
        1 ChangeSet({'a': Change(old=1, new=2)})
        >>> copy = {}
        >>> def keep(commit):
        ...     copy.update({key: new for key, (_, new) in commit.changes.items()})
        >>> with store.subscribe(keep, initial=True):
        ...     copy
        {'a': 2}
        """
        ensure_function(callback, "a subscriber is a function of a commit")
        if on_lagged is not None:
            ensure_function(on_lagged, "on_lagged is a function of a Lagged")
        if callable(on_error):
            ensure_function(on_error, "on_error is a function of (error, commit)")
        elif on_error not in ("log", "stop"):
            raise ArgumentValueError(
                "on_error must be 'log', 'stop' or a function of (error, commit), "
                f"not {shown(on_error)}"
            )
        ensure_flag(initial, "initial")
        delivery = self._delivery
        group, wanted, figures = delivery.group_of(via), checked_keys(keys), self._figures
        make: Callable[..., Subscription[K, V, M]] = (
            Subscription
            if figures is None
            else partial(MeasuredSubscription, figures=figures, via=via)
        )
        member = make(callback, wanted, on_error, on_lagged, group, delivery, initial)
        try:
            # Before it is admitted: from its first commit on, every writer looks.
            delivery.all[member.number] = member
            group.admit(member)
            if initial:
                delivery.begin(member, group)
        except BaseException:
            member.close()
            raise
        return member

    def flush(self, timeout: float | None = None) -> bool:
        """Have delivered to the subscribers all that was committed before; return whether it was.

        By the calling thread, or whoever is at it. For tests, and before a program ends: a write
        that returns has delivered its own commit, unless others wrote so much before it that the
        store's thread is at it. What an event loop delivers is not waited for.

        Args:
            timeout: in seconds; None for as long as the callbacks take.

        Raises:
            ReentrantWriteError: called inside a write to a store, or by a callback.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> seen = store.subscribe(lambda commit: None)
        >>> commit = store.set("a", 2)
        >>> store.flush(), seen.delivered
        (True, 1)
        """
        if is_writing() or self._delivery.is_served_here():
            raise ReentrantWriteError(
                "flush waits for callbacks, none of which may run here: this is inside a write, or "
                "inside a callback; flush after it"
            )
        return self._delivery.flush(deadline_of(timeout))

    def feed(
        self,
        mode: FeedMode = "every",
        *,
        keys: Iterable[K] | None = None,
        since: int | Snapshot[K, V, M] | None = None,
        initial: bool = False,
    ) -> Feed[K, V, M]:
        """Return an iterator over the commits, to be read at the reader's own pace.

        It yields each `Commit` once, in version order, and a `Lagged` in place of those that the
        store no longer retains. With *initial*, the first item adds all that is there at the first
        look, over a ``before`` of version -1 that holds nothing; it comes also where there is
        nothing, and what comes after it neither misses nor doubles anything.

        Args:
            mode: ``"every"`` yields the commit of each version; ``"latest"`` one for all that has
                happened since the last look, from the first ``before`` to the last ``after``.
            keys: only commits that change one of these keys, with the changes of these keys
                alone; None for all. A commit of ``meta`` alone is not among them.
            since: the version, or snapshot, after which to start; None for the current one.
            initial: whether to begin with what is there, in place of *since*.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
            ForeignSnapshotError: *since* is a snapshot of another store.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> start = store.snapshot()
        >>> for n in (2, 3):
        ...     commit = store.set("a", n)
        >>> item = store.feed(since=start).poll()
        >>> item.version, item.changes
        (1, ChangeSet({'a': Change(old=1, new=2)}))
        >>> item = store.feed("latest", since=start).poll()
        >>> item.version, item.changes
        (2, ChangeSet({'a': Change(old=1, new=3)}))
        >>> store.feed(initial=True).poll().changes
        ChangeSet({'a': Change(old=MISSING, new=3)})
        """
        if mode not in ("every", "latest"):
            raise ArgumentValueError(f"mode must be 'every' or 'latest', not {shown(mode)}")
        ensure_flag(initial, "initial")
        if initial and since is not None:
            raise ArgumentValueError(
                "initial=True begins with what is there, and since says after what to begin; "
                "give one of the two"
            )
        if initial:
            return Feed(self.source, mode, checked_keys(keys), NOTHING)
        current = self._timeline.current.version
        version = current if since is None else since
        if isinstance(version, Snapshot):
            version = self._own(version).version
        if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= current:
            raise ArgumentValueError(
                f"since must be a version from 0 to {current}, or a snapshot, not {shown(since)}"
            )
        return Feed(self.source, mode, checked_keys(keys), version)

    def wait_for(
        self,
        predicate: Callable[[Snapshot[K, V, M]], object],
        timeout: float | None = None,
        *,
        keys: Iterable[K] | None = None,
    ) -> Snapshot[K, V, M]:
        """Sleep until *predicate* is true of the current snapshot, and return that snapshot.

        It is asked at once, and again after each change; never under the lock. Versions that
        come and go between two looks are not looked at: follow a feed to see every one. No
        wake-up is lost and nothing polls. What the predicate raises is raised here.

        Args:
            predicate: a function of a `Snapshot`.
            timeout: in seconds; None for ever.
            keys: ask again only if one of these keys has changed.

        Raises:
            WaitTimeoutError: it was not true in time (it is also a `TimeoutError`).
            ReentrantWriteError: called inside a write to this store.

        >>> from threading import Thread
        >>> from cowstate import Store
        >>> store = Store({"ready": False})
        >>> Thread(target=store.set, args=("ready", True)).start()
        >>> store.wait_for(lambda snapshot: snapshot["ready"], timeout=10).version
        1
        """
        return self.source.wait_for(predicate, timeout, checked_keys(keys))

    # The past

    def at(self, version: int) -> Snapshot[K, V, M]:
        """Return the snapshot of a retained or pinned *version*. O(1).

        Raises:
            CompactedError: it is no longer retained.
            ArgumentValueError: there has been no such version yet.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> commit = store.set("a", 2)
        >>> store.at(0)["a"]
        1
        """
        return self._timeline.at(version)

    def pin(self, version: int | Snapshot[K, V, M] | None = None, *, why: str = "") -> Pin[K, V, M]:
        """Keep a *version*, the current one for None, within reach of `at` until unpinned.

        Use the pin in a ``with``, or pass it to `unpin`. *why* shows in ``statistics()``.

        >>> from cowstate import History, Store
        >>> store = Store({"a": 0}, history=History(versions=1))
        >>> with store.pin(why="a long report"):
        ...     for n in range(1, 10):
        ...         commit = store.set("a", n)
        ...     store.at(0)["a"]
        0
        """
        timeline = self._timeline
        if version is None:
            found = timeline.current
        else:
            found = self._own(version) if isinstance(version, Snapshot) else self.at(version)
        timeline.pinned()  # lets go of what an interrupted `close` left
        pin = Pin(found, why, timeline)
        # A straight line: kept and returned, or neither.
        timeline.pins[pin.number] = pin
        return pin

    def unpin(self, pin: Pin[K, V, M]) -> None:
        """Let go what `pin` returned.

        Raises:
            ClosedError: it was let go before.

        >>> from cowstate import Store
        >>> store = Store()
        >>> pin = store.pin()
        >>> store.unpin(pin)
        >>> store.statistics().pinned
        ()
        """
        self._timeline.unpin(pin)

    def _own(self, snapshot: Snapshot[K, V, M]) -> Snapshot[K, V, M]:
        if (
            not isinstance(snapshot, Snapshot)
            or snapshot._lineage.origin is not self._schema.origin
        ):
            raise ForeignSnapshotError(f"{shown(snapshot)} is no snapshot of this very store")
        return snapshot

    # What happens to the process; see `cowstate.process`.

    def _end_waits(self) -> None:
        self.source.ended = True
        self._waiters.notify_all()
        # What was left to the store's thread, which dies with the process.
        self._delivery.flush_at_exit()

    def _after_fork_in_child(self) -> None:
        self._lock.after_fork_in_child()
        self._waiters.after_fork_in_child()
        self._delivery.after_fork_in_child()

    def __repr__(self) -> str:
        current = self._timeline.current
        return f"<{type(self).__name__} version={current.version} records={len(current)}>"

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "a store cannot be pickled or copied, for it is a place, not a value; "
            "pickle store.snapshot(), and make a new Store of it"
        )

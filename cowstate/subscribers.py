"""Who is called with every commit: `Subscription`, and the group that is served together."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Hashable
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar
from weakref import ref

from .errors import ClosedError, LaggedError
from .locks import BUSY, OwnedLock
from .members import Members, numbers
from .scope import Scoped
from .showing import shown
from .slips import plain
from .snapshot import Commit, Snapshot
from .timeline import Timeline

__all__ = ["Group", "Lagged", "OnError", "Subscription"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OnError: TypeAlias = 'Literal["log", "stop"] | Callable[[Exception, Commit[Any, Any]], object]'
"""What becomes of an exception out of a callback: logged, logged and the subscription closed,
or handed to ``handler(error, commit)``."""

PATIENCE: Final = 1.0
"""How long, in seconds, a move of the position waits for another one, of a few instructions."""

_WITHOUT_GIL: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()

_log = logging.getLogger("cowstate")


class Lagged(NamedTuple, Generic[K, V]):
    """What a feed or a subscriber is given instead of the commits that were passed before it came.

    Attributes:
        missed_from: the first version whose changes were missed.
        snapshot: where it goes on from: everything up to its version is in it.

    >>> from cowstate import History, Store
    >>> store = Store({"a": 0}, history=History(versions=2))
    >>> feed = store.feed()
    >>> for n in (1, 2, 3):
    ...     commit = store.set("a", n)
    >>> lagged = feed.poll()
    >>> isinstance(lagged, Lagged), lagged.missed_from, lagged.snapshot["a"]
    (True, 1, 3)
    """

    missed_from: int
    snapshot: Snapshot[K, V]


class _Leaves(Protocol):
    def discard(self, member: Subscription[Any, Any]) -> None: ...


class Subscription(Scoped, Generic[K, V]):
    """A callback that is given every commit, once and in version order.

    Made by ``store.subscribe``. The callback never runs while its thread is inside a write to any
    store; it may read and write the store. Use it as a context manager, or call `close`, to end
    it.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> with store.subscribe(lambda commit: print(commit.version)) as subscription:
    ...     commit = store.set("a", 2)
    1
    >>> subscription.since, subscription.snapshot["a"], subscription.delivered, subscription.closed
    (0, 1, 1, True)
    """

    def __init__(
        self,
        callback: Callable[[Commit[K, V]], object],
        keys: frozenset[K] | None,
        on_error: OnError,
        on_lagged: Callable[[Lagged[K, V]], object] | None,
        group: Group[K, V],
        owner: _Leaves,
    ) -> None:
        self.number = next(numbers)
        self.keys = keys
        self._callback = callback
        self._on_error = on_error
        self._stops = on_error == "stop"
        self._on_lagged = on_lagged
        # Weak, so that a store that nobody holds is freed at once, subscriptions and all.
        self.group = ref(group)
        self._owner = ref(owner)
        # Where it begins, fixed once, by whoever comes first: see `fix`.
        self._since: dict[int, int] = {}
        self._seen = -1
        self._closed = False

    def fix(self, version: int) -> int:
        """Begin at *version*, if it has not begun yet; return the version at which it began.

        The version is read after the subscription was inserted, so no commit comes between. A
        delivery that finds it inserted and not begun may fix it as well: what it is about to hand
        over is published, and from then on nothing is missed.
        """
        return self._since.setdefault(0, version)

    @property
    def since(self) -> int:
        """The version at which it began. The first commit delivered is the next one."""
        return self._since[0]

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed or self.torn()

    @property
    def snapshot(self) -> Snapshot[K, V]:
        """The snapshot at which it began: everything before the first commit delivered.

        Raises:
            CompactedError: asked so late that the store no longer retains that version.
            ClosedError: the store is gone.
        """
        return _living(self.group()).timeline.at(self.since)

    @property
    def delivered(self) -> int:
        """The version up to which every commit that concerns it has been handed over."""
        group = self.group()
        reached = 0 if group is None or self.closed else group.position
        return max(self.since, self._seen, reached)

    def close(self) -> None:
        """End it. May be called twice, from any thread, and by the callback.

        No further call begins, but for one that another thread is about to make at this moment.

        >>> from cowstate import Store
        >>> subscription = Store({"a": 1}).subscribe(print)
        >>> subscription.close()
        """
        self._closed = True
        owner = self._owner()
        if owner is not None:
            owner.discard(self)

    def offer(
        self, commit: Commit[K, V], keys: Collection[K], current: int
    ) -> BaseException | None:
        """Call the callback with *commit*, if it has not had it; return what goes to the writer.

        Args:
            commit: what to hand over.
            keys: those that it changed.
            current: the version that is current now.
        """
        version = commit.after.version
        if self._seen < 0:
            self._seen = self.fix(current)
        if self._seen >= version:
            return None
        if self._closed or (self._scope is not None and self.torn()):
            self.close()  # once more: the first time may have been interrupted
            return None
        callback = self._callback
        try:
            # Not in the index, it is asked as if it listened to all.
            if self.keys is not None and self.keys.isdisjoint(keys):
                return None
        except Exception as error:  # out of a key's own comparison
            self._seen = version
            self._failed(error, commit)
            return None
        try:
            # A straight line: marked and called, or neither.
            self._seen = version
            answer = callback(commit)
            if answer is not None:
                plain(answer, "subscribe")
        except Exception as error:
            self._closed = self._closed or self._stops  # before anything can come up
            self._failed(error, commit)
        except BaseException as error:
            return error
        return None

    def tell_lagged(self, position: int, snapshot: Snapshot[K, V]) -> BaseException | None:
        """Tell it that the commits from *position* on are gone, and go on at *snapshot*."""
        missed_from = max(position, self._seen, self.fix(snapshot.version)) + 1
        if missed_from > snapshot.version or self.closed:
            return None
        lagged = Lagged(missed_from, snapshot)
        tell = self._on_lagged or self._lagged
        try:
            self._seen = snapshot.version
            tell(lagged)
        except Exception as error:
            _log.error("on_lagged of a subscriber failed at %r", snapshot, exc_info=error)
        except BaseException as error:
            return error
        return None

    def _lagged(self, lagged: Lagged[K, V]) -> None:
        commit = _living(self.group()).timeline.ring.get(lagged.snapshot.version)
        error = LaggedError(*lagged)
        if commit is None:
            _log.error("%s", error)
        else:
            self._failed(error, commit)

    def wants_from(self) -> int:
        """Return the version after which it wants to hear, as far as it knows itself."""
        return max(self._seen, self._since.get(0, 0))

    def _failed(self, error: Exception, commit: Commit[K, V]) -> None:
        if callable(self._on_error):
            try:
                self._on_error(error, commit)
            except Exception:
                _log.exception("the error handler of a subscriber failed at %r", commit)
            return
        _log.error("a subscriber failed at %r", commit, exc_info=error)
        if self._stops:
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"delivered up to {self.delivered}"
        return f"<Subscription of {shown(self._callback)}, {state}>"


class Group(Generic[K, V]):
    """Subscriptions that are served by the same hand, in one order.

    Nothing is noted for them: what is owed is what lies between the group's `position` and the
    current version, and the commits are in the store's ring. Each member marks what it has had.
    So there is nothing to take back after a write that failed, nothing to lose after one that was
    published, and a delivery that is interrupted anywhere is done again from where it was.

    Whoever gets the *turn* delivers, without waiting for it. Who finds it taken may go: its commit
    was published before it looked, and who has the turn looks again after giving it back.

    Attributes:
        timeline: the versions of the store.
        members: the subscriptions, by number and by key.
        position: every commit up to this version has been handed to all whom it concerns.
    """

    def __init__(self, timeline: Timeline[K, V]) -> None:
        self.timeline = timeline
        self.members: Members[K, Subscription[K, V]] = Members()
        self.position = timeline.current.version
        self._turn = OwnedLock()
        self._moving = OwnedLock()  # used without the GIL only
        # The versions that callbacks wrote in this turn.
        self._own: dict[int, None] = {}

    def admit(self, member: Subscription[K, V]) -> None:
        """Let *member* be served from the current version on."""
        self.members.add(member.number, member, member.keys)
        since = member.fix(self.timeline.current.version)
        # Alone, it is the only one whom the position must not run ahead of: who came after it
        # begins later still. It only spares the way there: who delivers finds it without this.
        if len(self.members.all) == 1:
            self._advance(since)

    def ready(self) -> bool:
        """Whether something waits to be delivered."""
        return self.position < self.timeline.current.version

    def waiting(self) -> int:
        """Return how many commits wait to be delivered."""
        return self.timeline.current.version - self.position if self.members.all else 0

    def passes_over(self, commit: Commit[K, V]) -> bool:
        """Pass over *commit*, by its writer, if it is the next one and concerns nobody.

        Needs no turn: whoever has that looks at the position anew for each commit.
        """
        if not self.members.concerns_nobody(commit):
            return False
        version = commit.after.version
        return self._move(version - 1, version - 1, version)

    def _advance(self, version: int) -> None:
        # Never back: `passes_over` may have moved it on meanwhile.
        if _WITHOUT_GIL:
            self._move(0, version - 1, version)
        elif self.position < version:  # a straight line, as in `_move`
            self.position = version

    def _move(self, least: int, most: int, to: int) -> bool:
        """Move the position *to*, if it is from *least* to *most*; return whether it was.

        A position that fell back, by more than the ring holds, would look like a gap.
        """
        if not _WITHOUT_GIL:
            # A straight line from the look to the store, so nobody else comes between.
            if not least <= self.position <= most:
                return False
            self.position = to
            return True
        moved = self._moving.attempt(PATIENCE, self._move_alone, (least, most), to)
        # Busy is only who is called in the middle of its own move: then it is done again later.
        return moved is True

    def _move_alone(self, bounds: tuple[int, int], to: int) -> bool:
        if not bounds[0] <= self.position <= bounds[1]:
            return False
        self.position = to
        return True

    def is_turn_here(self) -> bool:
        """Whether the calling thread has the turn."""
        return self._turn.owned()

    def takes_up(self, version: int) -> bool:
        """Whether the calling thread is delivering; then it will deliver *version*, too."""
        if self._turn.owned():
            self._own[version] = None
            return True
        return False

    def deliver(self, most: int, seconds: float = 0.0) -> bool:
        """Hand over at most *most* commits, and those that the callbacks make meanwhile.

        Returns whether there is more, of which nobody else is taking care. What a callback raises
        that is no `Exception` is raised here, when its siblings have had the commit.

        Args:
            most: how many commits.
            seconds: how long to wait for the turn, if somebody has it.
        """
        timeline = self.timeline
        while self.position < timeline.current.version:
            if not most:
                return True
            left = self._turn.attempt(seconds, self._drain, most)
            if left is BUSY:
                return False
            most = left
        return False

    def _drain(self, most: int, _: None) -> int:
        """Deliver; return how many more there could have been. Having the turn."""
        timeline, own = self.timeline, self._own
        own.clear()
        # Read once in each round: `passes_over` may move it at any time.
        while (version := self.position + 1) <= timeline.current.version:
            if version not in own:
                if not most:
                    break
                most -= 1
            commit = timeline.ring.get(version)
            if commit is not None:
                error = self._hand_over(commit)
                self._advance(version)
            elif self.position >= version:  # passed over meanwhile, and gone for that
                continue
            else:
                error = self._catch_up()
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # its traceback holds this frame, which must not hold it
        return most

    def _hand_over(self, commit: Commit[K, V]) -> BaseException | None:
        kept = error = None
        changed = commit._changed
        keys: Collection[K] = (changed[0],) if type(changed) is tuple else commit._delta
        members = self.members.concerned(keys)
        current = self.timeline.current.version  # after the look for members: see `fix`
        for member in members:
            error = member.offer(commit, keys, current)
            kept = kept or error
        try:
            return kept
        finally:
            del kept, error  # its traceback holds this frame, which must not hold it

    def _catch_up(self) -> BaseException | None:
        """Go on where the ring still has commits, and tell those who have missed some."""
        members = list(self.members.all.values())
        wanted = min((member.wants_from() for member in members), default=self.position)
        if wanted > self.position:  # what is gone concerned nobody who is still here
            self._advance(wanted)
            return None
        snapshot = self.timeline.current
        kept = error = None
        for member in members:
            error = member.tell_lagged(self.position, snapshot)
            kept = kept or error
        self._advance(snapshot.version)
        try:
            return kept
        finally:
            del kept, error  # likewise

    def after_fork_in_child(self) -> None:
        """Forget who was delivering: that thread is not in the child."""
        self._turn.after_fork_in_child()
        self._moving.after_fork_in_child()
        self.members.after_fork_in_child()


def _living(group: Group[K, V] | None) -> Group[K, V]:
    if group is None:
        raise ClosedError("the store of this subscription is gone")
    return group

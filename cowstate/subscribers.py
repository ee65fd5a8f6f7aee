"""Who is called with every commit: `Subscription`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar
from weakref import ref

from .commit import Commit
from .errors import ClosedError, LaggedError
from .items import Lagged, beginning, narrowed
from .members import numbers
from .meta import M, WithMeta
from .scope import Scoped
from .showing import shown
from .slips import plain
from .snapshot import Snapshot
from .timeline import Timeline

__all__ = ["OnError", "Subscription"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OnError: TypeAlias = Literal["log", "stop"] | Callable[[Exception, Commit[Any, Any]], object]
"""What becomes of an exception out of a callback: logged, logged and the subscription closed,
or handed to ``handler(error, commit)``."""

_log = logging.getLogger("cowstate")


class _Serves(Protocol[K, V]):
    """Who hands commits over: a `Group`."""

    timeline: Timeline[K, V]
    position: int

    def discard(self, member: Subscription[Any, Any]) -> None: ...


class _Leaves(Protocol):
    def discard(self, member: Subscription[Any, Any]) -> None: ...


class Subscription(Scoped, WithMeta, Generic[K, V, M]):
    """A callback that is given every commit, once and in version order.

    Made by ``store.subscribe``. One with *keys* is given the commits that change one of them, and
    in their ``changes`` no other keys. The callback never runs while its thread is inside a write
    to any store; it may read and write the store. Use it as a context manager, or call `close`,
    to end it.

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
        callback: Callable[[Commit[K, V, M]], object],
        keys: frozenset[K] | None,
        on_error: OnError,
        on_lagged: Callable[[Lagged[K, V, M]], object] | None,
        group: _Serves[K, V],
        owner: _Leaves,
        initial: bool,
    ) -> None:
        self.number = next(numbers)
        self.keys = keys
        self._callback = callback
        self._on_error = on_error
        self._stops = on_error == "stop"
        self._on_lagged = on_lagged
        self._initial = initial
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
        """The version at which it began. The first commit delivered is the next one.

        With ``initial=True`` the first one is of this version or a later one.
        """
        return self._since[0]

    @property
    def begins(self) -> bool:
        """Whether it is still to be given what is there."""
        return self._initial and self._seen < 0

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed or self.torn()

    @property
    def snapshot(self) -> Snapshot[K, V, M]:
        """The snapshot at which it began: everything before the first commit delivered.

        Raises:
            CompactedError: asked so late that the store no longer retains that version.
            ClosedError: the store is gone.
        """
        return _living(self.group()).timeline.at(self.since)

    @property
    def delivered(self) -> int:
        """The version up to which every commit that concerns it has been handed over.

        -1 if not even what was there when it began has been.
        """
        if self.begins:
            return -1
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

    def begin(self, current: Snapshot[K, V, M]) -> BaseException | None:
        """Call the callback with all that is in *current*, if that is still to come."""
        return self.offer(beginning(current), current) if self.begins else None

    def offer(self, commit: Commit[K, V, M], current: Snapshot[K, V, M]) -> BaseException | None:
        """Call the callback with *commit*, if it has not had it; return what goes to the writer.

        Args:
            commit: what to hand over; what is there comes in its place, if that is still to come.
            current: what is current now, read when it was known that this is to be asked.
        """
        if self._seen < 0:
            since = self.fix(current.version)
            if not self._initial:
                self._seen = since
            elif current.version < since:
                # It was fixed by who admits it, later than the look at what is current. That hand
                # has it given what is there, and nothing from before it is owed.
                return None
            else:
                commit = beginning(current)
        version = commit.after.version
        if self._seen >= version:
            return None
        if self._closed or (self._scope is not None and self.torn()):
            self.close()  # once more: the first time may have been interrupted
            return None
        callback = self._callback
        try:
            # Not in the index, it is asked as if it listened to all.
            given = commit if self.keys is None else narrowed(commit, self.keys)
        except Exception as error:  # out of a key's own comparison
            self._seen = version
            self._failed(error, commit)
            return None
        if given is None:
            return None
        try:
            # A straight line: marked and called, or neither.
            self._seen = version
            answer = callback(given)
            if answer is not None:
                plain(answer, "subscribe")
        except Exception as error:
            self._closed = self._closed or self._stops  # before anything can come up
            self._failed(error, given)
        except BaseException as error:
            return error
        return None

    def tell_lagged(self, position: int, snapshot: Snapshot[K, V, M]) -> BaseException | None:
        """Tell it that the commits from *position* on are gone, and go on at *snapshot*."""
        if self.begins:
            return self.begin(snapshot)
        missed_from = max(position, self._seen, self.fix(snapshot.version)) + 1
        if missed_from > snapshot.version or self.closed:
            return None
        lagged = Lagged(missed_from, snapshot)
        tell = self._on_lagged or self._lagged
        try:
            self._seen = snapshot.version
            tell(lagged)
        except Exception as error:
            _log.error(
                "on_lagged of a subscriber failed at %r",
                snapshot,
                exc_info=error,
                extra={"cowstate_event": "subscriber_handler_failed"},
            )
        except BaseException as error:
            return error
        return None

    def _lagged(self, lagged: Lagged[K, V, M]) -> None:
        commit = _living(self.group()).timeline.ring.get(lagged.snapshot.version)
        error = LaggedError(*lagged)
        if commit is None:
            _log.error("%s", error, extra={"cowstate_event": "subscriber_lagged"})
        else:
            self._failed(error, commit)

    def wants_from(self) -> int:
        """Return the version after which it wants to hear, as far as it knows itself."""
        return max(self._seen, self._since.get(0, 0))

    def _failed(self, error: Exception, commit: Commit[K, V, M]) -> None:
        if callable(self._on_error):
            try:
                self._on_error(error, commit)
            except Exception:
                _log.exception(
                    "the error handler of a subscriber failed at %r",
                    commit,
                    extra={"cowstate_event": "subscriber_handler_failed"},
                )
            return
        _log.error(
            "a subscriber failed at %r",
            commit,
            exc_info=error,
            extra={"cowstate_event": "subscriber_failed"},
        )
        if self._stops:
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"delivered up to {self.delivered}"
        return f"<Subscription of {shown(self._callback)}, {state}>"


def _living(group: _Serves[K, V] | None) -> _Serves[K, V]:
    if group is None:
        raise ClosedError("the store of this subscription is gone")
    return group

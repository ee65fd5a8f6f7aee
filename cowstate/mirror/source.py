"""What a mirror asks of its source, and what a source answers: values, and two protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

__all__ = ["AsyncSource", "Changes", "Listed", "News", "Pause", "Source"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Listed(NamedTuple, Generic[K, V]):
    """All that a source has, as of one moment.

    Attributes:
        items: every key with its record: a mapping, or an iterable of pairs.
        revision: what to ask `Source.watch` for what comes after it. Anything; of two that are
            ints, the greater one is the newer one.

    >>> Listed({"pod-1": "Running"}, revision=7)
    Listed(items={'pod-1': 'Running'}, revision=7)
    """

    items: Mapping[K, V] | Iterable[tuple[K, V]]
    revision: Any = None


class Changes(NamedTuple, Generic[K, V]):
    """What has changed at a source, to be published as one version.

    With neither *put* nor *removed* it is a bookmark: nothing has changed up to *revision*; and
    without that, too, it says only that the source can be reached.

    Attributes:
        put: keys with their new records, whether or not there was one before.
        removed: keys that are no more.
        revision: as of when; None for what it was. One that is older than what was told before,
            where both are ints, is passed over: it has been told before.

    >>> Changes({"pod-1": "Running"}, revision=8)
    Changes(put={'pod-1': 'Running'}, removed=(), revision=8)
    """

    put: Mapping[K, V] = _NOTHING
    removed: Iterable[K] = ()
    revision: Any = None


class Pause(NamedTuple):
    """Nothing new: ask again after so many seconds. So no source need sleep.

    >>> Pause(2.5).seconds
    2.5
    """

    seconds: float = 0.0


News: TypeAlias = "Changes[K, V] | Listed[K, V] | Pause"
"""What a watch yields: changes, all anew, or nothing for now."""


class Source(Protocol[K, V]):
    """Anything that can list what it has, and tell what changes from there on.

    One mirror asks at a time, from one thread at a time, and never while the store is locked: both
    methods may take as long as they like. What they raise is counted, shown in ``status()``, and
    tried again after a while.

    A source that waits inside ``watch`` should also have a method ``stop()``. It is called from
    another thread when the mirror is closed, and has the watch end; without one, the mirror ends
    with the next thing that the source tells.
    """

    def list(self) -> Listed[K, V]:
        """Return everything, and the revision that it is of."""
        ...

    def watch(self, revision: Any, /) -> Iterator[News[K, V]]:
        """Yield what changes after *revision*, in order.

        It may end at any time; the mirror then asks again from the last revision told: at once if
        anything new was told or it lasted a second, else after a wait as after an error.

        Raises:
            RevisionGoneError: that cannot be told any more.
        """
        ...


class AsyncSource(Protocol[K, V]):
    """The same, for an event loop."""

    async def list(self) -> Listed[K, V]:
        """Return everything, and the revision that it is of."""
        ...

    def watch(self, revision: Any, /) -> AsyncIterator[News[K, V]]:
        """Yield what changes after *revision*, in order. As of `Source`."""
        ...

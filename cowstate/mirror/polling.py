"""A source that asks for the whole again and again: `PollingSource`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar, final

from ..errors import ArgumentTypeError
from ..showing import shown
from ..slips import ensure_flag, ensure_function
from .options import checked_seconds
from .source import Changes, Listed, News, Pause

__all__ = ["UNCHANGED", "PollingSource", "Unchanged"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Unchanged:
    """The type of `UNCHANGED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()
"""What a function with ETags returns where nothing has changed, as HTTP's 304."""


@final
class PollingSource(Generic[K, V]):
    """A source made of any function that returns the whole: a REST collection, a query, a file.

    Each *interval* it is called again; only what differs is published. With *etags* it is given the
    ETag of its last answer (None at first) and returns ``Listed(items, etag)``, or `UNCHANGED`.

    The function is called by the mirror's thread, by one at a time, and may raise: that is counted
    and tried again. An error with an attribute ``retry_after``, in seconds, is waited for so long.

    Args:
        fetch: a function that returns a mapping, or an iterable of pairs, with all there is.
        interval: how many seconds lie between two calls.
        etags: whether *fetch* takes an ETag and returns one.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.

    >>> source = PollingSource(lambda: {"a": 1}, interval=5)
    >>> watch = source.watch(source.list().revision)
    >>> next(watch), next(watch)
    (Pause(seconds=5.0), Listed(items={'a': 1}, revision=None))
    """

    def __init__(
        self,
        fetch: Callable[..., Any],
        *,
        interval: float = 30.0,
        etags: bool = False,
    ) -> None:
        ensure_function(fetch, "fetch is a function that returns everything")
        ensure_flag(etags, "etags")
        self._fetch = fetch
        self._etags = etags
        self._interval = checked_seconds("interval", interval, above_zero=True)
        self._failed = False

    def list(self) -> Listed[K, V]:
        """Return all there is.

        >>> PollingSource(lambda: {"a": 1}).list()
        Listed(items={'a': 1}, revision=None)
        """
        answer = self._ask(None)
        if isinstance(answer, Unchanged):
            raise ArgumentTypeError(
                "fetch(None) returned UNCHANGED; without an ETag it returns Listed(items, etag)"
            )
        return answer

    def watch(self, revision: Any, /) -> Iterator[News[K, V]]:
        """Yield all there is, each time that it may have changed, and pauses in between.

        >>> next(PollingSource(dict, interval=5).watch(None))
        Pause(seconds=5.0)
        """
        while True:
            if not self._failed:  # after an error the mirror has waited
                yield Pause(self._interval)
            answer = self._ask(revision)
            if isinstance(answer, Unchanged):
                yield Changes(revision=revision)
            else:
                revision = answer.revision
                yield answer

    def _ask(self, etag: Any) -> Listed[K, V] | Unchanged:
        self._failed = True
        answer = self._answer(etag)
        self._failed = False
        return answer

    def _answer(self, etag: Any) -> Listed[K, V] | Unchanged:
        if not self._etags:
            items: Mapping[K, V] | Iterable[tuple[K, V]] = self._fetch()
            return Listed(items)
        answer = self._fetch(etag)
        if not isinstance(answer, Listed | Unchanged):
            raise ArgumentTypeError(
                f"fetch(etag) returns Listed(items, etag) or UNCHANGED, not {shown(answer)}"
            )
        return answer

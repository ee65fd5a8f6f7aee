"""What a mirror does next, as a generator: it says what is to be done, and is told what came of it.

It asks nobody, writes nothing and waits for nothing itself. A thread or a task does what it yields
(`List`, `Watch`, `Next`, `Publish`, `Sleep`) and sends the answer, or throws what was raised. So
threads and asyncio have one logic, and a test has it without either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Hashable
from math import inf, isfinite
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from ..commit import Commit
from ..errors import ArgumentTypeError
from ..sameness import same
from ..showing import cut, shown
from .backoff import Backoff
from .errors import RevisionGoneError, RevisionRewoundError
from .source import Changes, Listed, Pause
from .status import MirrorState, MirrorStatus

__all__ = ["END", "Course", "Effect", "List", "Next", "Publish", "Sleep", "Watch"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

END: Final = object()
"""The answer to `Next` where the watch has ended."""

HEARD: Final = 1.0
"""A watch that told nothing new and ended by itself was in order if it lasted so many seconds."""

_KINDS: Final = 20
"""Of how many kinds of errors the number is kept."""

_log = logging.getLogger("cowstate")


class List(NamedTuple):
    """Ask the source for all; the answer is what it returns."""


class Watch(NamedTuple):
    """Let go of the watch that there is, and begin one from *revision*."""

    revision: Any


class Next(NamedTuple):
    """Take the next thing from the watch; the answer is that, or `END`."""


class Publish(NamedTuple):
    """Have the store hold this; the answer is the commit, or None."""

    news: Listed[Any, Any] | Changes[Any, Any]


class Sleep(NamedTuple):
    """Wait for so many seconds."""

    seconds: float


Effect: TypeAlias = "List | Watch | Next | Publish | Sleep"


class Course(Generic[K, V]):
    """The life of one mirror, from the first list on.

    Attributes:
        status: how it stands, replaced as a whole; so it may be read from any thread.
    """

    def __init__(
        self, resync: float | None, rewind: float, backoff: Backoff, clock: Callable[[], float]
    ) -> None:
        self.status = MirrorStatus()
        self._resync = inf if resync is None else resync
        self._rewind = rewind
        self._backoff = backoff
        self._clock = clock
        self._revision: Any = None
        self._lists = True  # a list is due
        self._listed_at = 0.0
        self._rewound_at: float | None = None

    def steps(self) -> Generator[Effect, Any, None]:
        """Yield what is to be done, for ever, beginning with a list."""
        self._lists = True
        while True:
            try:
                if self._lists or self._left() <= 0:
                    yield from self._list()
                heard = yield from self._watch()
            except RevisionGoneError as error:
                self._lists = True
                self._tell(gone=self.status.gone + 1)
                yield from self._wait(error)
            except Exception as error:
                yield from self._wait(error)
            else:
                if not heard:
                    yield from self._wait(None)

    def _list(self) -> Generator[Effect, Any, None]:
        self._state("listing")
        listed = yield List()
        if not isinstance(listed, Listed):
            raise ArgumentTypeError(
                f"list() of a source returns Listed(items, revision), not {shown(listed)}"
            )
        self._believe(listed)
        listed_at = self._clock()
        commit = yield Publish(listed)
        self._listed_at, self._lists = listed_at, False
        self._take(listed, commit)
        self._tell(lists=self.status.lists + 1, lost_since=None, synced=True)

    def _believe(self, listed: Listed[K, V]) -> None:
        """Raise for a list that is older than what was told before, unless that lasts."""
        if not _is_older(listed.revision, self._revision):
            self._rewound_at = None
            return
        now = self._clock()
        if self._rewound_at is None:
            self._rewound_at = now
        if now - self._rewound_at < self._rewind:
            raise RevisionRewoundError(listed.revision, self._revision, self._rewind)
        self._rewound_at = None

    def _watch(self) -> Generator[Effect, Any, bool]:
        """Watch until that ends or a list is due; return whether to go on at once."""
        self._state("watching")
        began, heard = self._clock(), False
        self._tell(watches=self.status.watches + 1)
        yield Watch(self._revision)
        while True:
            left = self._left()
            if left <= 0:
                self._lists = True
                return True
            news = yield Next()
            if news is END:
                return heard or self._clock() - began >= HEARD
            heard = (yield from self._hear(news, left)) or heard

    def _left(self) -> float:
        """Return for how many seconds no list is due yet."""
        return self._listed_at + self._resync - self._clock()

    def _hear(self, news: Any, left: float) -> Generator[Effect, Any, bool]:
        """Do what *news* call for; return whether they tell something new."""
        if isinstance(news, Pause):
            yield Sleep(min(_seconds_of(news), left))
            return False
        if not isinstance(news, Changes | Listed):
            raise ArgumentTypeError(
                "watch() of a source yields Changes(put, removed, revision), Listed(items, "
                f"revision) or Pause(seconds), not {shown(news)}"
            )
        if isinstance(news, Changes):
            if _is_older(news.revision, self._revision):
                self._tell(duplicates=self.status.duplicates + 1)
                return False
            if not news.put and not news.removed:
                return self._mark(news)
        else:
            self._believe(news)
        # What cannot be published leaves the store behind: then only a list puts it right.
        self._lists = True
        commit = yield Publish(news)
        self._lists = False
        moved = self._take(news, commit)
        self._tell(changes=self.status.changes + 1)
        self._well()
        return moved or commit is not None

    def _mark(self, bookmark: Changes[K, V]) -> bool:
        if bookmark.revision is None:
            # It can be reached; that it can tell something is not said by that.
            self._tell(lost_since=None)
            return False
        moved = self._take(bookmark, None)
        self._well()
        return moved

    def _wait(self, error: Exception | None) -> Generator[Effect, Any, None]:
        """Note what went wrong, and wait the longer the oftener it did in a row."""
        failures = self.status.failures + 1
        self._tell(failures=failures)
        at_least = 0.0
        if error is not None:
            self._note(error, failures)
            at_least = _retry_after(error)
        seconds = max(self._backed_off(failures), at_least)
        self._state("waiting", retry_at=self._clock() + seconds)
        yield Sleep(seconds)

    def _backed_off(self, failures: int) -> float:
        try:
            return _finite(self._backoff(failures), 1.0)
        except Exception as error:  # as 0.5 * 2**n does, after a thousand failures
            _log.warning(
                "a backoff raised; the mirror waits for a second: %s",
                in_words(error),
                extra={"cowstate_event": "mirror_backoff_failed"},
            )
            return 1.0

    def _note(self, error: Exception, failures: int) -> None:
        kind = type(error).__name__
        counts = dict(self.status.errors)
        if kind in counts or len(counts) < _KINDS:
            counts[kind] = counts.get(kind, 0) + 1
        lost = self.status.lost_since
        self._tell(
            errors=tuple(counts.items()),
            last_error=in_words(error),
            lost_since=self._clock() if lost is None else lost,
        )
        level = logging.WARNING if failures == 1 else logging.DEBUG
        _log.log(
            level,
            "a mirror could not go on; it tries again: %s",
            in_words(error),
            extra={
                "cowstate_event": "mirror_failed",
                "cowstate_error": kind,
                "cowstate_failures": failures,
            },
        )

    def _well(self) -> None:
        if self.status.failures or self.status.lost_since is not None:
            self._tell(failures=0, lost_since=None)

    def _take(self, news: Listed[K, V] | Changes[K, V], commit: Commit[K, V] | None) -> bool:
        """Note what the store holds now; return whether the revision is another one."""
        before = self._revision
        if news.revision is not None or isinstance(news, Listed):
            self._revision = news.revision
            self._tell(revision=news.revision)
        if commit is not None:
            self._tell(published=self.status.published + 1, version=commit.version)
        return not same(before, self._revision)

    def _state(self, state: MirrorState, retry_at: float | None = None) -> None:
        self._tell(state=state, retry_at=retry_at)

    def _tell(self, **changes: Any) -> None:
        self.status = self.status.replace(**changes)


def in_words(error: BaseException) -> str:
    """Return *error* for a status, in bounded length."""
    try:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        said = f"{error}{notes}"
    except Exception:  # it is not ours, and what it cannot tell must not end the mirror
        said = "what it says could not be read"
    return cut(f"{type(error).__name__}: {said}", 400)


def _is_older(one: object, other: object) -> bool:
    return type(one) is int and type(other) is int and one < other


def _seconds_of(pause: Pause) -> float:
    seconds = pause.seconds
    if not isinstance(seconds, int | float) or seconds != seconds:  # noqa: PLR0124
        raise ArgumentTypeError(f"Pause takes a number of seconds, not {shown(seconds)}")
    return max(0.0, float(seconds))


def _retry_after(error: Exception) -> float:
    """Return for how many seconds what answered asked to be left alone; 0 for no such word."""
    try:
        asked = getattr(error, "retry_after", 0.0)
    except Exception:
        return 0.0
    return _finite(asked, 0.0)


def _finite(seconds: Any, otherwise: float) -> float:
    if not isinstance(seconds, int | float):
        return otherwise
    try:
        found = float(seconds)
    except OverflowError:
        return otherwise
    return found if isfinite(found) and found >= 0 else otherwise

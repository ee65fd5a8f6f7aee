"""A mirror that a thread keeps: `Mirror`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, final

from ..errors import ClosedError, ReentrantWriteError
from ..process import register
from ..slips import ensure_function
from ..snapshot import Snapshot
from ..store import Store
from ..waits import checked_timeout
from .backoff import Backoff
from .claims import claim, release
from .course import END, Effect, List, Next, Publish, Sleep, Watch, in_words
from .gate import Gate
from .keeper import Keeper
from .plan import Owns
from .source import Source

if TYPE_CHECKING:
    from tenacity.wait import wait_base

__all__ = ["Mirror"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = logging.getLogger("cowstate")


@final
class Mirror(Keeper[K, V]):
    """Keeps a store equal to something that can list what it has and tell what changes.

    It lists, publishes that as one version, then watches and publishes each change. When the watch
    is lost it goes on from the last revision, or lists again where that is gone: then one version
    holds only what has really changed meanwhile, and what was deleted is in ``commit.changes`` with
    its last known record. What is equal (``==``) to what is there is no change, and stays the very
    object that it is.

    All keys of the store are the mirror's, unless *owns* says which: what others write under these
    is put right by the next list. It asks the source from one thread, never while the store is
    locked, and holds no lock of its own. Errors of the source, and of a store that refuses what it
    tells, are counted, shown in `status`, and tried again after a wait. They never end the mirror.

    Every method may be called from any thread. Used once: a new mirror is made to begin again.
    After ``os.fork`` the child's mirror stands still, as its thread is not there: start it, with
    a source of the child's own.

    Args:
        store: what is kept equal.
        source: a `Source`: ``list()`` and ``watch(revision)``.
        owns: a function of a key: whether it is the mirror's. None for all.
        resync: after how many seconds the source is listed again, although nothing was lost; None
            for never. It is looked at when the watch tells something, pauses or ends.
        backoff: how long to wait after a number of failures in a row: a function, or a wait of
            tenacity's; by default `jittered`.
        rewind: for how many seconds a list is not believed that is older than what was told.
        clock: the time in seconds.
        sleep: what waits in the place of the mirror's own sleep, which closing it ends.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        MissingExtraError: without a *backoff*, the extra ``mirror`` is needed.

    >>> from cowstate import Store
    >>> from cowstate.mirror import PollingSource
    >>> remote = {"pod-1": "Running", "pod-2": "Pending"}
    >>> store = Store()
    >>> with Mirror(store, PollingSource(lambda: dict(remote), interval=0.001)) as mirror:
    ...     mirror.wait_synced(timeout=10)["pod-1"]
    ...     del remote["pod-2"]
    ...     sorted(store.wait_for(lambda now: "pod-2" not in now, timeout=10))
    'Running'
    ['pod-1']
    >>> mirror.status().state, mirror.status().published
    ('closed', 2)
    """

    def __init__(
        self,
        store: Store[K, V, Any],
        source: Source[K, V],
        *,
        owns: Owns[K] = None,
        resync: float | None = None,
        backoff: Backoff | wait_base | None = None,
        rewind: float = 60.0,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__(store, source, owns, resync, backoff, rewind, clock, for_task=False)
        if sleep is not None:
            ensure_function(sleep, "sleep is a function of seconds")
        self._sleep = sleep
        self._stream: Iterator[Any] = iter(())
        self._left = False
        self._stop, self._settled = Gate(), Gate()
        self._running: dict[int, object] = {}
        self._thread: threading.Thread | None = None
        register(self)

    # What others may ask

    def _runs(self) -> bool:
        return bool(self._running)

    def _has_ended(self) -> bool:
        return self._course.status.state != "new" and not self._running

    def wait_synced(self, timeout: float | None = None) -> Snapshot[K, V, Any]:
        """Sleep until the store holds all that the first list told; return a snapshot of then.

        Or of later: other reads belong to it only if they are made of that snapshot. Where it has
        been synced before, returns at once.

        Args:
            timeout: in seconds; None for ever.

        Raises:
            WaitTimeoutError: it took longer; the message has the last error, if there was one.
            ClosedError: the mirror does not run, and never was synced.
            ReentrantWriteError: called inside a write to the store.

        >>> from cowstate import Store
        >>> from cowstate.mirror import PollingSource
        >>> with Mirror(Store(), PollingSource(lambda: {"a": 1})) as mirror:
        ...     mirror.wait_synced(timeout=10)["a"]
        1
        """
        limit = checked_timeout(timeout)
        if not self.synced:
            self._store.source.refuse_wait_in_vain()
            if self._running:
                self._settled.wait(limit)
            if not self.synced:
                if self._left:
                    raise SystemExit("the main thread has ended; nothing more will come")
                raise self._unsynced(timeout)
        return self._store.snapshot()

    # Its life

    def start(self) -> None:
        """Run in a thread of its own, until `close`. Does nothing where it runs already.

        Raises:
            ClosedError: it was closed.
            StoreMirroredError: another mirror keeps the same records of this store.

        >>> from cowstate import Store
        >>> from cowstate.mirror import PollingSource
        >>> mirror = Mirror(Store(), PollingSource(lambda: {"a": 1}))
        >>> mirror.start()
        >>> mirror.wait_synced(timeout=10)["a"], mirror.close()
        (1, True)
        """
        token = object()
        try:
            if not self._begin(token):
                return
            thread = threading.Thread(target=self._live, args=(token,), name="mirror", daemon=True)
        except BaseException:
            self._end(token)
            raise
        try:
            self._thread = thread
            thread.start()
        except BaseException:
            # Where the thread has begun all the same, it ends.
            self._over = True
            self._stop.open()
            self._end(token)
            raise

    def run(self) -> None:
        """Run in the calling thread, until another one calls `close`.

        Raises:
            ClosedError: it was closed.
            ReentrantWriteError: it runs already, or this is inside a write to the store.
            StoreMirroredError: as for `start`.

        >>> from cowstate import Store
        >>> from cowstate.mirror import Listed
        >>> class Once:
        ...     def list(self):
        ...         return Listed({"a": 1})
        ...     def watch(self, revision):
        ...         mirror.close()
        ...         return iter(())
        >>> mirror = Mirror(Store(), Once())
        >>> mirror.run()
        >>> mirror.synced
        True
        """
        self._store.source.refuse_wait_in_vain()
        token = object()
        try:
            if not self._begin(token):
                raise ReentrantWriteError("this mirror runs already; a second one would double it")
            self._live(token)
        finally:
            self._end(token)

    def close(self, timeout: float | None = None) -> bool:
        """End it; return whether it has ended. From any thread, and more than once.

        Has the source's ``stop()`` called, if it has one, and waits for the thread. When it has
        returned True, nothing more is published. Where it cannot wait (called by a subscriber in
        the mirror's own thread, or inside a write to the store) it returns False, and the mirror
        ends by itself: what it is publishing at this moment may still come, and nothing after it.

        Args:
            timeout: how many seconds to wait for a source that does not let go; None for ever.

        >>> from cowstate import Store
        >>> from cowstate.mirror import PollingSource
        >>> mirror = Mirror(Store(), PollingSource(dict))
        >>> mirror.close()
        True
        """
        limit = checked_timeout(timeout)
        self._over = True
        self._stop.open()
        self._stop_source()
        try:
            self._store.source.refuse_wait_in_vain()
        except ReentrantWriteError:
            return not self._running
        thread = self._thread
        if thread is not None and thread.ident not in (None, threading.get_ident()):
            thread.join(limit)
        if not self._running:
            self._settled.open()
        return not self._running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # The thread

    def _begin(self, token: object) -> bool:
        """Enter *token* as who runs it; False if somebody does."""
        if self._over:
            raise ClosedError("the mirror was closed; make another one")
        if self._running.setdefault(0, token) is not token:
            return False
        claim(self._store, self)
        return True

    def _end(self, token: object) -> None:
        if self._running.get(0) is token:
            release(self._store, self)
            self._running.pop(0, None)
            self._settled.open()

    def _live(self, token: object) -> None:
        try:
            self._go(token)
        except BaseException as error:
            self._course.status = self._course.status.replace(last_error=in_words(error))
            raise
        finally:
            try:
                self._leave()
            finally:
                self._end(token)

    def _go(self, token: object) -> None:
        steps = self._course.steps()
        effect = next(steps)
        # The thread that forks goes on in the child, where it is not the mirror's any more.
        while not self._over and self._running.get(0) is token:
            try:
                answer = self._do(effect)
            except Exception as error:
                if self._stop.is_open:
                    break
                effect = steps.throw(error)
            else:
                effect = steps.send(answer)
            if not self._settled.is_open and self._course.status.synced:
                self._settled.open()

    def _do(self, effect: Effect) -> Any:
        match effect:
            case List():
                return self._source.list()
            case Watch(revision):
                self._let_go()
                self._stream = iter(self._source.watch(revision))
            case Next():
                return next(self._stream, END)
            case Publish(news):
                return self._publisher.publish(news)
            case Sleep(seconds):
                if self._sleep is None:
                    self._stop.wait(seconds)
                else:
                    self._sleep(seconds)
        return None

    def _let_go(self) -> None:
        stream, self._stream = self._stream, iter(())
        close = getattr(stream, "close", None)
        if close is not None:
            close()

    def _leave(self) -> None:
        try:
            self._let_go()
        except Exception:
            _log.exception(
                "the watch of a mirror raised when it was closed",
                extra={"cowstate_event": "mirror_source_failed"},
            )

    # What happens to the process; see `cowstate.process`.

    def _after_fork_in_child(self) -> None:
        self._running = {}
        self._thread = None
        self._stream = iter(())
        self._stop, self._settled = Gate(), Gate()

    def _end_waits(self) -> None:
        self._left = self._over = True
        self._stop.open()
        self._settled.open()
        self._stop_source()

"""A mirror in a thread: its life, its end, and what comes in between."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    ReentrantWriteError,
    Store,
    WaitTimeoutError,
)
from cowstate.mirror import AsyncMirror, Changes, Listed, Mirror, PollingSource, StoreMirroredError
from tests.faults.test_fork import in_child

PATIENCE = 30


class Handed:
    """A source that tells what a test hands it, and waits for it meanwhile."""

    def __init__(self, first: Any = None) -> None:
        self.first = {} if first is None else first
        self.handed: SimpleQueue[Any] = SimpleQueue()
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.stopped = 0

    def list(self) -> Any:
        self.asked.put("list")
        if isinstance(self.first, BaseException):
            raise self.first
        return Listed(self.first, 0)

    def watch(self, revision: Any, /) -> Iterator[Any]:
        while True:
            self.asked.put("watch")
            news = self.handed.get()
            if isinstance(news, BaseException):
                raise news
            if news is None:
                return
            yield news

    def stop(self) -> None:
        self.stopped += 1
        self.handed.put(None)


class Deaf(Handed):
    """It does not let go when it is asked to."""

    stop = None  # type: ignore[assignment]


def mirror_of(store: Any, source: Any, **options: Any) -> Mirror[Any, Any]:
    options.setdefault("backoff", lambda failures: 0.0)
    return Mirror(store, source, **options)


def test_what_is_told_is_there_and_synced_is_said_when_it_is() -> None:
    store: Store[str, int] = Store()
    source = Handed({"a": 1})
    mirror = mirror_of(store, source)
    assert not mirror.synced
    with mirror:
        assert dict(mirror.wait_synced(PATIENCE)) == {"a": 1}
        assert mirror.synced
        source.handed.put(Changes({"b": 2}, ["a"], 1))
        now = store.wait_for(lambda now: "b" in now, PATIENCE)
        assert (dict(now), now.version) == ({"b": 2}, 2)
        mirror.start()  # it runs already
    assert mirror.status().state == "closed"
    assert source.stopped == 1
    assert dict(store.snapshot()) == {"b": 2}
    assert mirror.wait_synced(0) is store.snapshot()


def test_an_empty_list_is_a_list() -> None:
    with mirror_of(Store(), Handed()) as mirror:
        assert mirror.wait_synced(PATIENCE).version == 0


def test_a_late_subscriber_is_given_what_is_there_and_then_what_comes() -> None:
    store: Store[str, int] = Store()
    source = Handed({"a": 1})
    with mirror_of(store, source) as mirror:
        mirror.wait_synced(PATIENCE)
        told: SimpleQueue[Any] = SimpleQueue()
        store.subscribe(lambda commit: told.put(dict(commit.changes)), initial=True)
        source.handed.put(Changes({"b": 2}))
        assert [key for _ in range(2) for key in told.get(timeout=PATIENCE)] == ["a", "b"]


def test_when_it_is_closed_nothing_comes_any_more() -> None:
    store: Store[str, int] = Store()
    source = Deaf({"a": 1})
    mirror = mirror_of(store, source)
    mirror.start()
    mirror.wait_synced(PATIENCE)
    # It stands in the source, which does not let go.
    assert not mirror.close(timeout=0)
    source.handed.put(Changes({"b": 2}))
    assert mirror.close(PATIENCE)
    assert dict(store.snapshot()) == {"a": 1}
    with pytest.raises(ClosedError, match="make another"):
        mirror.start()


def test_a_subscriber_may_close_it() -> None:
    store: Store[str, int] = Store()
    mirror = mirror_of(store, Handed({"a": 1}))
    closed: SimpleQueue[bool] = SimpleQueue()
    store.subscribe(lambda _: closed.put(mirror.close()))
    mirror.start()
    assert closed.get(timeout=PATIENCE) is False  # this is its own thread
    assert mirror.close(PATIENCE)


def test_inside_a_write_nobody_waits_for_it() -> None:
    store: Store[str, int] = Store()
    source = Handed({"a": 1})
    mirror = mirror_of(store, source)
    with store.transaction() as tx:
        mirror.start()
        with pytest.raises(ReentrantWriteError):
            mirror.wait_synced(PATIENCE)
        with pytest.raises(ReentrantWriteError):
            mirror.run()
        tx["mine"] = 1
        assert mirror.close() in (True, False)
    assert mirror.close(PATIENCE)


def test_it_holds_no_lock_while_it_asks() -> None:
    store: Store[str, int] = Store()
    source = Handed({"a": 1})
    with mirror_of(store, source) as mirror:
        mirror.wait_synced(PATIENCE)
        assert [source.asked.get(timeout=PATIENCE) for _ in range(2)] == ["list", "watch"]
        with store.transaction(timeout=0) as tx:
            tx["z"] = 1
        assert store.snapshot()["z"] == 1


def test_errors_are_told_to_who_waits_and_in_the_status() -> None:
    mirror = mirror_of(Store(), Handed(OSError("no route")), backoff=lambda n: 3600.0)
    with mirror:
        assert mirror.status().state in ("new", "listing", "waiting")
        with pytest.raises(WaitTimeoutError, match="no list has come"):
            mirror.wait_synced(0)
        while mirror.status().state != "waiting":
            pass
    with pytest.raises(ClosedError, match="no route"):
        mirror.wait_synced(PATIENCE)
    with pytest.raises(ClosedError, match="start"):
        mirror_of(Store(), Handed()).wait_synced(PATIENCE)


def test_closing_wakes_who_waits_for_it() -> None:
    source = Handed(OSError("no route"))
    mirror = mirror_of(Store(), source, backoff=lambda n: 3600.0)
    mirror.start()
    raised: SimpleQueue[type[BaseException]] = SimpleQueue()

    def wait() -> None:
        try:
            mirror.wait_synced(PATIENCE)
        except Exception as error:
            raised.put(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    source.asked.get(timeout=PATIENCE)
    mirror.close()
    assert raised.get(timeout=PATIENCE) is ClosedError
    thread.join()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_is_no_exception_ends_it_and_the_status_says_so(kind: type[BaseException]) -> None:
    store: Store[str, int] = Store()
    source = Handed({"a": 1})
    source.handed.put(kind("enough"))
    mirror = mirror_of(store, source)
    with pytest.raises(kind):
        mirror.run()
    status = mirror.status()
    assert (status.state, status.last_error) == ("stopped", f"{kind.__name__}: enough")
    # It may be started again, and so may another one on that store.
    source.handed.put(Changes({"b": 2}))
    with mirror:
        store.wait_for(lambda now: "b" in now, PATIENCE)


def test_two_mirrors_of_one_store_need_keys_of_their_own() -> None:
    store: Store[str, int] = Store()
    one = mirror_of(store, Handed({"a": 1}))
    with one:
        with pytest.raises(StoreMirroredError, match=r"Mirror .* mirrors this store"):
            mirror_of(store, Handed()).start()
        with pytest.raises(StoreMirroredError, match="owns="):
            mirror_of(store, Handed(), owns=lambda key: key == "z").start()
    # What is closed is in nobody's way.
    left = mirror_of(store, Handed({"l": 1}), owns=lambda key: key < "m")
    right = mirror_of(store, Handed({"r": 2}), owns=lambda key: key > "m")
    with left, right:
        left.wait_synced(PATIENCE)
        right.wait_synced(PATIENCE)
        assert dict(store.snapshot()) == {"l": 1, "r": 2}
        with pytest.raises(StoreMirroredError):
            one_more = mirror_of(store, Handed())
            one_more.start()


def test_a_mirror_that_nobody_holds_is_in_nobodys_way() -> None:
    store: Store[str, int] = Store()
    mirror_of(store, Handed())
    gc.collect()
    with mirror_of(store, Handed()) as mirror:
        mirror.wait_synced(PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_in_a_forked_child_it_stands_still_and_can_be_started() -> None:
    store: Store[str, int] = Store()
    source = Handed({"a": 1})
    with mirror_of(store, source) as mirror:
        mirror.wait_synced(PATIENCE)
        source.asked.get(timeout=PATIENCE)
        source.asked.get(timeout=PATIENCE)

        def child() -> None:
            assert mirror.status().state == "stopped"
            store.set("own", 1)
            source.first = {"b": 2}
            source.handed = SimpleQueue()
            mirror.start()
            store.wait_for(lambda now: dict(now) == {"b": 2}, 10)
            assert mirror.close(10)

        in_child(child)
        assert mirror.status().state == "watching"
        assert dict(store.snapshot()) == {"a": 1}


AT_THE_END = """
import threading
from cowstate import Store
from cowstate.mirror import Mirror

class Silent:
    asked = threading.Event()

    def list(self):
        self.asked.set()
        threading.Event().wait()

    def watch(self, revision):
        return iter(())

mirror = Mirror(Store(), Silent(), backoff=float)
mirror.start()
Silent.asked.wait()

def wait():
    waiting.set()
    while True:
        try:
            mirror.wait_synced()
        except Exception:
            print("not this", flush=True)

waiting = threading.Event()
threading.Thread(target=wait).start()
waiting.wait()
print("the end", flush=True)
"""


def test_neither_a_mirror_nor_who_waits_for_it_keeps_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("the end\n", "", 0)


class NoSource:
    list = None
    watch = None


class HalfForLoops:
    async def list(self) -> Any: ...

    def watch(self, revision: Any) -> Any:
        yield


class AwaitedWatch:
    async def list(self) -> Any: ...

    async def watch(self, revision: Any) -> Any: ...


class ForLoops:
    async def list(self) -> Any: ...

    def watch(self, revision: Any) -> Any: ...


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Mirror({}, Handed()), ArgumentTypeError, "keeps a Store"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), NoSource()), ArgumentTypeError, "has no list"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), Handed), ArgumentTypeError, "a class: make one"),  # type: ignore[arg-type]
        (lambda: AsyncMirror(Store(), HalfForLoops()), ArgumentTypeError, "both be async"),
        (lambda: AsyncMirror(Store(), AwaitedWatch()), ArgumentTypeError, "let it yield"),  # type: ignore[arg-type]
        (lambda: AsyncMirror(Store(), Handed(), sleep=5), ArgumentTypeError, "sleep"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), ForLoops()), ArgumentTypeError, "AsyncMirror"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), Handed(), owns=3), ArgumentTypeError, "owns"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), Handed(), resync=0), ArgumentValueError, "resync"),
        (lambda: Mirror(Store(), Handed(), resync="1"), ArgumentTypeError, "resync"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), Handed(), rewind=-1), ArgumentValueError, "rewind"),
        (lambda: Mirror(Store(), Handed(), backoff=5), ArgumentTypeError, "backoff"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), Handed(), sleep=5), ArgumentTypeError, "sleep"),  # type: ignore[arg-type]
        (lambda: Mirror(Store(), Handed(), clock=5), ArgumentTypeError, "clock"),  # type: ignore[arg-type]
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(
    make: Callable[[], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


def test_it_says_what_it_is() -> None:
    mirror = Mirror(Store(), PollingSource(dict))
    assert repr(mirror) == "<Mirror new synced=False version=None>"

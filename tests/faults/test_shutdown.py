"""The end of the interpreter, and a fork, in the middle of everything: no hang and no noise."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600

PRELUDE = """
import asyncio, os, signal, sys, threading
from cowstate import Store, aio
from tests.parked import Hooked

store = Hooked({"a": 0})
"""

AT_EXIT = {
    "feeds and subscriptions that nobody closed": """
        feeds = [store.feed(), store.feed("latest"), aio.feed(store)]
        store.subscribe(lambda commit: None)
        store.set("a", 1)
        """,
    "a thread that iterates over a feed": """
        def follow():
            for change in store.feed():
                pass
            assert store.snapshot()["a"] == 1
            store.set("a", 2)

        threading.Thread(target=follow).start()
        store.parked.wait_for(1)
        store.set("a", 1)
        """,
    "threads that wait for what never comes": """
        threading.Thread(target=store.wait_for, args=[lambda now: False]).start()
        threading.Thread(target=store.wait_for, args=[lambda now: False, 1e6]).start()
        threading.Thread(target=store.feed().get).start()
        threading.Thread(target=store.feed().get, daemon=True).start()
        store.parked.wait_for(4)
        """,
    "a thread that handles every error and waits again": """
        def stubborn():
            while True:
                try:
                    store.wait_for(lambda now: False)
                except Exception as error:
                    print(error, file=sys.stderr)

        threading.Thread(target=stubborn).start()
        store.parked.wait_for(1)
        """,
    "a wait that begins after the main thread has ended": """
        def late():
            threading.main_thread().join()
            feed = store.feed(since=0)
            assert feed.closed and list(feed) == [] and feed.poll() is None
            try:
                feed.get()
            finally:
                store.wait_for(lambda now: False)

        threading.Thread(target=late).start()
        """,
    "daemon threads that write": """
        store.subscribe(lambda commit: None)
        written = threading.Semaphore(0)

        def write():
            while True:
                store.update("a", lambda n: n + 1)
                written.release()

        for _ in range(3):
            threading.Thread(target=write, daemon=True).start()
        for _ in range(1000):
            written.acquire()
        """,
    "a daemon thread in the middle of a transaction": """
        inside = threading.Event()

        def write():
            with store.transaction():
                inside.set()
                threading.Event().wait()

        threading.Thread(target=write, daemon=True).start()
        inside.wait()
        """,
    "event loops in threads": """
        async def follow():
            async with aio.feed(store) as feed:
                async for change in feed:
                    pass

        async def wait():
            await asyncio.gather(follow(), aio.wait_for(store, lambda now: False))

        async def background():
            task = asyncio.create_task(aio.feed(store).get())
            await asyncio.Event().wait()

        async def alone():
            try:
                await aio.wait_for(store, lambda now: False, 1e6)
            finally:
                await aio.wait_for(store, lambda now: False)

        async def group():
            async with asyncio.timeout(1e6), asyncio.TaskGroup() as tasks:
                for _ in range(3):
                    tasks.create_task(aio.wait_for(store, lambda now: False))
                    tasks.create_task(aio.wait_for(Store(), lambda now: False))

        for main in (follow, wait, background, alone, group):
            threading.Thread(target=lambda main=main: asyncio.run(main())).start()
        store.parked.wait_for(5)
        """,
    "an event loop in a daemon thread": """
        async def follow():
            async for change in aio.feed(store):
                pass

        threading.Thread(target=lambda: asyncio.run(follow()), daemon=True).start()
        store.parked.wait_for(1)
        store.set("a", 1)
        """,
}


def finish(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("alive", AT_EXIT)
def test_the_interpreter_ends_quietly_with(alive: str) -> None:
    ended = finish(AT_EXIT[alive])
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no such signals here")
def test_a_wait_that_is_interrupted_leaves_nothing_behind() -> None:
    # A signal that comes just before a thread lies down does not wake it, in CPython, whatever
    # it waits for; so it is sent until it has been heard.
    ended = finish("""
        heard = threading.Event()

        def handler(*_):
            if not heard.is_set():
                heard.set()
                raise KeyboardInterrupt

        def interrupt():
            store.parked.wait_for(1)
            while not heard.wait(0.05):
                os.kill(os.getpid(), signal.SIGINT)

        signal.signal(signal.SIGINT, handler)
        for wait in (store.feed().get, lambda: store.wait_for(lambda now: False)):
            heard.clear()
            thread = threading.Thread(target=interrupt)
            thread.start()
            try:
                wait()
            except KeyboardInterrupt:
                thread.join()
                assert store.statistics().waiting == 0 and store.set("a", 0).after["a"] == 0
                print("interrupted")
        """)
    assert (ended.stderr, ended.stdout) == ("", "interrupted\n" * 2)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

FORKED = {
    "while others wait": """
        threading.Thread(target=store.wait_for, args=[lambda now: False], daemon=True).start()
        async def follow():
            await aio.feed(store).get()
        threading.Thread(target=lambda: asyncio.run(follow()), daemon=True).start()
        store.parked.wait_for(2)
        """,
    "while another thread writes": """
        inside = threading.Event()
        def write():
            with store.transaction() as tx:
                tx["a"] = 99
                inside.set()
                threading.Event().wait()
        threading.Thread(target=write, daemon=True).start()
        inside.wait()
        """,
    "while another thread delivers": """
        inside = threading.Event()
        def hold(commit):
            if threading.current_thread() is holder:
                inside.set()
                threading.Event().wait()
        store.subscribe(hold)
        holder = threading.Thread(target=store.set, args=["b", 1], daemon=True)
        holder.start()
        inside.wait()
        """,
    "while another thread takes an item of a feed": """
        inside = threading.Event()
        class Held(str):
            def __hash__(self):
                if threading.current_thread() is holder:
                    inside.set()
                    threading.Event().wait()
                return str.__hash__(self)
        holder = None
        feed = shared = store.feed(keys=["b"])
        store.set(Held("b"), 1)
        holder = threading.Thread(target=feed.poll, daemon=True)
        holder.start()
        inside.wait()
        """,
}

CHILD = """
shared = globals().get("shared")
start = store.snapshot().version
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    try:
        assert store.statistics().waiting == 0
        if shared:
            assert len(shared.poll().changes) == 1
        seen = []
        with store.subscribe(lambda commit: seen.append(commit.version)):
            feed = store.feed()
            threading.Thread(target=store.set, args=["a", 1]).start()
            assert store.wait_for(lambda now: now["a"] == 1, 20).version == start + 1
            assert feed.get(20).changes == {"a": (0, 1)}
            asyncio.run(aio.wait_for(store, lambda now: now["a"] == 1))
            store.set("a", 2)
        assert seen == [start + 1, start + 2], seen
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""


@needs_fork
@pytest.mark.parametrize("moment", FORKED)
def test_a_child_forked(moment: str) -> None:
    # A fork with threads about earns a warning of CPython's; it is what this is about.
    quiet = "import warnings; warnings.simplefilter('ignore')\n"
    leave = "\nsys.stderr.flush(); os._exit(0)\n"
    ended = finish(quiet + textwrap.dedent(FORKED[moment]) + CHILD + leave)
    assert (ended.returncode, ended.stderr) == (0, "")

"""To be told of the next write is sooner, and no more: whoever hears nothing looks all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cowstate.journal import JournalError, follow
from cowstate.journal.tail import FileTail
from cowstate.journal.touched import MOST, Touched
from cowstate.journal.waking import Waking
from tests.journal.files import Slot, Slots, opened
from tests.journal.followed import SOON

EVERY, AT_REST, LONG = 0.001, 0.002, 3_000.0

told = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nobody is told here")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Slots]:
    with opened(tmp_path / "slots.db") as made:
        made.set("a", Slot(1))
        yield made


@pytest.fixture
def tail(store: Slots) -> Iterator[FileTail]:
    made = FileTail(store.journal.path, EVERY)
    made.look()
    made.done()
    yield made
    made.close()


def is_there(touched: Touched, waking: Waking) -> bool:
    return waking.sleep(0, touched.file)


@told
def test_it_tells_of_the_next_write_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    touched, waking = Touched(str(path)), Waking("file")
    assert not touched.arm()  # nothing is there to be told of
    path.write_bytes(b"1")
    assert touched.arm()
    path.read_bytes()
    assert not is_there(touched, waking)
    with path.open("ab") as file:
        file.write(b"2")
    assert is_there(touched, waking)
    touched.heard()
    assert not touched.armed
    with path.open("ab") as file:
        file.write(b"3")
    assert not is_there(touched, waking)
    assert touched.arm()
    assert not is_there(touched, waking)  # of what was before it was armed
    touched.close()
    touched.close()
    assert not touched.armed
    waking.close()


@told
def test_what_it_told_late_is_not_told_of_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1")
    touched, waking = Touched(str(path)), Waking("file")
    assert touched.arm()
    touched.heard()  # of the one before, say
    path.write_bytes(b"2")
    assert is_there(touched, waking)
    assert touched.arm()
    assert not is_there(touched, waking)
    path.write_bytes(b"3")
    assert is_there(touched, waking)
    touched.close()
    waking.close()


@told
def test_a_process_leaves_some_to_others(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1")
    several = [Touched(str(path)) for _ in range(MOST + 1)]
    try:
        assert [each.arm() for each in several] == [*[True] * MOST, False]
        several[0].close()
        assert several[-1].arm()
    finally:
        for each in several:
            each.close()


def test_a_process_that_has_no_more_files_is_told_so(store: Slots) -> None:
    resource = pytest.importorskip("resource")
    bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
    kinds: dict[str, Any] = {"key": str, "record": Slot, "meta": str}
    follow(store.journal.path, **kinds).close()  # SQLite keeps one for the next who reads
    least = len(os.listdir("/dev/fd"))
    failed = 0
    # The numbers from here on are free, and one after the other is let be used.
    for more in range(12):
        resource.setrlimit(resource.RLIMIT_NOFILE, (least + more, bounds[1]))
        try:
            follow(store.journal.path, **kinds).close()
        except JournalError as error:
            failed += "cannot be followed: Too many open files" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, bounds)
        assert len(os.listdir("/dev/fd")) == least
    assert failed


def test_who_wakes_is_heard_by_the_next_sleep_also_after_the_end() -> None:
    waking = Waking("file")
    for _ in range(10_000):
        waking.wake()  # more than fits
    assert not waking.sleep(LONG)
    waking.close()
    waking.wake()
    waking.close()


@told
def test_at_rest_a_sleep_ends_when_somebody_writes(store: Slots, tail: FileTail) -> None:
    tail.sleep(LONG)  # there is a look first, at what was written before it was listened for
    store.set("a", Slot(2))
    tail.sleep(LONG)
    assert tail.stirs == 1
    assert tail.look() is not None
    tail.done()
    # And whoever writes on pays for no more.
    store.set("a", Slot(3))
    tail.sleep(EVERY)
    assert tail.stirs == 1
    assert tail.look() is not None


@told
def test_what_was_written_before_it_was_listened_for_is_found(store: Slots, tail: FileTail) -> None:
    store.set("a", Slot(2))
    tail.sleep(LONG)
    assert tail.stirs == 0
    assert tail.look() is not None


def no_such_thing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("cowstate.journal.touched.inotify", lambda: None)


def no_more_of_them(patch: pytest.MonkeyPatch) -> None:
    # As it is called: the system says -1, of which no file can be made.
    patch.setattr("cowstate.journal.touched.inotify", lambda: (lambda _: FileIO(-1), None))


def all_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("cowstate.journal.touched.MOST", 0)


@pytest.mark.parametrize("deaf", [no_such_thing, no_more_of_them, all_taken])
def test_where_nobody_is_told_a_sleep_takes_its_time(
    deaf: object, store: Slots, tail: FileTail, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf(monkeypatch)  # type: ignore[operator]
    for _ in range(3):
        tail.sleep(AT_REST)
    store.set("a", Slot(2))
    tail.sleep(AT_REST)
    assert tail.stirs == 0
    assert tail.look() is not None


def never_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Touched, "arm", lambda _: True)
    patch.setattr(Touched, "armed", True)


@pytest.mark.parametrize("deaf", [no_such_thing, no_more_of_them, all_taken, never_told])
def test_what_is_not_heard_is_found_all_the_same(
    deaf: object, store: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf(monkeypatch)  # type: ignore[operator]
    rests, sleep = Event(), FileTail.sleep

    def at_rest(tail: FileTail, seconds: float) -> None:
        if seconds > EVERY:
            rests.set()
        sleep(tail, seconds)

    monkeypatch.setattr(FileTail, "sleep", at_rest)
    monkeypatch.setattr("cowstate.journal.pace.LIVELY", 0.0)
    kinds = {"key": str, "record": Slot, "meta": str, "every": EVERY}
    with follow(store.journal.path, **kinds) as follower, follower.feed() as feed:  # type: ignore[call-overload]
        assert rests.wait(SOON)
        commit = store.set("a", Slot(2))
        assert feed.get(SOON).version == commit.version

"""A failure at any point of any write: the store is as before or as after, and goes on.

The pure parts are tried with an error at each line. What holds something is tried with an
exception at each point where one can come up that no code raises: a handler that gives back a
lock, and a mark beside the call that it is about, are straight lines of code, in which none can
(docs/explanation/interruptions.md), and a tracer that raises there shows nothing.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from functools import partial
from types import CodeType
from typing import Any

import pytest
from msgspec import structs

from cowstate.committer import Committer
from cowstate.groups import Group
from tests.faults.injection import (
    Injected,
    InjectedError,
    in_package,
    in_pure_part,
    interrupt_at_opcode,
    raise_at_line,
)
from tests.faults.writes import (
    BUILDS,
    OTHERS,
    WRITES,
    AnyStore,
    bare,
    derived,
    everywhere,
    followed,
    followed_by_a_writer,
    thawing,
)
from tests.seeded import seeded
from tests.sweeps import at_least

# What these writes do is done by the one module that holds the lock.
NOTHING_PURE = {"set the same", "compare in vain"}


@pytest.mark.parametrize("error", [MemoryError, Injected])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("build", BUILDS)
def test_a_failure_at_any_line_of_what_is_pure_leaves_the_old_version_or_the_new(
    build: str, write: str, error: type[BaseException]
) -> None:
    inject = partial(raise_at_line, error=error)
    count = everywhere(BUILDS[build], WRITES[write], inject, followed, in_pure_part)
    assert count > at_least(3) or write in NOTHING_PURE


def in_thawing(code: CodeType) -> bool:
    return code.co_filename.endswith("thawing.py") and in_package(code)


THAW_NOTHING = {*NOTHING_PURE, "update all in vain", "set meta", "update meta", "refused"}


@pytest.mark.parametrize("write", WRITES)
def test_so_does_one_at_any_line_of_a_map_that_thaws(write: str) -> None:
    inject = partial(raise_at_line, error=MemoryError)
    count = everywhere(thawing, WRITES[write], inject, followed, in_thawing)
    assert count > at_least(3) or write in THAW_NOTHING


def or_contextlib(code: CodeType) -> bool:
    return in_package(code) or code.co_filename == contextlib.__file__


@pytest.mark.parametrize("write", WRITES)
def test_an_exception_that_comes_up_anywhere_leaves_the_old_version_or_the_new(write: str) -> None:
    count = everywhere(derived, WRITES[write], interrupt_at_opcode, followed, or_contextlib)
    assert count > at_least(5)


@pytest.mark.parametrize(
    ("build", "write"),
    [
        ("bare", "set a known key"),
        ("bare", "transaction"),
        ("bare", "draft over the past"),
        ("aging", "update"),
        ("aging", "transaction of a function"),
    ],
)
def test_it_does_so_in_stores_that_take_other_ways(build: str, write: str) -> None:
    count = everywhere(BUILDS[build], WRITES[write], interrupt_at_opcode, followed, or_contextlib)
    assert count > at_least(15)


@pytest.mark.parametrize("write", ["update", "transaction", "retry"])
def test_it_loses_and_doubles_no_commit_of_a_callback_that_writes(write: str) -> None:
    count = everywhere(derived, WRITES[write], interrupt_at_opcode, followed_by_a_writer)
    assert count > at_least(50)


@pytest.mark.parametrize("write", ["update", "transaction"])
def test_an_error_that_a_subscriber_might_have_raised_loses_no_commit(write: str) -> None:
    inject = partial(interrupt_at_opcode, error=InjectedError)
    assert everywhere(derived, WRITES[write], inject, followed) > at_least(50)


@pytest.mark.parametrize("other", OTHERS)
def test_an_exception_that_comes_up_where_one_follows_or_looks_back_leaves_no_lock_behind(
    other: str,
) -> None:
    def check_again(store: AnyStore) -> None:
        OTHERS[other](store)

    count = everywhere(bare, OTHERS[other], interrupt_at_opcode, followed, also=check_again)
    assert count > at_least(3)


# Twins with one seeded bug each: the harness catches every one.


class PublishesInTwoSteps(Committer[Any, Any]):
    def _store(self, before: Any, key: Any, old: Any, record: Any) -> Any:
        records = self._schema.kind.put(before._map, key, record)
        self.timeline.current = structs.replace(before, version=before.version + 1, _map=records)
        return super()._store(before, key, old, record)


class KeepsAFlag(Committer[Any, Any]):
    writing = False

    def set(self, key: Any, record: Any) -> Any:
        assert not self.writing
        self.writing = True
        commit = super().set(key, record)
        self.writing = False
        return commit


class GivesTheLockBackByHand(Committer[Any, Any]):
    def write(self, work: Any, a: Any = None, b: Any = None, *_: Any, **__: Any) -> Any:
        assert self._lock.acquire(True, 0.05), "it was left behind"
        commit = work(a, b)
        self._lock.release()
        self._delivery.after(commit)
        return commit


class NotesTheCommitAfterwards(Committer[Any, Any]):
    def _store(self, before: Any, key: Any, old: Any, record: Any) -> Any:
        commit = super()._store(before, key, old, record)
        ring = self.timeline.ring
        ring.slots[commit.version % ring.capacity] = None
        self.timeline.place(commit)
        return commit


class HandsOverBeforeItMarks(Group[Any, Any]):
    def _hand_over(self, commit: Any) -> None:
        for member in self.members.concerned(commit._delta):
            if member._seen < commit.version:
                member._callback(commit)
                member._seen = commit.version


class PassesOnBeforeItHandsOver(Group[Any, Any]):
    def _hand_over(self, commit: Any) -> Any:
        self.position = commit.version
        return super()._hand_over(commit)


@pytest.fixture
def _nothing_is_left() -> Iterator[None]:
    """Let no store live on whose lock this thread has for ever: it counts as being in a write."""
    yield
    gc.collect()


@pytest.mark.parametrize(
    ("wrong", "write"),
    [
        (PublishesInTwoSteps, "set a new key"),
        (KeepsAFlag, "set a new key"),
        (GivesTheLockBackByHand, "delete"),
        (NotesTheCommitAfterwards, "set a new key"),
        (HandsOverBeforeItMarks, "set a new key"),
        (PassesOnBeforeItHandsOver, "set a new key"),
    ],
)
@pytest.mark.usefixtures("_nothing_is_left")
def test_the_harness_catches_the_seeded_bug(wrong: type[Any], write: str) -> None:
    def build(records: Any) -> AnyStore:
        return derived(records, seeded(wrong))

    def where(code: CodeType) -> bool:
        return in_package(code) or code.co_qualname.startswith(wrong.__name__)

    with pytest.raises(AssertionError):
        everywhere(build, WRITES[write], interrupt_at_opcode, followed, where, every=5)

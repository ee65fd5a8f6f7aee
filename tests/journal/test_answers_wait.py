"""Nobody is told what is not on disk: not by a reader's look, not by an answer, not by an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cowstate import (
    ConflictError,
    Index,
    InvariantError,
    RecordNotFoundError,
    ReentrantWriteError,
    UniqueViolationError,
)
from cowstate.journal import JournalError, UnknownOutcomeError
from tests.journal.files import (
    Slot,
    Slots,
    TroubledLog,
    check_slots,
    on_disk,
    opened,
    raising,
    troubled,
)


class Call:
    """A call in a thread of its own, and what came of it."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.result: object = None
        self.error: BaseException | None = None
        self._act = act
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._act()
        except BaseException as error:
            self.error = error

    def is_waiting(self) -> bool:
        self._thread.join(0.05)
        return self._thread.is_alive()

    def end(self) -> Call:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self


def add(slot: Slot) -> Slot:
    return slot.replace(quantity=slot.quantity + 1)


def leave_a_block_by_an_error(store: Slots) -> None:
    with store.transaction() as tx:
        raise ZeroDivisionError(tx["a"])


def commit_an_older_draft(store: Slots) -> object:
    draft = store.draft()
    draft["a"] = add(draft["a"])
    return draft.commit()


# What is answered from a version that is not on disk yet, in which "a" is Slot(2) and "b" is gone.
ANSWERS: dict[str, tuple[Callable[[Slots], object], object]] = {
    "another one was expected": (lambda s: s.compare_and_set("a", Slot(1), Slot(3)), None),
    "nothing changes": (lambda s: s.update("a", lambda slot: slot).changes, {}),
    "not found": (lambda s: s.delete("b"), RecordNotFoundError),
    "vetoed": (lambda s: s.set("few", Slot(0)), InvariantError),
    "a draft conflicts": (commit_an_older_draft, ConflictError),
    "a function raises": (lambda s: s.update("a", lambda slot: 1 // 0), ZeroDivisionError),
    "a block is left by an error": (leave_a_block_by_an_error, ZeroDivisionError),
    "a transaction reads": (lambda s: s.transact(lambda tx: tx["a"]), Slot(2)),
    "a record is added to": (lambda s: s.update("a", add).after["a"], Slot(3)),
}


@contextmanager
def held_up(path: Path) -> Iterator[tuple[Slots, TroubledLog, Call]]:
    """A store, one of whose writes is on its way to the disk and goes no further."""
    veto = {"few": lambda now, changes: "few" not in changes}
    store, log = troubled(path, invariants=veto)
    with store:
        store.transact(lambda tx: tx.update({"a": Slot(1), "b": Slot(2)}))
        log.arrived.clear()
        log.gate.clear()

        def first(tx: Any) -> None:
            tx["a"] = Slot(2)
            del tx["b"]

        call = Call(lambda: store.transact(first))
        assert log.arrived.wait(10)
        yield store, log, call
        log.gate.set()
        check_slots(store)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_waits_for_the_disk(name: str, tmp_path: Path) -> None:
    act, wanted = ANSWERS[name]
    with held_up(tmp_path / "slots.db") as (store, log, first):
        before = store.snapshot()
        second = Call(lambda: act(store))
        assert second.is_waiting()
        assert first.is_waiting()
        assert store.snapshot() is before
        assert store.feed(since=before).poll() is None
        log.gate.set()
        first.end()
        second.end()
        assert first.error is None
        if isinstance(wanted, type):
            assert type(second.error) is wanted
        else:
            assert (second.error, second.result) == (None, wanted)
        assert store.snapshot()["a"].quantity >= 2


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_from_what_never_came_to_be_is_an_error_instead(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "slots.db"
    with held_up(path) as (store, log, first):
        before = store.snapshot()
        second = Call(lambda: ANSWERS[name][0](store))
        assert second.is_waiting()
        log.before = raising(OSError("disk I/O error"))
        log.gate.set()
        for call in (first.end(), second.end()):
            assert type(call.error) is JournalError, call.error
            assert "disk I/O error" in str(call.error)
        assert first.error is not second.error
        assert store.snapshot() is before
        assert on_disk(path)[1] == [1]
        # It goes on, with the version that was not used.
        assert store.update("a", add).version == 2
        assert on_disk(path)[1] == [1, 2]


def test_a_draft_that_could_not_be_written_can_be_committed_again(tmp_path: Path) -> None:
    store, log = troubled(tmp_path / "slots.db")
    with store:
        store.set("a", Slot(1))
        draft = store.draft()
        draft["a"] = add(draft["a"])
        log.before = raising(OSError("full"))
        with pytest.raises(JournalError):
            draft.commit()
        assert draft.commit().after["a"] == Slot(2)


def test_a_block_over_what_never_came_to_be_says_so(tmp_path: Path) -> None:
    with held_up(tmp_path / "slots.db") as (store, log, first):

        def block() -> None:
            with store.transaction() as tx:
                assert tx["a"] == Slot(2)
                log.before = raising(OSError("full"))
                log.gate.set()
                first.end()
                tx["a"] = add(tx["a"])

        call = Call(block).end()
        assert type(call.error) is JournalError, call.error
        assert store.snapshot()["a"] == Slot(1)


def test_what_is_written_and_then_fails_is_found_and_published(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    store, log = troubled(path)
    with store:
        log.after = raising(OSError("late"))
        assert store.set("a", Slot(1)).version == 1
        assert store.snapshot()["a"] == Slot(1)
        assert on_disk(path)[1] == [1]
        assert store.set("a", Slot(2)).version == 2


@pytest.mark.parametrize("there", [False, True])
def test_an_unknown_outcome_is_asked_for_again_before_the_next_write(
    there: bool, tmp_path: Path
) -> None:
    path = tmp_path / "slots.db"
    store, log = troubled(path)
    with store:
        heard: list[int] = []
        store.subscribe(lambda commit: heard.append(commit.version))
        store.set("a", Slot(1))
        if there:
            log.after = raising(OSError("late"))
        else:
            log.before = raising(OSError("early"))
        log.asked = raising(OSError("nobody answers"), times=2)
        with pytest.raises(UnknownOutcomeError):
            store.set("a", Slot(2))
        assert store.snapshot()["a"] == Slot(1)
        with pytest.raises(JournalError, match="nothing was tried"):
            store.set("b", Slot(3))
        commit = store.set("c", Slot(4))
        assert commit.before["a"] == Slot(2 if there else 1)
        assert commit.version == (3 if there else 2)
        assert heard == [1, 2, 3][: commit.version]
        check_slots(store)
    with opened(path) as again:
        assert again.snapshot()["a"] == Slot(2 if there else 1)


def test_who_waits_meanwhile_shares_one_sync(tmp_path: Path) -> None:
    with held_up(tmp_path / "slots.db") as (store, log, _):
        calls = [Call(lambda: store.update("a", add)) for _ in range(5)]
        assert all(call.is_waiting() for call in calls)
        log.groups.clear()
        log.gate.set()
        for call in calls:
            assert call.end().error is None
        assert log.groups == [1, 5]
        assert store.snapshot()["a"] == Slot(7)


def test_a_unique_index_waits_too(tmp_path: Path) -> None:

    store, log = troubled(
        tmp_path / "slots.db", indexes={"n": Index(lambda s: s.quantity, unique=True)}
    )
    with store:
        store.set("a", Slot(1))
        log.arrived.clear()
        log.gate.clear()
        first = Call(lambda: store.set("b", Slot(2)))
        assert log.arrived.wait(10)
        second = Call(lambda: store.set("c", Slot(2)))
        assert second.is_waiting()
        log.gate.set()
        first.end()
        assert type(second.end().error) is UniqueViolationError


def test_a_block_that_is_left_inside_a_write_does_not_wait_for_it(tmp_path: Path) -> None:
    """As by a finalizer: the thread has the lock that the publication needs."""
    with held_up(tmp_path / "slots.db") as (store, log, first):
        blocks = store.transaction()
        blocks.__enter__()
        tangled: list[BaseException] = []

        def leave(slot: Slot) -> Slot:
            try:
                blocks.__exit__(ZeroDivisionError, None, None)
            except ReentrantWriteError as error:
                tangled.append(error)
            return add(slot)

        # The block is given up, so that somebody else may write.
        reserved = store.statistics().open_transaction
        assert reserved is not None
        given_up = Call(lambda: blocks.__exit__(ZeroDivisionError, None, None))
        assert given_up.is_waiting()
        second = Call(lambda: store.update("a", leave))
        assert second.is_waiting()
        log.gate.set()
        for call in (first, given_up, second):
            assert call.end().error is None
        assert [type(error) for error in tangled] == [ReentrantWriteError]

"""Transactions, and what drafts have in common with them: several changes as one."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    Index,
    IterationError,
    MutableRecordError,
    Record,
    RecordNotFoundError,
    ReentrantWriteError,
    Store,
    UnhashableKeyError,
)

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    order_id: int | None = None
    tag: str | None = None
    quantity: int = 0


@pytest.fixture
def store(make_store: MakeStore) -> Store[str, Slot]:
    return make_store(
        {"a": Slot(1, "x", 10), "b": Slot(2, "x", 20), "c": Slot(None, "y", 30)},
        indexes={
            "order": Index(lambda slot: slot.order_id, unique=True),
            "tag": Index(lambda slot: slot.tag),
        },
        aggregates={"quantity": Aggregate.sum(lambda slot: slot.quantity)},
        meta="start",
    )


# What both are


@pytest.fixture(params=["transaction", "draft"])
def work(request: pytest.FixtureRequest, store: Store[str, Slot]) -> Any:
    if request.param == "draft":
        yield store.draft()
        return
    with store.transaction() as tx:
        yield tx


def test_it_reads_its_own_writes_and_nobody_else_does(work: Any, store: Store[str, Slot]) -> None:
    work["a"] = Slot(7, "z", 1)
    del work["b"]
    work["d"] = Slot(8, "z", 2)
    work.meta = "new"
    assert dict(work) == {"a": Slot(7, "z", 1), "c": Slot(None, "y", 30), "d": Slot(8, "z", 2)}
    assert len(work) == 3
    assert "b" not in work
    assert work.get("b") is None
    assert work.get("b", 5) == 5
    assert work.find("order", 7) == Slot(7, "z", 1)
    assert work.find("order", 2) is work.find("order", 1) is work.find_key("order", 2) is None
    assert set(work.find_all("tag", "z")) == {"a", "d"}
    assert work.find_all("tag", "x") == {}
    assert work.total("quantity") == 33
    assert work.meta == "new"
    assert set(work.changes) == {"a", "b", "d"}
    assert work.base is store.snapshot()
    assert store.snapshot()["a"] == Slot(1, "x", 10)
    assert store.snapshot().meta == "start"


def test_a_missing_key_is_a_key_error(work: Any) -> None:
    for ask in (lambda: work["zz"], lambda: work.pop("zz"), lambda: work.__delitem__("zz")):
        with pytest.raises(RecordNotFoundError, match="'zz'"):
            ask()
    assert work.pop("zz", 5) == 5


def test_a_key_that_cannot_be_hashed_is_refused_in_every_way(work: Any) -> None:
    for ask in (
        lambda: work[[]],
        lambda: work.get([]),
        lambda: [] in work,
        lambda: work.__setitem__([], Slot()),
        lambda: work.__delitem__([]),
        lambda: work.__setitem__(([],), Slot()),
    ):
        with pytest.raises(UnhashableKeyError, match="cannot be hashed"):
            ask()
    assert not work.changes


def test_a_key_that_is_not_equal_to_itself_is_refused(work: Any) -> None:
    for write in (lambda: work.__setitem__(math.nan, Slot()), lambda: work.update({math.nan: 1})):
        with pytest.raises(ArgumentValueError, match="itself"):
            write()
    assert not work.changes


class Incomparable:
    """A key that cannot be compared with its like, only with itself and with others."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        if other is not self and isinstance(other, Incomparable):
            raise TypeError("compare me not")
        return other is self


LOOKS: dict[str, Callable[[Any, Any], object]] = {
    "reads": lambda work, key: work[key],
    "gets": lambda work, key: work.get(key),
    "looks for": lambda work, key: key in work,
    "deletes": lambda work, key: work.__delitem__(key),
    "writes": lambda work, key: work.__setitem__(key, Slot()),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_type_error_of_a_key_s_own_comparison_comes_through(work: Any, look: Any) -> None:
    work[Incomparable()] = Slot()
    with pytest.raises(TypeError, match="compare me not") as caught:
        look(work, Incomparable())
    assert type(caught.value) is TypeError
    assert len(work.changes) == 1


def test_adding_or_deleting_keys_while_it_is_iterated_is_refused(work: Any) -> None:
    def add() -> None:
        for key in work:
            work[key + "!"] = Slot()

    def delete() -> None:
        for key in work:
            del work[key]

    def delete_new() -> None:
        for key in work:
            if key.endswith("!"):
                del work[key]

    for change in (add, delete, delete_new):
        with pytest.raises(IterationError, match="list"):
            change()
    for key in work:
        work[key] = Slot(None, "same keys")
    assert {slot.tag for slot in work.values()} == {"same keys"}


def test_clear_empties_and_what_is_undone_is_no_change(work: Any, store: Store[str, Slot]) -> None:
    before = dict(store.snapshot())
    work.clear()
    assert len(work) == 0
    assert list(work) == []
    assert work.total("quantity") == 0
    work.update(before)
    work["n"] = Slot()
    del work["n"]
    assert not work.changes
    assert len(work) == 3


def test_its_repr_is_short(work: Any) -> None:
    work["a"] = Slot()
    assert repr(work) == f"<{type(work).__name__} over version 0, 1 keys written>"


# Transactions


def test_a_transaction_is_one_version_or_none(store: Store[str, Slot]) -> None:
    with store.transaction() as tx:
        tx["a"] = Slot()
        del tx["b"]
        with pytest.raises(ClosedError, match="before its block"):
            tx.result
    assert tx.result.version == store.snapshot().version == 1
    assert set(tx.result.changes) == {"a", "b"}
    before = store.snapshot()
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        tx["a"] = Slot(9)
        raise ZeroDivisionError
    assert store.snapshot() is before
    with pytest.raises(ClosedError):
        tx.result


def test_a_transaction_that_changes_nothing_makes_no_version(store: Store[str, Slot]) -> None:
    before = store.snapshot()
    with store.transaction() as tx:
        tx["a"] = tx["a"]
        tx["n"] = Slot()
        del tx["n"]
        tx.meta = tx.meta
    assert store.snapshot() is before is tx.result.after is tx.result.before


def test_meta_alone_makes_a_version(store: Store[str, Slot]) -> None:
    with store.transaction() as tx:
        tx.meta = "next"
    assert store.snapshot().version == 1
    assert store.snapshot().meta == "next"
    assert store.at(0).meta == "start"
    assert not tx.result.changes


def test_a_transaction_that_is_over_can_be_read_and_not_written(store: Store[str, Slot]) -> None:
    with store.transaction() as tx:
        tx["a"] = Slot(5)
    assert tx["a"] == Slot(5)

    def set_meta() -> None:
        tx.meta = "late"

    for late in (lambda: tx.__setitem__("a", Slot()), lambda: tx.__delitem__("a"), set_meta):
        with pytest.raises(ClosedError, match="over"):
            late()
    assert store.snapshot().version == 1


def test_an_error_caught_within_the_block_loses_only_its_own_write(store: Store[str, Slot]) -> None:
    with store.transaction() as tx:
        tx["a"] = Slot(5)
        with pytest.raises(MutableRecordError):
            tx["b"] = []  # type: ignore[assignment]
    assert store.snapshot()["a"] == Slot(5)


def test_writing_to_the_store_from_within_is_refused_at_once(store: Store[str, Slot]) -> None:
    draft = store.draft()
    draft["a"] = Slot()
    writes: list[Callable[[], Any]] = [
        lambda: store.set("a", Slot()),
        lambda: store.update("a", lambda slot: slot),
        lambda: store.delete("a"),
        lambda: store.compare_and_set("a", MISSING, Slot()),
        lambda: store.transaction().__enter__(),
        draft.commit,
        lambda: store.retry(lambda work: work.clear()),
        lambda: store.retry(lambda work: None, attempts=1),
        lambda: store.revert(0),
    ]
    with store.transaction() as tx:
        for write in writes:
            with pytest.raises(ReentrantWriteError):
                write()
        tx["a"] = Slot(5)
        other: Store[str, int] = Store()
        other.set("a", 1)
        assert store.snapshot()["a"] == Slot(1, "x", 10)
    assert store.snapshot().version == 1
    draft = store.draft()
    with pytest.raises(ReentrantWriteError):
        store.update("a", lambda slot: store.set("b", slot).after["b"])
    assert store.snapshot().version == 1


def test_the_other_writers_wait_and_the_readers_do_not(store: Store[str, Slot]) -> None:
    inside, wrote = threading.Event(), threading.Event()

    def other() -> None:
        assert inside.wait(300)
        store.set("b", Slot(tag="after"))
        wrote.set()

    thread = threading.Thread(target=other)
    thread.start()
    with store.transaction() as tx:
        inside.set()
        tx["b"] = Slot(tag="before")
        assert store.snapshot().version == 0
        assert not wrote.is_set()
    thread.join()
    assert store.at(1)["b"].tag == "before"
    assert store.at(2)["b"].tag == "after"


@pytest.mark.filterwarnings("error")
def test_a_coroutine_is_no_transaction_and_is_closed(store: Store[str, Slot]) -> None:
    ran: list[Any] = []

    async def later(tx: Any) -> None:
        ran.append(tx)

    with pytest.raises(ArgumentTypeError, match="plain function"):
        store.transact(later)
    gc.collect()  # one that was not closed says here that nobody awaited it
    assert ran == []
    assert store.snapshot().version == 0
    for wrong in (None, 5, "fn"):
        with pytest.raises(ArgumentTypeError, match="function of a transaction"):
            store.transact(wrong)  # type: ignore[arg-type]


def test_transact_returns_what_its_function_returns_and_ends_the_transaction(
    store: Store[str, Slot],
) -> None:
    kept: list[Any] = []

    def write(tx: Any) -> str:
        kept.append(tx)
        tx["a"] = Slot(5)
        with pytest.raises(ClosedError):
            tx.result
        return "answer"

    assert store.transact(write) == "answer"
    assert store.transact(lambda tx: None) is None
    assert kept[0].result.after is store.snapshot()
    with pytest.raises(ClosedError, match="over"):
        kept[0]["a"] = Slot(6)

    def fail(tx: Any) -> None:
        write(tx)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(fail)
    with pytest.raises(ClosedError, match="over"):
        kept[1]["a"] = Slot(6)
    with pytest.raises(ClosedError, match="no result"):
        kept[1].result
    assert store.snapshot().version == 1


def test_a_draft_that_was_committed_says_so(store: Store[str, Slot]) -> None:
    for version in (1, 2):
        draft = store.draft()
        draft["a"] = Slot(10 + version)
        assert draft.commit().version == version
        with pytest.raises(ClosedError, match="the draft was committed"):
            draft.commit()


def test_a_key_that_a_draft_deleted_twice_and_wrote_between_is_there_or_not(work: Any) -> None:
    for _ in range(3):
        assert len(work) == 3
        del work["a"]
        assert "a" not in work
        assert len(work) == 2
        with pytest.raises(RecordNotFoundError):
            del work["a"]
        work["a"] = Slot()
        work["new"] = Slot()
        assert len(work) == 4
        del work["new"]
        assert set(work) == {"a", "b", "c"}


def test_popitem_takes_what_is_there_and_nothing_twice(work: Any) -> None:
    work["new"] = Slot()
    del work["a"]
    popped = [work.popitem()[0] for _ in range(3)]
    assert sorted(popped) == ["b", "c", "new"]
    with pytest.raises(RecordNotFoundError, match="no record left"):
        work.popitem()
    work["a"] = Slot(1)
    assert work.popitem() == ("a", Slot(1))
    assert not work
    work["b"] = Slot(2)
    work["d"] = Slot(3)
    assert {work.popitem()[0] for _ in range(2)} == {"b", "d"}
    assert set(work.changes) == {"a", "b", "c"}


def test_a_key_may_go_and_come_back_while_they_are_iterated_and_no_other_for_it(work: Any) -> None:
    before = set(work)
    seen = []
    for key in work:
        seen.append(key)
        for other in before:
            record = work[other]
            del work[other]
            work[other] = record
    assert sorted(seen) == sorted(before)
    work["new"] = Slot()
    seen = []
    for key in work:
        seen.append(key)
        record = work["new"]
        del work["new"]
        work["new"] = record
    assert sorted(seen) == sorted([*before, "new"])
    for old, new in (("a", "z"), ("new", "newer"), ("b", "a"), ("z", "b")):
        record = work[old]
        with pytest.raises(IterationError):
            for _ in work:
                del work[old]
                work[new] = record
        assert len(work) == len(list(work)) == 4

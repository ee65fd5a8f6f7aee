"""`Store` and its lock-based twin do the same, so that to compare their cost is fair.

Where locks cannot give what the store guarantees, the test is expected to fail with the twin,
strictly, and says why.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import MISSING, RecordNotFoundError, ReentrantWriteError, UniqueViolationError
from cowstate.bench import LockedStore
from tests.bench.kits import KITS, Kit, plain

both = pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.name)


def locks_cannot(reason: str) -> Any:
    """Both kinds, the locked one expected to fail for *reason*."""
    marked = [
        pytest.param(kit, id=kit.name)
        if kit.name == "cowstate"
        else pytest.param(kit, id=kit.name, marks=pytest.mark.xfail(strict=True, reason=reason))
        for kit in KITS
    ]
    return pytest.mark.parametrize("kit", marked)


def levels(kit: Kit, count: int = 3) -> dict[str, Any]:
    return {name: kit.level(price) for price, name in enumerate("abcdefgh"[:count])}


@both
def test_a_snapshot_is_not_changed_by_what_is_written_later(kit: Kit) -> None:
    store = kit.store(levels(kit))
    before = store.snapshot()
    store.update("a", kit.adding(5))
    store.delete("b")
    store.set("new", kit.level(9))
    assert plain(before) == {"a": (0, None, 0), "b": (1, None, 0), "c": (2, None, 0)}
    assert plain(store.snapshot()) == {"a": (0, None, 5), "c": (2, None, 0), "new": (9, None, 0)}


@both
def test_each_write_makes_one_version(kit: Kit) -> None:
    store = kit.store(levels(kit))
    store.set("a", kit.level(7))
    store.update("a", kit.adding(1))
    store.delete("a")
    with store.transaction() as tx:
        tx["b"] = kit.level(8)
        del tx["c"]
    assert store.snapshot().version == 4


@both
def test_a_key_that_is_not_there_cannot_be_updated_or_deleted(kit: Kit) -> None:
    store = kit.store(levels(kit))
    with pytest.raises(RecordNotFoundError):
        store.update("zz", kit.adding(1))
    with pytest.raises(RecordNotFoundError):
        store.delete("zz")
    with store.transaction() as tx, pytest.raises(RecordNotFoundError):
        tx["zz"]
    assert store.snapshot().version == 0


@both
def test_a_transaction_that_raises_changes_nothing(kit: Kit) -> None:
    store = kit.store(levels(kit))
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        tx["a"] = kit.adding(1)(tx["a"])
        del tx["b"]
        raise ZeroDivisionError
    assert plain(store.snapshot()) == plain(levels(kit))
    assert store.snapshot().version == 0
    store.update("a", kit.adding(1))


@both
def test_a_transaction_sees_its_own_writes_and_nobody_else_does(kit: Kit) -> None:
    store = kit.store(levels(kit))
    seen: list[int] = []
    with store.transaction() as tx:
        tx["a"] = kit.adding(5)(tx["a"])
        assert tx["a"].quantity == 5
        tx["d"] = kit.level(3)
        del tx["b"]
        assert sorted(tx) == ["a", "c", "d"]
        assert len(tx) == 3
        assert "b" not in tx
        thread = threading.Thread(target=lambda: seen.append(read_one(store, "a")))
        thread.start()
        thread.join()
    assert seen == [0]
    assert store.snapshot()["a"].quantity == 5


def read_one(store: Any, key: str) -> int:
    record = store.get(key) if isinstance(store, LockedStore) else store.snapshot()[key]
    quantity: int = record.quantity
    return quantity


@both
def test_writing_from_inside_a_write_is_refused(kit: Kit) -> None:
    store = kit.store(levels(kit))

    def writes(record: Any) -> Any:
        store.set("b", kit.level(1))
        return record

    with pytest.raises(ReentrantWriteError):
        store.update("a", writes)
    with pytest.raises(ReentrantWriteError), store.transaction(), store.transaction():
        pass
    store.set("a", kit.level(1))


@both
def test_two_records_cannot_have_one_value_of_a_unique_index(kit: Kit) -> None:
    store = kit.store(levels(kit), indexed=True)
    store.update("a", kit.changing(order_id=1))
    with pytest.raises(UniqueViolationError):
        store.update("b", kit.changing(order_id=1))
    now = store.snapshot()
    assert now.find_key("order_id", 1) == "a"
    assert now["b"].order_id is None
    with store.transaction() as tx:  # values may pass each other
        tx["a"] = kit.changing(order_id=None)(tx["a"])
        tx["b"] = kit.changing(order_id=1)(tx["b"])
    assert store.snapshot().find_key("order_id", 1) == "b"


@both
def test_indexes_and_totals_are_those_of_their_snapshot(kit: Kit) -> None:
    store = kit.store(levels(kit), indexed=True)
    before = store.snapshot()
    store.update("a", kit.adding(5))
    store.update("b", kit.adding(7))
    now = store.snapshot()
    assert (before.total("quantity"), now.total("quantity")) == (0, 12)
    assert sorted(before.find_all("sign", True)) == []
    assert sorted(now.find_all("sign", True)) == ["a", "b"]
    assert now.find("order_id", 99) is None


@both
def test_compare_and_set_writes_only_over_what_was_expected(kit: Kit) -> None:
    store = kit.store(levels(kit))
    old = store.snapshot()["a"]
    assert store.compare_and_set("a", old, kit.level(50)) is not None
    assert store.compare_and_set("a", old, kit.level(60)) is None
    assert store.snapshot()["a"].price == 50
    assert store.compare_and_set("n", MISSING, kit.level(1)) is not None
    assert store.compare_and_set("n", MISSING, kit.level(2)) is None
    assert store.compare_and_set("n", store.snapshot()["n"], MISSING) is not None
    assert "n" not in store.snapshot()


@both
def test_subscribers_hear_of_every_write_in_order(kit: Kit) -> None:
    store = kit.store(levels(kit), indexed=True)
    heard: list[tuple[int, dict[str, tuple[Any, Any]]]] = []
    store.subscribe(
        lambda commit: heard.append(
            (commit.version, {key: quantities(pair) for key, pair in commit.changes.items()})
        )
    )
    threads = [
        threading.Thread(target=lambda: [store.update("a", kit.adding(1)) for _ in range(50)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [(n, {"a": (n - 1, n)}) for n in range(1, 151)]


def quantities(pair: Any) -> tuple[Any, Any]:
    old, new = pair
    return getattr(old, "quantity", None), getattr(new, "quantity", None)


@both
def test_a_subscriber_that_raises_harms_nobody(kit: Kit, caplog: Any) -> None:
    store = kit.store(levels(kit))
    heard: list[int] = []
    store.subscribe(lambda commit: 1 / 0)
    store.subscribe(lambda commit: heard.append(commit.version))
    store.update("a", kit.adding(1))
    assert heard == [1]
    assert "subscriber failed" in caplog.text


@both
def test_the_difference_of_two_snapshots_is_what_was_written_between_them(kit: Kit) -> None:
    store = kit.store(levels(kit))
    before = store.snapshot()
    store.update("a", kit.adding(5))
    store.delete("b")
    store.set("d", kit.level(3))
    changes = store.snapshot().diff(before)
    assert {key: quantities(pair) for key, pair in changes.items()} == {
        "a": (0, 5),
        "b": (0, None),
        "d": (None, 0),
    }


@both
def test_no_update_is_lost_and_no_snapshot_shows_half_a_transaction(kit: Kit) -> None:
    store = kit.store(levels(kit, 8))
    done = threading.Event()
    torn: list[Any] = []

    def read() -> None:
        while not done.is_set():
            now = store.snapshot()
            if now["a"].quantity != now["h"].quantity:
                torn.append((now["a"], now["h"]))

    def write() -> None:
        for _ in range(100):
            with store.transaction() as tx:
                for key in ("a", "h"):
                    tx[key] = kit.adding(1)(tx[key])
            store.update("c", kit.adding(1))

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write) for _ in range(3)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not torn
    now = store.snapshot()
    assert [now[key].quantity for key in "ach"] == [300, 300, 300]


keys = st.sampled_from("abcd")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, st.integers(0, 3), st.integers(-2, 2)),
        st.tuples(st.just("add"), keys, st.none(), st.integers(-2, 2)),
        st.tuples(st.just("order"), keys, st.none() | st.integers(0, 3), st.just(0)),
        st.tuples(st.just("delete"), keys, st.none(), st.just(0)),
        st.tuples(st.just("swap"), keys, st.integers(0, 3), st.integers(-2, 2)),
    ),
    max_size=12,
)


@given(steps)
def test_any_sequence_of_writes_ends_in_the_same_state_with_the_same_refusals(
    sequence: list[tuple[str, str, int | None, int]],
) -> None:
    ends = []
    for kit in KITS:
        store = kit.store(levels(kit), indexed=True)
        refusals = [refusal(lambda: act(kit, store, *step)) for step in sequence]  # noqa: B023
        now = store.snapshot()
        ends.append(
            (
                refusals,
                plain(now),
                now.total("quantity"),
                {n: now.find_key("order_id", n) for n in range(4)},
                {sign: sorted(now.find_all("sign", sign)) for sign in (True, False)},
            )
        )
    assert ends[0] == ends[1]


def act(kit: Kit, store: Any, what: str, key: str, number: int | None, amount: int) -> None:
    if what == "set":
        store.set(key, kit.level(7, number, amount))
    elif what == "add":
        store.update(key, kit.adding(amount))
    elif what == "order":
        store.update(key, kit.changing(order_id=number))
    elif what == "delete":
        store.delete(key)
    else:
        with store.transaction() as tx:
            tx["a"] = kit.changing(order_id=None)(tx["a"])
            tx[key] = kit.level(8, number, amount)
            del tx["b"]


def refusal(action: Callable[[], object]) -> type[Exception] | None:
    try:
        action()
    except (RecordNotFoundError, UniqueViolationError) as error:
        return type(error)
    return None


# What locks cannot give


@locks_cannot("a record is changed in place, so what was changed before the exception stays")
def test_an_update_function_that_raises_leaves_the_record_as_it_was(kit: Kit) -> None:
    store = kit.store(levels(kit))

    def fails(record: Any) -> Any:
        kit.adding(5)(record)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update("a", fails)
    assert store.snapshot()["a"].quantity == 0


@locks_cannot("without a copy of what was there, nobody can say whether it has changed")
def test_a_write_that_changes_nothing_makes_no_version(kit: Kit) -> None:
    store = kit.store(levels(kit))
    store.update("a", lambda record: record)
    assert store.snapshot().version == 0


@locks_cannot("a copy is the caller's own, and nothing keeps the caller from changing it")
def test_a_snapshot_cannot_be_changed(kit: Kit) -> None:
    now = kit.store(levels(kit)).snapshot()
    with pytest.raises((TypeError, AttributeError)):
        now["a"].quantity = 1


@locks_cannot("the record keeps its identity through all changes, so only values compare")
def test_a_record_that_changed_and_changed_back_is_another_one(kit: Kit) -> None:
    store = kit.store(levels(kit))
    old = store.snapshot()["a"]
    store.update("a", kit.adding(1))
    store.update("a", kit.adding(-1))
    assert store.compare_and_set("a", old, kit.level(50)) is None


@locks_cannot("an old state exists only if somebody paid for a copy of everything at the time")
def test_an_old_version_can_be_had_by_its_number(kit: Kit) -> None:
    store = kit.store(levels(kit))
    store.update("a", kit.adding(5))
    assert store.at(0)["a"].quantity == 0


@locks_cannot("a copy has nothing in common with the live records that a commit could check")
def test_a_change_derived_from_an_old_snapshot_commits_only_if_that_still_holds(kit: Kit) -> None:
    store = kit.store(levels(kit))
    draft = store.draft(store.snapshot())
    draft["a"] = kit.adding(5)(draft["a"])
    store.update("b", kit.adding(1))
    draft.commit()
    assert store.snapshot()["a"].quantity == 5


@locks_cannot("a snapshot waits for the writer and the writer for the snapshot")
def test_a_snapshot_can_be_taken_while_a_transaction_is_open(kit: Kit) -> None:
    store = kit.store(levels(kit))
    got: list[Any] = []
    with store.transaction() as tx:
        tx["a"] = kit.adding(5)(tx["a"])
        thread = threading.Thread(target=lambda: got.append(store.snapshot()), daemon=True)
        thread.start()
        # The locked ones cannot, so of those a moment is enough.
        thread.join(300 if kit.name == "cowstate" else 0.05)
        assert got

"""A write that has returned is on disk, whichever kind it is; the next store goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest

from cowstate import (
    MISSING,
    Aggregate,
    CodecError,
    ConflictError,
    Index,
    InvariantError,
    Meter,
    RecordNotFoundError,
    Store,
)
from cowstate.journal import encoded, open_store
from tests.journal.files import Slot, Slots, check_slots, on_disk, opened


def add(slot: Slot) -> Slot:
    return slot.replace(quantity=slot.quantity + 1)


def in_a_block(store: Slots) -> None:
    with store.transaction() as tx:
        tx["a"] = Slot(7)
        del tx["b"]


def in_a_draft(store: Slots) -> None:
    with store.draft() as draft:
        draft["a"] = add(draft["a"])
        draft.meta = "drafted"


WRITES: dict[str, Callable[[Slots], object]] = {
    "set": lambda store: store.set("c", Slot(3)),
    "update": lambda store: store.update("a", add),
    "update or": lambda store: store.update("c", add, default=Slot(0)),
    "delete": lambda store: store.delete("a"),
    "compare_and_set": lambda store: store.compare_and_set("c", MISSING, Slot(5)),
    "update_all": lambda store: store.update_all(["a", "b"], add),
    "replace_all": lambda store: store.replace_all({"a": Slot(1), "z": Slot(9)}),
    "set_meta": lambda store: store.set_meta("closed"),
    "update_meta": lambda store: store.update_meta(lambda meta: f"{meta}!"),
    "transact": lambda store: store.transact(lambda tx: tx.update({"a": Slot(8), "d": Slot(4)})),
    "transaction": in_a_block,
    "draft": in_a_draft,
    "retry": lambda store: store.retry(lambda draft: draft.pop("b")),
    "retry under the lock": lambda store: store.retry(lambda draft: draft.pop("b"), attempts=1),
    "undo": lambda store: store.undo(store.set("a", Slot(99))),
    "revert": lambda store: store.revert(0),
    "add_index": lambda store: store.add_index("even", Index(lambda s: s.quantity % 2 == 0)),
    "add_aggregate": lambda store: store.add_aggregate("n", Aggregate.count()),
    "nothing": lambda store: store.update("a", lambda slot: slot),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("measured", [False, True], ids=["plain", "measured"])
def test_what_a_write_has_returned_is_there_for_the_next_store(
    name: str, measured: bool, tmp_path: Path
) -> None:
    path = tmp_path / "slots.db"
    with opened(path, meter=Meter() if measured else None) as store:
        heard: list[int] = []
        store.subscribe(lambda commit: heard.append(commit.version))
        store.transact(lambda tx: tx.update({"a": Slot(1), "b": Slot(2, "ann")}))
        store.set_meta("open")
        WRITES[name](store)
        after = store.snapshot()
        # Seen by another program before the store is closed.
        records, versions = on_disk(path)
        assert sorted(records) == [f'"{key}"' for key in sorted(after)]
        assert versions == list(range(1, after.version + 1)) == heard
    with opened(path) as again:
        now = again.snapshot()
        assert (dict(now), now.version, now.meta) == (dict(after), after.version, after.meta)
        assert now.find_all("owner", "ann") == after.find_all("owner", "ann")
        assert again.set("next", Slot(1)).version == after.version + 1
        check_slots(again)


def test_what_is_refused_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path, invariants={"few": lambda now, _: len(now) < 3}) as store:
        store.transact(lambda tx: tx.update({"a": Slot(1), "b": Slot(2)}))
        with pytest.raises(InvariantError):
            store.set("c", Slot(3))
        with pytest.raises(RecordNotFoundError):
            store.delete("c")
        draft = store.draft()
        draft["a"] = add(draft["a"])
        store.update("a", add)
        with pytest.raises(ConflictError):
            draft.commit()
        with pytest.raises(ZeroDivisionError):
            store.transact(lambda tx: tx.update({"a": Slot(1 // (len(tx) - 2))}))
        # What is not of the type is found before anything is written, and names the record.
        with pytest.raises(Exception, match=r"record\.owner: expected `str`, got `int`"):
            store.set("a", Slot(1, 2))  # type: ignore[arg-type]
        assert on_disk(path)[1] == [1, 2]
        assert store.set("a", Slot(5)).version == 3
        store.delete("b")
        check_slots(store)


def test_threads_share_the_file_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(0))
        seen: list[int] = []
        store.subscribe(lambda commit: seen.append(commit.version))

        def work() -> None:
            for _ in range(25):
                store.update("a", add)

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.flush()
        assert seen == list(range(2, 102))
        assert on_disk(path)[1] == list(range(1, 102))
        check_slots(store)
    with opened(path) as again:
        assert again.snapshot()["a"].quantity == 100


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_equal_keys_are_one_key_in_the_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.db"
    for n in range(2):
        with open_store(path, key=Decimal, record=int, form=form) as store:  # type: ignore[call-overload]
            store.set(Decimal("1.0"), n)
            store.set(Decimal("1.00"), n + 10)
            assert len(store.snapshot()) == 1
            assert len(on_disk(path)[0]) == 1
    with open_store(path, key=Decimal, record=int) as store:
        assert dict(store.snapshot()) == {Decimal(1): 11}


def test_two_stores_do_not_change_as_one(tmp_path: Path) -> None:
    import cowstate

    with opened(tmp_path / "slots.db") as store:
        other: Store[str, int] = Store()
        with pytest.raises(cowstate.ArgumentValueError, match="a crash could come between"):
            cowstate.transaction(store, other)
        with pytest.raises(cowstate.ReentrantWriteError, match="held up"):
            other.transact(lambda tx: store.set("a", Slot(1)))
        with other.transaction(), pytest.raises(cowstate.ReentrantWriteError, match="held up"):
            store.set("a", Slot(1))
        assert store.snapshot().version == 0
        store.set("a", Slot(1))
        # The other way round nobody waits for anything.
        store.update("a", lambda slot: slot.replace(quantity=other.set("x", 1).version))
        assert store.snapshot()["a"] == Slot(1)


def test_what_is_too_large_for_the_file_is_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded, "MOST", 1_000)
    with opened(tmp_path / "slots.db") as store:
        store.set("a" * 998, Slot(1))  # and two quotes
        for write in (
            lambda: store.set("a" * 999, Slot(1)),
            lambda: store.set("a", Slot(1, "x" * 1_000)),
            lambda: store.set_meta("x" * 1_000),
        ):
            with pytest.raises(
                CodecError, match=r"bytes are more than a journal holds .*\(1,000\)"
            ):
                write()
        assert store.snapshot().version == 1
        check_slots(store)

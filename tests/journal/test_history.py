"""What was: versions that the store has let go, or that were written before it was opened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Codec,
    CompactedError,
    ConflictError,
    History,
    Snapshot,
)
from cowstate.journal import JournaledStore
from cowstate.journal.encoded import Encoder
from cowstate.journal.sqlite import SqliteLog
from tests.journal.files import INDEXES, Slot, Slots, opened

KEYS = st.sampled_from("abcd")
SLOTS = st.one_of(st.none(), st.builds(Slot, st.integers(0, 3), st.sampled_from(["ann", "bob"])))
STEPS = st.lists(
    st.tuples(st.dictionaries(KEYS, SLOTS, min_size=1), st.none() | st.text("xyz")), max_size=8
)


def step(store: Slots, writes: dict[str, Slot | None], meta: str | None) -> None:
    def work(tx: Any) -> None:
        for key, slot in writes.items():
            if slot is not None:
                tx[key] = slot
            elif key in tx:
                del tx[key]
        if meta is not None:
            tx.meta = meta

    store.transact(work)


def facts(snapshot: Snapshot[str, Slot]) -> tuple[Any, ...]:
    owners = [dict(snapshot.find_all("owner", name)) for name in ("ann", "bob")]
    return snapshot.version, dict(snapshot), snapshot.meta, owners, sorted(snapshot)


@given(before=STEPS, after=STEPS)
@settings(max_examples=12, deadline=None)
def test_each_version_can_be_gone_back_to(
    before: Any, after: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("history") / "slots.db"
    made: list[tuple[Any, ...]] = []
    for steps in (before, after):
        with opened(path, history=History(versions=1)) as store:
            made[store.snapshot().version :] = [facts(store.snapshot())]
            for writes, meta in steps:
                step(store, writes, meta)
                if store.snapshot().version == len(made):
                    made.append(facts(store.snapshot()))
            for version, known in enumerate(made):
                found = store.at(version)
                assert facts(found) == known
                # It is a snapshot of this store like any other.
                assert store.snapshot().diff(found).apply(dict(found)) == store.snapshot()


def test_what_was_can_be_returned_to(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1, "ann"))
        store.set("b", Slot(2))
        store.set_meta("later")
        store.delete("a")
    with opened(path) as store:
        commit = store.revert(1)
        assert (commit.version, dict(commit.after), commit.after.meta) == (
            5,
            {"a": Slot(1, "ann")},
            None,
        )
        assert store.snapshot().find_all("owner", "ann") == {"a": Slot(1, "ann")}
        draft = store.draft(store.at(1))
        draft["c"] = Slot(3)
        assert draft.commit().after["c"] == Slot(3)
        with store.pin(2) as pin:
            assert pin.snapshot["b"] == Slot(2)


@pytest.mark.parametrize(("since", "others"), [(0, True), (1, False), (2, True)])
def test_a_draft_over_what_was_conflicts_at_the_set_of_keys_if_that_is_another_now(
    since: int, others: bool, tmp_path: Path
) -> None:
    with opened(tmp_path / "slots.db", history=History(versions=1)) as store:
        store.set("a", Slot(1))
        store.set("b", Slot(2))
        store.delete("b")
        store.set("a", Slot(3))
        draft = store.draft(store.at(since))
        assert {*draft} == {*"ab"[:since]}
        draft["c"] = Slot(4)
        if others:
            with pytest.raises(ConflictError) as caught:
                draft.commit()
            assert caught.value.reasons == ("keys",)
        else:
            assert draft.commit().after == {"a": Slot(3), "c": Slot(4)}


def test_as_of_a_moment(tmp_path: Path) -> None:
    moments = iter([100.0, 200.0, 150.0, 300.0])  # a clock that goes back is not gone along with
    log = SqliteLog(tmp_path / "slots.db", "json", "full")
    codec = Codec[str, Slot](key=str, record=Slot, meta=str)
    store: Slots = JournaledStore(
        log, Encoder(codec, str, True, lambda: next(moments)), "full", {"indexes": INDEXES}
    )
    with store:
        for n in range(1, 5):
            store.set("a", Slot(n))
        wanted = {0: 0, 99.9: 0, 100: 1, 199: 1, 200: 3, 299: 3, 300: 4, 1e10: 4}
        assert {at: store.as_of(at).version for at in wanted} == wanted
        assert store.as_of(datetime.fromtimestamp(100, UTC))["a"] == Slot(1)
        with pytest.raises(ArgumentValueError, match="another moment in each time zone"):
            store.as_of(datetime(2026, 1, 1))
        for never in (float("nan"), 10**400):
            with pytest.raises(ArgumentValueError, match="is no moment"):
                store.as_of(never)
        for wrong in ("now", True, None):
            with pytest.raises(ArgumentTypeError, match="a moment is a datetime"):
                store.as_of(wrong)  # type: ignore[arg-type]


def test_what_never_was_or_is_gone_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
        store.set("a", Slot(2))
    with opened(path) as store:
        for version in (-1, 3):
            with pytest.raises(ArgumentValueError, match=f"no version {version}"):
                store.at(version)
        store.set("a", Slot(3))
        assert [store.at(n).get("a") for n in range(4)] == [None, Slot(1), Slot(2), Slot(3)]
        import sqlite3

        other = sqlite3.connect(path, isolation_level=None)
        other.execute("DELETE FROM commits WHERE version = 1")
        other.execute("DELETE FROM changes WHERE version = 1")
        other.close()
        assert store.at(1)["a"] == Slot(1)
        with pytest.raises(CompactedError) as caught:
            store.at(0)
        assert (caught.value.version, caught.value.oldest) == (0, 1)
        with pytest.raises(CompactedError):
            store.as_of(0)

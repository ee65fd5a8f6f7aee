"""Codecs: what is encoded is decoded again as it was, in documents of a form that is promised."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    ChangeSet,
    Codec,
    ForeignSnapshotError,
    Index,
    Store,
    UnknownIndexError,
)
from tests.codecs import KEYS, is_like, store_through, worlds


@given(worlds())
def test_a_snapshot_is_decoded_as_it_was(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    for snapshot in (start, *(commit.after for commit in commits)):
        again = codec.decode_snapshot(codec.encode(snapshot))
        assert is_like(again, snapshot)
        assert codec.encode(again) == codec.encode(again)
        assert is_like(codec.decode_snapshot(codec.encode(again)), snapshot)


@given(worlds(record="record"))
def test_keys_and_records_keep_their_types_and_digits(world: Any) -> None:
    codec, states = world
    start, _ = store_through([(states[0][0], None)])
    again = codec.decode_snapshot(codec.encode(start))

    def told(snapshot: Any) -> list[Any]:
        return sorted(
            (type(key).__name__, type(slot).__name__, str(slot.price), slot.tags)
            for key, slot in snapshot.items()
        )

    assert told(again) == told(start)


@given(worlds())
def test_decoded_changes_lead_to_the_same_records(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    mapping = dict(start)
    for commit in commits:
        changes = codec.decode_changes(codec.encode(commit.changes))
        assert changes.keys() >= {key for key, (old, new) in commit.changes.items() if old != new}
        changes.apply(mapping)
        assert mapping == dict(commit.after)


@pytest.mark.parametrize("name", KEYS)
def test_records_are_an_object_where_the_keys_can_be_names_and_pairs_elsewhere(name: str) -> None:
    kind, _, named = KEYS[name]
    codec: Codec[Any, Any] = Codec(key=kind, record=int)
    empty = codec.encode(Store[Any, Any]().snapshot())
    assert empty == b'{"version":0,"meta":null,"records":%s}' % (b"{}" if named else b"[]")


def test_none_and_no_record_are_told_apart() -> None:
    codec: Codec[str, int | None] = Codec(key=str, record=int | None)
    changes: ChangeSet[str, int | None] = ChangeSet(
        {"a": (None, 1), "b": (MISSING, None), "c": (None, MISSING)}
    )
    data = codec.encode(changes)
    assert data == b'{"a":{"old":null,"new":1},"b":{"new":null},"c":{"old":null}}'
    again = codec.decode_changes(data)
    assert again == changes
    assert again["b"].old is again["c"].new is MISSING


def test_a_decoded_snapshot_belongs_to_no_store_and_has_nothing_derived() -> None:
    store = Store(
        {"a": 1},
        indexes={"odd": Index(lambda n: n % 2)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
    )
    codec = Codec(key=str, record=int)
    again = codec.decode_snapshot(codec.encode(store.snapshot()))
    with pytest.raises(UnknownIndexError):
        again.find_all("odd", 1)
    with pytest.raises(ForeignSnapshotError):
        store.draft(again)
    with pytest.raises(ForeignSnapshotError):
        store.snapshot().diff(again)
    for other in (store.snapshot(), pickle.loads(pickle.dumps(again)), {"a": 1}):
        with pytest.raises(ForeignSnapshotError, match="transact"):
            codec.decode_commit(codec.encode(store.set("a", 1)), other)
    assert pickle.loads(pickle.dumps(again)) == again
    assert Store(again).snapshot() == again
    assert not store.replace_all(again).changes


@pytest.mark.parametrize("name", ["enc_hook", "dec_hook"])
def test_a_hook_is_a_function(name: str) -> None:
    async def later(value: object) -> object:
        return value

    for hook in ("x", 0, later):
        how: dict[str, Any] = {name: hook}
        with pytest.raises(ArgumentTypeError, match=f"{name} must be a function"):
            Codec(key=str, record=int, **how)

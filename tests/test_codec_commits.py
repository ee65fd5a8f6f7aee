"""Commits over a wire: whoever receives them has every version, and notices a gap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ChangeSet,
    ChangeSetMismatchError,
    Codec,
    CodecError,
    Index,
    Store,
)
from tests.codecs import is_like, store_through, worlds


@given(worlds())
def test_decoded_commits_lead_to_the_same_versions_and_compose(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    first = here = codec.decode_snapshot(codec.encode(start))
    changes: ChangeSet[Any, Any] = ChangeSet()
    for commit in commits:
        again = codec.decode_commit(codec.encode(commit), here)
        assert again.before is here
        assert again.version == commit.version
        assert is_like(again.after, commit.after)
        changes = changes.then(again.changes)
        assert changes.apply(dict(first)) == dict(commit.after)
        assert set(again.after.diff(here)) == set(again.changes)
        here = again.after
    assert here.diff(first).keys() == changes.keys()


@given(worlds(), st.booleans())
def test_who_follows_from_elsewhere_may_begin_with_nothing_and_take_several_as_one(
    world: Any, latest: bool
) -> None:
    codec, states = world
    start, commits = store_through(states)
    store: Store[Any, Any] = Store(start, meta=start.meta, immutability="trusted")
    feed = store.feed("latest" if latest else "every", initial=True)
    here = None
    while True:
        item = feed.poll()
        if item is None:
            break
        here = codec.decode_commit(codec.encode(item), here).after
        if commits:
            commit = commits.pop(0)
            store.replace_all(commit.after)
            store.set_meta(commit.after.meta)
    assert is_like(here, store.snapshot())


def test_a_commit_says_where_it_started_only_if_that_is_not_the_version_before() -> None:
    codec, store = Codec(key=str, record=int), Store({"a": 1})
    with store.feed("latest", initial=True) as feed:
        first = feed.poll()
        assert codec.encode(store.set("b", 2)) == b'{"version":1,"changes":{"b":{"new":2}}}'
        store.set("a", 3)
        rest = feed.poll()
    assert codec.encode(first) == b'{"version":0,"changes":{"a":{"new":1}},"since":-1}'
    assert b'"since":0' in codec.encode(rest)
    with pytest.raises(ChangeSetMismatchError, match="version -1, but at 0"):
        codec.decode_commit(codec.encode(rest))
    for since in (-2, 2, 5):
        with pytest.raises(CodecError, match="since"):
            codec.decode_commit(b'{"version":2,"changes":{},"since":%d}' % since)


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_version_of_what_is_derived_alone_goes_over_the_wire_as_any_other(form: Any) -> None:
    codec, store = Codec(key=str, record=int, form=form), Store({"a": 1})
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    for commit in (
        store.add_index("odd", Index(lambda n: n % 2)),
        store.set("a", 2),
        store.add_aggregate("sum", Aggregate.sum(lambda n: n)),
        store.remove_index("odd"),
        store.set("a", 2),
        store.set_meta(None),
        store.delete("a"),
    ):
        received = codec.decode_commit(codec.encode(commit), here)
        assert (received.before.version, received.changes) == (here.version, commit.changes)
        here = received.after
        assert is_like(here, commit.after)


def test_a_record_may_be_spelt_in_another_way_where_the_commit_is_read() -> None:
    codec = Codec(key=str, record=Decimal)
    store = Store({"a": Decimal("1.5")})
    data = codec.encode(store.set("a", Decimal(2)))
    spelt = codec.decode_snapshot(b'{"version":0,"meta":null,"records":{"a":"1.50"}}')
    assert codec.decode_commit(data, spelt).after == {"a": Decimal(2)}
    other = codec.decode_snapshot(b'{"version":0,"meta":null,"records":{"a":"1.51"}}')
    with pytest.raises(ChangeSetMismatchError):
        codec.decode_commit(data, other)


@given(worlds())
def test_a_commit_that_was_lost_or_comes_twice_is_noticed(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    here = codec.decode_snapshot(codec.encode(start))
    moved = [commit for commit in commits if commit.version > commit.before.version]
    for commit in moved[1:]:
        with pytest.raises(ChangeSetMismatchError, match="version 0"):
            codec.decode_commit(codec.encode(commit), here)
    for commit in moved[:1]:
        after = codec.decode_commit(codec.encode(commit), here).after
        with pytest.raises(ChangeSetMismatchError, match="version 1"):
            codec.decode_commit(codec.encode(commit), after)


def test_no_record_is_not_a_record_that_is_written_like_it() -> None:
    codec = Codec(key=str, record=str)
    here = codec.decode_snapshot(b'{"version":0,"meta":null,"records":{"b":"MISSING"}}')
    for change in (b'{"a":{"old":"MISSING","new":"x"}}', b'{"b":{"new":"x"}}'):
        with pytest.raises(ChangeSetMismatchError):
            codec.decode_commit(b'{"version":1,"changes":%s}' % change, here)


def test_meta_is_in_a_commit_only_if_it_was_changed() -> None:
    store: Store[str, int] = Store({"a": 1}, meta="m")
    codec = Codec(key=str, record=int, meta=str | None)
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    assert codec.encode(store.set("a", 2)) == b'{"version":1,"changes":{"a":{"old":1,"new":2}}}'
    assert codec.encode(store.set_meta(None)) == b'{"version":2,"changes":{},"meta":null}'
    after = codec.decode_commit(b'{"version":1,"changes":{},"meta":null}', here).after
    assert (after.version, after.meta, dict(after)) == (1, None, {"a": 1})
    nothing = codec.decode_commit(b'{"version":0,"changes":{}}', here)
    assert nothing.after is nothing.before is here


def test_commits_over_a_large_snapshot_share_what_they_do_not_change() -> None:
    codec = Codec(key=int, record=int, form="msgpack")
    store = Store({number: number for number in range(3000)})
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    commit = codec.decode_commit(codec.encode(store.delete(7)), here)
    assert 7 not in commit.after
    assert 7 in here
    assert len(commit.after) == 2999
    assert commit.after.diff(here) == {7: (7, MISSING)}
    back = codec.decode_commit(codec.encode(store.set(7, -7)), commit.after)
    assert back.after == store.snapshot()

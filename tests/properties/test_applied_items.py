"""The items of any follower, applied one after the other to a dict, give the snapshot's dict.

Whichever they are: feeds and subscribers, that begin with what is there or from a snapshot, for
all keys or for some, of each version or of the latest, and over every `Lagged`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import MISSING, Commit, History, Lagged, Snapshot, Store, delivery
from cowstate import items as of_items

KEYS = "abcd"

some_keys = st.none() | st.frozensets(st.sampled_from([*KEYS, "nowhere"]), max_size=3)
writes = st.tuples(
    st.just("write"),
    st.dictionaries(st.sampled_from(KEYS), st.integers(0, 2) | st.none(), max_size=3),
    st.booleans(),
)
opens = st.tuples(
    st.just("open"),
    st.sampled_from(["every", "latest", "writer", "thread"]),
    st.tuples(some_keys, st.booleans()),
)
looks = st.tuples(st.just("look"), st.integers(0, 5), st.integers(1, 3))
flushes = st.tuples(st.just("flush"), st.none(), st.none())
some_opens = st.lists(opens, min_size=3, max_size=6)
programs = st.builds(
    lambda *parts: [step for part in parts for step in part],
    st.lists(writes, max_size=3),
    some_opens,
    st.lists(writes | writes | writes | opens | looks | flushes, min_size=10, max_size=40),
)


class Copy:
    """What a consumer makes of its items that does no more than apply them."""

    def __init__(self, store: Store[str, Any], keys: frozenset[str] | None, initial: bool) -> None:
        self.keys = keys
        self.records: dict[str, Any] = {}
        self.meta: Any = None
        self.version = -1
        if not initial:
            self._begin_again(store.snapshot())

    def apply(self, item: Commit[str, Any] | Lagged[str, Any]) -> None:
        if isinstance(item, Lagged):
            # No more is passed over than it tells.
            assert item.missed_from == self.version + 1 or self.keys is not None
            assert self.version < item.missed_from <= item.snapshot.version
            self._begin_again(item.snapshot)
            return
        assert item.before.version >= self.version
        assert item.before.version == self.version or self.keys is not None
        for key, (old, new) in item.changes.items():
            assert self.keys is None or key in self.keys
            assert self.records.pop(key, MISSING) is old, f"{item} does not follow"
            if new is not MISSING:
                self.records[key] = new
        if item.before.meta is not item.after.meta:
            self.meta = item.after.meta
        self.version = item.version
        self.check(item.after)

    def check(self, snapshot: Snapshot[str, Any]) -> None:
        wanted = self._of(snapshot)
        assert self.records.keys() == wanted.keys()
        assert all(self.records[key] is record for key, record in wanted.items())
        # Of a change of `meta` alone, who gave keys does not hear.
        assert self.keys is not None or self.meta is snapshot.meta

    def _begin_again(self, snapshot: Snapshot[str, Any]) -> None:
        self.records, self.version = self._of(snapshot), snapshot.version
        self.meta = snapshot.meta

    def _of(self, snapshot: Snapshot[str, Any]) -> dict[str, Any]:
        keys = self.keys
        return {key: snapshot[key] for key in snapshot if keys is None or key in keys}


class Followers:
    def __init__(self) -> None:
        self.store: Store[str, Any] = Store(history=History(versions=2))
        self.count = 0
        self.copies: list[Copy] = []
        self.feeds: list[tuple[Any, Copy]] = []
        self.failures: list[BaseException] = []

    def write(self, edit: dict[str, int | None], meta: bool) -> None:
        with self.store.transaction() as tx:
            for key, number in edit.items():
                if number is None:
                    tx.pop(key, None)
                else:  # now and then what was there before
                    tx[key] = NUMBERS[number]
            if meta:
                self.count += 1
                tx.meta = (self.count,)

    def open(self, how: Any, choice: tuple[frozenset[str] | None, bool]) -> None:
        keys, initial = choice
        copy = Copy(self.store, keys, initial)
        if how in ("every", "latest"):
            self.feeds.append((self.store.feed(how, keys=keys, initial=initial), copy))
        else:

            def take(item: Any) -> None:
                try:
                    copy.apply(item)
                except BaseException as failure:
                    self.failures.append(failure)

            self.store.subscribe(take, keys=keys, initial=initial, on_lagged=take, via=how)
        self.copies.append(copy)

    def look(self, which: int, times: int) -> None:
        for feed, copy in self.feeds[which : which + 1]:
            for _ in range(times):
                item = feed.poll()
                if item is not None:
                    copy.apply(item)

    def flush(self, *_: Any) -> None:
        assert self.store.flush(10)

    def end(self) -> None:
        self.flush()
        for feed, copy in self.feeds:
            for item in iter(feed.poll, None):
                copy.apply(item)
        if self.failures:
            raise self.failures[0]
        for copy in self.copies:
            assert copy.version >= 0, "it has not begun"
            copy.check(self.store.snapshot())


NUMBERS = [("zero",), ("one",), ("two",)]


def run(program: list[Any]) -> None:
    followers = Followers()
    for name, *arguments in program:
        getattr(followers, name)(*arguments)
    followers.end()


@pytest.fixture(autouse=True)
def _no_thread_and_a_short_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the store's thread would do is done by `flush`, when the program says so.
    monkeypatch.setattr(delivery, "start_new_thread", lambda *_: None)
    monkeypatch.setattr("cowstate.store.BACKLOG", 2)


@given(programs)
def test_applying_the_items_of_any_follower_gives_the_snapshot(program: list[Any]) -> None:
    run(program)


def _skip_what_is_there(self: Any, current: Any) -> None:
    self._seen = current.version


def _forget_the_rest(commits: list[Any]) -> Any:
    return commits[-1]


def _leave_in_what_others_want(commit: Any, keys: Any) -> Any:
    return commit if any(key in keys for key in commit._delta) else None


BUGS: dict[str, tuple[str, Any]] = {
    "a subscriber begins after what is there": (
        "cowstate.subscribers.Subscription.begin",
        _skip_what_is_there,
    ),
    "the latest is the last commit": ("cowstate.feeds.spanning", _forget_the_rest),
    "a feed does not narrow": ("cowstate.feeds.narrowed", _leave_in_what_others_want),
    "a subscriber's commits are whole": (
        "cowstate.subscribers.narrowed",
        _leave_in_what_others_want,
    ),
    "what begins is empty": ("cowstate.feeds.beginning", lambda now: of_items.Commit(now, now, {})),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_what_followers_are_given_is_found(
    bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*BUGS[bug])
    every_way = [("open", how, (frozenset("ab"), True)) for how in ("every", "writer", "thread")]
    program = [
        ("write", {"a": 0, "c": 0}, True),
        *every_way,
        *[("open", how, (None, True)) for how in ("latest", "writer", "every")],
        *[("look", which, 3) for which in range(3)],
        ("write", {"a": 1}, False),
        ("write", {"b": 1, "c": 1}, True),
    ]
    with pytest.raises(AssertionError):
        run(program)

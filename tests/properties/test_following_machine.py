"""Whoever follows a store or looks back on it, in lockstep with a model that keeps everything.

The model is a list of plain dicts, one a version, and the time of each. Subscribers write, raise,
subscribe and unsubscribe from within their calls; the ring holds three versions, so feeds lag.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cowstate import (
    MISSING,
    ClosedError,
    Commit,
    CompactedError,
    ConflictError,
    History,
    Snapshot,
    Store,
)
from tests.properties.followers import Follower, Reader

KEYS = "abcd"
RING = 3
SECONDS = 10.0

some_keys = st.none() | st.sets(st.sampled_from(KEYS), min_size=1, max_size=2)
deeds = st.sampled_from(["note", "raise", "write", "subscribe", "begin", "leave", "evict"])
on_errors = st.sampled_from(["log", "stop", "handler"])
modes = st.sampled_from(["every", "latest"])
edits = st.dictionaries(st.sampled_from(KEYS), st.booleans(), min_size=1, max_size=3)
State = dict[str, tuple[int]]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


class Following(RuleBasedStateMachine):
    @initialize(
        followers=st.lists(
            st.tuples(some_keys, deeds, on_errors, st.booleans()), min_size=2, max_size=4
        ),
        modes=st.lists(st.tuples(modes, some_keys), min_size=1, max_size=3),
    )
    def begin(self, followers: list[Any], modes: list[Any]) -> None:
        self.now = 100.0
        self.count = 0
        self.store: Store[str, Any] = Store(
            history=History(versions=RING, seconds=SECONDS, clock=lambda: self.now)
        )
        self.states: list[State] = [{}]
        self.metas: list[Any] = [None]
        self.times = [self.now]
        # The last version whose commit is not in the ring any more.
        self.expired = 0
        self.commits: list[Commit[str, Any]] = []
        self.snapshots: list[Snapshot[str, Any]] = [self.store.snapshot()]
        self.store.subscribe(lambda commit: self.snapshots.append(commit.after))
        self.delivered: list[int] = []
        # Up to which version all were called, when the callback that writes was.
        self.position = 0
        self.failures: list[AssertionError] = []
        self.calling = False
        self.followers: list[Follower] = []
        for follower in followers:
            self.followers.append(Follower(self, *follower))
        self.readers = [Reader(self, mode, keys, since=0) for mode, keys in modes]
        self.pins: list[Any] = []

    # The model

    def new(self) -> tuple[int]:
        self.count += 1
        self.fresh = (self.count,)
        return self.fresh

    def changed(self, older: int, newer: int) -> set[str]:
        a, b = self.states[older], self.states[newer]
        return {key for key in a.keys() | b.keys() if a.get(key) is not b.get(key)}

    def difference(self, older: int, newer: int, keys: set[str] | None) -> dict[str, Any]:
        a, b = self.states[older], self.states[newer]
        return {
            key: (a.get(key, MISSING), b.get(key, MISSING))
            for key in self.changed(older, newer)
            if keys is None or key in keys
        }

    def retained(self, version: int) -> bool:
        following = version + 1
        return following == len(self.states) or (
            following > max(self.expired, len(self.states) - 1 - RING)
            and self.now - self.times[following] <= SECONDS
        )

    def expire(self) -> None:
        """Drop what is beyond the bounds, now that a version has come, but what is to be delivered.

        What a callback writes comes while the commit that it was given is still being delivered.
        """
        version = len(self.states) - 1
        delivered = self.position if self.calling else version - 1
        while self.expired < delivered:
            candidate = self.expired + 1
            if candidate > version - RING and self.now - self.times[candidate] <= SECONDS:
                break
            self.expired = candidate

    def write(self, call: Any, edit: dict[str, Any], meta: Any = ...) -> None:
        """Have the model commit *edit*, then the store, whose subscribers may write again."""
        old = self.states[-1]
        state = {key: new for key, new in {**old, **edit}.items() if new is not MISSING}
        meta = self.metas[-1] if meta is ... else meta
        same = meta is self.metas[-1] and state.keys() == old.keys()
        if same and all(state[key] is old[key] for key in state):
            version = len(self.states) - 1
        else:
            version = len(self.states)
            self.states.append(state)
            self.metas.append(meta)
            self.times.append(self.now)
            self.expire()
        commit = call()
        assert commit.version == version
        self.commits.append(commit)

    # Writing

    @rule(key=st.sampled_from(KEYS))
    def set(self, key: str) -> None:
        new = self.new()
        self.write(lambda: self.store.set(key, new), {key: new})

    @rule(edit=edits, meta=st.booleans())
    def transact(self, edit: dict[str, bool], meta: bool) -> None:
        changes = {key: self.new() if present else MISSING for key, present in edit.items()}
        new_meta = self.new() if meta else self.metas[-1]

        def transaction() -> Commit[str, Any]:
            with self.store.transaction() as tx:
                for key, new in changes.items():
                    if new is MISSING:
                        tx.pop(key, None)
                    else:
                        tx[key] = new
                tx.meta = new_meta
            return tx.result

        self.write(transaction, changes, new_meta)

    @precondition(lambda self: self.states[-1])
    @rule(data=st.data())
    def write_the_same_again(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.states[-1])))
        self.write(lambda: self.store.update(key, lambda record: record), {})

    @precondition(lambda self: self.commits)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        commit = data.draw(st.sampled_from(self.commits[-4:]))
        before, after = self.states[commit.before.version], self.states[commit.version]
        now = self.states[-1]
        touched = self.changed(commit.before.version, commit.version)
        metas = self.metas[commit.before.version], self.metas[commit.version]
        torn = {key for key in touched if now.get(key) is not after.get(key)}
        if torn or (metas[0] is not metas[1] and self.metas[-1] is not metas[1]):
            with pytest.raises(ConflictError) as caught:
                self.store.undo(commit)
            assert {*caught.value.keys} == torn
            return
        edit = {key: before.get(key, MISSING) for key in touched}
        self.write(
            lambda: self.store.undo(commit), edit, metas[0] if metas[0] is not metas[1] else ...
        )

    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        version = data.draw(st.integers(0, len(self.states) - 1))
        state = self.states[version]
        edit = {key: state.get(key, MISSING) for key in KEYS}
        target = self.snapshots[version]
        self.write(lambda: self.store.revert(target), edit, self.metas[version])

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]), key=st.none() | st.sampled_from(KEYS))
    def time_passes(self, seconds: float, key: str | None) -> None:
        self.now += seconds
        if key is not None:
            self.set(key)

    # Following

    @precondition(lambda self: len(self.followers) < 6)
    @rule(keys=some_keys, deed=deeds, on_error=on_errors, initial=st.booleans())
    def subscribe(self, keys: set[str] | None, deed: str, on_error: str, initial: bool) -> None:
        self.followers.append(Follower(self, keys, deed, on_error, initial))

    @precondition(lambda self: self.followers)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        follower = data.draw(st.sampled_from(range(len(self.followers))))
        self.followers[follower].subscription.close()
        self.followers.pop(follower).check()

    @precondition(lambda self: len(self.readers) < 4)
    @rule(mode=modes, keys=some_keys, data=st.data())
    def follow(self, mode: str, keys: set[str] | None, data: st.DataObject) -> None:
        since = data.draw(st.integers(max(0, len(self.states) - 5), len(self.states) - 1))
        self.readers.append(Reader(self, mode, keys, since))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), times=st.integers(1, 4))
    def poll(self, data: st.DataObject, times: int) -> None:
        for reader in data.draw(st.sampled_from([self.readers, self.readers[-1:]])):
            for _ in range(times):
                reader.poll()

    @precondition(lambda self: self.readers)
    @rule()
    def stop_following(self) -> None:
        reader = self.readers.pop(0)
        reader.feed.close()
        assert reader.feed.poll() is None
        with pytest.raises(ClosedError):
            reader.feed.get()

    # The past

    @rule(data=st.data())
    def pin(self, data: st.DataObject) -> None:
        version = data.draw(st.integers(0, len(self.states) - 1))
        if self.retained(version) or version in {pin.version for pin in self.pins}:
            self.pins.append(self.store.pin(version, why="because"))
        else:
            with pytest.raises(CompactedError):
                self.store.pin(version)

    @precondition(lambda self: self.pins)
    @rule()
    def unpin(self) -> None:
        pin = self.pins.pop(0)
        self.store.unpin(pin)
        with pytest.raises(ClosedError):
            self.store.unpin(pin)

    @rule(data=st.data())
    def diff(self, data: st.DataObject) -> None:
        versions = st.integers(0, len(self.states) - 1)
        older, newer = data.draw(versions), data.draw(versions)
        changes = self.snapshots[newer].diff(self.snapshots[older])
        assert dict(changes) == self.difference(older, newer, None)

    # What always holds, between writes

    @invariant()
    def every_follower_has_seen_all_it_should(self) -> None:
        assert not self.failures
        for follower in self.followers:
            follower.check()
        assert self.delivered == sorted(self.delivered), "somebody was ahead of the others"
        assert [s.version for s in self.snapshots] == list(range(len(self.states)))
        assert not self.store.statistics().undelivered

    @invariant()
    def each_version_is_as_it_was_or_compacted(self) -> None:
        oldest = len(self.states) - 1
        while oldest and self.retained(oldest - 1):
            oldest -= 1
        pinned = {pin.version for pin in self.pins}
        for version, state in enumerate(self.states):
            if self.retained(version) or version in pinned:
                snapshot = self.store.at(version)
                assert snapshot.version == version
                assert dict(snapshot) == state
                assert snapshot.meta is self.metas[version]
            else:
                with pytest.raises(CompactedError) as caught:
                    self.store.at(version)
                assert (caught.value.version, caught.value.oldest) == (version, oldest)
        figures = self.store.statistics()
        assert (figures.oldest, figures.retained) == (oldest, len(self.states) - 1 - oldest)
        assert sorted(figures.pinned) == sorted((pin.version, "because") for pin in self.pins)


def test_whoever_follows_a_store_sees_what_a_model_that_keeps_everything_says() -> None:
    run_state_machine_as_test(Following, settings=settings(stateful_step_count=40))  # type: ignore[no-untyped-call]

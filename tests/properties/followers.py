"""Who follows the store of a machine, and knows from its model what comes: callbacks and feeds.

The machine has the store, and of each version the state, in lists; see `Following`.
"""

from __future__ import annotations

from typing import Any

from cowstate import MISSING, ChangeSet, Commit, Lagged
from cowstate.writelock import is_writing


class Follower:
    """A subscriber that remembers what it was given, and does its deed a few times."""

    subscription: Any = None
    """None until `subscribe` has returned: what is there may come before."""

    def __init__(
        self, machine: Any, keys: set[str] | None, deed: str, on_error: str, initial: bool
    ) -> None:
        self.machine, self.keys, self.deed, self.on_error = machine, keys, deed, on_error
        self.seen: list[int] = []
        self.handled: list[int] = []
        self.deeds_left = 2
        self.began = None if initial else len(machine.states) - 1
        # In one step: it begins exactly at the version that it says it does.
        since = len(machine.states) - 1
        self.subscription = machine.store.subscribe(
            self,
            keys=keys,
            on_error=self.handle if on_error == "handler" else on_error,  # type: ignore[arg-type]
            initial=initial,
        )
        assert self.subscription.since == since
        # At once, but where a callback subscribes.
        assert self.began is not None or machine.calling or self.closed

    @property
    def closed(self) -> bool:
        return self.subscription is not None and self.subscription.closed

    def handle(self, error: Exception, commit: Commit[str, Any]) -> None:
        self.handled.append(commit.version)
        raise ZeroDivisionError("a handler that fails as well")

    def __call__(self, commit: Commit[str, Any]) -> None:
        # What is raised here is logged and forgotten, failures of this test among it.
        try:
            self.look(commit)
        except AssertionError as failure:
            self.machine.failures.append(failure)
        if self.deeds_left > 0:
            self.deeds_left -= 1
            self.act()

    def look(self, commit: Commit[str, Any]) -> None:
        machine = self.machine
        assert not is_writing(), "called inside a write"
        assert not self.closed, "called after its end"
        assert not machine.calling, "called before another call had returned"
        assert dict(commit.after) == machine.states[commit.version]
        if self.began is None:
            self.begin(commit)
        else:
            assert commit.before.version + 1 == commit.version
            changes = machine.difference(commit.version - 1, commit.version, self.keys)
            assert dict(commit.changes) == changes
            machine.position = commit.version - 1
            machine.delivered.append(commit.version)
        self.seen.append(commit.version)

    def begin(self, commit: Commit[str, Any]) -> None:
        machine = self.machine
        assert (commit.before.version, dict(commit.before)) == (-1, {})
        assert commit.version == len(machine.states) - 1, "it begins with what was"
        there = {key: (MISSING, new) for key, new in machine.states[-1].items()}
        keys = there.keys() if self.keys is None else there.keys() & self.keys
        assert dict(commit.changes) == {key: there[key] for key in keys}
        machine.position = len(machine.snapshots) - 1
        self.began = commit.version

    def act(self) -> None:
        machine = self.machine
        machine.calling = True
        try:
            if self.deed == "raise":
                raise ValueError("a subscriber that fails")
            if self.deed == "write":
                machine.write(lambda: machine.store.set("a", machine.fresh), {"a": machine.new()})
            if self.deed == "subscribe":
                machine.followers.append(Follower(machine, None, "note", "log", False))
            if self.deed == "begin":
                machine.followers.append(Follower(machine, None, "note", "log", True))
            if self.deed == "leave" and self.subscription is not None:
                self.subscription.close()
            if self.deed == "evict" and machine.followers:
                machine.followers[-1].subscription.close()
        finally:
            machine.calling = False

    def due(self) -> list[int]:
        if self.began is None:
            return []
        first = [self.began] if self.seen[:1] == [self.began] else []
        return first + [
            version
            for version in range(self.began + 1, len(self.machine.states))
            if self.keys is None or self.machine.changed(version - 1, version) & self.keys
        ]

    def check(self) -> None:
        due = self.due()
        if not self.closed:
            assert self.began is not None, "it has not begun"
            assert self.seen == due
        assert self.seen == due[: len(self.seen)]
        if self.deed == "raise":
            raised = self.seen[:2]
            assert self.handled == (raised if self.on_error == "handler" else [])
            assert self.closed or self.on_error != "stop" or not raised


class Reader:
    """A feed, where it should be, and what it has yielded since it last began."""

    def __init__(self, machine: Any, mode: Any, keys: set[str] | None, since: int) -> None:
        self.machine, self.mode, self.keys = machine, mode, keys
        self.start = self.at = since
        self.feed = machine.store.feed(mode, keys=keys, since=since)
        self.composed: ChangeSet[str, Any] = ChangeSet()

    def poll(self) -> None:
        expected = self._expected()
        item = self.feed.poll()
        assert self.feed.version == self.at
        if expected is None:
            assert item is None
        elif isinstance(expected, int):
            assert isinstance(item, Lagged)
            assert item.missed_from == expected
            assert dict(item.snapshot) == self.machine.states[-1]
            self.start, self.composed = self.at, ChangeSet()
        else:
            assert isinstance(item, Commit)
            assert dict(item.changes) == expected
            self.composed = self.composed.then(item.changes)
        assert dict(self.composed) == self.machine.difference(self.start, self.at, self.keys)

    def _expected(self) -> dict[str, Any] | int | None:
        machine, last = self.machine, len(self.machine.states) - 1
        while self.at < last:
            upto = last if self.mode == "latest" else self.at + 1
            if self.at + 1 <= machine.expired:
                missed_from, self.at = self.at + 1, last
                return missed_from
            changes = machine.difference(self.at, upto, self.keys)
            self.at = upto
            if self.keys is None or changes:
                return changes
        return None

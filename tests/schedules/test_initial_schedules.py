"""Every schedule of who begins with what is there, beside writers and others who deliver.

Each program applies what its followers are given, and at the end that is what the store holds:
nothing is missed between what is there and what comes, and nothing comes twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from cowstate import Commit
from cowstate.delivery import Delivery
from cowstate.errors import ScheduleError
from cowstate.feeds import Feed
from cowstate.groups import Group
from cowstate.items import beginning
from cowstate.subscribers import Subscription
from cowstate.testing.schedules import Exploration, Program, explore
from tests.schedules import exploring
from tests.schedules.exploring import Explored

# Where a follower and one writer meet, the lock of the turn included. Who meets another writer
# waits for the lock of the store as well, of which more modules know.
MEETING = [f"cowstate.{name}" for name in ("locks", "members", "subscribers", "groups", "feeds")]


def exhaust(program: Program, preemptions: int = 1) -> Exploration:
    return exploring.exhaust(program, preemptions, [sys.modules[__name__]])


def exhaust_meeting(program: Program, preemptions: int = 2) -> Exploration:
    modules = [*MEETING, sys.modules[__name__]]
    result = explore(program, modules=modules, preemptions=preemptions, reduction=False)
    assert result.complete
    print(f"{result.schedules} schedules, outcomes {result.outcomes}")
    return result


def bump(n: int) -> int:
    return n + 1


class Copy:
    """A dict to which the changes of each commit are applied, and where it began."""

    def __init__(self) -> None:
        self.records: dict[str, int] = {}
        self.versions: list[int] = []
        self.busy = False

    def apply(self, commit: Commit[str, int]) -> None:
        assert not self.busy, "called while it is called"
        self.busy = True
        if self.versions:
            assert commit.before.version == self.versions[-1], f"{self.versions}, then {commit}"
        else:
            assert commit.before.version == -1
        for key, (_, new) in commit.changes.items():
            self.records[key] = new  # type: ignore[assignment]
        self.versions.append(commit.version)
        self.busy = False

    def check(self, store: Explored) -> int:
        store.served()
        assert self.records == dict(store.snapshot())
        assert self.versions[-1] == store.snapshot().version
        return self.versions[0]


def subscribe_beside_a_writer(via: Any = "writer", others: int = 0) -> Program:
    def program() -> Any:
        store, copy = Explored({"n": 0}), Copy()
        for _ in range(others):
            store.subscribe(lambda commit: None)

        def subscriber() -> None:
            store.subscribe(copy.apply, initial=True, via=via)

        def writer() -> None:
            store.update("n", bump)
            store.update("n", bump)

        return [subscriber, writer], lambda: copy.check(store)

    return program


def subscribe_beside_two_writers() -> Any:
    store, copy = Explored({"n": 0}), Copy()

    def subscriber() -> None:
        store.subscribe(copy.apply, initial=True)

    def writer() -> None:
        store.update("n", bump)

    return [subscriber, writer, writer], lambda: copy.check(store)


def subscribe_beside_a_writer_whose_commit_leads_to_another() -> Any:
    store, copy = Explored({"n": 0}), Copy()
    handles: list[Subscription[str, int]] = []

    def once(commit: Commit[str, int]) -> None:
        if commit.version == 1:
            store.update("n", bump)

    store.subscribe(once)

    def subscriber() -> None:
        handles.append(store.subscribe(copy.apply, initial=True))

    def writer() -> None:
        store.update("n", bump)

    def check() -> int:
        begun = copy.check(store)
        assert begun >= handles[0].since, f"given what was there at {begun}"
        return begun

    return [subscriber, writer], check


def two_subscribe_beside_a_writer() -> Any:
    store, copies = Explored({"n": 0}), [Copy(), Copy()]

    def subscriber(copy: Copy) -> Callable[[], None]:
        def subscribe() -> None:
            store.subscribe(copy.apply, initial=True)

        return subscribe

    def writer() -> None:
        store.update("n", bump)

    def check() -> Any:
        return tuple(copy.check(store) for copy in copies)

    return [*map(subscriber, copies), writer], check


def subscribe_inside_a_callback_beside_a_writer() -> Any:
    store, copy = Explored({"n": 0}), Copy()

    def once(commit: Commit[str, int]) -> None:
        if commit.version == 1:
            store.subscribe(copy.apply, initial=True)

    store.subscribe(once)

    def writer() -> None:
        store.update("n", bump)

    return [writer, writer], lambda: copy.check(store)


def subscribe_inside_a_block_beside_a_writer() -> Any:
    store, copy = Explored({"n": 0}), Copy()

    def subscriber() -> None:
        with store.transaction() as tx:
            store.subscribe(copy.apply, initial=True)
            tx["n"] += 1
            assert not copy.versions, "called inside a write"

    def writer() -> None:
        store.update("n", bump)

    return [subscriber, writer], lambda: copy.check(store)


def close_before_it_has_begun() -> Any:
    store, copy = Explored({"n": 0}), Copy()
    with store.transaction():
        handle = store.subscribe(copy.apply, initial=True, via="thread")

    def check() -> Any:
        store.served()
        assert store.statistics().undelivered == 0
        assert copy.versions in ([], [0], [0, 1], [1])
        return tuple(copy.versions)

    return [handle.close, lambda: store.update("n", bump), store.served], check


def a_feed_beside_a_writer(takers: int = 1) -> Program:
    def program() -> Any:
        store, copy = Explored({"n": 0}), Copy()
        feed = store.feed(initial=True)
        taken: list[Commit[str, int]] = []

        def take() -> None:
            item = feed.poll()
            if isinstance(item, Commit):
                taken.append(item)

        def writer() -> None:
            store.update("n", bump)
            store.update("n", bump)

        def check() -> Any:
            taken.extend(item for item in iter(feed.poll, None) if isinstance(item, Commit))
            for item in sorted(taken, key=lambda item: item.version):
                copy.apply(item)
            return copy.check(store)

        return [*[take] * takers, writer], check

    return program


def test_a_subscriber_begins_at_any_version_and_misses_and_doubles_nothing() -> None:
    assert set(exhaust_meeting(subscribe_beside_a_writer()).outcomes) == {0, 1, 2}
    assert set(exhaust(subscribe_beside_a_writer()).outcomes) == {0, 1, 2}


def test_so_it_does_where_others_listen() -> None:
    assert set(exhaust(subscribe_beside_a_writer(others=1)).outcomes) == {0, 1, 2}


def test_so_it_does_by_the_store_s_thread() -> None:
    # Which does its work here when all else is done.
    assert set(exhaust(subscribe_beside_a_writer(via="thread")).outcomes) == {2}


def test_so_it_does_beside_two_writers() -> None:
    assert set(exhaust(subscribe_beside_two_writers).outcomes) == {0, 1, 2}


def test_it_begins_no_earlier_than_it_says() -> None:
    # Whoever delivers finds it before it has begun, and goes on when it has, later.
    program = subscribe_beside_a_writer_whose_commit_leads_to_another
    assert set(exhaust_meeting(program).outcomes) == {0, 1, 2}


def test_so_do_two_at_once() -> None:
    outcomes = set(exhaust_meeting(two_subscribe_beside_a_writer, 1).outcomes)
    assert outcomes == {(a, b) for a in (0, 1) for b in (0, 1)}


def test_so_it_does_inside_a_callback() -> None:
    assert set(exhaust(subscribe_inside_a_callback_beside_a_writer).outcomes) == {1, 2}


def test_so_it_does_inside_a_block_after_whose_end_it_is_called() -> None:
    assert set(exhaust(subscribe_inside_a_block_beside_a_writer).outcomes) == {1, 2}


def test_who_is_closed_is_called_no_more_and_owed_nothing() -> None:
    assert set(exhaust(close_before_it_has_begun).outcomes) == {(), (0,), (1,), (0, 1)}


@pytest.mark.parametrize("takers", [1, 2])
def test_a_feed_begins_at_any_version_and_misses_and_doubles_nothing(takers: int) -> None:
    outcomes = set(exhaust_meeting(a_feed_beside_a_writer(takers), 3 - takers).outcomes)
    assert outcomes == {0, 1, 2}


# The same programs with a bug in the store


def begins_as_of_its_call(delivery: Any, member: Any, group: Any) -> None:
    """Without the turn, so beside whoever delivers at that moment."""
    member.begin(delivery._timeline.current)
    group.beginners.pop(member.number, None)


def looks_no_more_for_who_begins(group: Any, most: int, seconds: float = 0.0) -> bool:
    if group.position < group.timeline.current.version or group.beginners:
        group._turn.attempt(seconds, group._drain, most)
    return False


def begins_and_notes_no_version(member: Any, version: int) -> int:
    """So it is admitted later, and nothing from before that counts as owed."""
    return version if member.begins else Subscription._right(member, version)  # type: ignore[attr-defined, no-any-return]


def marks_the_version_that_it_subscribed_at(member: Any, current: Any) -> Any:
    if not member.begins:
        return None
    error = member.offer(beginning(current), current)
    member._seen = member.since
    return error


def begins_with_what_was_there_when_it_subscribed(member: Any, current: Any) -> Any:
    """And has had what came since."""
    if not member.begins:
        return None
    then = member.group().timeline.at(member.since)
    member._seen = current.version
    member._callback(beginning(then))
    return None


def reads_the_version_before_the_records(feed: Any, after: int) -> Any:
    if after >= 0:
        return Feed._right(feed, after)  # type: ignore[attr-defined]
    version = feed.source.timeline.current.version
    return beginning(feed.source.timeline.current), version


beside_a_writer = subscribe_beside_a_writer()
BUGS: list[tuple[Any, str, Callable[..., Any], Program]] = [
    (Delivery, "begin", begins_as_of_its_call, beside_a_writer),
    (Group, "deliver", looks_no_more_for_who_begins, two_subscribe_beside_a_writer),
    (Subscription, "begin", marks_the_version_that_it_subscribed_at, beside_a_writer),
    (Subscription, "begin", begins_with_what_was_there_when_it_subscribed, beside_a_writer),
    (Subscription, "fix", begins_and_notes_no_version, beside_a_writer),
    (Feed, "_next_item", reads_the_version_before_the_records, a_feed_beside_a_writer()),
]


@pytest.mark.parametrize(
    ("place", "name", "wrong", "program"), BUGS, ids=[wrong.__name__ for _, _, wrong, _ in BUGS]
)
def test_a_bug_put_into_the_store_is_found(
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    wrong: Callable[..., Any],
    program: Program,
) -> None:
    monkeypatch.setattr(place, "_right", getattr(place, name), raising=False)
    monkeypatch.setattr(place, name, wrong)
    with pytest.raises(ScheduleError) as caught:
        if program is two_subscribe_beside_a_writer:  # who meet at the turn, a lock
            exhaust(program)
        exhaust_meeting(program)
    assert isinstance(caught.value.error, AssertionError | IndexError), caught.value

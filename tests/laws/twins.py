"""Stores with one bug each. Each stands before a real store, so knows nothing of its insides."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, RLock
from typing import Any, ClassVar

from cowstate import Commit, Pin, ReentrantWriteError, Statistics, Store, Subscription

AnyCommit = Commit[Any, Any]


class Stand:
    """What the twins have in common: what they do not do themselves, the real store does."""

    bug: ClassVar[str]

    def __init__(self, *args: Any, **choices: Any) -> None:
        self.real: Store[Any, Any] = Store(*args, **choices)
        self.gate = RLock()
        self.owns_gate: Callable[[], bool] = self.gate._is_owned  # type: ignore[attr-defined]
        self.begin()

    def begin(self) -> None:
        """Whatever else a twin has."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class HasNoBug(Stand):
    """It holds a lock as one should be held: given back before another exception can come."""

    def begin(self) -> None:
        self.give_back = iter(self.gate.release, 0)

    def set(self, key: Any, record: Any) -> AnyCommit:
        if self.owns_gate():
            raise ReentrantWriteError
        try:
            self.gate.acquire()
            commit = self.real.set(key, record)
            self.gate.release()
        except BaseException:
            try:
                for _ in self.give_back:
                    break
            except RuntimeError:
                pass
            raise
        return commit


class UpdatesOneByOne(Stand):
    def update_all(self, keys: Any, fn: Any) -> Any:
        commit = None
        for key in dict.fromkeys(keys):
            commit = self.real.update(key, fn)
        return commit


class ReplacesInTwoSteps(Stand):
    def replace_all(self, records: Any) -> Any:
        self.real.transact(lambda tx: tx.update(records))
        return self.real.replace_all(records)


class KeepsAFlag(Stand):
    def begin(self) -> None:
        self.writing = False

    def set(self, key: Any, record: Any) -> AnyCommit:
        if self.writing:
            raise ReentrantWriteError
        self.writing = True
        commit = self.real.set(key, record)
        self.writing = False
        return commit


class GivesTheLockBackByHand(Stand):
    def set(self, key: Any, record: Any) -> AnyCommit:
        self.gate.acquire()
        commit = self.real.set(key, record)
        self.gate.release()
        return commit


class OnlyAWith(Stand):
    """On CPython 3.14 an exception may come between ``__enter__`` and the block."""

    def set(self, key: Any, record: Any) -> AnyCommit:
        with self.gate:
            return self.real.set(key, record)


class LooksBeforeItGivesBack(Stand):
    """A second exception may come after the look, and before the lock is given back."""

    def set(self, key: Any, record: Any) -> AnyCommit:
        try:
            self.gate.acquire()
            commit = self.real.set(key, record)
            self.gate.release()
        except BaseException:
            if self.owns_gate():
                self.gate.release()
            raise
        return commit


class GetsUpByACall(Stand):
    """A second exception may come as the call begins, and the sleeper is counted for ever."""

    def begin(self) -> None:
        self.asleep = 0

    def wait_for(self, *args: Any, **choices: Any) -> Any:
        self.asleep += 1
        try:
            found = self.real.wait_for(*args, **choices)
        except BaseException:
            self.get_up()
            raise
        self.asleep -= 1
        return found

    def get_up(self) -> None:
        self.asleep -= 1

    def statistics(self) -> Statistics:
        return self.real.statistics().replace(waiting=self.asleep)


class Swallows(Stand):
    def delete(self, key: Any) -> AnyCommit | None:
        try:
            return self.real.delete(key)
        except BaseException:
            return None


class WritesWhenItFails(Stand):
    def set(self, key: Any, record: Any) -> AnyCommit:
        try:
            return self.real.set(key, record)
        except KeyboardInterrupt:
            self.real.set("why", record.replace(order_id=None))
            raise


class ReturnsWhatItDidNotDo(Stand):
    """What it returns never was a version of the store."""

    def delete(self, key: Any) -> AnyCommit:
        commit = self.real.delete(key)
        other = Store(dict(commit.before))
        other.set("made up", None)
        return other.delete("made up")


class RebuildsItsMembers(Stand):
    def begin(self) -> None:
        self.members: tuple[Subscription[Any, Any], ...] = ()

    def subscribe(self, callback: Any, **choices: Any) -> Subscription[Any, Any]:
        member = self.real.subscribe(callback, **choices)
        self.members = (*self.members, member)
        return member

    def statistics(self) -> Statistics:
        still = sum(not member.closed for member in self.members)
        return self.real.statistics().replace(subscriptions=still)


class RebuildsItsPins(Stand):
    def begin(self) -> None:
        self.pins: tuple[Pin[Any, Any], ...] = ()

    def pin(self, *args: Any, **choices: Any) -> Pin[Any, Any]:
        pin = self.real.pin(*args, **choices)
        self.pins = (*self.pins, pin)
        return pin

    def statistics(self) -> Statistics:
        figures = self.real.statistics()
        ours = [(pin.version, pin.why) for pin in self.pins]
        return figures.replace(pinned=tuple(pin for pin in figures.pinned if pin in ours))


class Deliverer(Stand):
    """Hands commits over itself; those that it owes, with the next one."""

    def begin(self) -> None:
        self.written: list[AnyCommit] = []
        self.followers: list[dict[str, Any]] = []

    def subscribe(self, callback: Any, **choices: Any) -> Any:
        handle = self.real.subscribe(lambda commit: None, **choices)
        if choices.get("keys") is None:
            self.followers.append({"callback": callback, "seen": handle.since})
        else:
            handle.close()
            handle = self.real.subscribe(callback, **choices)
        return handle

    def set(self, key: Any, record: Any) -> AnyCommit:
        commit = self.real.set(key, record)
        self.deliver()
        return commit

    def delete(self, key: Any) -> AnyCommit:
        commit = self.real.delete(key)
        self.deliver()
        return commit

    def deliver(self) -> None:
        with self.real.feed(since=0) as feed:
            version = 0
            while feed.poll() is not None:
                version += 1
                commit = Published(self.real.at(version))
                for follower in self.followers:
                    if follower["seen"] < version:
                        self.hand_over(follower, commit)

    def hand_over(self, follower: dict[str, Any], commit: Any) -> None:
        raise NotImplementedError


class ReadsAndThenSubscribes(Stand):
    """What is there, and then what comes: what comes between the two is missed."""

    def subscribe(self, callback: Any, **choices: Any) -> Any:
        if choices.pop("initial", False):
            callback(self.real.feed(initial=True, keys=choices.get("keys")).poll())
            self.nothing_much()
        return self.real.subscribe(callback, **choices)

    def nothing_much(self) -> None:
        pass


class Published:
    """As much of a commit as the laws look at."""

    def __init__(self, after: Any) -> None:
        self.after = after
        self.version = after.version


class HandsOverBeforeItMarks(Deliverer):
    def hand_over(self, follower: dict[str, Any], commit: Any) -> None:
        follower["callback"](commit)
        follower["seen"] = commit.version


class MarksLongBeforeItHandsOver(Deliverer):
    def hand_over(self, follower: dict[str, Any], commit: Any) -> None:
        follower["seen"] = commit.version
        self.nothing_much()
        follower["callback"](commit)

    def nothing_much(self) -> None:
        pass


class TakesAndThenCounts(Stand):
    """An item that was taken is lost where an exception comes before it is returned."""

    def feed(self, *args: Any, **choices: Any) -> Any:
        return CountingFeed(self.real.feed(*args, **choices))


class CountingFeed:
    def __init__(self, real: Any) -> None:
        self.real = real
        self.taken = 0

    def poll(self) -> Any:
        item = self.real.poll()
        self.count()
        return item

    def count(self) -> None:
        self.taken += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.real.close()


class HoldsALockToLook(Stand):
    """One that the same thread cannot take twice: called inside itself it waits for ever."""

    def begin(self) -> None:
        self.looking = Lock()

    def statistics(self) -> Statistics:
        with self.looking:
            return self.real.statistics()


class RefusesToPinInsideAWrite(Stand):
    def set(self, key: Any, record: Any) -> AnyCommit:
        with self.gate:
            return self.real.set(key, record)

    def pin(self, *args: Any, **choices: Any) -> Pin[Any, Any]:
        if self.owns_gate():
            raise ReentrantWriteError
        return self.real.pin(*args, **choices)


class FailsWithAnothersError(Stand):
    def begin(self) -> None:
        self.busy = False

    def statistics(self) -> Statistics:
        if self.busy:
            raise RuntimeError("dictionary changed size during iteration")
        self.busy = True
        try:
            return self.real.statistics()
        finally:
            self.busy = False

"""A store with everything on it, for one run of an operation, and the laws that hold of it after.

What an operation did and was given is noted in its `Hand`, each time in one straight line after
the call (``hand.commits[0] = store.set(...)``): no exception can come in between, so whatever
was returned is known, and what is missing here was lost by the store, not by us.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from cowstate import MISSING, Aggregate, Index, Store
from tests.laws.hands import AnyChanges, AnyCommit, AnyStore, Hand, Kept, Listener, Slot
from tests.standing import Bystander, changes_of, check_derived, check_history


def _never_negative(snapshot: Any, changes: Any) -> bool:
    return bool(snapshot.total("quantity") >= 0)


INDEXES: dict[str, Index[Slot]] = {
    "order_id": Index(lambda slot: slot.order_id, unique=True),
    "quantity": Index(attrgetter("quantity"), ordered=True),
}
AGGREGATES: dict[str, Aggregate[Slot, Any]] = {
    "quantity": Aggregate.sum(lambda slot: slot.quantity),
    "least": Aggregate.min(attrgetter("quantity"), by=attrgetter("order_id")),
}
START = {
    "a": Slot(1, 5),
    "b": Slot(2, 7),
    "c": Slot(None, 1),
    "p": Slot(11, 5),
    "q": Slot(12, 7),
    "r": Slot(None, 1),
}
WATCHED = ("a", "p")
"""The keys that the keyed subscriber and the keyed feed are for."""

Make = Callable[..., Any]
"""`Store`, or what can stand for it."""

_bystander = Bystander()


def make_store(make: Make = Store) -> AnyStore:
    store: AnyStore = make(
        START,
        indexes=INDEXES,
        aggregates=AGGREGATES,
        invariants={"never negative": _never_negative},
    )
    return store


class World:
    """The store, another one beside it, and everybody who was there before the operation."""

    def __init__(self, make: Make = Store) -> None:
        self.store = make_store(make)
        self.other: AnyStore = make({"there": 0})
        self.all = Listener()
        self.some = Listener(WATCHED)
        for listener in (self.all, self.some):
            listener.handle = self.store.subscribe(listener.callback, keys=listener.keys)
        self.elsewhere = Listener()
        self.elsewhere.handle = self.other.subscribe(self.elsewhere.callback)
        self.feed = self.store.feed(since=0)
        self.keyed_feed = self.store.feed(keys=WATCHED, since=0)
        self.pin = self.store.pin(why="the world's")
        # So that there is something in the feeds, and to look back upon.
        self.made: list[AnyCommit | None] = [
            self.store.set("a", Slot(3, 2)),
            self.store.set("p", Slot(13, 2)),
        ]
        self.made_elsewhere: list[AnyCommit | None] = []
        self.base = self.store.snapshot()
        self.outer = Hand("a", "b", "c", "d", 100)
        self.inner = Hand("p", "q", "r", "s", 200)
        self.probes = 0

    @property
    def hands(self) -> tuple[Hand, Hand]:
        return self.outer, self.inner

    def write_at_once(self) -> None:
        """Another thread can write, and so can this one, to either store."""
        for hand in self.hands:
            hand.end_holders()
        self.probes += 1
        record = Slot(1000 + self.probes, 1)
        number = self.probes

        def theirs() -> None:
            self.made.append(self.store.set("probe", record))
            self.made_elsewhere.append(self.other.set("probe", number))

        _bystander.do(theirs)
        self.made.append(self.store.delete("probe"))
        self.made_elsewhere.append(self.other.delete("probe"))

    def write_beside(self) -> None:
        """This thread can write to the other store."""
        self.probes += 1
        self.made_elsewhere.append(self.other.set("probe", self.probes))

    def leave(self) -> None:
        """Leave nothing behind: no loop, no thread that sleeps, and no store.

        A store that only the collector can free would be one more that the next world's has to
        look at, when it asks whether a thread is writing to any, and so move its points.
        """
        for hand in self.hands:
            hand.end_holders()
            hand.end_loop()
            hand.more()
            vars(hand).clear()
        vars(self).clear()

    def check(self, expected: list[dict[str, Slot]] | None = None, undisturbed: int = 0) -> None:
        """All laws. *expected* are the records of the versions up to *undisturbed*."""
        for hand in self.hands:
            hand.end_loop()
        # Before anybody writes again: no commit waits for the next one.
        self.elsewhere.check(self.other, check_history(self.other, 0))
        self.write_at_once()
        for hand in self.hands:
            hand.more()
            for sleeper in hand.sleepers:
                sleeper.check()
        changes = check_history(self.store, 0)
        self.elsewhere.check(self.other, check_history(self.other, 0))
        check_derived(self.store, INDEXES, AGGREGATES)
        if expected is not None:
            assert undisturbed < len(expected), f"it made version {undisturbed}"
            for version in range(undisturbed + 1):
                found = dict(self.store.at(version))
                assert found == expected[version], f"version {version} is {found}"
        self._check_acknowledged(complete=expected is None)
        for listener in self._listeners():
            listener.check(self.store, changes)
        self._check_feeds(changes)
        self._check_pins()
        self._check_figures()
        self._close()

    def _listeners(self) -> list[Listener]:
        return [self.all, self.some, *self.outer.listeners, *self.inner.listeners]

    def _check_acknowledged(self, complete: bool) -> None:
        """Every commit that was returned is there; and if *complete*, no other one is."""
        for store, made, given in (
            (self.store, self.made, [hand.commits for hand in self.hands]),
            (self.other, self.made_elsewhere, [hand.elsewhere for hand in self.hands]),
        ):
            current = store.snapshot()
            returned = [*made, *(commit for commits in given for commit in commits.values())]
            versions = set()
            for commit in returned:
                if commit is None or commit.after is commit.before:
                    continue
                assert commit.version <= current.version, f"{commit!r} is lost"
                assert store.at(commit.version) is commit.after, f"{commit!r} is not its version"
                assert commit.version not in versions, f"{commit!r} twice"
                versions.add(commit.version)
            unknown = set(range(1, current.version + 1)) - versions
            assert not (complete and unknown), f"nobody was told of versions {unknown}"

    def _check_feeds(self, changes: list[AnyChanges]) -> None:
        """Each item of the two feeds went to one taker, once."""
        keyed = [found for change in changes if (found := change.only(WATCHED.__contains__))]
        for feed, made, taken in (
            (self.feed, changes, [hand.items for hand in self.hands]),
            (self.keyed_feed, keyed, [hand.keyed_items for hand in self.hands]),
        ):
            items = [item for items in taken for item in items.values() if item is not None]
            while (item := feed.poll()) is not None:
                items.append(item)
            difference = Counter(map(_named, made))
            difference.subtract(_named(changes_of(item)) for item in items)
            lost, more = +difference, -difference
            assert not lost, f"a feed did not yield {list(lost)}"
            assert not more, f"a feed yielded once more {list(more)}"

    def _check_pins(self) -> None:
        pinned = Counter(self.store.statistics().pinned)
        pinned.subtract([(self.pin.version, self.pin.why)])
        for kept in self._kept():
            held = [(version, why) for version, why in pinned.elements() if why == kept.why]
            assert held or not kept.must_be_there, f"the pin {kept.why!r} is lost"
            assert not held or kept.may_be_there, f"the pin {kept.why!r} is still there"
            pinned.subtract(held[:1])
            if kept.must_be_there and kept.pin is not None:
                assert self.store.at(kept.pin.version) is kept.pin.snapshot
        assert not any(pinned.values()), f"pinned, and nobody asked for it: {pinned}"

    def _kept(self) -> list[Kept]:
        return [*self.outer.kept, *self.inner.kept]

    def _check_figures(self) -> None:
        """What is open is what somebody opened, and may still close."""
        for hand in self.hands:
            for thing in hand.closed.values():
                assert thing.closed, f"closed, and open: {thing!r}"
        bound = sum(
            listener.handle is not None and not listener.handle.closed
            for listener in self._listeners()
        )
        unbound = sum(listener.handle is None for listener in self._listeners())
        figures = self.store.statistics()
        assert bound <= figures.subscriptions <= bound + unbound, (
            f"{figures.subscriptions} subscriptions; {bound} are open, {unbound} handles were lost"
        )
        assert figures.waiting == 0, f"{figures.waiting} sleep"
        for store in (self.store, self.other):
            holder = getattr(store.statistics(), "open_transaction", None)
            assert holder is None, f"a transaction is open: {holder}"

    def _close(self) -> None:
        """Whatever is open can be closed, and is gone then."""
        unbound = 0
        for listener in self._listeners():
            if listener.handle is None:
                unbound += 1
            else:
                listener.handle.close()
        if self.elsewhere.handle is not None:
            self.elsewhere.handle.close()
        self.pin.close()
        unbound_pins = 0
        for kept in self._kept():
            if kept.pin is None:
                unbound_pins += 1
            else:
                kept.pin.close()
        feeds = (*self.outer.feeds.values(), *self.inner.feeds.values())
        for feed in (self.feed, self.keyed_feed, *feeds):
            feed.close()
            assert feed.closed
            assert feed.poll() is None
        figures = self.store.statistics()
        assert figures.subscriptions <= unbound, "a closed subscription is still held"
        assert len(figures.pinned) <= unbound_pins, f"still pinned: {figures.pinned}"
        assert figures.waiting == 0


def _named(changes: AnyChanges) -> tuple[Any, ...]:
    """The records of *changes*, by identity: two versions may hold equal ones."""
    return tuple(
        (key, *(None if record is MISSING else id(record) for record in change))
        for key, change in sorted(changes.items())
    )

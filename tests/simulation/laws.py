"""What must be true of the stores whenever nobody is at work."""

from __future__ import annotations

import threading
from collections import Counter
from queue import Empty
from time import monotonic
from typing import Any

from cowstate import MISSING, CowstateError, Lagged
from tests.simulation.deeds import UNNUMBERED
from tests.simulation.faults import Boom, StuckError, give_way
from tests.simulation.world import NOISE, TOTAL, Entry, Listener, World

SLICE = 0.05
"""Seconds between two looks at whether a store still has something to tell."""


class Laws:
    """The laws, checked at the end of each round."""

    def __init__(self, world: World, patience: float) -> None:
        self.world = world
        self.patience = patience
        self._checked = 0
        self._patient_until = 0.0
        self._unnumbered = Counter[str]()

    def check(self, strikes: int, pins: int, handles: int) -> None:
        """Check all, after a round in which so many *strikes* landed.

        Args:
            strikes: how many strikes there were; each may have kept one callback from its work.
            pins: how many pins are not known to have been let go.
            handles: how many subscriptions that were open for a moment are not known to be closed.
        """
        self.both_stores_can_be_written_from_two_threads()
        self.versions_are_gapless()
        self.what_was_acknowledged_is_there()
        self.every_listener_was_told_everything_once(strikes)
        self.the_mirror_is_what_the_source_is()
        self.everything_is_delivered()
        self.nothing_is_left_over(pins, handles)
        self._checked = self.world.source.snapshot().version

    def _accuse(self, what: str) -> None:
        self.world.story.accuse("laws", what)

    def both_stores_can_be_written_from_two_threads(self) -> None:
        """And a thread that waits for a write of the other is woken by it."""
        source, mirror = self.world.source, self.world.mirror
        failed: list[BaseException] = []
        token = source.snapshot().version + 1

        def other() -> None:
            try:
                source.wait_for(lambda now: now["baton"].number == token, timeout=self.patience)
                touch_everything(mirror)
                touch_everything(source)
            except BaseException as error:
                failed.append(error)

        def mine() -> None:
            try:
                touch_everything(mirror)
                touch_everything(source, baton=Entry(token))
            except BaseException as error:
                failed.append(error)

        # In a thread of its own, too, for the main thread must live to tell.
        threads = [threading.Thread(target=run, name=run.__name__, daemon=True) for run in (other,)]
        first = threading.Thread(target=mine, name="mine", daemon=True)
        for thread in (*threads, first):
            thread.start()
        for thread in (first, *threads):
            thread.join(self.patience)
            if thread.is_alive():
                raise StuckError(f"no store can be written: {thread.name}")
        for error in failed:
            self._accuse(f"writing when nobody else is at work: {error!r}")

    def versions_are_gapless(self) -> None:
        """Each version since the last check was made once, and no reader's books disagree."""
        world = self.world
        now = world.source.snapshot()
        # In one call each: a callback may still be writing.
        missing = set(range(self._checked + 1, now.version + 1)).difference(list(world.truth))
        if missing:
            self._accuse(f"versions that no invariant was asked about: {sorted(missing)[:5]}")
        told: Counter[int] = Counter()
        for name, versions in world.versions.items():
            told.update(versions)
            if versions != sorted(set(versions)):
                self._accuse(f"{name} was told of versions out of order")
            if versions and versions[-1] > now.version:
                self._accuse(f"{name} was told of version {versions[-1]}, of {now.version}")
        if twice := [version for version, times in told.items() if times > 1]:
            self._accuse(f"versions that two were told to have made: {twice[:5]}")
        for store in (world.source, world.mirror):
            snapshot = store.snapshot()
            money = sum(entry.money for entry in snapshot.values())
            if not money == snapshot.total("money") == TOTAL:
                self._accuse(f"{money} and {snapshot.total('money')} in all accounts")

    def what_was_acknowledged_is_there(self) -> None:
        """No increment was lost, made twice, or made after it was refused."""
        told, most = Counter[str](), Counter[str]()
        for (_, key), count in self.world.counts.items():
            told[key] += count.told
            most[key] += count.tried - count.refused
        # What is told before the look, and what is tried by then: a callback may still be writing.
        self._read_the_unnumbered()
        told.update({key: self._unnumbered[f"told {key}"] for key in UNNUMBERED})
        now = self.world.source.snapshot()
        self._read_the_unnumbered()
        noted = self._unnumbered
        most.update({key: noted[f"tried {key}"] - noted[f"refused {key}"] for key in UNNUMBERED})
        for key in told:
            if not told[key] <= now[key].number <= most[key]:
                self._accuse(f"{key} is {now[key].number}, of {told[key]} to {most[key]}")

    def _read_the_unnumbered(self) -> None:
        while True:
            try:
                self._unnumbered[self.world.unnumbered.get_nowait()] += 1
            except Empty:
                return

    # Followers

    def every_listener_was_told_everything_once(self, strikes: int) -> None:
        """In version order; those that are open, up to now."""
        self._patient_until = monotonic() + self.patience
        for listener in list(self.world.listeners.values()):
            due = self._due(listener)
            self._collect(listener, due)
            self._check_told(listener, due, strikes)
            if listener.handle is not None and listener.handle.closed:
                del self.world.listeners[id(listener)]

    def _collect(self, listener: Listener, due: int) -> None:
        """Take what it was told; if it is open, wait until that goes as far as it must."""
        told, last = listener.told, False
        while True:
            try:
                told.append(
                    listener.queue.get(timeout=0 if last or self._is_done(listener, due) else SLICE)
                )
            except Empty:
                if last or self._is_done(listener, due):
                    return
                # What is in the queue once the store has nothing more to tell is all there is.
                last = not self._store_of(listener).statistics().undelivered
                last = last or monotonic() > self._patient_until

    @staticmethod
    def _is_done(listener: Listener, due: int) -> bool:
        told = listener.told
        return not listener.is_open or (bool(told) and _version(told[-1]) >= due)

    def _due(self, listener: Listener) -> int:
        """Return the last version that concerned everybody, when nobody was struck any more.

        A callback may have written since then.
        """
        version = int(self._store_of(listener).snapshot().version)
        if self._store_of(listener) is self.world.source:
            while "baton" not in self.world.truth[version]:
                version -= 1
        return version

    def _check_told(self, listener: Listener, due: int, strikes: int) -> None:
        if listener.since is None:
            if listener.initial:
                self._check_begun(listener)
            elif listener.handle is None:
                # It was struck before it returned, so nobody can tell when it began.
                listener.since = _version(listener.told[0]) - 1 if listener.told else None
            else:
                listener.since = listener.handle.since
            if listener.since is None:
                return
        position, missed = listener.since, 0
        for item in listener.told:
            first = item.missed_from if isinstance(item, Lagged) else item.version
            if first <= position:
                self._accuse(f"{listener.what} was at {position}, and then told {item!r}")
                return
            gap = self._concerned(listener, position + 1, first)
            missed += len(gap)
            if gap and listener.exact:
                self._accuse(f"{listener.what} was at {position}, and not told of {gap[:5]}")
                return
            position = _version(item)
        if listener.is_open and position < due:
            self._accuse(f"{listener.what} is open, at {position}, and not told of {due}")
        if missed > strikes:
            self._accuse(f"{listener.what} missed {missed} commits by {strikes} strikes")
        listener.since = position
        listener.told.clear()

    def _check_begun(self, listener: Listener) -> None:
        """What was there came first; it goes on from that."""
        if not listener.told:
            if listener.is_open:
                self._accuse(f"{listener.what} is open, and was not told what was there")
            return
        first = listener.told.pop(0)
        since = 0 if listener.handle is None else listener.handle.since
        if isinstance(first, Lagged) or first.before.version != -1 or first.version < since:
            self._accuse(f"{listener.what} of {since} was told {first!r} first")
            return
        keys, there = listener.keys, first.after
        wanted = {key: (MISSING, there[key]) for key in there if keys is None or key in keys}
        if first.changes != wanted:
            self._accuse(f"{listener.what} was told {first!r} of what was there: {wanted}")
        listener.since = first.version

    def _concerned(self, listener: Listener, first: int, end: int) -> list[int]:
        """Return the versions in a range that concern it."""
        if listener.keys is None:
            return list(range(first, end))
        truth = self.world.truth
        return [v for v in range(first, end) if not listener.keys.isdisjoint(truth[v])]

    def _store_of(self, listener: Listener) -> Any:
        world = self.world
        return world.source if listener.what.endswith("source") else world.mirror

    # The end

    def the_mirror_is_what_the_source_is(self) -> None:
        """In the end, for its callback may have been struck before."""
        world = self.world
        # The other thread's last write was to the source, so the last copy is of that.
        try:
            world.mirror.wait_for(
                lambda now: dict(now) == dict(world.source.snapshot()), timeout=self.patience
            )
        except CowstateError as error:
            now, then = dict(world.mirror.snapshot()), dict(world.source.snapshot())
            different = [key for key in now.keys() | then.keys() if now.get(key) != then.get(key)]
            self._accuse(f"the mirror is not as the source is in {different}: {error!r}")

    def everything_is_delivered(self) -> None:
        """Without another write: by whoever owes it, or by the threads of the stores.

        The mirror is equal to the source before the last copy has been made and told.
        """
        world, until = self.world, monotonic() + self.patience
        # In this order, for who is told of a commit of the source writes to the mirror.
        for store, name in ((world.source, "source"), (world.mirror, "mirror")):
            while left := store.statistics().undelivered:
                if monotonic() > until:
                    self._accuse(f"{left} commits of the {name} are undelivered")
                    break
                give_way()

    def nothing_is_left_over(self, pins: int, handles: int) -> None:
        """What was closed is not counted, and nobody waits."""
        world = self.world
        for store, name in ((world.source, "source"), (world.mirror, "mirror")):
            known = [one for one in world.listeners.values() if self._store_of(one) is store]
            least = sum(one.is_open for one in known)
            most = least + sum(one.handle is None for one in known) + handles
            figures = store.statistics()
            if not least <= figures.subscriptions <= most:
                self._accuse(
                    f"{figures.subscriptions} subscriptions of the {name}, not {least} to {most}"
                )
            if figures.waiting:
                self._accuse(f"{figures.waiting} wait for the {name}")
            if getattr(figures, "open_transaction", None) is not None:
                self._accuse(f"{name}: {figures.open_transaction} is still open")
            if len(figures.pinned) > pins:
                self._accuse(f"{len(figures.pinned)} pins, and {pins} that were struck")


def _version(item: Any) -> int:
    return int(item.snapshot.version if isinstance(item, Lagged) else item.version)


def touch_everything(store: Any, **changes: Entry) -> None:
    """Replace each record by an equal one, so that every listener is concerned."""
    try:
        with store.transaction() as tx:
            for key in {*tx, *NOISE}:
                tx[key] = changes.get(key) or tx.get(key, Entry()).replace()
    except Boom:  # a callback's, which had to be told
        pass

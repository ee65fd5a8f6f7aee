"""What must be true of a store at rest, asked of its public surface alone: `check_store`.

>>> from cowstate import Store
>>> store = Store({"a": 1})
>>> check_store(store)
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from cowstate import (
    MISSING,
    Aggregate,
    ChangeSet,
    Commit,
    Index,
    Lagged,
    Snapshot,
    Store,
)

T = TypeVar("T")
AnyStore = Store[Any, Any]
AnyCommit = Commit[Any, Any]

PATIENCE = 120.0
"""Seconds after which a thread that should be done counts as hung; not waited when all is well."""


def stacks(frames: int = 12) -> str:
    """Where every thread stands: the innermost *frames* of each."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, top in sys._current_frames().items():
        lines.append(f"thread {names.get(ident, '?')}:")
        lines += [
            f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
            for frame in traceback.extract_stack(top)[-frames:]
        ]
    return "\n".join(lines)


class HungError(AssertionError):
    """Something that should be done goes on and on."""


class Bystander:
    """A thread that is there all the time and does what others ask it to, one thing after another.

    Ten times as fast as a new thread for each, where that counts. One that hangs is left where
    it is, and another one takes its place.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object] | None] | None = None

    def do(self, fn: Callable[[], T], patience: float | None = None) -> T:
        """As `in_another_thread`."""
        done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        if self._jobs is None:
            self._jobs = SimpleQueue()
            threading.Thread(
                target=_work, args=(self._jobs,), daemon=True, name="bystander"
            ).start()
        self._jobs.put(partial(_do, fn, done))
        seconds = PATIENCE if patience is None else patience
        try:
            result, error = done.get(timeout=seconds)
        except Empty:
            self._jobs = None
            raise HungError(
                f"another thread is not done after {seconds} s; a lock was left behind?\n{stacks()}"
            ) from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let the thread go."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


def _work(jobs: SimpleQueue[Callable[[], object] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()


def _do(fn: Callable[[], object], done: SimpleQueue[tuple[Any, BaseException | None]]) -> None:
    try:
        result = fn()
    except BaseException as error:
        done.put((None, error))
    else:
        done.put((result, None))


def in_another_thread(fn: Callable[[], T], patience: float | None = None) -> T:
    """Return what *fn* returns in a thread of its own; fail if it takes too long, never hang.

    What it raises is raised here.
    """
    bystander = Bystander()
    try:
        return bystander.do(fn, patience)
    finally:
        bystander.end()


def eventually(true: Callable[[], object], what: str, patience: float | None = None) -> None:
    """Wait for what another thread is about to bring; fail if it does not come."""
    tick = threading.Event()
    for _ in range(int((PATIENCE if patience is None else patience) * 1000)):
        if true():
            return
        tick.wait(0.001)
    raise HungError(f"{what}\n{stacks()}")


def write_meta(store: AnyStore, meta: Any) -> AnyCommit:
    """Commit a version that differs in its ``meta`` alone: to be had of any store."""
    draft = store.draft()
    draft.meta = meta
    return draft.commit()


def versions_into(seen: list[int]) -> Callable[[Commit[Any, Any]], object]:
    """Return a callback that notes in *seen* of which version each commit is."""
    return lambda commit: seen.append(commit.version)


def changes_of(item: object) -> ChangeSet[Any, Any]:
    """What changed by *item* of a feed, which must be a commit."""
    assert isinstance(item, Commit), f"no commit, but {item!r}"
    return item.changes


def began(commit: AnyCommit) -> bool:
    """Whether *commit* is what was there when somebody began."""
    return commit.before.version == -1


def added(snapshot: Snapshot[Any, Any]) -> dict[Any, Any]:
    """The changes that add all that is in *snapshot*."""
    return {key: (MISSING, record) for key, record in snapshot.items()}


def read_changes(store: AnyStore, since: int = 0) -> list[ChangeSet[Any, Any]]:
    """The changes of every version after *since*, by a feed."""
    changes: list[ChangeSet[Any, Any]] = []
    with store.feed(since=since) as feed:
        while (item := feed.poll()) is not None:
            assert not isinstance(item, Lagged), f"a commit after {since} is not retained"
            changes.append(item.changes)
        assert feed.version == since + len(changes), "the feed passed over a version"
    return changes


def check_history(store: AnyStore, since: int | None = None) -> list[ChangeSet[Any, Any]]:
    """Versions are gapless from *since* on, the oldest for None; return the changes of each."""
    current = store.snapshot()
    if since is None:
        since = store.statistics().oldest
    changes = read_changes(store, since)
    assert len(changes) == current.version - since, "versions are not gapless"
    before = store.at(since)
    records = dict(before)
    whole = ChangeSet[Any, Any]()
    for version, change in enumerate(changes, since + 1):
        after = store.at(version)
        assert after.version == version, f"at({version}) is {after!r}"
        assert change == after.diff(before), f"the feed and diff differ at version {version}"
        whole = whole.then(change)
        for key, (old, new) in change.items():
            assert records.get(key, MISSING) is old, f"version {version} does not follow"
            records[key] = new
        before = after
    assert whole == current.diff(store.at(since)), "the changes do not add up"
    left = {key: record for key, record in records.items() if record is not MISSING}
    assert left == dict(current), "the changes do not lead to the current records"
    return changes


def check_derived(
    store: AnyStore,
    indexes: Mapping[str, Index[Any]] | None = None,
    aggregates: Mapping[str, Aggregate[Any, Any]] | None = None,
) -> None:
    """Indexes and totals are those of a store that is built afresh from the records.

    Give what the store was given; what is not given is not looked at.
    """
    current, figures = store.snapshot(), store.statistics()
    records = dict(current)
    assert len(current) == len(records) == figures.records
    fresh = Store(records, indexes=indexes, aggregates=aggregates)
    expected, sizes = fresh.snapshot(), dict(figures.index_entries)
    for name, size in fresh.statistics().index_entries:
        assert sizes[name] == size, f"index {name!r} has {sizes[name]} values, not {size}"
    for name, index in (indexes or {}).items():
        values = {v for record in records.values() for v in index.entries(index.fn(record))}
        for value in values:
            found = current.find_all(name, value)
            assert found == expected.find_all(name, value), f"index {name!r} at {value!r}: {found}"
    for name in aggregates or {}:
        assert current.total(name) == expected.total(name), f"total {name!r}"


def receive(calls: SimpleQueue[AnyCommit], last: int, patience: float | None = None) -> list[int]:
    """Take from *calls* until version *last* has come, or it does not come; return the versions."""
    versions: list[int] = []
    seconds = PATIENCE if patience is None else patience
    try:
        while not versions or versions[-1] < last:
            versions.append(calls.get(timeout=seconds).version)
        while True:
            versions.append(calls.get_nowait().version)
    except Empty:
        return versions


Probe = Callable[[AnyStore], AnyCommit]


def _probe_meta(store: AnyStore) -> tuple[Probe, Probe]:
    meta = store.snapshot().meta
    return partial(write_meta, meta=("a probe", meta)), partial(write_meta, meta=meta)


def check_writable(
    store: AnyStore, probes: tuple[Probe, Probe] | None = None, patience: float | None = None
) -> tuple[AnyCommit, AnyCommit]:
    """Another thread can write, and so can this one. Returns the two commits."""
    theirs, ours = probes or _probe_meta(store)
    first = in_another_thread(partial(theirs, store), patience)
    return first, ours(store)


def check_delivery(
    store: AnyStore, probes: tuple[Probe, Probe] | None = None, patience: float | None = None
) -> None:
    """A subscriber gets the commits of another thread and of this one, once and in order.

    Which also says that both can write, and takes two versions.
    """
    calls: SimpleQueue[AnyCommit] = SimpleQueue()
    before = store.statistics().subscriptions
    # By another thread, and before anything else that may need a lock: it may hang, we must not.
    with in_another_thread(partial(store.subscribe, calls.put), patience) as probe:
        since = probe.since
        assert store.statistics().subscriptions == before + 1
        made = [commit.version for commit in check_writable(store, probes, patience)]
        assert made == [since + 1, since + 2], f"the probes became versions {made}, not {since}+"
        got = receive(calls, since + 2, patience)
        assert got == made, f"a subscriber was given {got}, not {made}"
        eventually(lambda: probe.delivered == made[1], "delivered lags behind", patience)
        eventually(lambda: not store.statistics().undelivered, "commits are undelivered", patience)
    assert probe.closed
    assert store.statistics().subscriptions == before, "a closed subscription is still held"
    assert calls.empty()


def check_store(
    store: AnyStore,
    *,
    indexes: Mapping[str, Index[Any]] | None = None,
    aggregates: Mapping[str, Aggregate[Any, Any]] | None = None,
    subscriptions: int | Container[int] | None = 0,
    pinned: Iterable[tuple[int, str]] | None = (),
    waiting: int | None = 0,
    since: int | None = None,
    probes: tuple[Probe, Probe] | None = None,
    patience: float | None = None,
) -> None:
    """Check all that must be true of a store that nobody is writing to at the moment.

    - Nobody has a transaction open.
    - Subscribed, pinned and asleep are those that the caller knows of, and nobody else.
    - Versions are gapless, and lead from the oldest retained one to the records of now.
    - Indexes and totals are what they would be in a store built afresh.
    - Another thread can write, and so can this one.
    - A subscriber is given exactly the commits that follow, in order.

    Adds two versions, in which only ``meta`` differs, and which end with the meta of before.
    Fails with the stack of every thread if something hangs. May not be called inside a write.

    Args:
        store: the store.
        indexes: those that the store was given.
        aggregates: those that the store was given.
        subscriptions: how many are open, or what that number may be; None for any.
        pinned: ``(version, why)`` of each pin; None for any.
        waiting: how many threads and tasks sleep; None for any.
        since: the version to follow the history from; None for the oldest retained.
        probes: two writes to try instead, the first of which is made by another thread.
        patience: in seconds; None for `PATIENCE`.
    """
    figures = store.statistics()
    # Of a store of before the rewrite: it cannot say.
    holder = getattr(figures, "open_transaction", None)
    assert holder is None, f"a transaction is open: {holder}"
    allowed = (subscriptions,) if isinstance(subscriptions, int) else subscriptions
    assert allowed is None or figures.subscriptions in allowed, (
        f"{figures.subscriptions} subscriptions, not {subscriptions}"
    )
    if pinned is not None:
        assert sorted(figures.pinned) == sorted(pinned), f"pinned: {figures.pinned}"
    assert waiting is None or figures.waiting == waiting, f"{figures.waiting} wait, not {waiting}"
    check_delivery(store, probes, patience)
    check_history(store, since)
    check_derived(store, indexes, aggregates)

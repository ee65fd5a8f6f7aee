"""What a simulation happens in: two stores, who follows them, and the books that are kept of it.

Money moves between accounts, so its total stays; each actor counts in records what it does, so an
increment that was lost, or made twice, shows; an invariant, which every commit must ask before it
is published, notes the changes of each version, so it is known what a follower should be told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import SimpleQueue
from random import Random
from typing import Any

from cowstate import (
    Aggregate,
    ChangeSet,
    Commit,
    CowstateError,
    History,
    Index,
    Lagged,
    Record,
    Snapshot,
    Store,
)
from tests.simulation.faults import Boom, SnagError
from tests.simulation.story import Story

ACCOUNTS = 5
TOTAL = 100 * ACCOUNTS
NOISE = tuple(f"noise {n}" for n in range(6))


class Entry(Record):
    """What the stores hold."""

    number: int = 0
    money: int = 0


def one_more(entry: Entry) -> Entry:
    """Return the entry of a counter after one more increment."""
    return entry.replace(number=entry.number + 1)


@dataclass
class Count:
    """What one actor knows of one counter. Only that actor changes it, between calls."""

    tried: int = 0
    told: int = 0
    """How often it was told that it was done."""
    refused: int = 0
    """How often it was told that it was not."""


@dataclass(eq=False)
class Listener:
    """A subscription, and what it was told."""

    what: str
    keys: frozenset[str] | None = None
    exact: bool = True
    """Whether what it was told is known to the call: its callback is one of C."""
    initial: bool = False
    """Whether what is there is to come first."""
    handle: Any = None
    """None until `subscribe` has returned it; for ever, if that was struck."""
    since: int | None = None
    queue: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    told: list[Any] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it is known to be."""
        return self.handle is not None and not self.handle.closed


class World:
    """The stores and the books."""

    def __init__(self, seed: str, story: Story, kind: type[Store[Any, Any]] = Store) -> None:
        rng = Random(f"{seed} world")
        self.story = story
        self.truth: dict[int, ChangeSet[str, Entry]] = {}
        self.source = self._store(kind, rng.choice((16, 64, 1_024)), {"truth": self._note})
        self.mirror = self._store(kind, rng.choice((16, 1_024)), None)
        self.listeners: dict[int, Listener] = {}
        self.counts: dict[tuple[str, str], Count] = {}
        self.versions: dict[str, list[int]] = {}
        # Of what anybody does who has no number: finalizers and handlers, several at once.
        self.unnumbered = SimpleQueue[str]()
        self._names = itertools.count()
        self.budget: list[None] = []
        self.pins = self.handles = 0
        self.at_work = False
        self._follow()

    def _store(
        self, kind: type[Store[Any, Any]], versions: int, invariants: Any
    ) -> Store[str, Entry]:
        records = {f"account {n}": Entry(n, 100) for n in range(ACCOUNTS)}
        return kind(
            records,
            indexes={"number": Index(lambda entry: entry.number)},
            aggregates={"money": Aggregate.sum(lambda entry: entry.money)},
            invariants=invariants,
            meta=0,
            history=History(versions=versions),
        )

    def _note(self, snapshot: Snapshot[str, Entry], changes: ChangeSet[str, Entry]) -> bool:
        # A commit that is refused, or struck before it is published, is overwritten by the next.
        self.truth[snapshot.version] = changes
        return True

    # Counters

    def count(self, actor: str, key: str) -> Count:
        """Return the book of *actor* for the counter under *key*; opened before a round."""
        return self.counts.setdefault((actor, key), Count())

    def open_counters(self, keys: Iterable[str]) -> None:
        """Have a counter under each of *keys*."""
        with self.source.transaction() as tx:
            for key in keys:
                tx.setdefault(key, Entry())

    # Followers

    def subscribe(
        self,
        store: Store[str, Entry],
        keys: Iterable[str] | None = None,
        callback: Callable[[Any], object] | None = None,
        what: str = "listener",
        **options: Any,
    ) -> Listener:
        """Subscribe, with a callback that keeps what it is told, and does what *callback* does."""
        where = "source" if store is self.source else "mirror"
        wanted = None if keys is None else frozenset(keys)
        name, initial = f"{what} {next(self._names)} of {where}", options.get("initial", False)
        listener = Listener(name, wanted, callback is None, initial)
        self.listeners[id(listener)] = listener
        take: Callable[[Any], object] = listener.queue.put
        if callback is not None:
            put, then = take, callback

            def take(item: Any) -> None:
                put(item)
                then(item)

        listener.handle = store.subscribe(take, keys=wanted, on_lagged=take, **options)
        return listener

    def _follow(self) -> None:
        self.subscribe(self.source, what="whole")
        self.subscribe(self.source, what="by thread", via="thread")
        self.subscribe(self.source, callback=self._copy, what="copy")
        self.subscribe(self.source, callback=_snag, what="snag")
        self.subscribe(self.source, keys=["noise 1"], callback=_boom, what="boom")
        self.subscribe(self.source, callback=_dawdle, what="dawdle")
        self.subscribe(self.source, keys=NOISE[:2], callback=self._answer, what="answer")
        self.subscribe(self.source, keys=NOISE, what="keyed")
        self.subscribe(self.mirror, what="whole")
        self.subscribe(self.mirror, callback=_dawdle, what="by thread", via="thread")

    def _copy(self, item: Commit[str, Entry] | Lagged[str, Entry]) -> None:
        """Make the mirror what the source was."""
        wanted = item.snapshot if isinstance(item, Lagged) else item.after
        try:
            with self.mirror.transaction() as tx:
                for key in tx.keys() - wanted.keys():
                    del tx[key]
                for key, entry in wanted.items():
                    tx[key] = entry
                tx.meta = wanted.version
        except CowstateError as error:
            # It holds nothing that anybody could wait for, and is inside of no write.
            self.story.accuse("copy", f"a callback could not write: {error!r}")

    def _answer(self, item: object) -> None:
        """Write to the store that this is told of, a few times a round."""
        try:
            self.budget.pop()
        except IndexError:
            return
        self.increment_unnumbered("answers")

    def increment_unnumbered(self, key: str) -> None:
        """Increment a counter that several threads may increment for the same actor."""
        self.unnumbered.put(f"tried {key}")
        try:
            self.source.update(key, one_more)
        except CowstateError:
            self.unnumbered.put(f"refused {key}")
            return
        self.unnumbered.put(f"told {key}")


def _snag(item: object) -> None:
    raise SnagError("this callback always fails")


def _boom(item: object) -> None:
    raise Boom


def _dawdle(item: object) -> None:
    for _ in range(300):
        pass

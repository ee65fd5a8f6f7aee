"""What a worker may do: each public operation of a store, at random, and what it must come to."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from cowstate import (
    MISSING,
    ChangeSet,
    CowstateError,
    Lagged,
    Store,
    WaitTimeoutError,
    transaction,
)
from tests.simulation.faults import Boom, Litter, give_way
from tests.simulation.world import (
    ACCOUNTS,
    NOISE,
    TOTAL,
    Count,
    Entry,
    World,
    one_more,
)

UNNUMBERED = ("finalizers", "handlers", "answers")
SHARED = "shared"


class Deeds:
    """The operations of one worker."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.source, self.mirror = world.source, world.mirror
        self.mine: dict[str, Count] = {key: world.count(name, key) for key in (name, SHARED)}
        self.versions = world.versions.setdefault(name, [])
        self.feeds: list[Any] = []
        # Of these it is not known that they were let go again.
        self.pins_tried = self.handles_tried = 0

    def choose(self, rng: Random) -> tuple[str, Callable[[], object]]:
        """Return the name of an operation, and what does it."""
        weights = [weight for weight, _ in DEEDS.values()]
        (name,) = rng.choices(list(DEEDS), weights)
        return name, partial(DEEDS[name][1], self, rng)

    def accuse(self, what: str) -> None:
        """Write down that a law was broken."""
        self.world.story.accuse(self.name, what)

    # Counting

    def increment(self, rng: Random) -> None:
        """Add one to a counter, in one of all the ways to write."""
        key = rng.choice((self.name, self.name, SHARED))
        how = rng.choice(WAYS)
        count = self.mine[key]
        count.tried += 1
        try:
            commit = how(self, key, rng)
        except CowstateError:
            count.refused += 1
            raise
        if commit is None:
            count.refused += 1
            return
        count.told += 1
        self.versions.append(commit.version)
        if self.source.snapshot()[key].number < commit.after[key].number:
            self.accuse(f"{key} is not what version {commit.version} made it")

    def _by_update(self, key: str, rng: Random) -> Any:
        return self.source.update(key, one_more)

    def _by_block(self, key: str, rng: Random) -> Any:
        with self.source.transaction() as tx:
            tx[key] = one_more(tx[key])
            _idle(rng)
        return tx.result

    def _by_block_with_a_deadline(self, key: str, rng: Random) -> Any:
        with self.source.transaction(timeout=rng.choice((0.0, 0.001, 5.0))) as tx:
            tx[key] = one_more(tx[key])
            tx.setdefault("noise 5", Entry(1))
        return tx.result

    def _by_transact(self, key: str, rng: Random) -> Any:
        def body(tx: Any) -> Any:
            tx[key] = one_more(tx[key])
            _idle(rng)
            return tx

        return self.source.transact(body).result

    def _by_draft(self, key: str, rng: Random) -> Any:
        draft = self.source.draft()
        draft[key] = one_more(draft[key])
        draft.get(rng.choice(NOISE))
        _idle(rng)
        return draft.commit()

    def _by_retry(self, key: str, rng: Random) -> Any:
        def more(draft: Any) -> Any:
            draft[key] = one_more(draft[key])
            _idle(rng)
            return draft

        return self.source.retry(more, attempts=rng.choice((1, 2, 4))).result

    def _by_compare_and_set(self, key: str, rng: Random) -> Any:
        now = self.source.snapshot()[key]
        return self.source.compare_and_set(key, now, one_more(now))

    def _by_set(self, key: str, rng: Random) -> Any:
        if key == SHARED:  # where it would overwrite what others do
            return self._by_update(key, rng)
        return self.source.set(key, one_more(self.source.snapshot()[key]))

    # Money

    def transfer(self, rng: Random) -> None:
        """Move money from one account to another."""
        here, there = rng.sample([f"account {n}" for n in range(ACCOUNTS)], 2)

        def move(work: Any) -> Any:
            work[here] = work[here].replace(money=work[here].money - 1)
            _idle(rng)
            work[there] = work[there].replace(money=work[there].money + 1)
            return work

        how = rng.randrange(4)
        if how == 0:
            self.source.retry(move)
        elif how == 1:
            move(self.source.draft()).commit()
        elif how == 2:
            self.source.transact(move)
        else:
            with self.source.transaction() as tx:
                move(tx)

    def fail_to_transfer(self, rng: Random) -> None:
        """Take money, and then raise, or be dropped."""

        def unit_of_work() -> Any:
            with self.source.transaction() as tx:
                key = f"account {rng.randrange(ACCOUNTS)}"
                tx[key] = tx[key].replace(money=tx[key].money - 1)
                yield tx

        steps = unit_of_work()
        try:
            next(steps)
            if rng.random() < 0.5:
                steps.throw(ZeroDivisionError)
        except ZeroDivisionError:
            pass
        finally:
            # Where this is struck, its frame lives as long as the traceback; the block must not.
            del steps

    def read(self, rng: Random) -> None:
        """Look at both stores: no read is torn."""
        for store in (self.source, self.mirror):
            now = store.snapshot()
            money = sum(entry.money for entry in now.values())
            if not money == now.total("money") == TOTAL:
                self.accuse(f"{money} and {now.total('money')} in version {now.version}")
            number = rng.randrange(ACCOUNTS)
            found = now.find_all("number", number)
            if any(now[key] is not entry or entry.number != number for key, entry in found.items()):
                self.accuse(f"the index is not of version {now.version}")

    # Noise

    def noise(self, rng: Random) -> None:
        """Set or delete, and perhaps undo it."""
        key = rng.choice(NOISE)
        if rng.random() < 0.3:
            commit = self.source.delete(key)
        else:
            commit = self.source.set(key, Entry(rng.randrange(3)))
        if rng.random() < 0.3:
            self.source.undo(commit)

    def disturb_the_mirror(self, rng: Random) -> None:
        """Write to the mirror what its source does not hold, or take it back."""
        how = rng.randrange(4)
        if how == 0:
            self.mirror.revert(max(self.mirror.snapshot().version - rng.randrange(4), 0))
        elif how == 1:
            self.mirror.revert(self.mirror.snapshot())
        else:
            self.mirror.set(f"scratch {self.name}", Entry(how))

    def write_across(self, rng: Random) -> None:
        """Write to one store from inside a block of the other."""
        stores = [self.source, self.mirror]
        rng.shuffle(stores)
        if rng.random() < 0.5:
            with transaction(*stores) as works:
                for work in works:
                    work[f"scratch {self.name}"] = Entry()
        else:
            with stores[0].transaction() as tx:
                tx[f"scratch {self.name}"] = Entry()
                stores[1].set(f"scratch {self.name}", Entry())

    # Following

    def subscribe(self, rng: Random) -> None:
        """Open a subscription."""
        store = rng.choice((self.source, self.source, self.mirror))
        keys = rng.choice((None, None, NOISE[:2], [self.name, SHARED]))
        if store is self.mirror:  # of which nobody notes what each version changed
            keys = None
        via = rng.choice(("writer", "thread"))
        initial = rng.random() < 0.5
        self.world.subscribe(store, keys, what=f"{self.name}'s", via=via, initial=initial)

    def unsubscribe(self, rng: Random) -> None:
        """Close one, anybody's, of those that workers opened."""
        mine = [one for one in list(self.world.listeners.values()) if "'s " in one.what]
        if len(mine) > 10:
            mine = mine[:5]
        if mine:
            handle = rng.choice(mine).handle
            if handle is not None:
                handle.close()

    def come_and_go(self, rng: Random) -> None:
        """Subscribe for a moment."""
        self.handles_tried += 1
        with self.source.subscribe(lambda commit: None, keys=rng.choice((None, NOISE))) as handle:
            self.source.set(NOISE[0], Entry())
        self.handles_tried -= 1
        if not handle.closed:
            self.accuse("a subscription was left open by its block")

    def poll(self, rng: Random) -> None:
        """Open a feed, read what there is, or close one."""
        if not self.feeds or rng.random() < 0.2:
            mode = rng.choice(("every", "every", "latest"))
            keys = rng.choice((None, None, NOISE))
            feed = self.source.feed(mode, keys=keys, initial=rng.random() < 0.3)
            self.feeds.append((feed, mode, keys))
            return
        if len(self.feeds) > 3:
            self.feeds.pop(0)[0].close()
        feed, mode, keys = rng.choice(self.feeds)
        for _ in range(20):
            before = feed.version
            item = feed.poll()
            if item is None:
                return
            self._check_item(item, before, feed.version, mode, keys)

    def _check_item(self, item: Any, before: int, after: int, mode: str, keys: Any) -> None:
        truth = self.world.truth
        if isinstance(item, Lagged):
            passed = item.missed_from - 1 - before  # what does not concern a feed is not missed
            if item.snapshot.version != after or passed < 0 or (passed and keys is None):
                self.accuse(f"a feed at {before} came to {after} by {item}")
            return
        if before < 0:
            there = {key: (MISSING, entry) for key, entry in item.after.items()}
            told = ChangeSet(there) if keys is None else ChangeSet(there).only(keys.__contains__)
            if (item.before.version, item.version, item.changes) != (before, after, told):
                self.accuse(f"a feed began at {after} with {item}, not {told}")
            return
        if item.version != after or (keys is None and item.before.version != before):
            self.accuse(f"a feed at {before} came to {after} by {item}")
        changes = item.changes
        whole = [truth[version] for version in range(before + 1, after + 1)]
        if mode == "every":
            wanted = [c if keys is None else c.only(keys.__contains__) for c in whole]
            if [found for found in wanted if found] != [changes]:
                self.accuse(f"a feed at {before} came to {after} and told {item}, not {wanted}")
        elif not set(changes) <= {key for found in whole for key in found}:
            self.accuse(f"a feed at {before} came to {after} and told {item}")

    def wait(self, rng: Random) -> None:
        """Wait a moment for another one's counter."""
        key, now = rng.choice((SHARED, *UNNUMBERED)), self.source.snapshot()
        wanted = now[key].number + rng.randrange(3)
        keys = rng.choice((None, [key]))
        try:
            found = self.source.wait_for(
                lambda now: now[key].number >= wanted, timeout=0.003, keys=keys
            )
        except WaitTimeoutError:
            return
        if found[key].number < wanted:
            self.accuse("wait_for returned what was not waited for")

    def pin(self, rng: Random) -> None:
        """Pin a version, look it up, and let it go."""
        self.pins_tried += 1
        pin = self.source.pin(why=self.name)
        if self.source.at(pin.version) is not pin.snapshot:
            self.accuse("a pinned version is another one")
        self.source.unpin(pin)
        self.pins_tried -= 1

    # What makes trouble

    def litter(self, rng: Random) -> None:
        """Leave garbage that subscribes, closes or writes when it is collected."""
        Litter(unheard(self.trouble(rng, "finalizers")), lambda: self.world.at_work)
        if rng.random() < 0.2:
            gc.collect(0)

    def another_store(self, rng: Random) -> None:
        """Make a store, have it followed, and drop it."""
        store: Store[str, Entry] = Store({"a": Entry()})
        store.subscribe(lambda commit: None)
        feed = store.feed()
        store.update("a", one_more)
        if feed.poll() is None:
            self.accuse("a feed of a new store has missed a commit")

    def trouble(self, rng: Random, actor: str) -> Callable[[], object]:
        """Return what a finalizer or a signal handler may do."""
        how = rng.choice(("write", "write", "mirror", "subscribe", "close", "poll", "snapshot"))
        world = self.world
        if how == "write":
            return partial(world.increment_unnumbered, actor)
        if how == "mirror":
            return partial(self.mirror.set, f"scratch {actor}", Entry())
        if how == "subscribe":
            return partial(world.subscribe, self.source, what="trouble's")
        if how == "close":
            return partial(self.unsubscribe, Random(rng.random()))
        if how == "poll":
            return self.source.feed().poll
        return self.source.snapshot


def unheard(deed: Callable[[], object]) -> Callable[[], None]:
    """Return what does the deed where nobody hears of a refusal."""

    def run() -> None:
        try:
            deed()
        except (CowstateError, Boom):
            pass

    return run


def _idle(rng: Random) -> None:
    """Let others come between."""
    if rng.random() < 0.3:
        give_way()


WAYS: tuple[Callable[[Deeds, str, Random], Any], ...] = (
    Deeds._by_update,
    Deeds._by_update,
    Deeds._by_block,
    Deeds._by_block_with_a_deadline,
    Deeds._by_transact,
    Deeds._by_draft,
    Deeds._by_retry,
    Deeds._by_compare_and_set,
    Deeds._by_set,
)
DEEDS: dict[str, tuple[int, Callable[[Deeds, Random], object]]] = {
    "increment": (30, Deeds.increment),
    "transfer": (12, Deeds.transfer),
    "fail to transfer": (5, Deeds.fail_to_transfer),
    "read": (8, Deeds.read),
    "noise": (10, Deeds.noise),
    "disturb the mirror": (5, Deeds.disturb_the_mirror),
    "write across": (2, Deeds.write_across),
    "subscribe": (4, Deeds.subscribe),
    "unsubscribe": (4, Deeds.unsubscribe),
    "come and go": (4, Deeds.come_and_go),
    "poll": (6, Deeds.poll),
    "wait": (3, Deeds.wait),
    "pin": (4, Deeds.pin),
    "litter": (8, Deeds.litter),
    "another store": (2, Deeds.another_store),
}

"""The operations that write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from operator import attrgetter
from typing import Any

import cowstate
from cowstate import (
    MISSING,
    Aggregate,
    ConflictError,
    CowstateError,
    Index,
    LockTimeoutError,
    ReentrantWriteError,
    Store,
)
from tests.laws.hands import Hand, Holder
from tests.laws.table import write
from tests.laws.worlds import AGGREGATES, World


@write("set a new key")
def set_new(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.new, hand.slot(3))


@write("set a known key")
def _set_known(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.a, hand.slot(4))


@write("set the same")
def _set_same(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.b, world.base[hand.b])


@write("set what is refused")
def _set_refused(world: World, hand: Hand) -> None:
    with suppress(CowstateError):
        world.store.set(hand.a, [])
    with suppress(CowstateError):
        world.store.set(hand.a, world.base[hand.b])
    with suppress(CowstateError):
        world.store.set(hand.a, hand.slot(-1000))
    with suppress(CowstateError):
        world.store.delete("nowhere")


@write("update")
def _update(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.update(hand.b, lambda slot: slot.replace(quantity=6))


@write("update with a default")
def _update_or(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.update(hand.new, lambda s: s.replace(quantity=6), hand.slot(1))
    hand.commits[1] = world.store.update(hand.b, lambda s: s.replace(quantity=6), hand.slot(1))


@write("update all")
def _update_all(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.update_all(
        [hand.a, hand.b, hand.a], lambda slot: slot.replace(quantity=6)
    )


@write("update all of what is not there")
def _update_all_of_none(world: World, hand: Hand) -> None:
    with suppress(CowstateError):
        world.store.update_all([hand.a, "nowhere"], lambda slot: slot.replace(quantity=6))


@write("replace all", disturbs=True, relies_on_all=True)
def _replace_all(world: World, hand: Hand) -> None:
    records = {hand.a: hand.slot(2), hand.b: world.base[hand.b], hand.new: hand.slot(3)}
    hand.commits[0] = world.store.replace_all({**world.base, **records})


@write("set and update meta")
def _meta(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set_meta("set")
    hand.commits[1] = world.store.update_meta(lambda meta: (meta, "updated"))


@write("update that is a slip")
def _slip(world: World, hand: Hand) -> None:
    with suppress(CowstateError):
        world.store.update(hand.a, lambda _: None)
    with suppress(CowstateError):
        world.store.update_meta(lambda _: None)
    with suppress(CowstateError):
        world.store.meta = 5
    with suppress(CowstateError):
        world.store[hand.a]


@write("delete")
def _delete(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.delete(hand.c)


@write("compare and set")
def _compare_and_set(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.compare_and_set(hand.b, world.base[hand.b], hand.slot(2))
    hand.commits[1] = world.store.compare_and_set(hand.c, world.base[hand.c], MISSING)
    hand.commits[2] = world.store.compare_and_set(hand.a, world.base[hand.b], hand.slot(2))


@write("transaction")
def _transaction(world: World, hand: Hand) -> None:
    with world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        del tx[hand.c]
        tx[hand.new] = tx[hand.b].replace(order_id=None)
    hand.commits[0] = tx.result


@write("add and remove an index")
def _index(world: World, hand: Hand) -> None:
    of_quantity = Index(attrgetter("quantity"), ordered=True)
    hand.commits[0] = world.store.add_index(f"of {hand.a}", of_quantity)
    hand.commits[1] = world.store.remove_index(f"of {hand.a}")


@write("add and remove an aggregate")
def _aggregate(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.add_aggregate(f"of {hand.a}", Aggregate.count())
    hand.commits[1] = world.store.remove_aggregate(f"of {hand.a}")


@write("add an index that is refused")
def _refused_index(world: World, hand: Hand) -> None:
    with suppress(CowstateError):
        world.store.add_index("order_id", Index(attrgetter("order_id")))
    with suppress(CowstateError):
        world.store.remove_index("nowhere")


class FailingError(Exception):
    """What a block of ours raises."""


@write("transaction that fails")
def _failing_transaction(world: World, hand: Hand) -> None:
    with suppress(FailingError), world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        raise FailingError


@write("transaction that is vetoed")
def _vetoed_transaction(world: World, hand: Hand) -> None:
    with suppress(cowstate.InvariantError), world.store.transaction() as tx:
        tx[hand.a] = hand.slot(-1000)


@write("transaction inside one of another store")
def _nested_transaction(world: World, hand: Hand) -> None:
    with world.other.transaction() as there:
        there[hand.new] = 1
        with world.store.transaction() as here:
            here[hand.a] = hand.slot(2)
        hand.commits[0] = here.result
    hand.elsewhere[0] = there.result


@write("write inside a transaction of another store")
def _write_in_another(world: World, hand: Hand) -> None:
    with world.other.transaction() as there:
        there[hand.new] = 1
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
    hand.elsewhere[0] = there.result


@write("write that is refused inside a transaction")
def _reentrant(world: World, hand: Hand) -> None:
    with world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        with suppress(ReentrantWriteError):
            world.store.set(hand.b, hand.slot(2))
    hand.commits[0] = tx.result


@write("transaction by ExitStack", asked_for=True)
def _exit_stack(world: World, hand: Hand) -> None:
    with ExitStack() as stack:
        tx = stack.enter_context(world.store.transaction())
        tx[hand.a] = hand.slot(2)
    hand.commits[0] = tx.result


def _steps(store: Store[Any, Any]) -> Iterator[Any]:
    with store.transaction() as tx:
        yield tx


@write("generator that holds a transaction")
def _generator(world: World, hand: Hand) -> None:
    for tx in _steps(world.store):
        tx[hand.a] = hand.slot(2)
    hand.commits[0] = tx.result


@write("generator dropped in its transaction")
def _dropped_generator(world: World, hand: Hand) -> None:
    # Held by the loop alone: in a variable it would live on in the traceback, and rightly hold
    # its transaction.
    for tx in _steps(world.store):
        tx[hand.a] = hand.slot(2)
        break


unit_of_work = contextmanager(_steps)


@write("contextmanager that holds a transaction")
def _unit_of_work(world: World, hand: Hand) -> None:
    with unit_of_work(world.store) as tx:
        tx[hand.a] = hand.slot(2)
    hand.commits[0] = tx.result


@write("transact")
def _transact(world: World, hand: Hand) -> None:
    def work(tx: Any) -> Any:
        tx[hand.a] = hand.slot(2)
        del tx[hand.c]
        return tx

    hand.commits[0] = world.store.transact(work).result


@write("transact that fails")
def _failing_transact(world: World, hand: Hand) -> None:
    def work(tx: Any) -> Any:
        tx[hand.a] = hand.slot(2)
        raise FailingError

    with suppress(FailingError):
        world.store.transact(work)


def _held(world: World, hand: Hand) -> None:
    hand.holders.append(Holder(world.store))


@write("transact that times out", prepare=_held, alone=True)
def _timed_out(world: World, hand: Hand) -> None:
    with suppress(LockTimeoutError):
        world.store.transact(lambda tx: tx.clear(), timeout=0)
    with suppress(LockTimeoutError), world.store.transaction(timeout=0) as tx:
        tx.clear()


def _held_for_a_moment(world: World, hand: Hand) -> None:
    hand.holders.append(Holder(world.store, 0.003))


@write("set that waits for a transaction", prepare=_held_for_a_moment, alone=True)
def _waiting_set(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.a, hand.slot(2))


@write("transaction over two stores")
def _two_stores(world: World, hand: Hand) -> None:
    with cowstate.transaction(world.store, world.other) as (here, there):
        here[hand.a] = hand.slot(2)
        there[hand.new] = 1
    hand.commits[0] = here.result
    hand.elsewhere[0] = there.result


@write("draft")
def _draft(world: World, hand: Hand) -> None:
    work = world.store.draft()
    work[hand.a] = hand.slot(2)
    del work[hand.b]
    work[hand.new] = work[hand.c].replace(quantity=4)
    hand.commits[0] = work.commit()


@write("draft as a block")
def _draft_block(world: World, hand: Hand) -> None:
    with world.store.draft() as work:
        work[hand.a] = hand.slot(2)
        del work[hand.b]
    hand.commits[0] = work.result


@write("draft as a block that fails")
def _failing_draft_block(world: World, hand: Hand) -> None:
    with suppress(FailingError), world.store.draft() as work:
        work[hand.a] = hand.slot(2)
        raise FailingError


@write("draft that read everything", relies_on_all=True)
def _wide_draft(world: World, hand: Hand) -> None:
    work = world.store.draft()
    list(work)
    work.total("quantity")
    work.total(AGGREGATES["least"], 2)
    work.find_all("order_id", 2)
    work.range("quantity", limit=3)
    work[hand.a] = hand.slot(2)
    hand.commits[0] = work.commit(expected_version=work.base.version)


@write("draft over the past")
def _old_draft(world: World, hand: Hand) -> None:
    work = world.store.draft(world.base)
    hand.commits[0] = world.store.set(hand.new, hand.slot(3))
    work[hand.a] = hand.slot(2)
    hand.commits[1] = work.commit()


@write("draft that conflicts")
def _conflict(world: World, hand: Hand) -> None:
    work = world.store.draft()
    work[hand.a] = hand.slot(2)
    hand.commits[0] = world.store.set(hand.a, hand.slot(3))
    with suppress(ConflictError):
        hand.commits[1] = work.commit()


@write("retry")
def _retry(world: World, hand: Hand) -> None:
    def fn(work: Any) -> Any:
        work[hand.a] = hand.slot(2)
        if not hand.commits:
            hand.commits[0] = world.store.set(hand.a, hand.slot(3))
        return work

    hand.commits[1] = world.store.retry(fn, attempts=3).result


@write("retry under the lock")
def _retry_once(world: World, hand: Hand) -> None:
    def fn(work: Any) -> Any:
        work[hand.a] = hand.slot(2)
        return work

    hand.commits[0] = world.store.retry(fn, attempts=1).result


@write("observe")
def _observe(world: World, hand: Hand) -> None:
    with world.store.observe() as window:
        hand.commits[0] = world.store.set(hand.new, hand.slot(3))
    hand.seen[0] = window.changes, window.stable
    draft = window.draft()
    draft[hand.a] = hand.slot(2)
    hand.commits[1] = draft.commit()


@write("undo")
def _undo(world: World, hand: Hand) -> None:
    done = world.store.set(hand.a, hand.slot(2))
    hand.commits[0] = done
    hand.commits[1] = world.store.undo(done)


@write("apply changes")
def _apply(world: World, hand: Hand) -> None:
    done = world.store.set(hand.a, hand.slot(2))
    hand.commits[0] = done

    def work(tx: Any) -> Any:
        done.changes.inverse().apply(tx)
        return tx

    hand.commits[1] = world.store.transact(work).result


@write("revert", disturbs=True, relies_on_all=True)
def _revert(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.a, hand.slot(2))
    hand.commits[1] = world.store.revert(world.base)

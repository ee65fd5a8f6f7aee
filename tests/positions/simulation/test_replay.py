"""The main job: a replay agrees with the exchange, and adds up to the last digit."""

from __future__ import annotations

import threading
from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate import CowstateError
from cowstate.positions import (
    Faults,
    Reconciler,
    Side,
    Trade,
    parse_client_oid,
    read_tape,
    synthetic_tape,
)
from cowstate.positions.simulation.replay import MAX_GAP_MS, ReplayOptions, replay
from tests.positions.replaying import grid, modes, options, run
from tests.positions.tapes import first_of, futures, spot

ZERO = Decimal(0)


def check_laws(world):
    """What holds for every replay in which no position was corrected by hand or by decree."""
    report, audit = world.report, world.exchange.audit()
    now = world.manager.snapshot()
    bought = {Side.BUY: 1, Side.SELL: -1}
    held, cash = defaultdict(Decimal), ZERO
    for fill in audit.fills:
        held[parse_client_oid(fill.client_oid, "grid").slot] += bought[fill.side] * fill.quantity
        cash -= bought[fill.side] * fill.price * fill.quantity
    assert {key: slot.position_qty for key, slot in now.items() if slot.position_qty} == {
        key: quantity for key, quantity in held.items() if quantity
    }
    assert report.position == sum(held.values()) == audit.position
    assert report.realized_profit == cash + sum(Decimal(key) * held[key] for key in held)

    filled = [order for order in audit.orders if order.filled == order.quantity]
    assert report.orders_placed == len(audit.orders)
    assert report.fills_full == len(filled)
    assert report.fills_full + report.fills_partial == len(audit.fills)
    assert report.round_trips == sum(order.side is Side.SELL for order in filled)
    assert report.open_orders == len(audit.open_orders)


def check_aggregates(world, every):
    versions = [commit.version for commit in world.commits]
    assert versions == list(range(1, world.report.versions + 1))
    for commit in world.commits[::every]:
        now = commit.after
        orders = [order for slot in now.values() for order in slot.orders]
        assert now.total("position") == sum(slot.position_qty for slot in now.values())
        assert now.total("realized_profit") == sum(slot.realized_profit for slot in now.values())
        assert now.total("active_orders") == sum(not order.terminal for order in orders)
        for order in orders:
            slot = now.find("client_oid", order.client_oid)
            assert order in slot.orders
            if order.order_id is not None:
                assert now.find("order_id", order.order_id) is slot


# Long tapes


@modes
def test_a_long_tape_ends_in_agreement_after_hundreds_of_fills(tape_file, threads):
    world = run(read_tape(tape_file.path), options(threads=threads))
    report = world.report
    assert report.agrees
    assert report.settled
    assert not report.halted
    assert report.fills_full > 50
    assert report.fills_partial > 200
    assert report.round_trips > 20
    assert report.passes > 60
    check_laws(world)
    check_aggregates(world, every=29)


@modes
@futures
@pytest.mark.parametrize("seed", [1, 2])
def test_it_ends_in_agreement_also_when_messages_are_lost_doubled_and_late(
    tape_file, seed, threads
):
    faults = Faults(0.1, 0.1, 0.2, 0.05, 0.1, 0.05, seed=seed)
    tape = first_of(tape_file.path, 8_000)
    world = run(tape, options(threads=threads, faults=faults))
    assert world.report.agrees
    assert world.report.settled
    assert sum(dict(world.report.corrections).values()) > 3
    check_laws(world)
    check_aggregates(world, every=29)


@spot
def test_the_same_options_give_the_same_report(tape_file):
    def once():
        tape = first_of(tape_file.path, 3_000)
        faults = Faults(lose_event=0.1, delay_event=0.2, lose_answer=0.1, seed=3)
        return replay(tape, options(faults=faults)).replace(wall_seconds=0.0)

    assert once() == once()


# Laws, over made-up worlds

rates = st.sampled_from([0.0, 0.05, 0.3])
worlds = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "count": st.sampled_from([1, 30, 250]),
        "gap_ms": st.sampled_from([0, 16, 200]),
        "swing": st.sampled_from([0, 5, 60]),
        "step": st.sampled_from(["2", "5", "50", "12.5"]),
        "quantity": st.sampled_from(["0.003", "0.05", "0.5"]),
        "levels": st.integers(1, 8),
        "latency_ms": st.sampled_from([0, 10, 300]),
        "reconcile_ms": st.sampled_from([100, 1000]),
        "rates": st.tuples(*[rates] * 6),
    }
)


def made_up(world, *, threads):
    names = ("seed", "count", "gap_ms", "swing")
    tape = synthetic_tape(**{name: world[name] for name in names})
    opts = ReplayOptions(
        grid(
            price_step=Decimal(world["step"]),
            quantity=Decimal(world["quantity"]),
            levels=world["levels"],
        ),
        reconcile_ms=world["reconcile_ms"],
        latency_ms=world["latency_ms"],
        threads=threads,
        faults=Faults(*world["rates"], seed=world["seed"]),
    )
    return run(tape, opts)


@given(worlds)
def test_every_replay_settles_agrees_and_adds_up(world):
    result = made_up(world, threads=False)
    assert result.report.agrees, result.report.differences
    assert result.report.settled
    check_laws(result)
    check_aggregates(result, every=7)


@settings(max_examples=15)
@given(worlds)
def test_so_does_every_replay_with_real_threads(world):
    result = made_up(world, threads=True)
    assert result.report.agrees, result.report.differences
    assert result.report.settled
    check_laws(result)
    check_aggregates(result, every=7)


# When the strategy looks


def quotes(*prices, buyer_is_maker=False):
    """One trade a second at each of *prices*, by buyers (who fill no BUY) unless told otherwise."""
    return [
        Trade(1_000 * n, n, Decimal(price), Decimal(1), buyer_is_maker=buyer_is_maker)
        for n, price in enumerate(prices, 1)
    ]


def test_a_price_at_a_slot_is_below_it_so_the_window_moves():
    one = options(grid=grid(levels=1))
    assert [o.price for o in run(quotes("60005"), one).exchange.audit().open_orders] == [60_000]
    moved = run(quotes("60005", "60000"), one).exchange.audit()
    assert [order.price for order in moved.open_orders] == [60_000, 59_990]


def test_what_only_the_reconciler_learns_is_acted_upon_without_a_move_of_the_price():
    prices = ["60005", *["60000"] * 20]
    deaf = options(faults=Faults(lose_event=1), reconcile_ms=3_000)
    world = run(quotes(*prices, buyer_is_maker=True), deaf)
    assert Side.SELL in {order.side for order in world.exchange.audit().orders}
    assert world.report.agrees


def test_a_pass_waits_to_the_millisecond():
    waited = []

    class Waiting(Reconciler):
        def __init__(self, manager, exchange, **options):
            super().__init__(manager, exchange, **options)
            self.now, self.waits = options["time_ms"], options["pause"]

        def reconcile(self):
            if not waited:
                began = self.now()
                # As a float, a thousand times this is a little less than 1,001.
                self.waits(1_001 / 1_000)
                waited.append(self.now() - began)
            return super().reconcile()

    run(synthetic_tape(seed=1, count=50), options(), Reconciler=Waiting)
    assert waited == [1_001]


# What a user may get wrong


def trade(number=1, time_ms=0, price="60000"):
    return Trade(time_ms, number, Decimal(price), Decimal(1), buyer_is_maker=True)


@pytest.mark.parametrize(
    ("tape", "opts", "message"),
    [
        ([], {}, "the tape has no trades"),
        (["a trade"], {}, "made of Trades; this is 'a trade'"),
        ([trade(), None], {}, "made of Trades; this is None"),
        ([trade(7), trade(8, MAX_GAP_MS + 1)], {}, "trade 8 comes 1 days after .* trade 7"),
        ([trade(price="10")], {}, "leaves no room for a slot below the first price, 10"),
        ([trade(price="10.1")], {"price_step": Decimal("1e-9")}, "less than a ten-millionth"),
    ],
)
@modes
def test_a_tape_that_cannot_be_replayed_is_refused(tape, opts, message, threads):
    before = threading.active_count()
    with pytest.raises(CowstateError, match=message):
        replay(tape, options(threads=threads, grid=grid(**opts)))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"grid": None}, TypeError, "grid is of type NoneType"),
        ({"reconcile_ms": 0}, ValueError, "reconcile_ms is 0"),
        ({"reconcile_ms": 1.5}, TypeError, "reconcile_ms is of type float"),
        ({"reconcile_ms": True}, TypeError, "reconcile_ms is of type bool"),
        ({"latency_ms": -1}, ValueError, "latency_ms is -1"),
        ({"latency_ms": "50"}, TypeError, "latency_ms is of type str"),
        ({"threads": 1}, TypeError, "threads is of type int"),
        ({"faults": 0.5}, TypeError, "faults is of type float"),
        ({"policy": "strict"}, TypeError, "policy is of type str"),
    ],
)
def test_options_are_checked(changes, error, message):
    with pytest.raises(CowstateError, match=message) as caught:
        options(**changes)
    assert isinstance(caught.value, error)


@modes
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the disk")])
def test_an_exception_in_the_middle_comes_out_and_no_thread_stays(error, threads):
    before = threading.active_count()

    def progress(count):
        if count == 1_000:
            raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        replay(synthetic_tape(seed=1, count=3_000), options(threads=threads), progress)
    assert threading.active_count() == before


@modes
def test_progress_is_told_of_every_trade_once_and_in_order(threads):
    seen = []
    replay(synthetic_tape(seed=1, count=300), options(threads=threads), seen.append)
    assert seen == list(range(1, 301))

"""The pure plans: each rule of the protocol by itself."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import (
    Divergence,
    ExchangeView,
    GridConfig,
    OrderPlan,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    PositionPlan,
    PositionVerdict,
    ReconcilePolicy,
    Side,
    Slots,
    SlotStatus,
    TradeReport,
    plan_orders,
    plan_position,
)
from cowstate.positions.errors import AmountTypeError
from cowstate.positions.reconcile.plan import Answer, Look, OrderQuery

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 2, "grid")
POLICY = ReconcilePolicy(grace_ms=100, request_lifetime_ms=1_000, passes=2)
START = 100_000
LATER = START + 500
NOTHING = OrderPlan()


def order(
    oid: str,
    status: OrderStatus = OrderStatus.NEW,
    filled: str = "0",
    order_id: int | None = 1,
    time_ms: int = START,
) -> OrderUpdate:
    amount = Decimal(filled)
    parts = oid.split("-")
    price = Decimal(parts[1]) if len(parts) == 3 else Decimal(50)
    return OrderUpdate(
        "X", oid, order_id, Side.BUY, price, Decimal("0.5"), status, amount, amount * price, time_ms
    )


def manager(*facts: OrderUpdate) -> PositionManager:
    """A manager with PENDING orders grid-90-B1 and grid-100-B1, and what *facts* tell."""
    it = PositionManager(CONFIG, history=0, time_ms=lambda: START)
    it.calculate_adjustments(Decimal(105))
    for fact in facts:
        it.on_order_update(fact)
    return it


BOTH = (order("grid-90-B1", order_id=1), order("grid-100-B1", order_id=2))


def view(
    *listed: OrderUpdate,
    time_ms: int = LATER,
    position: str = "0",
    answers: tuple[Answer, ...] = (),
    trades: tuple[TradeReport, ...] = (),
    second: Look | None = None,
) -> ExchangeView:
    return ExchangeView(time_ms, Look(listed, Decimal(position)), answers, trades, second)


def plan(slots: Slots, seen: ExchangeView, before: Slots | None = None) -> OrderPlan:
    return plan_orders(before or slots, slots, seen, CONFIG, POLICY)


def test_where_both_agree_nothing_is_planned() -> None:
    slots = manager(*BOTH).snapshot()
    assert plan(slots, view(*BOTH)) == OrderPlan()
    assert plan(slots, view(*BOTH)).settled


def test_an_order_that_is_not_listed_is_asked_for_by_id_and_not_presumed_over() -> None:
    slots = manager(*BOTH).snapshot()
    found = plan(slots, view(BOTH[0]))
    assert found == OrderPlan(query=(OrderQuery("grid-100-B1", 2),), unsettled=("100",))
    assert not found.settled


def test_what_the_exchange_answers_is_joined() -> None:
    slots = manager(*BOTH).snapshot()
    filled = order("grid-100-B1", OrderStatus.FILLED, "0.5", order_id=2)
    found = plan(slots, view(BOTH[0], answers=(Answer("grid-100-B1", filled),)))
    assert found == OrderPlan(join=(filled,), unsettled=("100",))


def test_an_acknowledged_order_that_the_exchange_denies_is_never_given_up() -> None:
    slots = manager(*BOTH).snapshot()
    denied = view(BOTH[0], time_ms=START + 10_000_000, answers=(Answer("grid-100-B1", None),))
    assert plan(slots, denied) == OrderPlan(denied=("grid-100-B1",), unsettled=("100",))


def test_a_pending_order_that_has_the_exchange_s_id_was_acknowledged_too() -> None:
    slots = manager(BOTH[1], order("grid-90-B1", OrderStatus.PENDING, order_id=7)).snapshot()
    assert slots["90"].slot_status is SlotStatus.PENDING
    denied = view(BOTH[1], time_ms=START + 10_000_000, answers=(Answer("grid-90-B1", None),))
    assert plan(slots, denied) == OrderPlan(denied=("grid-90-B1",), unsettled=("90",))


def test_an_order_that_was_acknowledged_without_the_exchange_s_id_is_never_given_up_either() -> (
    None
):
    slots = manager(BOTH[0], order("grid-100-B1", order_id=None)).snapshot()
    denied = view(BOTH[0], time_ms=START + 10_000_000, answers=(Answer("grid-100-B1", None),))
    assert plan(slots, denied) == OrderPlan(denied=("grid-100-B1",), unsettled=("100",))


def test_a_denial_means_nothing_of_a_slot_that_has_changed_during_the_look() -> None:
    it = manager(*BOTH)
    before = it.snapshot()
    it.on_order_update(order("grid-100-B1", OrderStatus.PARTIALLY_FILLED, "0.2", order_id=2))
    seen = view(BOTH[0], answers=(Answer("grid-100-B1", None),))
    assert plan(it.snapshot(), seen, before) == OrderPlan(unsettled=("100",))
    assert plan(it.snapshot(), seen).denied == ("grid-100-B1",)


def test_an_answer_under_an_id_that_is_not_ours_is_handed_on_to_be_reported() -> None:
    other = order("web_1", OrderStatus.FILLED, "0.5", order_id=2)
    found = plan(manager(*BOTH).snapshot(), view(BOTH[0], answers=(Answer("grid-100-B1", other),)))
    assert found == OrderPlan(join=(other,), unsettled=("100",))


def test_a_pending_order_in_flight_is_neither_asked_for_nor_judged() -> None:
    slots = manager(BOTH[0]).snapshot()
    found = plan(slots, view(BOTH[0], time_ms=START + 99))
    assert found == OrderPlan(unsettled=("90", "100"))


@pytest.mark.parametrize(("age", "given_up"), [(100, False), (1_000, False), (1_001, True)])
def test_a_pending_order_is_given_up_only_when_its_request_can_no_longer_arrive(
    age: int, given_up: bool
) -> None:
    slots = manager(BOTH[0]).snapshot()
    now = START + age
    assert plan(slots, view(BOTH[0], time_ms=now)).query == (OrderQuery("grid-100-B1", None),)
    unknown = view(BOTH[0], time_ms=now, answers=(Answer("grid-100-B1", None),))
    found = plan(slots, unknown)
    assert [update.status for update in found.expired] == [OrderStatus.REJECTED] * given_up
    assert found.unsettled == ("100",)


def test_a_listed_order_is_matched_with_the_pending_one_and_adopted() -> None:
    slots = manager(BOTH[0]).snapshot()
    found = plan(slots, view(*BOTH))
    assert found == OrderPlan(join=(BOTH[1],), adopted=("grid-100-B1",))


def test_a_listed_order_that_tells_nothing_new_is_not_adopted_again() -> None:
    told = order("grid-90-B1", OrderStatus.PENDING, order_id=7)
    slots = manager(BOTH[1], told).snapshot()
    assert plan(slots, view(told, BOTH[1])) == OrderPlan()


def test_what_is_listed_and_answered_is_joined_once() -> None:
    slots = manager(BOTH[0]).snapshot()
    both = view(*BOTH, answers=(Answer("grid-100-B1", BOTH[1]),))
    assert plan(slots, both) == OrderPlan(join=(BOTH[1],), adopted=("grid-100-B1",))


def test_an_order_with_our_prefix_that_nobody_knows_is_cancelled_and_a_foreign_one_reported() -> (
    None
):
    slots = manager(*BOTH).snapshot()
    stray, elsewhere = order("grid-90-B7", order_id=8), order("grid-300-B1", order_id=9)
    foreign = order("web_1", order_id=10)
    found = plan(slots, view(*BOTH, stray, elsewhere, foreign))
    assert found == OrderPlan(cancel=(stray, elsewhere), foreign=(foreign,))


def test_an_order_that_is_over_here_and_listed_there_is_cancelled() -> None:
    slots = manager(*BOTH, order("grid-100-B1", OrderStatus.CANCELED, order_id=2)).snapshot()
    assert plan(slots, view(*BOTH)).cancel == (BOTH[1],)


@pytest.mark.parametrize("how", ["young", "unstable"])
def test_no_verdict_on_a_slot_that_is_young_or_has_changed_during_the_look(how: str) -> None:
    it = manager(*BOTH)
    before = it.snapshot()
    time_ms = LATER if how == "young" else START
    it.on_order_update(order("grid-100-B1", OrderStatus.EXPIRED, order_id=2, time_ms=time_ms))
    stray = order("grid-100-B7", order_id=8)
    seen = view(*BOTH, stray)
    found = plan(it.snapshot(), seen, it.snapshot() if how == "young" else before)
    assert found == OrderPlan(unsettled=("100",))
    assert plan(it.snapshot(), view(*BOTH, stray, time_ms=LATER + 100)).cancel == (BOTH[1], stray)


def test_a_list_that_is_behind_the_stream_settles_nothing() -> None:
    ahead = order("grid-100-B1", OrderStatus.PARTIALLY_FILLED, "0.2", order_id=2)
    slots = manager(*BOTH, ahead).snapshot()
    assert plan(slots, view(*BOTH)) == OrderPlan(unsettled=("100",))


def test_a_list_that_is_ahead_of_the_stream_is_joined() -> None:
    ahead = order("grid-100-B1", OrderStatus.PARTIALLY_FILLED, "0.2", order_id=2)
    found = plan(manager(*BOTH).snapshot(), view(BOTH[0], ahead))
    assert found == OrderPlan(join=(ahead,))


def test_an_order_listed_without_our_client_id_is_known_by_the_exchange_s_id() -> None:
    slots = manager(*BOTH).snapshot()
    ahead = order("x", OrderStatus.PARTIALLY_FILLED, "0.2", order_id=2).replace(price=Decimal(100))
    found = plan(slots, view(BOTH[0], ahead))
    assert [update.client_oid for update in found.join] == ["grid-100-B1"]
    assert found.foreign == ()


def test_of_several_orders_in_a_slot_the_exchange_s_id_tells_which_one_is_listed() -> None:
    over = order("grid-100-B1", OrderStatus.CANCELED, order_id=2)
    newer = order("grid-100-B3", order_id=5)
    slots = manager(*BOTH, over, newer).snapshot()
    unnamed = order("x", order_id=2).replace(price=Decimal(100))
    found = plan(slots, view(BOTH[0], unnamed, newer))
    assert found == OrderPlan(cancel=(unnamed.replace(client_oid="grid-100-B1"),))


def test_an_order_that_names_itself_by_our_id_is_that_one_whatever_the_exchange_s_id() -> None:
    stray = order("grid-90-B7", order_id=2)
    found = plan(manager(*BOTH).snapshot(), view(BOTH[0], stray))
    assert found == OrderPlan(
        query=(OrderQuery("grid-100-B1", 2),), cancel=(stray,), unsettled=("100",)
    )


def test_what_contradicts_an_order_is_handed_on_to_be_reported() -> None:
    other = BOTH[1].replace(quantity=Decimal(9))
    found = plan(manager(*BOTH).snapshot(), view(BOTH[0], other))
    assert found.join == (other,)


def trade(oid: str, quantity: str, order_id: int = 5) -> TradeReport:
    return TradeReport(1, order_id, oid, "X", Side.BUY, Decimal(100), Decimal(quantity), START)


def test_trades_tell_of_orders_that_are_unknown_or_not_known_to_be_filled() -> None:
    part = order("grid-100-B1", OrderStatus.PARTIALLY_FILLED, "0.2", order_id=2)
    slots = manager(BOTH[0], part).snapshot()
    trades = (
        trade("grid-100-B1", "0.2", 2),
        trade("grid-100-B9", "0.5"),
        trade("grid-300-B1", "0.5"),
        trade("web_1", "0.5"),
        trade("grid-300-B1", "0.5", 9).replace(client_oid=None),
    )
    found = plan(slots, view(BOTH[0], part, trades=trades))
    assert [query.client_oid for query in found.query] == ["grid-100-B9", "grid-300-B1"]
    more = (*trades[:1], trade("grid-100-B1", "0.1", 2))
    (query,) = plan(slots, view(BOTH[0], part, trades=more)).query
    assert query == OrderQuery("grid-100-B1", 2)
    answered = view(BOTH[0], part, trades=more, answers=(Answer("grid-100-B1", part),))
    assert plan(slots, answered) == OrderPlan()


def test_trades_of_a_forgotten_order_were_counted_before() -> None:
    closed = [order(f"grid-100-B{n}", OrderStatus.CANCELED, order_id=10 + n) for n in range(1, 12)]
    slots = manager(BOTH[0], *closed).snapshot()
    last = slots["100"].retired_sequence
    assert last > 1
    trades = tuple(trade(f"grid-100-B{sequence}", "0.1") for sequence in range(1, last + 1))
    assert plan(slots, view(BOTH[0], trades=trades)).query == ()


# The position


def held(quantity: str) -> PositionManager:
    it = manager(*BOTH)
    it.restore_from_exchange_position(Decimal(quantity), Decimal(105))
    return it


def position(
    slots: Slots,
    remote: str,
    *,
    last: Divergence | None = None,
    second: str | None = None,
    orders: OrderPlan = NOTHING,
    before: Slots | None = None,
    again: tuple[OrderUpdate, ...] = BOTH,
) -> PositionPlan:
    look = Look(again, Decimal(remote if second is None else second))
    seen = view(*BOTH, position=remote, second=look)
    return plan_position(before or slots, slots, seen, orders, last, POLICY)


def test_equal_positions_agree_and_end_a_divergence() -> None:
    slots = held("1").snapshot()
    found = position(slots, "1", last=Divergence(Decimal(1), 5))
    assert found == PositionPlan(PositionVerdict.AGREES, Decimal(1), Decimal(1), None)


@pytest.mark.parametrize(
    ("remote", "verdict"),
    [
        ("1.049", PositionVerdict.CORRECT),
        ("0.951", PositionVerdict.CORRECT),
        ("0.95", PositionVerdict.BREAK),
        ("1.06", PositionVerdict.BREAK),
        ("0", PositionVerdict.BREAK),
        ("-1", PositionVerdict.BREAK),
    ],
)
def test_a_divergence_that_lasts_is_corrected_below_the_threshold_or_breaks(
    remote: str, verdict: PositionVerdict
) -> None:
    slots = held("1").snapshot()
    first = position(slots, remote)
    assert first.verdict is PositionVerdict.DIVERGES
    assert first.divergence == Divergence(Decimal(remote) - 1, 1)
    second = position(slots, remote, last=first.divergence)
    assert second.verdict is verdict
    assert second.divergence == Divergence(Decimal(remote) - 1, 2)


def test_another_divergence_starts_from_one() -> None:
    slots = held("1").snapshot()
    found = position(slots, "1.04", last=Divergence(Decimal("0.03"), 7))
    assert (found.verdict, found.divergence) == (
        PositionVerdict.DIVERGES,
        Divergence(Decimal("0.04"), 1),
    )


@pytest.mark.parametrize(
    "plan_left",
    [
        OrderPlan(query=(OrderQuery("a", 1),)),
        OrderPlan(join=(BOTH[0],)),
        OrderPlan(expired=(BOTH[0],)),
        OrderPlan(cancel=(BOTH[0],)),
        OrderPlan(denied=("a",)),
        OrderPlan(unsettled=("90",)),
    ],
)
def test_no_comparison_while_a_fact_is_open_and_the_divergence_is_kept(
    plan_left: OrderPlan,
) -> None:
    last = Divergence(Decimal("0.04"), 1)
    found = position(held("1").snapshot(), "1.04", last=last, orders=plan_left)
    assert (found.verdict, found.divergence) == (PositionVerdict.UNSETTLED, last)


def test_no_comparison_when_a_slot_has_changed_or_two_looks_differ() -> None:
    it = held("1")
    before = it.snapshot()
    one_look = view(*BOTH, position="1.04")
    found = plan_position(before, before, one_look, NOTHING, None, POLICY)
    assert found.verdict is PositionVerdict.UNSETTLED
    assert position(before, "1.04", second="1.05").verdict is PositionVerdict.UNSETTLED
    grown = order("grid-100-B1", OrderStatus.PARTIALLY_FILLED, "0.2", order_id=2)
    for again in ((BOTH[0], grown), BOTH[:1], (*BOTH, order("web_1", order_id=7))):
        assert position(before, "1.04", again=again).verdict is PositionVerdict.UNSETTLED
    it.on_order_update(grown)
    found = position(it.snapshot(), "1.04", before=before)
    assert found.verdict is PositionVerdict.UNSETTLED


def test_a_policy_that_is_told_nothing_has_the_stated_bounds() -> None:
    assert ReconcilePolicy() == ReconcilePolicy(Decimal("0.05"), 2_000, 60_000, 3, 86_400_000)
    least = ReconcilePolicy(Decimal(0), 0, 0, 1, 0)
    assert (least.grace_ms, least.request_lifetime_ms, least.trades_back_ms) == (0, 0, 0)


def test_a_policy_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(AmountTypeError):
        ReconcilePolicy(auto_correct_below=0.05)  # type: ignore[arg-type]
    for more_than_all in (Decimal(5), Decimal("1.01")):
        with pytest.raises(ArgumentValueError, match="5 %"):
            ReconcilePolicy(auto_correct_below=more_than_all)
    assert ReconcilePolicy(auto_correct_below=Decimal(1)).auto_correct_below == 1
    with pytest.raises(ArgumentValueError, match="passes"):
        ReconcilePolicy(passes=0)
    with pytest.raises(ArgumentValueError, match="request_lifetime_ms"):
        ReconcilePolicy(grace_ms=10, request_lifetime_ms=9)
    with pytest.raises(ArgumentTypeError, match="grace_ms"):
        ReconcilePolicy(grace_ms=True)
    with pytest.raises(ArgumentTypeError, match="trades_back_ms"):
        ReconcilePolicy().replace(trades_back_ms=1.5)

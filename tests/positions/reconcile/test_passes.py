"""What one pass comes to: when trading is halted and goes on, and what is corrected and is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import CorrectionKind, ReconcilePolicy, Remedy
from cowstate.positions.book.reports import FeeAsset
from tests.positions.incidents.stage import Stage
from tests.positions.reconcile.desk import START, Desk, Mute, kinds, stray


def bought_by_others(desk: Desk) -> None:
    """Half a lot is traded in the account by an order of others, and the list of trades tells."""
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")


def halted_by_others(**policy: Any) -> Desk:
    desk = Desk(policy=ReconcilePolicy(**policy))
    bought_by_others(desk)
    return desk


def halted_by_size(**policy: Any) -> Desk:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(**policy))
    desk.drift("0.5")
    desk.later()
    return desk


def halted_by_silence(**policy: Any) -> Desk:
    desk = Desk(Mute, policy=ReconcilePolicy(alarm_ms=20_000, halt_ms=30_000, **policy))
    desk.later()
    desk.exchange.mute = frozenset(["fetch_positions"])  # type: ignore[attr-defined]
    while not desk.reconciler.breaker.is_open("X"):
        last = desk.later()
    assert kinds(last) == [CorrectionKind.BREAKER]
    return desk


@pytest.mark.parametrize(
    ("halted", "flatten", "proof_closes"),
    [
        (lambda: halted_by_others(others=Remedy.HALT), False, False),
        (lambda: halted_by_others(others=Remedy.FLATTEN), True, False),
        (lambda: halted_by_size(large=Remedy.HALT), False, True),
        (lambda: halted_by_size(large=Remedy.FLATTEN), True, False),
        (halted_by_silence, False, True),
    ],
)
def test_a_halt_says_whether_the_position_is_to_be_closed_and_whether_a_proof_ends_it(
    halted: Any, flatten: bool, proof_closes: bool
) -> None:
    desk = halted()
    desk.later()
    state = desk.reconciler.breaker.state("X")
    assert state.open
    assert (state.flatten, state.proof_closes) == (flatten, proof_closes)


@pytest.mark.parametrize("remedy", [Remedy.REPORT, Remedy.REQUERY])
def test_what_is_only_to_be_told_or_looked_at_again_is_not_corrected(remedy: Remedy) -> None:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(small=remedy))
    desk.drift("-0.02")
    assert [kinds(desk.later()) for _ in range(4)] == [[]] * 4
    assert desk.manager.snapshot().meta.unattributed == 0
    assert desk.reconciler.permit().trade is False  # nothing has agreed yet


def test_a_pass_that_halts_trading_corrects_nothing() -> None:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(others=Remedy.HALT))
    desk.drift("-0.02")
    desk.later()
    bought_by_others(desk)
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]
    assert desk.manager.snapshot().meta.unattributed == 0


def test_a_correction_begins_the_evidence_anew() -> None:
    """What differs after it is not proven by what was seen before it."""
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    assert kinds(desk.later()) == [CorrectionKind.POSITION]
    (past,) = desk.reconciler.status().divergences
    assert past.ended == "corrected by -0.02"
    desk.drift("-0.002")
    assert kinds(desk.later()) == []
    assert kinds(desk.later()) == [CorrectionKind.POSITION]


def restored(looks: int, lasting_ms: int) -> Desk:
    """Trading is halted for a divergence that was put right since."""
    desk = halted_by_size(looks=looks, lasting_ms=lasting_ms)
    while not desk.reconciler.breaker.is_open("X"):
        desk.later()
    desk.drift("-0.5")
    return desk


@pytest.mark.parametrize(("looks", "lasting_ms"), [(1, 0), (3, 0), (1, 4_500), (2, 4_500), (5, 0)])
def test_a_halt_ends_after_as_many_looks_as_agreed_for_as_long_as_is_asked_for(
    looks: int, lasting_ms: int
) -> None:
    desk = restored(looks, lasting_ms)
    passes = [kinds(desk.later(1_000)) for _ in range(8)]
    # A second and a few milliseconds apart: the sixth comes five seconds after the first.
    ends = max(looks, 6 if lasting_ms else 1)
    assert passes.index([CorrectionKind.CLOSED]) + 1 == ends
    assert passes.count([]) == len(passes) - 1
    assert desk.reconciler.permit().trade


def test_a_halt_does_not_end_while_there_is_another_reason_for_one() -> None:
    desk = halted_by_size(others=Remedy.HALT)
    desk.later()
    desk.drift("-0.5")
    assert kinds(desk.later()) == []
    bought_by_others(desk)
    assert CorrectionKind.CLOSED not in [kind for _ in range(4) for kind in kinds(desk.later())]
    assert desk.reconciler.breaker.is_open("X")


def test_a_halt_does_not_end_by_looks_of_before() -> None:
    desk = halted_by_silence()
    for _ in range(3):
        assert kinds(desk.later()) == []
    assert desk.reconciler.breaker.is_open("X")


# Where the trades cannot be read


def mute(desk: Desk, *names: str) -> None:
    desk.exchange.mute = frozenset(names)  # type: ignore[attr-defined]


def is_fresh(report: Any) -> bool:
    assert report.verdict is not None
    return bool(report.verdict.fresh)


class CutsItsTrades(Mute):
    """A venue whose list of trades never comes to its end, unless it is healed."""

    cuts = True

    def fetch_my_trades(self, *arguments: Any) -> Any:
        listing = super().fetch_my_trades(*arguments)
        return listing.replace(complete=False) if self.cuts else listing


class TakesFeesInBase(Mute):
    @property
    def promises(self) -> Any:
        return super().promises.replace(fee_asset=FeeAsset.BASE, base_fee=Decimal("0.001"))


class TakesFeesInQuote(Mute):
    @property
    def promises(self) -> Any:
        return super().promises.replace(fee_asset=FeeAsset.QUOTE, base_fee=Decimal("0.001"))


class TakesNoFees(Mute):
    @property
    def promises(self) -> Any:
        return super().promises.replace(fee_asset=FeeAsset.BASE, base_fee=Decimal(0))


def without_trades(untraded_ms: int) -> tuple[bool, int]:
    """Whether a pass is judged, so many ms after the last that read the trades."""
    desk = Desk(Mute, policy=ReconcilePolicy(untraded_ms=untraded_ms))
    assert is_fresh(desk.later())
    read_ms = desk.now()
    mute(desk, "fetch_my_trades")
    return is_fresh(desk.later()), desk.now() - read_ms


def test_trades_that_cannot_be_read_are_waited_for_and_then_done_without() -> None:
    fresh, after_ms = without_trades(20_000)
    assert not fresh
    judged = [without_trades(after_ms + more)[0] for more in (-1, 0, 1)]
    assert judged == [True, False, False]


def test_where_they_were_read_once_a_divergence_is_corrected_without_them_too() -> None:
    desk = Desk.holding("0.5", Mute, policy=ReconcilePolicy(untraded_ms=20_000))
    desk.later()
    mute(desk, "fetch_my_trades")
    desk.drift("-0.02")
    passes = [kinds(desk.later()) for _ in range(8)]
    assert passes[:4] == [[]] * 4
    assert passes.count([CorrectionKind.POSITION]) == 1


def test_so_they_are_where_the_list_is_cut_each_time() -> None:
    desk = Desk(CutsItsTrades)
    desk.exchange.cuts = False  # type: ignore[attr-defined]
    assert is_fresh(desk.later())
    desk.exchange.cuts = True  # type: ignore[attr-defined]
    fresh = [is_fresh(desk.later()) for _ in range(7)]
    assert (fresh[0], fresh[-1]) == (False, True)
    assert fresh == sorted(fresh)


def never_read(untraded_ms: int) -> list[tuple[list[CorrectionKind], str, int]]:
    """What is done and said about a small divergence in passes that cannot read any trades."""
    policy = ReconcilePolicy(untraded_ms=untraded_ms)
    desk = Desk.holding("0.5", Mute, policy=policy)
    mute(desk, "fetch_my_trades")
    desk.drift("-0.02")
    reports = [(desk.later(), desk.now() - START) for _ in range(3)]
    return [(kinds(report), report.verdict.why, age) for report, age in reports]  # type: ignore[union-attr]


def test_nothing_is_corrected_before_trades_had_that_long_to_be_read() -> None:
    needs_two_looks, (corrected, _, age_ms), agrees = never_read(0)
    assert (needs_two_looks[0], corrected, agrees[0]) == ([], [CorrectionKind.POSITION], [])
    assert never_read(age_ms - 1)[1][0] == corrected
    first, (then, why, _), (last, _, _) = never_read(age_ms)
    assert (first[0], then, last) == ([], [], corrected)
    assert why.endswith("; the trades, which may explain it, cannot be read")


@pytest.mark.parametrize(
    ("venue", "fresh"),
    [
        (Mute, True),
        (TakesFeesInBase, False),
        (TakesFeesInQuote, True),
        (TakesNoFees, True),
    ],
)
def test_where_each_fee_moves_the_position_trades_are_never_done_without(
    venue: Any, fresh: bool
) -> None:
    desk = Desk(venue)
    desk.later()
    mute(desk, "fetch_my_trades")
    assert [is_fresh(desk.later()) for _ in range(7)][-1] is fresh


def test_a_look_waits_for_its_trades_and_is_judged_when_they_come() -> None:
    desk = Desk(Mute)
    desk.later()
    mute(desk, "fetch_my_trades")
    assert not is_fresh(desk.later())
    mute(desk, "fetch_positions")
    assert is_fresh(desk.later())
    assert not is_fresh(desk.later())


def test_what_was_proven_with_trades_and_without_them_is_not_added_up() -> None:
    desk = Desk.holding("0.5", Mute, policy=ReconcilePolicy(untraded_ms=0))
    desk.drift("0.5")
    for muted in (["fetch_my_trades"], [], ["fetch_my_trades"]):
        mute(desk, *muted)
        assert kinds(desk.later()) == []
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]


def test_nor_is_agreement() -> None:
    policy = ReconcilePolicy(untraded_ms=0, lasting_ms=0)
    desk = Desk.holding("0.5", Mute, policy=policy)
    desk.drift("0.5")
    assert [kinds(desk.later()) for _ in range(2)] == [[], [CorrectionKind.BREAKER]]
    mute(desk, "fetch_my_trades")
    desk.drift("-0.5")
    assert kinds(desk.later()) == []
    mute(desk)
    assert [kinds(desk.later()) for _ in range(2)] == [[], [CorrectionKind.CLOSED]]


# What is kept


def test_when_both_sides_agreed_last_is_kept_while_nothing_is_heard() -> None:
    desk = Desk(Mute)
    desk.later()
    agreed_ms = desk.manager.snapshot().meta.agreed_ms
    assert agreed_ms is not None
    mute(desk, "fetch_positions")
    desk.later()
    assert desk.manager.snapshot().meta.agreed_ms == agreed_ms
    mute(desk)
    desk.later()
    assert desk.manager.snapshot().meta.agreed_ms > agreed_ms


def test_trades_are_kept_while_an_answer_may_be_of_before_them_and_no_longer() -> None:
    desk = Desk(Mute)
    bought_by_others(desk)
    desk.later()
    assert desk.manager.snapshot().meta.ledger.entries
    for _ in range(20):
        desk.later()
    assert not desk.manager.snapshot().meta.ledger.entries


# What the venue shows of its promises


@pytest.mark.parametrize("bold", [True, False])
@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("position_lag", "positions_lag_ms"),
        ("not_found", "hidden_ms"),
    ],
)
def test_an_answer_that_is_later_than_is_promised_is_noted(
    fault: str, promise: str, bold: bool
) -> None:
    faults: dict[str, Any] = {fault: 5_000}
    stage = Stage(**faults, told={promise: 0} if bold else {}, interval_ms=1_000)
    stage.look(8)
    stage.open(30)
    for _ in range(3):
        stage.trade(1_005)
        stage.look()
        stage.fill(1_000)
        stage.look(7)
    seen = stage.life.manager.snapshot().meta.sightings
    assert {each.promise for each in seen} == ({promise} if bold else set())
    assert all(0 < each.most <= 5_500 for each in seen)


class ListsLate(Mute):
    """A venue that lists all trades each time, the newest only when it comes to that."""

    late = True

    def fetch_my_trades(self, symbol: str, _since_ms: int, cursor: Any = None) -> Any:
        listing = super().fetch_my_trades(symbol, 0, cursor)
        return listing.replace(items=()) if self.late else listing


def test_a_trade_that_is_listed_after_it_should_have_been_is_noted() -> None:
    desk = Desk(ListsLate)
    desk.later()
    bought_by_others(desk)
    traded_ms = desk.now()
    desk.later()
    read_ms = desk.now()
    assert desk.manager.snapshot().meta.sightings == ()
    desk.exchange.late = False  # type: ignore[attr-defined]
    desk.later()
    (seen,) = desk.manager.snapshot().meta.sightings
    assert (seen.promise, seen.times) == ("trades_lag_ms", 1)
    assert 4_000 < seen.most <= read_ms - traded_ms
    desk.later()
    assert desk.manager.snapshot().meta.sightings == (seen,)


def test_an_order_that_only_trades_tell_of_and_no_venue_knows_is_asked_for_until_it_is_gone() -> (
    None
):
    desk = Desk(Mute)
    desk.place(stray("grid-90-B1"))
    desk.trade(90, "0.5")
    desk.exchange.amnesia = True  # type: ignore[attr-defined]
    queries = [desk.later().queries for _ in range(4)]
    assert queries == [1, 1, 0, 0]
    (tally,) = desk.manager.snapshot().meta.ledger.tallies
    assert (tally.client_oid, tally.gone, tally.traded) == ("grid-90-B1", True, Decimal("0.5"))

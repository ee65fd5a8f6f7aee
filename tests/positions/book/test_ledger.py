"""What the list of trades has told: each entry once, whatever way it is read."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.model import Side
from cowstate.positions.book.reports import FeeAsset, Leg, TradeKind, TradeReport

FEE = Decimal("0.01")


def trade(number: int, order: int = 1, quantity: int = 1, time_ms: int = 0, **changes):
    report = TradeReport(
        number, order, f"g-100-B{order}", "X", Side.BUY, Decimal(100), Decimal(quantity), time_ms
    )
    return report.replace(**changes)


def is_ours(report: TradeReport) -> bool | None:
    return {0: False, 1: True, 2: True, 3: None}[report.order_id or 0]


def absorb(ledger: Ledger, *trades: TradeReport, **options) -> Ledger:
    return ledger.absorbed(trades, ours=is_ours, **options)[0]


def moved(ledger: Ledger) -> Decimal:
    """All that its entries did to the position, by where it was put."""
    ours = (tally.traded for tally in ledger.tallies if tally.ours is not False)
    tallies = sum(ours, Decimal(0))
    return tallies + ledger.unattributed + ledger.others_total


entries = st.lists(
    st.builds(
        trade,
        st.integers(0, 8),
        st.sampled_from([0, 1, 2, 3]),
        st.integers(1, 4),
        st.integers(0, 5),
        side=st.sampled_from(Side),
        kind=st.sampled_from([TradeKind.TRADE] * 4 + [TradeKind.LIQUIDATION, TradeKind.FUNDING]),
        fee=st.sampled_from([None, Decimal(0), FEE, -FEE]),
        fee_asset=st.sampled_from([FeeAsset.BASE, FeeAsset.QUOTE]),
    ),
    max_size=12,
    unique_by=lambda report: (report.trade_id, report.order_id),
).map(lambda trades: sorted(trades, key=lambda report: report.time_ms))


# Reading


@given(entries, st.lists(st.integers(0, 12), max_size=4))
def test_it_is_the_same_by_whatever_pages_it_was_read_and_however_often(trades, cuts):
    whole = absorb(Ledger(), *trades)
    ledger = Ledger()
    for end in (*sorted(cuts), len(trades)):
        ledger = absorb(ledger, *trades[:end])
    assert ledger == whole
    assert absorb(ledger, *trades) is ledger
    assert [entry.trade_id for entry in whole.entries] == [each.trade_id for each in trades]


@given(entries, st.booleans())
def test_every_entry_is_somewhere_once(trades, known):
    fee = {"fee_asset": FeeAsset.BASE, "base_fee": FEE} if known else {}
    ledger = absorb(Ledger(), *trades, **fee)
    assert moved(ledger) == sum((entry.moved for entry in ledger.entries), Decimal(0))
    for entry, report in zip(ledger.entries, trades, strict=True):
        unsaid = report.fee is None and report.kind is TradeKind.TRADE and known
        assert entry.moved == report.moved - (FEE * report.quantity if unsaid else 0)
    for tally in ledger.tallies:
        own = [entry for entry in ledger.entries if entry.order_id == tally.order_id]
        own = [entry for entry in own if entry.kind is TradeKind.TRADE]
        assert tally.traded == sum(entry.filled for entry in own)
        assert tally.moved == sum(entry.moved for entry in own)
        assert tally.cost == sum(entry.cost for entry in own)
        assert (tally.first_ms, tally.last_ms) == (own[0].time_ms, own[-1].time_ms)


def test_orders_are_told_apart_by_the_venues_id():
    """By the client id alone, two orders would add up to a fill that never was."""
    again = trade(2, 2, client_oid="g-100-B1")
    ledger = absorb(Ledger(), trade(1, 1), again)
    assert [str(tally.traded) for tally in ledger.tallies] == ["1", "1"]
    nameless = [trade(3, order_id=None, client_oid="a"), trade(4, order_id=None, client_oid="b")]
    ledger, _ = Ledger().absorbed(nameless, ours=lambda report: True)
    assert [tally.client_oid for tally in ledger.tallies] == ["a", "b"]


def test_both_sides_of_a_trade_with_ourselves_count():
    ledger = absorb(Ledger(), trade(1, 1), trade(1, 2, side=Side.SELL))
    assert [tally.traded for tally in ledger.tallies] == [1, -1]


def test_another_leg_is_another_ledger():
    ledger = absorb(Ledger(leg=Leg.LONG), trade(1), trade(2, leg=Leg.LONG), trade(3, leg=Leg.SHORT))
    assert [entry.trade_id for entry in ledger.entries] == [2]


@given(entries)
def test_what_is_new_is_told(trades):
    ledger, fresh = Ledger().absorbed(trades[:4], ours=is_ours)
    assert len(fresh) == len(trades[:4])
    _, fresh = ledger.absorbed(trades, ours=is_ours)
    assert [entry.trade_id for entry in fresh] == [each.trade_id for each in trades[4:]]


# Forgetting


@given(entries, st.integers(0, 6), st.integers(0, 7))
def test_entries_may_be_forgotten_and_what_they_come_to_stays(trades, since_ms, before_ms):
    whole = absorb(Ledger(), *trades).read(since_ms)
    for tally in whole.tallies[:1]:
        whole = whole.claimed(tally, False)
    ledger = whole.forgotten(before_ms)
    assert ledger.kept_ms == min(since_ms, before_ms)
    assert all(entry.time_ms >= ledger.kept_ms for entry in ledger.entries)
    assert moved(ledger) == moved(whole)
    # What is listed again, from the cursor on or from before, counts no second time.
    assert absorb(ledger, *trades) == ledger


def test_a_cursor_never_goes_back():
    ledger = Ledger().read(5_000, "page:2")
    assert ledger.cursor == "page:2"
    assert ledger.read(4_000) == ledger.replace(cursor=None)
    assert ledger.read(6_000).since_ms == 6_000


# Whose it turns out to be


@given(entries, st.booleans(), st.booleans())
def test_a_claim_changes_where_entries_stand_and_not_what_they_come_to(trades, ours, early):
    """And it is the same whether it was known before the trades or after them."""
    ledger = absorb(Ledger(), *trades)
    for tally in ledger.tallies:
        claimed = ledger.claimed(tally, ours, "g-1")
        assert moved(claimed) == moved(ledger)
        known = claimed.tally(tally.order_id)
        assert (known.ours, known.client_oid) == (ours, "g-1")
        assert claimed.claimed(tally, ours, "g-1") == claimed
        back = claimed.claimed(tally, not ours).claimed(tally, ours)
        assert back.replace(others_ms=0) == claimed.replace(others_ms=0)
        if not ours:
            alone = ledger.tallies == (tally,)
            assert not alone or claimed.others_ms >= tally.last_ms
            told, _ = Ledger().absorbed(
                trades,
                ours=lambda each, not_ours=tally.order_id: (
                    is_ours(each) if each.order_id != not_ours else False
                ),
            )
            assert claimed.unattributed == told.unattributed
            assert claimed.others_total == told.others_total
    if early and ledger.tallies:
        first = ledger.tallies[0]
        half, _ = Ledger().absorbed(trades[:6], ours=is_ours)
        late = absorb(half.claimed(first, ours), *trades)
        if half.tally(first.order_id) is not None:
            assert moved(late) == moved(ledger)
            assert late.replace(others_ms=0) == ledger.claimed(first, ours).replace(others_ms=0)


def test_of_an_order_that_is_not_there_nothing_changes():
    ledger = absorb(Ledger(), trade(1))
    stranger = Tally(99, None, FEE, FEE, FEE, 0, 0, None)
    assert ledger.claimed(stranger, True) is ledger
    assert ledger.folded(stranger, FEE) is ledger
    assert ledger.given_up(stranger) is ledger


def test_an_order_that_the_venue_forgot_is_marked_and_its_trades_still_count():
    ledger = absorb(Ledger(), trade(1), trade(2, 2))
    gone = ledger.given_up(ledger.tallies[0])
    assert [tally.gone for tally in gone.tallies] == [True, False]
    assert moved(gone) == moved(ledger)
    assert absorb(gone, trade(3, 1)).tallies[0].gone


@given(entries, st.integers(-3, 3), st.sampled_from([None, True, False]))
def test_folding_moves_what_no_slot_holds_to_the_unattributed(trades, counted, ours):
    """And changes nothing else: what is counted stands in a slot from then on."""
    ledger = absorb(Ledger(), *trades)
    for tally in ledger.tallies:
        claimed = ledger if ours is None else ledger.claimed(tally, ours)
        folded = claimed.folded(tally, Decimal(counted))
        assert folded.tally(tally.order_id) is None
        assert folded.unattributed - ledger.unattributed == tally.traded - counted
        assert moved(folded) == moved(claimed) - counted


def test_what_came_while_a_fold_was_planned_is_folded_too():
    planned = absorb(Ledger(), trade(1, 1, 2)).tallies[0]
    ledger = absorb(Ledger(), trade(1, 1, 2), trade(2, 1, 1))
    assert ledger.folded(planned, Decimal(2)).unattributed == 1


@given(entries)
def test_adopting_moves_what_others_did_to_the_unattributed(trades):
    ledger = absorb(Ledger(), *trades)
    for tally in ledger.tallies[:1]:
        ledger = ledger.claimed(tally, False)
    adopted = ledger
    for kind in TradeKind:
        adopted = adopted.adopted(kind)
        assert kind not in adopted.others
        assert adopted.adopted(kind) is adopted
    assert moved(adopted) == moved(ledger)
    assert not adopted.others_total


@given(entries, entries.map(lambda trades: trades[:4]), st.integers(0, 6))
def test_what_was_adopted_and_turns_out_to_be_ours_is_as_if_it_had_been_known(first, later, kept):
    """However it was read, and whatever was filled of it after the adoption."""
    first = [each.replace(client_oid=None) for each in first]
    later = [
        each.replace(trade_id=each.trade_id + 100, time_ms=6, client_oid=None) for each in later
    ]
    known = absorb(Ledger(), *first, *later)
    ledger = absorb(Ledger(), *first)
    tallies = ledger.tallies
    for tally in tallies:
        ledger = ledger.claimed(tally, False)
    others = ledger.settled_others
    ledger = absorb(ledger.adopted(TradeKind.TRADE).read(6).forgotten(kept), *later)
    assert moved(ledger) == moved(known)
    for tally in tallies:
        ledger = ledger.claimed(tally, True)
        known = known.claimed(tally, True)
    adopted = sum((amount for kind, amount in others if kind is TradeKind.TRADE), Decimal(0))
    assert ledger.unattributed == known.unattributed + adopted
    assert ledger.tallies == known.tallies
    assert moved(ledger) == moved(known)


def test_of_orders_that_name_no_id_of_ours_the_latest_are_remembered():
    trades = [trade(n, 1_000 + n, time_ms=n, client_oid=None) for n in range(100)]
    ledger, _ = Ledger().absorbed(trades, ours=lambda report: None)
    for tally in ledger.tallies:
        ledger = ledger.claimed(tally, False)
    adopted = ledger.adopted(TradeKind.TRADE).read(1_000)
    kept = adopted.forgotten(1_000)
    assert [tally.order_id for tally in kept.tallies] == list(range(1_036, 1_100))
    assert moved(kept) == moved(adopted) == 100
    assert not kept.others_total
    left = ledger.read(1_000).forgotten(1_000)
    assert left.others_total == ledger.others_total == 100


def test_what_others_did_has_a_time_and_a_kind():
    ledger = absorb(
        Ledger(), trade(1, 0, 3, 10), trade(2, 1, 1, 20), trade(3, 0, kind=TradeKind.FUNDING)
    )
    assert ledger.others == {TradeKind.TRADE: 3, TradeKind.FUNDING: 1}
    assert ledger.others_ms == 10


@pytest.mark.parametrize("by", ["0.5", "-0.05"])
def test_a_correction_is_added(by):
    ledger = Ledger(unattributed=Decimal(1)).corrected(Decimal(by))
    assert ledger.unattributed == 1 + Decimal(by)


def test_it_is_a_value():
    ledger = absorb(Ledger(), trade(1), trade(2, 0))
    assert pickle.loads(pickle.dumps(ledger)) == ledger
    hash(ledger)

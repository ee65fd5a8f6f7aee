"""What is held beside the slots: bounded in an hour, undone one by one, restored with the slots."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import GridConfig, InventorySlot, PositionManager
from cowstate.positions.book.account import HOUR_MS, Account, QuantityCorrection, held, was_restored
from cowstate.positions.book.store import new_book

CONFIG = GridConfig("X", Decimal(10), Decimal(3), 3, "grid")
steps = st.lists(st.tuples(st.integers(0, HOUR_MS), st.integers(-3, 3).map(Decimal)), max_size=6)


@given(steps)
def test_corrections_add_up_and_count_for_an_hour_by_their_size(steps):
    account, now = Account(), 0
    made = []
    for pause, by in steps:
        now += pause
        account = account.corrected(by, now)
        made.append((now, by))
    assert account.unattributed == sum(by for _, by in made)
    lately = [abs(by) for when, by in made if now - when < HOUR_MS]
    assert account.corrected_lately(now) == sum(lately)
    assert len(account.corrections) == len(lately)
    assert account.corrected_lately(now + HOUR_MS) == 0


@given(steps.filter(bool))
def test_a_correction_can_be_undone(steps):
    account = Account()
    for number, (_, by) in enumerate(steps):
        account = account.corrected(by, number)
    for correction in account.corrections:
        undone = account.undone(correction)
        assert undone.unattributed == account.unattributed - correction.quantity
        assert correction not in undone.corrections
        assert undone.undone(correction) is undone
    assert account.undone(QuantityCorrection(10**9, Decimal(1))) is account


def test_of_two_equal_corrections_one_is_undone():
    account = Account().corrected(Decimal(2), 5).corrected(Decimal(2), 5)
    undone = account.undone(QuantityCorrection(5, Decimal(2)))
    assert (undone.unattributed, undone.corrected_lately(5)) == (2, 2)


@pytest.mark.parametrize(("by", "total"), [("0", "3"), ("-0.5", "2.5"), ("1", "4")])
def test_all_that_is_held_is_what_slots_hold_and_what_belongs_to_none(by, total):
    store = new_book({"100": InventorySlot(Decimal(100), Decimal(3))})
    store.update_meta(lambda account: account.corrected(Decimal(by), 0))
    assert held(store.snapshot()) == Decimal(total)


def test_an_account_is_restored_with_its_slots():
    manager = PositionManager(CONFIG)
    manager.initialize(Decimal(135))
    manager.store.update_meta(lambda account: account.corrected(Decimal("0.5"), 7))
    saved = pickle.loads(pickle.dumps(manager.snapshot()))
    manager.store.update_meta(lambda account: account.corrected(Decimal(9), 8))
    assert not manager.get_position_history()
    manager.restore_state(saved)
    account = manager.snapshot().meta
    assert account == saved.meta.replace(restored=1)
    manager.restore_state(saved.values())
    assert manager.snapshot().meta == Account(restored=2)


def test_a_state_saved_before_there_were_accounts_is_taken():
    assert Account(restored=4).replaced_by(7) == Account(restored=5)
    assert Account(restored=4).replaced_by(None) == Account(restored=5)


def test_only_a_restore_is_one():
    account = Account()
    assert not was_restored(account, account.corrected(Decimal(1), 0))
    assert was_restored(account, account.replaced_by(account))
    assert not was_restored("a", "b")

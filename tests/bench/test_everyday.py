"""What many programs have, a dict and a lock, does what a store does where it can.

Where it cannot, the test is expected to fail, strictly, and says why.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cowstate.bench.peers import DATACLASSES, DEEPCOPY
from cowstate.bench.variants import DEFAULT, Variant, variants

SIZE = 20
NAMES = (DEFAULT, DEEPCOPY, DATACLASSES)

each = pytest.mark.parametrize("name", NAMES)


def cannot(name: str, reason: str) -> Any:
    """All of them, *name* expected to fail for *reason*."""
    mark = pytest.mark.xfail(strict=True, reason=reason)
    return pytest.mark.parametrize(
        "name", [pytest.param(one, marks=mark) if one == name else one for one in NAMES]
    )


@pytest.fixture
def variant(name: str) -> Variant:
    return variants()[name](SIZE)


def quantities(variant: Variant) -> list[int]:
    now = variant.store.snapshot()
    return [now[key].quantity for key in variant.keys]


@each
def test_a_snapshot_is_not_changed_by_what_is_written_later(variant: Variant) -> None:
    before = variant.store.snapshot()
    first, second = variant.keys[:2]
    variant.store.update(first, variant.change)
    variant.store.set(second, variant.store.snapshot()[first])
    assert (before[first].quantity, before[second].quantity) == (0, 0)
    assert quantities(variant)[:2] == [1, 1]


@each
def test_a_write_under_a_condition_is_made_only_over_what_was_expected(variant: Variant) -> None:
    key = variant.keys[0]
    old, other = variant.store.snapshot()[key], variant.store.snapshot()[variant.keys[1]]
    variant.store.update(key, variant.change)
    assert not variant.store.compare_and_set(key, old, other)
    assert variant.store.compare_and_set(key, variant.store.snapshot()[key], other)
    assert variant.store.snapshot()[key].price == other.price


@each
def test_no_update_is_lost_and_no_snapshot_shows_half_of_several(variant: Variant) -> None:
    done = threading.Event()
    torn: list[list[int]] = []

    def read() -> None:
        while not done.is_set():
            seen = quantities(variant)
            if len(set(seen)) != 1:
                torn.append(seen)

    def write() -> None:
        for _ in range(50):
            variant.store.update_all(variant.keys, variant.change)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(3)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert not torn
    assert quantities(variant) == [150] * 10


def fails_half_way(variant: Variant, fails_at: int) -> Any:
    turn = iter(range(fails_at))

    def change(record: Any) -> Any:
        changed = variant.change(record)
        if next(turn, None) is None:
            raise ZeroDivisionError
        return changed

    return change


@cannot(DEEPCOPY, "a record is changed in place, so what was changed before the exception stays")
def test_several_changes_of_which_one_raises_change_nothing(variant: Variant) -> None:
    with pytest.raises(ZeroDivisionError):
        variant.store.update_all(variant.keys, fails_half_way(variant, 3))
    assert quantities(variant) == [0] * 10


@cannot(DEEPCOPY, "a copy is the caller's own, and nothing keeps the caller from changing it")
def test_a_record_of_a_snapshot_cannot_be_changed(variant: Variant) -> None:
    record = variant.store.snapshot()[variant.keys[0]]
    with pytest.raises(AttributeError):
        record.quantity = 1


@cannot(DEEPCOPY, "each snapshot is of copies, so only values compare")
def test_a_record_that_changed_and_changed_back_is_another_one(variant: Variant) -> None:
    key = variant.keys[0]
    old = variant.store.snapshot()[key]
    again = variants()[variant.name](SIZE).store.snapshot()[key]
    variant.store.update(key, variant.change)
    variant.store.set(key, again if again is not old else type(old)(old.price))
    assert not variant.store.compare_and_set(key, old, old)

"""Positions on a server: what one machine has sent is what the next one begins with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, journal
from cowstate.positions import Account, InventorySlot, PositionManager
from tests.journal.postgres.servers import SOON, Cluster, expire
from tests.positions.trading.managing import CONFIG, PRICE

ArgumentError = (ArgumentTypeError, ArgumentValueError)


@contextmanager
def manager_on(cluster: Cluster, name: str, **options: float | None) -> Iterator[PositionManager]:
    options = {"lease": 600.0, "wait": 0.0, **options}
    with PositionManager.open(cluster.url, CONFIG, name=name, **options) as manager:  # type: ignore[arg-type]
        yield manager


def test_the_next_machine_knows_what_this_one_may_have_sent(cluster: Cluster, name: str) -> None:
    with manager_on(cluster, name) as first:
        assert first.calculate_adjustments(PRICE)
        sent, elsewhere = first.snapshot(), PRICE + 2 * CONFIG.price_step
        # It dies: nobody says so, but its lease ends.
        expire(cluster, name)
        with manager_on(cluster, name) as second:
            assert dict(second.snapshot()) == dict(sent)
            assert second.snapshot().meta.grid == CONFIG
            assert second.calculate_adjustments(PRICE) == ()
            # It was not dead, and does not know. What it would send now, it is not told to send.
            with pytest.raises(journal.FencedError):
                first.calculate_adjustments(elsewhere)
            assert dict(first.snapshot()) == dict(sent)
            assert second.calculate_adjustments(elsewhere)


def test_a_standby_goes_on_when_the_first_is_closed(cluster: Cluster, name: str) -> None:
    found: list[dict[str, InventorySlot]] = []

    def stand_by() -> None:
        with manager_on(cluster, name, wait=None) as manager:
            found.append(dict(manager.snapshot()))

    with manager_on(cluster, name) as first:
        standby = Thread(target=stand_by)
        standby.start()
        first.calculate_adjustments(PRICE)
        sent = dict(first.snapshot())
    standby.join(SOON)
    assert found == [sent]


def test_others_follow_the_slots_and_the_account(cluster: Cluster, name: str) -> None:
    with (
        manager_on(cluster, name) as manager,
        journal.follow(
            cluster.url, name=name, key=str, record=InventorySlot, meta=Account, schema=1
        ) as seen,
    ):
        manager.calculate_adjustments(PRICE)
        now = manager.snapshot()
        there = seen.wait_for(version=now.version, timeout=SOON)
        assert (dict(there), there.meta) == (dict(now), now.meta)


def test_a_name_belongs_to_a_server_and_a_server_needs_one(
    cluster: Cluster, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match="name"):
        PositionManager.open(cluster.url, CONFIG)
    with pytest.raises(ArgumentError, match="name"):
        PositionManager.open(tmp_path / "a.db", CONFIG, name="slots")
    assert not (tmp_path / "a.db").exists()

"""An account's stream of events, folded through the join: a recorded one, and made-up ones.

The recording holds ten examples of a real account. It was flat again, by trades that were not
recorded, before examples 6 and 8, so three stretches are folded, each from an empty slot. At each
of its 45 fills the account event stands before the order event that explains it. The made-up
streams are alike in that, and need nothing beside the project.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cowstate.positions.book.ids import client_order_id
from cowstate.positions.book.model import OrderStatus, OrderUpdate, Side
from cowstate.positions.book.orders import apply_order_update, fills_of
from cowstate.positions.book.slots import InventorySlot
from tests.positions.book.streams import Stream, made_up_stream

RECORDING = "user_stream/binance_usdm_bnbusdt_user_stream_202203.jsonl"
SLOT = InventorySlot(Decimal(400))
STRETCHES = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 3, 9: 3, 10: 3}


class Adapter:
    """Order events of the recording as order facts of one slot.

    The account's ids name no slot, so each order gets the id that it would have had in ours:
    numbered as they first appear. The events tell cost only fill by fill; it is summed here.
    """

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.costs: dict[str, Decimal] = {}

    def update(self, event: dict[str, Any]) -> OrderUpdate:
        order = event["order"]
        foreign = order["clientOrderId"]
        side = Side(order["orderSide"])
        number = len(self.ids) + 1
        oid = self.ids.setdefault(foreign, client_order_id("rec", "400", side, number))
        last = Decimal(order["lastFilledQuantity"]) * Decimal(order["lastFilledPrice"])
        self.costs[foreign] = self.costs.get(foreign, Decimal(0)) + last
        return OrderUpdate(
            order["symbol"],
            oid,
            order["orderId"],
            side,
            Decimal(order["originalPrice"]),
            Decimal(order["originalQuantity"]),
            OrderStatus(order["orderStatus"]),
            Decimal(order["orderFilledAccumulatedQuantity"]),
            self.costs[foreign],
            event["eventTime"],
        )


Facts = list[tuple[OrderUpdate, Decimal | None]]


def facts_of(stream: Stream) -> list[Facts]:
    """Per stretch its order facts, each fill with the position that the account then reported."""
    rows = [json.loads(line, parse_float=Decimal) for line in stream.lines]
    result = []
    for _, stretch in groupby(rows, key=lambda row: stream.stretches[row["example"]]):
        adapter, position, events = Adapter(), Decimal(0), []
        for row in stretch:
            event = row["event"]
            if event["eventType"] == "ORDER_TRADE_UPDATE":
                is_fill = event["order"]["executionType"] == "TRADE"
                events.append((adapter.update(event), position if is_fill else None))
            for report in event.get("updateData", {}).get("updatedPositions", ()):
                position = Decimal(report["positionAmount"])
        result.append(events)
    return result


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[Facts]:
    lines = (shared_data / RECORDING).read_text(encoding="utf-8").splitlines()
    return facts_of(Stream(lines, STRETCHES))


@pytest.fixture(scope="module", params=["recorded", 1, 2, 3])
def stretches(request: pytest.FixtureRequest) -> list[Facts]:
    if request.param == "recorded":
        found: list[Facts] = request.getfixturevalue("recorded")
        return found
    return facts_of(made_up_stream(request.param))


def counted(stretches: list[Facts]) -> dict[str, int]:
    return Counter(update.status.name for stretch in stretches for update, _ in stretch)


def test_the_recording_is_what_its_provenance_says(recorded):
    assert counted(recorded) == {
        "NEW": 34,
        "PARTIALLY_FILLED": 14,
        "FILLED": 31,
        "CANCELED": 1,
        "EXPIRED": 2,
    }
    assert sum(reported is not None for stretch in recorded for _, reported in stretch) == 45


def test_each_stream_holds_every_status_in_several_stretches(stretches):
    assert set(counted(stretches)) == {"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"}
    assert len(stretches) == 3
    positions = [reported for stretch in stretches for _, reported in stretch if reported]
    assert min(positions) < 0 < max(positions)


def test_the_fold_ends_in_the_position_that_the_account_reports_at_each_fill(stretches):
    for stretch in stretches:
        slot = SLOT
        for update, reported in stretch:
            grown = apply_order_update(slot, update)
            assert len(fills_of(slot, grown)) == (reported is not None)
            slot = grown
            if reported is not None:
                assert slot.position_qty == reported
        assert slot.working is None


def test_the_events_doubled_at_once_and_repeated_later_change_nothing(stretches):
    for stretch in stretches:
        slot = SLOT
        window: list[OrderUpdate] = []
        for update, reported in stretch:
            slot = apply_order_update(slot, update)
            window = [*window, update][-6:]
            for again in window:
                assert apply_order_update(slot, again) is slot
            assert reported is None or slot.position_qty == reported


@pytest.mark.parametrize("seed", range(20))
def test_the_events_in_a_disturbed_order_end_in_the_same_slot(stretches, seed):
    """Each event may be late by up to eight others, which never is eight orders."""
    rng = random.Random(seed)
    for stretch in stretches:
        straight = disturbed = SLOT
        updates = [update for update, _ in stretch]
        for update in updates:
            straight = apply_order_update(straight, update)
        late = sorted(range(len(updates)), key=lambda index: index + rng.uniform(0, 8))
        for index in late:
            disturbed = apply_order_update(disturbed, updates[index])
        assert late != sorted(late)
        assert disturbed == straight

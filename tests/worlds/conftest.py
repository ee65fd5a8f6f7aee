"""What a law leaves behind when it fails, as it does with a seeded bug, is no business of others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cowstate import delivery, reservation, writelock


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    for held in list(writelock._reservations.values()):
        held.end("the test is over")
    writelock._reservations.clear()
    delivery.debts.clear()
    reservation.inside.set(())

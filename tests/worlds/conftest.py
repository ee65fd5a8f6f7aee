"""What a law that fails leaves behind is no business of others; with a seeded bug it must fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cowstate import reservation, writelock


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    for reference in (*reservation.inside.get(), *writelock._in_tasks.values()):
        if (held := reference()) is not None:
            held.end("the test is over")
    reservation.inside.set(())

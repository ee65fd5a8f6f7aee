"""What no schedule may depend on: the clock, and threads that the explorer does not know."""

from __future__ import annotations

import pytest

from cowstate import delivery, writelock
from tests.schedules.exploring import start_no_thread


@pytest.fixture(autouse=True)
def _nothing_but_the_threads_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "start_new_thread", start_no_thread)
    # Nobody sleeps so long; the explorer lets such a wait time out when nobody else can go on.
    for module in (delivery, writelock):
        monkeypatch.setattr(module, "PATIENCE", 1e6)

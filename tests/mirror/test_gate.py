"""To sleep until something has happened, once and for good."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cowstate.mirror.gate import Gate
from cowstate.testing.schedules import explore


def test_no_wake_up_is_lost_in_any_order() -> None:
    def program() -> object:
        gate = Gate()
        woken: list[bool] = []
        threads = [lambda: woken.append(gate.wait()), lambda: woken.append(gate.wait()), gate.open]
        return threads, lambda: tuple(woken)

    result = explore(program, modules=["cowstate.mirror.gate"], preemptions=1)
    assert result.complete
    assert set(result.outcomes) == {(True, True)}


def test_it_opens_for_all_and_for_good() -> None:
    gate = Gate()
    assert not gate.wait(0)
    threads = [threading.Thread(target=gate.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    gate.open()
    gate.open()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert gate.wait()


@pytest.mark.parametrize("seconds", [1e9, 1e12, 1e300, float("inf"), None])
def test_what_is_longer_than_anybody_lives_is_for_ever_and_no_error(seconds: Any) -> None:
    gate = Gate()
    passed: list[bool] = []
    thread = threading.Thread(target=lambda: passed.append(gate.wait(seconds)))
    thread.start()
    gate.open()
    thread.join(30)
    assert passed == [True]

"""A failing trace says which shared access lost: who read what before whose write."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate.errors import ScheduleError
from cowstate.testing.schedules import Program, Trace, explore, replay

HERE = [__name__]


class Account:
    def __init__(self) -> None:
        self.balance = 1
        self.notes: dict[str, int] = {"n": 0}

    def deposit(self) -> None:
        balance = self.balance
        self.balance = balance + 1

    def note(self) -> None:
        n = self.notes["n"]
        self.notes["n"] = n + 1

    def withdraw(self) -> None:
        if self.balance < 1:
            return
        self.take()

    def take(self) -> None:
        self.balance -= 1


def trace_of(program: Program) -> Trace:
    with pytest.raises(ScheduleError) as caught:
        explore(program, modules=HERE)
    told = caught.value.trace
    assert isinstance(told, Trace)
    for line in told.lost:
        assert f"lost: {line}" in str(caught.value)
    return told


def twice(method: str, *, ends: int) -> Program:
    def program() -> Any:
        account = Account()

        def check() -> None:
            assert account.balance + account.notes["n"] == ends

        return [getattr(account, method)] * 2, check

    return program


def test_a_lost_update_names_the_attribute_both_threads_and_the_lines() -> None:
    (told,) = trace_of(twice("deposit", ends=3)).lost
    read, write = (Account.deposit.__code__.co_firstlineno + n for n in (1, 2))
    wrote, over = sorted(["deposit-1", "deposit-2"], key=lambda name: not told.startswith(name))
    assert told == (
        f"{wrote} wrote Account.balance at test_lost.py:{write} by what it had read at "
        f"test_lost.py:{read}, over what {over} wrote at test_lost.py:{write} since"
    )


def test_a_lost_item_is_told() -> None:
    (told,) = trace_of(twice("note", ends=3)).lost
    assert "wrote an item of a dict at test_lost.py" in told


def test_a_check_that_another_outdates_is_told() -> None:
    (told,) = trace_of(twice("withdraw", ends=0)).lost
    assert "read Account.balance at test_lost.py" in told
    assert "between the two withdraw-" in told


def test_what_a_thread_went_on_by_though_it_had_changed_is_told() -> None:
    def program() -> Any:
        account = Account()
        log: list[Any] = []

        def pay() -> None:
            due = account.balance
            log.append(due)

        def take() -> None:
            account.take()
            log.append("taken")

        def check() -> None:
            assert log != ["taken", 1]

        return [pay, take], check

    (told,) = trace_of(program).lost
    assert told.startswith("pay went on by what it had read of Account.balance at test_lost.py")


def test_nothing_is_told_of_a_schedule_that_does_not_fail() -> None:
    program = twice("deposit", ends=3)
    with pytest.raises(ScheduleError) as caught:
        explore(program, modules=HERE)
    fixed = replay(program, caught.value.schedule._replace(switches=()))
    assert fixed.error is None
    assert fixed.lost == ()

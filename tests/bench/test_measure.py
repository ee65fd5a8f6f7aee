"""Timing: what a sample is, how rounds are paired, what a ratio says."""

from __future__ import annotations

import gc
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.bench.measure import (
    Figure,
    Operation,
    Settings,
    conditions,
    quantile,
    ratio_of,
    time_all,
)

QUICK = Settings.quickly(4)._replace(budget_s=60.0)
positive = st.floats(0.1, 1e9)


def test_every_operation_has_a_sample_of_every_round() -> None:
    order: list[str] = []
    operations = {
        name: Operation("note(name)", {"note": order.append, "name": name}) for name in "abc"
    }
    samples = time_all(operations, QUICK)
    assert {name: len(taken) for name, taken in samples.items()} == dict.fromkeys("abc", 4)
    assert all(taken > 0 for each in samples.values() for taken in each)


def test_the_order_of_the_rounds_is_drawn_anew_and_repeats_with_the_seed() -> None:
    def orders(seed: int) -> list[str]:
        seen: list[str] = []
        operations = {
            name: Operation("note(name)", {"name": name}, fresh=lambda: {"note": seen.append})
            for name in "abcdef"
        }
        time_all(operations, QUICK._replace(seed=seed))
        rounds = seen[6:]  # the first is the warm-up
        return ["".join(rounds[place : place + 6]) for place in range(0, len(rounds), 6)]

    assert len(set(orders(1))) > 1
    assert orders(1) == orders(1) != orders(2)


def test_fresh_names_are_made_for_each_sample_and_it_runs_once() -> None:
    made = count()
    ran: list[int] = []
    operation = Operation("ran.append(number)", {"ran": ran}, fresh=lambda: {"number": next(made)})
    time_all({"only": operation}, QUICK)
    assert ran == list(range(5))


def test_a_sample_is_for_one_of_the_operations_that_a_run_makes() -> None:
    work = {"work": lambda: sum(range(2_000))}
    samples = time_all(
        {"one": Operation("work()", work), "many": Operation("work()", work, per=1_000_000)}, QUICK
    )
    assert min(samples["one"]) > 100 * min(samples["many"])


def test_what_takes_long_is_sampled_less_often_but_twice_at_least() -> None:
    slow: dict[str, Any] = {"work": lambda: sum(range(200_000))}
    samples = time_all(
        {"slow": Operation("work()", slow)}, QUICK._replace(repeats=50, budget_s=0.01)
    )
    assert 2 <= len(samples["slow"]) < 50


def test_the_collector_is_on_while_it_is_measured_and_forgets_nothing_afterwards() -> None:
    seen: list[bool] = []
    operation = Operation("seen.append(enabled())", {"seen": seen, "enabled": gc.isenabled})
    frozen = gc.get_freeze_count()
    time_all({"only": operation}, QUICK)
    assert all(seen)
    assert gc.get_freeze_count() <= frozen


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=9), st.floats(0.5, 8))
def test_a_ratio_scales_with_what_is_over_and_its_quartiles_enclose_rounds(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    over, under = [one for one, _ in pairs], [two for _, two in pairs]
    ratio = ratio_of(over, under)
    scaled = ratio_of([one * factor for one in over], under)
    assert scaled.value == pytest.approx(ratio.value * factor)
    rounds = [one / two for one, two in pairs]
    assert min(rounds) <= ratio.low <= ratio.high <= max(rounds)
    assert ratio_of(over, over) == (1, 1, 1)


@given(st.lists(st.integers(), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_the_part_does_not_exceed(
    values: list[int], part: float
) -> None:
    ordered = sorted(values)
    found = quantile(ordered, part)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= part * len(ordered) - 1e-9
    assert quantile(ordered, 1) == ordered[-1]


def test_a_figure_knows_its_least_and_its_median() -> None:
    figure = Figure("update", "locked", 20, "time", "ns", (5.0, 1.0, 3.0))
    assert (figure.least, figure.median) == (1.0, 3.0)


def test_the_conditions_name_machine_interpreter_gil_packages_and_load() -> None:
    found = conditions()
    assert "cores" in found["machine"]
    assert found["python"].startswith("CPython 3.")
    assert found["gil"] in {"on", "off"}
    assert "pyrsistent" in found["packages"]
    assert len(found["load"]) == 3

"""Figures of the user's own: which are refused when they are made, and what they may return."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import count
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, Store
from cowstate.metrics.figures import Figure, metric_of_figure, samples_of_figure
from cowstate.metrics.samples import label_of, number_of
from cowstate.metrics.table import METRICS, Metric

NOW = Store({"a": 1}).snapshot()


def told(value: Any, label: str | None = None) -> list[tuple[tuple[str, ...], float]]:
    figure = Figure("shop.figure", lambda now: value, "X.", label=label)
    return [(sample.labels, sample.value) for sample in samples_of_figure("s", figure, NOW)]


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), (0.5, 0.5), (True, 1.0), (Decimal("-0.25"), -0.25), (Fraction(1, 4), 0.25)],
)
def test_any_real_number_will_do(value: Any, number: float) -> None:
    assert told(value) == [(("s",), number)]


@pytest.mark.parametrize("value", [float("inf"), Decimal("-Infinity")])
def test_what_is_infinite_is_told_as_that(value: Any) -> None:
    assert told(value) == [(("s",), float(value))]


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN")])
def test_what_is_no_number_by_itself_is_told_as_that(value: Any) -> None:
    assert [isnan(number) for _, number in told(value)] == [True]


def test_none_is_nothing_to_tell() -> None:
    assert told(None) == told(None, label="kind") == told({}, label="kind") == []


@pytest.mark.parametrize(
    "value", ["3", [3], 3j, {"a": 3}, object(), 10**400, Decimal("-1e400"), b""]
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises((ArgumentTypeError, OverflowError)):
        told(value)


class Colour(Enum):
    RED = 1


def test_with_a_label_it_is_a_mapping_from_anything_to_numbers() -> None:
    assert told({"x": 1, 7: 2, Colour.RED: 3}, label="kind") == [
        (("s", "x"), 1),
        (("s", "7"), 2),
        (("s", "Colour.RED"), 3),
    ]


class Endless(dict[Any, int]):
    """It has more than it says."""

    def items(self) -> Any:
        return ((n, 1) for n in count())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, "a mapping from values"),
        ({"1": 1, 1: 2}, "read the same"),
        ({chr(0xD800): 1, chr(0xDFFF): 2}, "read the same"),
        ({f"{'x' * 300}{n}{'y' * 300}": n for n in range(2)}, "read the same"),
        (dict.fromkeys(range(1_001), 1), "more than 1000"),
        (Endless(), "more than 1000"),
        ({"a": "b"}, "a figure is a number"),
    ],
)
def test_a_mapping_that_would_spoil_the_scrape_is_refused(value: Any, says: str) -> None:
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=says):
        told(value, label="kind")


def test_a_coroutine_is_refused() -> None:
    async def read(now: Any) -> int:
        return 1

    with pytest.raises(ArgumentTypeError, match="coroutine"):
        Figure("shop.figure", read, "X.")
    with pytest.raises(ArgumentTypeError, match="coroutine"):
        samples_of_figure("s", Figure("shop.figure", lambda now: read(*[now]), "X."), NOW)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "Shop"}, "small letters"),
        ({"name": "shop..x"}, "small letters"),
        ({"name": "shop.x\n"}, "small letters"),
        ({"name": "7shop"}, "small letters"),
        ({"name": "x" * 201}, "small letters"),
        ({"name": 7}, "is a str"),
        ({"name": "cowstate.store.mine"}, "this package's"),
        ({"name": "cowstate_mine"}, "this package's"),
        ({"name": "shop_total"}, "Prometheus itself adds"),
        ({"name": "shop.count"}, "Prometheus itself adds"),
        ({"read": 7}, "a function of a snapshot"),
        ({"help": 7}, "is a str"),
        ({"help": "\ud800"}, "no text"),
        ({"unit": "s\n"}, "unit must be"),
        ({"unit": 1}, "is a str"),
        ({"kind": "histogram"}, "kind must be"),
        ({"kind": ["gauge"]}, "kind must be"),
        ({"label": "store"}, "label must be"),
        ({"label": "le gauge"}, "label must be"),
        ({"label": "__name__"}, "label must be"),
        ({"label": 7}, "label must be"),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused_at_once(
    options: dict[str, Any], says: str
) -> None:
    good = {"name": "shop.figure", "read": len, "help": "X."}
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=says):
        Figure(**{**good, **options})


@pytest.mark.parametrize(
    ("name", "kind", "unit", "exposed"),
    [
        ("shop.wait", "counter", "s", "shop_wait_seconds_total"),
        ("shop.wait_seconds", "gauge", "s", "shop_wait_seconds"),
        ("shop.size", "amount", "By", "shop_size_bytes"),
        ("shop.orders", "counter", "{order}", "shop_orders_total"),
        ("shop.orders", "gauge", "", "shop_orders"),
    ],
)
def test_the_name_for_prometheus_follows_from_the_other(
    name: str, kind: Any, unit: str, exposed: str
) -> None:
    figure = Figure(name, len, "X.", unit, kind)
    assert metric_of_figure(figure).exposed == exposed


def test_the_names_in_the_table_are_as_both_conventions_want_them() -> None:
    exposed = [metric.exposed for metric in METRICS.values()]
    names = {metric.name for metric in METRICS.values()}
    assert len(set(exposed)) == len(exposed)
    for metric in METRICS.values():
        assert metric.exposed.endswith("_total") == (metric.kind == "counter")
        assert ("_seconds" in metric.exposed) == (metric.unit == "s")
        assert ("_bytes" in metric.exposed) == (metric.unit == "By")
        assert metric.help.endswith(".")
        # No name is the place that another one is in.
        assert not any(other.startswith(f"{metric.name}.") for other in names)


@given(st.text())
def test_any_text_is_a_label(text: str) -> None:
    label = label_of(text)
    assert len(label) <= 200
    assert label.encode("utf-8").decode("utf-8") == label
    if len(text) <= 200 and not any(0xD800 <= ord(each) < 0xE000 for each in text):
        assert label == text


@given(st.floats(allow_nan=False))
def test_a_number_is_itself(number: float) -> None:
    assert number_of(number) == number


def test_a_metric_is_a_record() -> None:
    assert Metric("a.b", "gauge", "", "X.") == Metric("a.b", "gauge", "", "X.", ())

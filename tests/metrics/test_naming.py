"""No two metrics are called the same by either system, and a name that is free can be had."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cowstate import ArgumentValueError, Store
from cowstate.metrics import Figure, Metrics
from cowstate.metrics.prometheus import MetricsCollector
from tests.metrics.watched import values

NAMES = st.sampled_from(["a", "a.b", "a_b", "a.seconds", "a_seconds", "a.b_bytes"])
FIGURES = st.builds(
    Figure,
    NAMES,
    st.just(len),
    st.sampled_from(["X.", "Y."]),
    st.sampled_from(["", "s", "By"]),
    st.sampled_from(["counter", "amount", "gauge"]),
)


def families_of(metrics: Metrics) -> list[str]:
    registry = CollectorRegistry()
    registry.register(MetricsCollector(metrics))
    text = generate_latest(registry).decode("utf-8")
    return [family.name for family in text_string_to_metric_families(text)]


@given(st.lists(FIGURES, min_size=1, max_size=8))
def test_whatever_is_added_a_scrape_can_be_read_and_no_name_is_of_two(
    figures: list[Figure],
) -> None:
    metrics, stores = Metrics(), [Store({1: 1}) for _ in figures]
    taken: list[Figure] = []
    for number, (store, figure) in enumerate(zip(stores, figures, strict=True)):
        try:
            metrics.add_store(f"{number}", store, figures=[figure])
        except ArgumentValueError:
            # Only for one that is there, and is called so.
            assert taken
        else:
            taken.append(figure)
    names = families_of(metrics)  # which raises for two families of one name
    assert len(set(names)) == len(names)
    told = {sample.metric for sample in metrics.read() if "cowstate" not in sample.metric.name}
    assert len({metric.name for metric in told}) == len(told)
    assert len({metric.family for metric in told}) == len(told)
    assert sum(len(values(metrics.read(), each.name)) for each in told) == len(taken)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Figure("jobs", len, "X.", kind="counter"), Figure("jobs", len, "X.", kind="gauge")),
        (Figure("x.y", len, "X.", kind="counter"), Figure("x_y", len, "X.")),
        (Figure("x", len, "X.", "s"), Figure("x", len, "X.", "By")),
        (Figure("x", len, "X.", "s"), Figure("x.seconds", len, "X.")),
        (Figure("x", dict, "X.", label="a"), Figure("x", dict, "X.", label="b")),
    ],
)
def test_what_either_system_would_take_for_the_same_is_refused_at_once_and_together(
    one: Figure, other: Figure
) -> None:
    metrics, store, another = Metrics(), Store({1: 1}), Store({1: 1})
    metrics.add_store("one", store, figures=[one])
    with pytest.raises(ArgumentValueError, match="is another metric already"):
        metrics.add_store("other", another, figures=[other])
    assert not values(metrics.read(), "cowstate.store.records").get(("other",))
    with pytest.raises(ArgumentValueError, match=r"same name|is another metric already"):
        metrics.add_store("other", another, figures=[one, other])


def test_the_name_of_what_is_gone_is_free_and_so_is_that_of_what_is_added_anew() -> None:
    metrics, first = Metrics(), Store({1: 1})
    metrics.add_store("s", first, figures=[Figure("shop.n", len, "X.")])
    metrics.add_store("s", first, figures=[Figure("shop.n", len, "Y.", kind="counter")])
    assert values(metrics.read(), "shop_n_total") == {("s",): 1}
    del first
    gc.collect()
    assert not any(each.name == "shop.n" for each in metrics.metrics())
    second = Store({1: 1})
    metrics.add_store("s", second, figures=[Figure("shop.n", dict, "Z.", label="k")])
    assert values(metrics.read(), "shop.n") == {("s", "1"): 1}
    assert [each.help for each in metrics.metrics() if each.name == "shop.n"] == ["Z."]

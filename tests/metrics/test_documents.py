"""The dashboard, the alarms and the reference name the metrics that there are, and all of them."""

from __future__ import annotations

import re

import pytest

from cowstate.metrics.table import METRICS
from tests.metrics.queries import ALARMS, DASHBOARD, PANELS, ROOT, TARGETS, metrics_in

BY_NAME = {metric.exposed: metric for metric in METRICS.values()}
REFERENCE = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
QUERIES = [target["expr"] for target in TARGETS]


@pytest.mark.parametrize("query", [*QUERIES, *ALARMS])
def test_each_query_names_metrics_that_are_there(query: str) -> None:
    assert metrics_in(query)
    assert metrics_in(query) <= set(BY_NAME)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"])
def test_each_legend_names_labels_that_its_metrics_have(target: dict[str, str]) -> None:
    named = {*re.findall(r"{{(\w+)}}", target["legendFormat"])}
    assert named
    for name in metrics_in(target["expr"]):
        assert named <= set(BY_NAME[name].labels)


@pytest.mark.parametrize("query", [*QUERIES, *ALARMS])
def test_what_only_grows_is_asked_for_its_rate_and_nothing_else_is(query: str) -> None:
    rated = {*re.findall(r"(?:rate|increase)\((cowstate_\w+)", query)}
    growing = {name for name in metrics_in(query) if BY_NAME[name].kind == "counter"}
    assert rated == growing


def test_there_are_queries_of_each_kind_of_thing() -> None:
    shown = {name.split("_")[1] for query in QUERIES for name in metrics_in(query)}
    assert shown == {metric.name.split(".")[1] for metric in METRICS.values()}
    assert len(ALARMS) > 8


def test_no_two_panels_have_one_place_or_one_number() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(
        panel["description"] and panel["datasource"]["uid"] == "${datasource}" for panel in PANELS
    )


def test_the_reference_has_every_metric_as_it_is_and_no_other() -> None:
    rows = [
        tuple(cell.strip() for cell in line.split("|")[1:-1])
        for line in REFERENCE.splitlines()
        if line.startswith("| `")
    ]
    assert rows == [
        (
            f"`{metric.exposed}`",
            f"`{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        )
        for metric in METRICS.values()
    ]

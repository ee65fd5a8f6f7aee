"""An exporter over live dictionaries: ours shows the same as the published one, of one moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ReentrantWriteError
from tests.adoptions.asked import programs_of

page = programs_of("exporter")

NAMES = st.sampled_from(["jobs_done", "jobs_bytes", "jobs_running"])
LABELS = st.none() | st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "x", 'y"']))
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["set", "inc", "dec", "add", "sub"]),
        NAMES,
        LABELS,
        st.integers(0, 5) | st.sampled_from([0.5, -1]),
    ),
    max_size=20,
)


def published() -> Any:
    registry = page["Registry"]()
    for name in ("jobs_done", "jobs_bytes"):
        page["Counter"](name, "Jobs.", {"host": "here"}, registry=registry)
    page["Gauge"]("jobs_running", "Jobs.", registry=registry)
    return registry


def ours() -> Any:
    registry = page["StoredRegistry"]()
    for name in ("jobs_done", "jobs_bytes"):
        page["StoredCounter"](name, "Jobs.", registry, {"host": "here"})
    page["StoredGauge"]("jobs_running", "Jobs.", registry)
    return registry


def write(registry: Any, how: str, name: str, labels: Any, value: float) -> str:
    """Do it; what it was told."""
    metric = registry.get(name)
    if not hasattr(metric, how):
        return "no such method"
    try:
        getattr(metric, how)(labels, *([value] if how in ("set", "add", "sub") else []))
    except ValueError as error:
        return str(error)
    return str(metric.get(labels))


def scrape(registry: Any) -> list[str]:
    from aioprometheus import render

    content, _ = render(registry, [])
    return sorted(content.decode().splitlines())


@given(WRITES)
def test_one_thread_sees_no_difference_between_the_published_one_and_ours(
    writes: list[tuple[str, str, Any, float]],
) -> None:
    theirs, stored = published(), ours()
    for each in writes:
        assert write(stored, *each) == write(theirs, *each)
        assert scrape(stored) == scrape(theirs)


@pytest.mark.parametrize("label", ["job", "__name"])
def test_labels_that_prometheus_keeps_for_itself_are_refused_as_there(label: str) -> None:
    for registry in (published(), ours()):
        with pytest.raises(ValueError, match="Invalid label"):
            registry.get("jobs_done").inc({label: "x"})
        assert not [line for line in scrape(registry) if not line.startswith("#") and line]


def test_several_counts_are_one_step_of_which_nothing_stays_if_one_is_refused() -> None:
    registry = ours()
    done, sent = registry.get("jobs_done"), registry.get("jobs_bytes")
    registry.add([(done, {"a": "x"}, 1), (sent, {"a": "x"}, 100), (done, {"a": "x"}, 2)])
    assert (done.get({"a": "x"}), sent.get({"a": "x"})) == (3, 100)
    with pytest.raises(ValueError, match="can't decrease"):
        registry.add([(done, {"a": "x"}, 1), (sent, {"a": "x"}, -1)])
    assert (done.get({"a": "x"}), sent.get({"a": "x"})) == (3, 100)
    assert registry.series.snapshot().version == 1


def test_what_is_counted_is_added_where_nobody_else_can_write() -> None:
    registry, told = page["StoredRegistry"](), list[float]()

    class Asking(page["StoredCounter"]):  # type: ignore[misc]
        def checked(self, value: float) -> float:
            with pytest.raises(ReentrantWriteError):
                self.set_value({}, 100)
            told.append(value)
            return value

    done = Asking("jobs_done", "Jobs.", registry)
    done.add({}, 2)
    registry.add([(done, {}, 3)])
    assert (told, done.get({})) == ([2, 3], 5)


def test_a_scrape_keeps_what_it_began_with_whatever_is_counted_meanwhile() -> None:
    registry = ours()
    done, sent = registry.get("jobs_done"), registry.get("jobs_bytes")
    done.inc({"a": "x"})
    first, second, *_ = registry.get_all()
    sent.add({"a": "x"}, 100)
    done.inc({"a": "y"})
    assert [collector.get_all() for collector in (first, second)] == [[({"a": "x"}, 1)], []]
    assert first.get({"a": "x"}) == 1
    assert sorted(value for _, value in done.get_all()) == [1, 1]


def test_no_scrape_shows_a_part_of_a_step_and_no_count_is_lost() -> None:
    registry = ours()
    done, sent = registry.get("jobs_done"), registry.get("jobs_bytes")

    def count() -> None:
        for n in range(200):
            labels = {"a": str(n % 20)}
            registry.add([(done, labels, 1), (sent, labels, 100)])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    seen, counting = 0, True
    while counting:
        counting = any(thread.is_alive() for thread in threads)
        shown = [{str(labels): n for labels, n in each.get_all()} for each in registry.get_all()]
        assert {labels: n * 100 for labels, n in shown[0].items()} == shown[1]
        assert seen <= sum(shown[0].values())
        seen = sum(shown[0].values())
    assert seen == 4 * 200


def test_a_histogram_may_stand_in_the_same_registry() -> None:
    from aioprometheus import Histogram

    registry = ours()
    registry.get("jobs_done").inc({})
    Histogram("seconds", "Taken.", registry=registry).observe({}, 0.2)
    lines = scrape(registry)
    assert 'jobs_done{host="here"} 1' in lines
    assert "seconds_count 1.0" in lines

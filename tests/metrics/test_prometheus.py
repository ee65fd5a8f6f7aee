"""What Prometheus gets over HTTP, read by the parsers of its own client."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from cowstate import Aggregate, ArgumentTypeError, Index, Store
from cowstate.metrics import Figure, Metrics
from cowstate.metrics.prometheus import MetricsCollector
from cowstate.metrics.table import METRICS
from tests.metrics.watched import MOVING, Program

Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]

PLAIN = "text/plain; version=0.0.4"
OPEN = "application/openmetrics-text; version=1.0.0"


@contextmanager
def scraped(metrics: Metrics) -> Iterator[Callable[..., str]]:
    """A server, and what it answers."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(metrics))
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    address = f"http://127.0.0.1:{server.server_address[1]}/metrics"

    def scrape(accept: str = PLAIN, query: str = "") -> str:
        with urlopen(Request(address + query, headers={"Accept": accept}), timeout=60) as answer:
            text: str = answer.read().decode("utf-8")
            return text

    try:
        yield scrape
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read(text: str, parse: Any = families) -> Scrape:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(("accept", "parse"), [(PLAIN, families), (OPEN, open_families)])
def test_a_scrape_over_http_is_what_one_reading_tells(
    tmp_path: Path, accept: str, parse: Any
) -> None:
    with Program(tmp_path / "kept.db") as program, scraped(program.metrics) as scrape:
        program.live()
        program.lost.close()
        got = read(scrape(accept), parse)
        told = {
            (
                sample.metric.exposed,
                tuple(sorted(zip(sample.metric.labels, sample.labels, strict=True))),
            ): sample.value
            for sample in program.metrics.read()
        }
    assert set(got) == set(told)
    assert {key: got[key] for key in got if key[0] not in MOVING} == {
        key: told[key] for key in told if key[0] not in MOVING
    }


def test_kinds_and_units_are_told(tmp_path: Path) -> None:
    with Program(tmp_path / "kept.db") as program, scraped(program.metrics) as scrape:
        program.live()
        kinds = {family.name: family for family in open_families(scrape(OPEN))}
    for metric in METRICS.values():
        family = kinds[metric.exposed.removesuffix("_total")]
        assert family.type == ("counter" if metric.kind == "counter" else "gauge")
        assert family.unit == {"s": "seconds", "By": "bytes"}.get(metric.unit, "")
        assert family.documentation == metric.help


def test_one_scrape_is_of_one_version_under_writers() -> None:
    # Each write moves one from the one heap to the other; what is torn does not add up.
    store: Store[str, int] = Store(
        {"left": 500, "right": 500}, aggregates={"all": Aggregate.sum(int)}
    )

    def move(tx: Any) -> None:
        tx["left"] -= 1
        tx["right"] += 1

    figures = [
        Figure("heap.all", lambda now: now.total("all"), "All."),
        Figure("heap.sides", dict, "Each side.", label="side"),
        Figure("heap.moves", lambda now: now.version, "As many as commits."),
    ]
    metrics = Metrics()
    metrics.add_store("heaps", store, figures=figures)
    over: list[bool] = []

    def write() -> None:
        while not over:
            store.transact(move)

    writer = Thread(target=write)
    with scraped(metrics) as scrape:
        writer.start()
        try:
            scrapes = [read(scrape()) for _ in range(20)]
        finally:
            over.append(True)
            writer.join()
    label = ("store", "heaps")
    for one in scrapes:
        sides = [one["heap_sides", (("side", side), label)] for side in ("left", "right")]
        moves = one["heap_moves", (label,)]
        assert sum(sides) == one["heap_all", (label,)] == 1_000
        assert sides[1] - 500 == moves == one["cowstate_store_commits_total", (label,)]
    assert len({one["heap_moves", (label,)] for one in scrapes}) > 1


def test_hostile_names_and_failing_figures_do_not_break_a_scrape() -> None:
    name = 's\ud800"\n\\'
    store: Store[str, int] = Store(
        {"a": 1}, indexes={chr(0xD800): Index(int), 'q"\n\\': Index(int)}
    )
    metrics = Metrics()
    broken = Figure("shop.broken", lambda now: 1 / 0, 'Help with "quotes"\nand \\lines.')
    odd = Figure(
        "shop.odd", lambda now: {'"\n\\': float("nan"), "ü": float("inf")}, "X.", label="k"
    )
    metrics.add_store(name, store, figures=[broken, odd])
    with scraped(metrics) as scrape:
        for accept, parse in ((PLAIN, families), (OPEN, open_families)):
            got = read(scrape(accept), parse)
            assert got["cowstate_store_records", (("store", 's?"\n\\'),)] == 1
            assert got["shop_odd", (("k", "ü"), ("store", 's?"\n\\'))] == float("inf")
            assert not any(each == "shop_broken" for each, _ in got)


def test_a_scrape_of_some_names_gets_those() -> None:
    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store)
    with scraped(metrics) as scrape:
        got = read(scrape(query="?name[]=cowstate_store_records"))
    assert got == {("cowstate_store_records", (("store", "s"),)): 1}


def test_what_is_gone_is_gone_from_the_next_scrape() -> None:
    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store)
    with scraped(metrics) as scrape:
        assert "cowstate_store_records{" in scrape()
        del store
        gc.collect()
        assert scrape().strip() == ""


def test_two_collectors_of_the_same_metrics_in_one_registry_are_refused() -> None:
    registry = CollectorRegistry()
    registry.register(MetricsCollector(Metrics()))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(MetricsCollector(Metrics()))


def test_a_collector_of_something_else_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="made of Metrics"):
        MetricsCollector(Store())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("extra", "module"), [("prometheus", "prometheus_client"), ("opentelemetry", "opentelemetry")]
)
def test_without_its_library_each_says_what_to_install(extra: str, module: str) -> None:
    program = f"""
import sys
sys.modules["{module}"] = None
import cowstate.metrics
from cowstate import MissingExtraError
assert not {{"asyncio", "cowstate.positions", "cowstate.mirror"}} & set(sys.modules)
try:
    import cowstate.metrics.{extra}
except MissingExtraError as error:
    print(error.extra, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{extra} cowstate.metrics.{extra} needs")
    assert done.stdout.strip().endswith(f"pip install 'cowstate[{extra}]'")

"""Threads that add, drop and scrape at once: what stays is in every scrape, once, with one value.

Beside each a broken twin, which must fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cowstate import Store
from cowstate.metrics import Figure, Metrics, watching
from cowstate.metrics.prometheus import MetricsCollector

RECORDS = Figure("test.records", len, "How many.")


@pytest.fixture(autouse=True)
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*works: Callable[[], object]) -> list[Exception]:
    """Do each in a thread of its own; return what they raised."""
    raised: list[Exception] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    threads = [Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def scraped_while_others_come_and_go(scrapes: int) -> list[Exception]:
    metrics = Metrics()
    kept = [Store({1: 1}), Store({1: 1, 2: 2})]
    over: list[bool] = []

    def come_and_go(who: str) -> None:
        n = 0
        while len(over) < 2:
            n += 1
            passing = Store({1: 1})
            metrics.add_store(f"{who} {n}", passing, figures=[RECORDS])
            metrics.add_store("kept 0", kept[0], figures=[RECORDS])  # anew
            if n % 2:
                metrics.remove(passing)
            del passing

    def scrape() -> None:
        registry = CollectorRegistry()
        registry.register(MetricsCollector(metrics))
        try:
            for _ in range(scrapes):
                text = generate_latest(registry).decode("utf-8")
                told = [
                    (sample.labels["store"], sample.value)
                    for family in text_string_to_metric_families(text)
                    for sample in family.samples
                    if sample.name == "test_records" and sample.labels["store"].startswith("kept")
                ]
                assert sorted(told) == [("kept 0", 1), ("kept 1", 2)]
        finally:
            over.append(True)

    for number, store in enumerate(kept):
        metrics.add_store(f"kept {number}", store, figures=[RECORDS])
    return together(lambda: come_and_go("a"), lambda: come_and_go("b"), scrape, scrape)


def test_what_stays_is_in_each_scrape_of_two_registries_once() -> None:
    assert scraped_while_others_come_and_go(15) == []


def test_a_twin_that_looks_at_what_is_watched_while_that_changes_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "list", iter, raising=False)
    for _ in range(200):
        if raised := scraped_while_others_come_and_go(15):
            assert any(isinstance(each, RuntimeError) for each in raised)
            return
    pytest.fail("it should fail")


def added_at_once(rounds: int) -> int:
    """How often two threads that add different stores under one name were both told that it was."""
    both = 0
    for _ in range(rounds):
        metrics, stores = Metrics(), [Store({1: 1}), Store({1: 1})]
        added: list[Any] = []

        def add(store: Any, metrics: Metrics = metrics, added: list[Any] = added) -> None:
            metrics.add_store("s", store)
            added.append(store)

        together(*(lambda store=store: add(store) for store in stores))
        both += len(added) > 1
    return both


def test_one_name_is_never_given_twice_at_once() -> None:
    assert added_at_once(100) == 0


MULTI = """
import tempfile, os
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()
from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
from cowstate import Store
from cowstate.metrics import Metrics
from cowstate.metrics.prometheus import MetricsCollector
store, metrics = Store({1: 1}), Metrics()
metrics.add_store("s", store)
Counter("others", "Of the program's.").inc()
shared, own = CollectorRegistry(), CollectorRegistry()
multiprocess.MultiProcessCollector(shared)
own.register(MetricsCollector(metrics))
print([b"others_total" in generate_latest(each) for each in (shared, own)])
print([b"cowstate_store_records" in generate_latest(each) for each in (shared, own)])
"""


def test_in_the_multi_process_mode_the_one_that_is_shared_does_not_ask_and_an_own_one_does() -> (
    None
):
    done = subprocess.run(
        [sys.executable, "-c", MULTI], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout.splitlines() == ["[True, False]", "[False, True]"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_child_of_a_fork_that_came_in_a_scrape_can_add_and_scrape() -> None:
    metrics, store, other = Metrics(), Store({1: 1}), Store({1: 1})
    registry = CollectorRegistry()
    registry.register(MetricsCollector(metrics))
    forked: list[int] = []

    def fork(now: Any) -> int:
        if not forked:
            forked.append(os.fork())
            if forked[0] == 0:
                child()
        return 1

    def child() -> None:
        # In the middle of a reading that will never end.
        code = 1
        try:
            metrics.add_store("other", other)
            whole = generate_latest(registry)
            code = b'records{store="s"} 1.0' not in whole or b'{store="other"}' not in whole
        finally:
            os._exit(code)

    metrics.add_store("s", store, figures=[Figure("test.forks", fork, "X.")])
    assert b"test_forks" in generate_latest(registry)
    assert os.waitpid(forked[0], 0)[1] == 0

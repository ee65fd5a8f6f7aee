"""One reading is one look at each thing that is watched; what fails or is gone is missing alone."""

from __future__ import annotations

import gc
import logging
from asyncio import CancelledError
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    ConflictError,
    ForeignSnapshotError,
    Index,
    Meter,
    ReentrantWriteError,
    Store,
)
from cowstate.metrics import Figure, Metrics, of_stores
from cowstate.metrics.table import METRICS
from tests.metered import Clock
from tests.metrics.watched import Program, values

VERSION = Figure("shop.version", lambda now: now.version, "Of the snapshot.")


class Busy(Store[str, int]):
    """A store to which somebody writes whenever it is asked for figures."""

    def statistics(self, *of: Any) -> Any:
        self.set("n", self.snapshot()["n"] + 1)
        return super().statistics(*of)


def versions_of(store: Store[str, int]) -> set[float]:
    metrics = Metrics()
    metrics.add_store("s", store, figures=[VERSION])
    found = metrics.read()
    return {
        *values(found, "shop.version").values(),
        *values(found, "cowstate.store.commits").values(),
    }


def test_all_figures_of_a_store_are_of_one_version_whoever_writes_meanwhile() -> None:
    assert len(versions_of(Busy({"n": 0}))) == 1


def test_two_looks_would_tell_of_two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_looks(store: Any) -> Any:
        return of_stores.StoreSeen(store.snapshot(), store.statistics())

    monkeypatch.setattr("cowstate.metrics.watched.look_at_store", two_looks)
    assert len(versions_of(Busy({"n": 0}))) == 2


def test_each_store_is_looked_at_once_in_a_reading() -> None:
    looks: list[str] = []

    class Watched(Store[str, int]):
        def snapshot(self) -> Any:
            looks.append("snapshot")
            return super().snapshot()

        def statistics(self, *of: Any) -> Any:
            looks.append("statistics")
            return super().statistics(*of)

    metrics, store = Metrics(), Watched({"a": 1})
    metrics.add_store("s", store, figures=[VERSION, Figure("shop.records", len, "How many.")])
    metrics.read()
    assert looks == ["snapshot", "statistics"]


def test_every_metric_in_the_table_is_told_of_something(tmp_path: Path) -> None:
    with Program(tmp_path / "kept.db") as program:
        program.live()
        told = {sample.metric.name for sample in program.metrics.read()}
    missing = {metric.name for metric in METRICS.values()} - told
    # Of a paper exchange that answers there is nothing else to be told.
    assert missing == set()
    assert told - {metric.name for metric in METRICS.values()} == {"shop.jobs", "shop.newest"}


def test_no_series_is_told_twice_and_each_has_a_value_for_each_of_its_labels(
    tmp_path: Path,
) -> None:
    with Program(tmp_path / "kept.db") as program:
        program.live()
        samples = program.metrics.read()
    keys = [(sample.metric.exposed, sample.labels) for sample in samples]
    assert len(set(keys)) == len(keys) > 100
    assert all(len(sample.labels) == len(sample.metric.labels) for sample in samples)


def test_what_happened_is_what_is_told(tmp_path: Path) -> None:
    with Program(tmp_path / "kept.db") as program:
        program.live()
        told = program.metrics.read()
        program.kept.close()
        program.seen.close()
        later = program.metrics.read()

    def one(name: str, *labels: str) -> float:
        return values(told, name)[labels]

    assert one("cowstate_store_commits_total", "jobs") == 1
    assert one("cowstate_store_records", "jobs") == 4
    assert one("cowstate_store_index_values", "jobs", "queue") == 2
    assert one("cowstate_store_lock_holds_total", "jobs") == 2
    assert one("cowstate_store_refused_total", "jobs", "RecordNotFoundError") == 1
    assert values(told, "shop_jobs") == {("jobs", "mail"): 2, ("jobs", "print"): 2}
    assert one("cowstate_journal_syncs_total", "kept") == 1
    assert one("cowstate_journal_sync_time_seconds_total", "kept") > 0
    assert one("cowstate_journal_durable_commits_total", "kept") == 1
    assert one("cowstate_journal_undurable_commits", "kept") == 0
    assert one("cowstate_follower_lag_seconds", "seen") >= 0
    assert one("cowstate_mirror_state", "whole", "closed") == 1
    assert one("cowstate_mirror_state", "whole", "watching") == 0
    assert one("cowstate_mirror_errors_total", "lost", "ConnectionError") >= 1
    assert one("cowstate_reconciler_passes_total", "X", "done") == 1
    assert one("cowstate_reconciler_verdict", "X", "AGREES") == 1
    assert one("cowstate_reconciler_interval_width", "X") == 0
    assert one("cowstate_reconciler_doubt_age_seconds", "X", "position") == 0
    for name in ("cowstate_journal_closed", "cowstate_follower_closed"):
        assert [*values(told, name).values(), *values(later, name).values()] == [0, 1]


def test_memory_that_is_ahead_of_the_disk_is_told(tmp_path: Path) -> None:
    from cowstate.journal import open_store

    metrics = Metrics()
    with open_store(
        tmp_path / "behind.db", key=str, record=int, sync="interval", interval=600
    ) as store:
        metrics.add_store("s", store)
        for n in range(3):
            store.set("a", n)
        before = values(metrics.read(), "cowstate_journal_undurable_commits")
        store.journal.flush()
        after = values(metrics.read(), "cowstate_journal_undurable_commits")
    assert (before, after) == ({("s",): 3}, {("s",): 0})


def test_times_are_those_of_the_meter() -> None:
    clock = Clock()
    store: Store[str, int] = Store({"a": 1}, meter=Meter(clock))

    def slow(n: int) -> int:
        clock.passes(2)
        return n + 1

    store.update("a", slow)
    draft = store.draft()
    draft["a"] = 7
    store.set("a", 8)
    with pytest.raises(ConflictError):
        draft.commit()
    metrics = Metrics()
    metrics.add_store("s", store)
    told = metrics.read()
    assert values(told, "cowstate_store_lock_hold_time_seconds_total") == {("s",): 2}
    assert values(told, "cowstate_store_lock_hold_longest_seconds") == {("s",): 2}
    assert values(told, "cowstate_store_conflicts_total") == {("s",): 1}


def test_of_a_store_without_a_meter_no_times_are_told() -> None:
    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store)
    assert not any("seconds" in sample.metric.exposed for sample in metrics.read())


def test_what_nobody_holds_is_gone_and_so_is_what_was_removed() -> None:
    metrics = Metrics()
    dropped, removed, kept = Store({"a": 1}), Store({"a": 1}), Store({"a": 1})
    for name, store in (("dropped", dropped), ("removed", removed), ("kept", kept)):
        metrics.add_store(name, store)
    gone = ref(dropped)
    metrics.read()
    metrics.remove(removed)
    del dropped, store
    gc.collect()
    assert gone() is None
    assert [*values(metrics.read(), "cowstate_store_records")] == [("kept",)]
    again: Store[str, int] = Store()
    metrics.add_store("dropped", again)
    assert len(values(metrics.read(), "cowstate_store_records")) == 2


def test_what_is_gone_is_let_go_of_by_the_next_that_is_added_whoever_scrapes() -> None:
    def read(now: Any) -> int:
        return len(now)

    metrics, dropped, kept = Metrics(), Store({"a": 1}), Store({"a": 1})
    metrics.add_store("dropped", dropped, figures=[Figure("shop.n", read, "X.")])
    gone = ref(read)
    del dropped, read
    gc.collect()
    metrics.add_store("kept", kept)
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), RecursionError(), MemoryError()])
def test_a_figure_that_raises_is_missing_alone_and_logged_until_it_works(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def read(now: Any) -> int:
        if broken[0]:
            raise error
        return len(now)

    store: Store[str, int] = Store({"a": 1})
    metrics = Metrics()
    metrics.add_store("s", store, figures=[Figure("shop.broken", read, "Broken."), VERSION])
    with caplog.at_level(logging.WARNING, "cowstate"):
        for _ in range(3):
            told = metrics.read()
    assert values(told, "shop.broken") == {}
    assert values(told, "shop.version") == {("s",): 0}
    assert values(told, "cowstate_store_records") == {("s",): 1}
    failures = values(told, "cowstate_metrics_failures_total")
    assert failures[("store", "s", "shop.broken")] == 3
    assert failures[("store", "s", "shop.version")] == 0
    assert len(caplog.records) == 1
    broken[0] = False
    assert values(metrics.read(), "shop.broken") == {("s",): 1}
    broken[0] = True
    metrics.read()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, CancelledError])
def test_what_is_no_exception_passes_through_and_the_next_reading_is_as_ever(kind: Any) -> None:
    raised: list[BaseException] = [kind()]

    def read(now: Any) -> int:
        if raised:
            raise raised.pop()
        return 1

    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store, figures=[Figure("shop.once", read, "X.")])
    with pytest.raises(kind):
        metrics.read()
    assert values(metrics.read(), "shop.once") == {("s",): 1}


def test_a_source_that_raises_is_missing_alone() -> None:
    class Broken(Store[str, int]):
        def statistics(self, *of: Any) -> Any:
            raise ZeroDivisionError("x")

    metrics, broken, whole = Metrics(), Broken(), Store({"a": 1})
    metrics.add_store("broken", broken)
    metrics.add_store("whole", whole)
    told = metrics.read()
    assert values(told, "cowstate_store_records") == {("whole",): 1}
    assert values(told, "cowstate_metrics_failures_total")[("store", "broken", "")] == 1


def test_a_name_is_of_one_thing_and_one_thing_can_be_added_again() -> None:
    metrics, store, other = Metrics(), Store({"a": 1}), Store({"a": 1, "b": 2})
    metrics.add_store("s", store, figures=[VERSION])
    with pytest.raises(ArgumentValueError, match="that of another store"):
        metrics.add_store("s", other)
    assert values(metrics.read(), "cowstate_store_records") == {("s",): 1}
    metrics.add_store("s", store)
    assert not any(each.name == "shop.version" for each in metrics.metrics())
    assert values(metrics.read(), "shop.version") == {}
    assert len(values(metrics.read(), "cowstate_store_records")) == 1
    metrics.remove(store)
    metrics.add_store("s", other)
    assert values(metrics.read(), "cowstate_store_records") == {("s",): 2}


def test_hostile_names_are_sent_as_text_and_told_once() -> None:
    store: Store[str, int] = Store(
        {"a": 1},
        indexes={name: Index(int) for name in (chr(0xD800), chr(0xDFFF), 'new\n"line', "x" * 500)},
    )
    metrics = Metrics()
    metrics.add_store('s\ud800"\n', store)
    labels = [sample.labels for sample in metrics.read()]
    assert len(set(labels)) > 3
    for each in labels:
        "".join(each).encode("utf-8")
        assert all(len(text) <= 200 for text in each)


def test_a_figure_may_read_and_write_and_be_read_inside_a_write() -> None:
    store: Store[str, int] = Store({"a": 1})
    other: Store[str, int] = Store({"a": 1})
    metrics = Metrics()
    writing = Figure("shop.writing", lambda now: other.set("a", now["a"]).version, "Writes.")
    metrics.add_store("s", store, figures=[writing])
    assert values(metrics.read(), "shop.writing") == {("s",): 0}
    with store.transaction() as tx:
        tx["a"] = 5
        told = metrics.read()
    assert values(told, "cowstate_store_transaction_open") == {("s",): 1}
    assert values(told, "cowstate_store_commits_total") == {("s",): 0}


def test_nothing_is_added_in_the_middle_of_a_reading() -> None:
    # A lock of the SDK's is held there, which it would take again to make an instrument.
    raised: list[Exception] = []
    metrics, store, later = Metrics(), Store({"a": 1}), Store({"a": 1})

    def read(now: Any) -> int:
        try:
            metrics.add_store("later", later, figures=[VERSION])
        except ReentrantWriteError as error:
            raised.append(error)
        return 1

    metrics.add_store("s", store, figures=[Figure("shop.adding", read, "Adds.")])
    told = metrics.read()
    assert "in the middle of a scrape" in str(raised[0])
    assert len(values(told, "cowstate_store_records")) == 1
    metrics.add_store("later", later)
    assert len(values(metrics.read(), "cowstate_store_records")) == 2


def test_a_snapshot_of_another_store_has_no_statistics_here() -> None:
    with pytest.raises(ForeignSnapshotError):
        Store({"a": 1}).statistics(Store({"a": 1}).snapshot())


def test_the_statistics_of_a_snapshot_are_of_that_version() -> None:
    store: Store[str, int] = Store({"a": 1}, meter=Meter())
    old = store.snapshot()
    for n in range(5):
        store.set(f"{n}", n)
    told = store.statistics(old)
    assert (told.version, told.records, told.retained, told.oldest) == (0, 1, 0, 0)


def test_what_the_versions_take_is_not_nothing_when_the_ring_has_passed_the_oldest() -> None:
    store: Store[str, int] = Store({"a": 1}, meter=Meter())
    store.set("a", 2)
    old = store.snapshot()
    for n in range(2_000):
        store.set("a", n + 1_000)
    whole = store.statistics().retained_bytes
    assert whole
    # As if so many writes had come between two looks.
    assert store.statistics(old).retained_bytes == whole


@pytest.mark.parametrize(
    ("add", "says"),
    [
        (lambda m: m.add_store("s", {"a": 1}), "add_store takes a store"),
        (lambda m: m.add_store("", Store()), "not empty"),
        (lambda m: m.add_store(7, Store()), "is a str"),
        (lambda m: m.add_mirror("m", Store()), "add_mirror takes a mirror"),
        (lambda m: m.add_reconciler("r", Store()), "add_reconciler takes a Reconciler"),
        (lambda m: m.add_store("s", Store(), figures=VERSION), "put the one into a list"),
        (lambda m: m.add_store("s", Store(), figures=[len]), "figures are of Figure"),
        (lambda m: m.add_store("s", Store(), figures=[VERSION, VERSION]), "same name"),
    ],
)
def test_slips_are_refused_with_a_word_and_nothing_is_added(add: Any, says: str) -> None:
    metrics = Metrics()
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=says):
        add(metrics)
    assert metrics.read() == []


def test_two_figures_of_one_name_must_be_of_one_metric() -> None:
    metrics, one, other = Metrics(), Store({"a": 1}), Store({"a": 1})
    metrics.add_store("one", one, figures=[VERSION])
    with pytest.raises(ArgumentValueError, match="shop_version is another metric"):
        metrics.add_store("other", other, figures=[Figure("shop_version", len, "Something else.")])
    metrics.add_store("other", other, figures=[VERSION])
    assert len(values(metrics.read(), "shop.version")) == 2

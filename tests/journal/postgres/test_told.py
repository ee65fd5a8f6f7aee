"""What an operator is told of a store on a server: figures, and events in the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cowstate import Meter
from cowstate.journal import Bounds, FencedError, WriterActiveError
from cowstate.metrics import Metrics
from tests.journal.files import Slot
from tests.journal.postgres.servers import (
    SOON,
    Cluster,
    Slots,
    expire,
    following,
    on_server,
    opened,
)
from tests.metrics.watched import values
from tests.standing import eventually
from tests.test_events import TABLE


class Told:
    """The events that were logged, each as the reference has it."""

    def __init__(self, caplog: pytest.LogCaptureFixture, path: str) -> None:
        caplog.set_level(logging.INFO, "cowstate")
        self._caplog = caplog
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self.times(name) > 0

    def times(self, name: str) -> int:
        [event] = [each for each in TABLE if each.name == name]
        found: list[Any] = [
            each
            for each in self._caplog.records.copy()
            if getattr(each, "cowstate_event", None) == name
        ]
        for record in found:
            assert (record.name, record.levelname) == (event.logger, event.level)
            assert event.fields == ("cowstate_path",)
            assert record.cowstate_path == self._path
        return len(found)


def taken_over(cluster: Cluster, name: str) -> Slots:
    while True:
        expire(cluster, name)
        try:
            return opened(cluster, name)
        except WriterActiveError:  # a sign of life came in between
            pass


def test_a_store_and_its_follower_tell_what_those_of_a_file_do(cluster: Cluster, name: str) -> None:
    metrics = Metrics()
    with opened(cluster, name, meter=Meter()) as store, following(cluster, name) as seen:
        metrics.add_store("slots", store)
        metrics.add_store("seen", seen)
        for n in range(3):
            commit = store.set("a", Slot(n))
        seen.wait_for(version=commit.version, timeout=SOON)
        told = metrics.read()
        epoch = store.journal.epoch
    later = metrics.read()

    def one(name: str, store: str) -> float:
        return values(told, f"cowstate.{name}")[(store,)]

    assert one("journal.syncs", "slots") == one("journal.durable.commits", "slots") == 3
    assert one("journal.sync.time", "slots") >= one("journal.sync.longest", "slots") > 0
    assert one("journal.epoch", "slots") == epoch
    assert one("store.commits", "seen") == 3
    assert one("follower.lag", "seen") >= 0
    assert one("follower.failing", "seen") == 0
    for closed in ("cowstate.journal.closed", "cowstate.follower.closed"):
        assert [*values(told, closed).values(), *values(later, closed).values()] == [0, 1]


def test_a_store_with_a_meter_is_fenced_shortened_and_opened_again_as_one_without(
    cluster: Cluster, name: str
) -> None:
    with opened(cluster, name, meter=Meter(), bounds=Bounds(versions=50)) as store:
        for n in range(20):
            store.set("a", Slot(n))
        assert store.journal.compact(versions=3) == store.journal.oldest == 17
        assert store.at(18)["a"] == Slot(17)
        epoch = store.journal.epoch
        expire(cluster, name)
        with opened(cluster, name, meter=Meter()) as other:
            other.set("a", Slot(99))
            with pytest.raises(FencedError):
                store.set("a", Slot(1))
            assert store.journal.closed
            assert other.journal.epoch == epoch + 1
            assert other.statistics().measured.syncs.count == 1  # type: ignore[union-attr]
    assert on_server(cluster, name)[1] == [18, 19, 20, 21]


def test_who_was_taken_over_from_is_told_before_the_next_write(
    cluster: Cluster, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(cluster, name, lease=1.0) as store:
        told = Told(caplog, store.journal.path)
        assert "lease_lost" not in told
        with taken_over(cluster, name):
            eventually(lambda: "lease_lost" in told, "nothing was told", SOON)
            with pytest.raises(FencedError):
                store.set("a", Slot(1))


def test_a_server_that_syncs_nothing_is_told(
    cluster: Cluster, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(cluster, name, sync="normal") as store:
        told = Told(caplog, store.journal.path)
        assert "server_syncs_nothing" not in told
    with opened(cluster, name):  # for the servers of the tests do not
        assert "server_syncs_nothing" in told


def test_a_server_that_has_gone_is_told_by_who_writes_and_who_follows(
    own: Cluster, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    with opened(own, name, lease=0.5) as store, following(own, name) as seen:
        told = Told(caplog, store.journal.path)
        metrics.add_store("seen", seen)
        own.stop()
        for event in ("lease_not_renewed", "follower_failing"):
            eventually(lambda event=event: event in told, f"{event} was not told", SOON)
        assert values(metrics.read(), "cowstate.follower.failing") == {("seen",): 1}
        store.close()
        assert "lease_not_given_up" in told


def test_a_log_that_cannot_be_shortened_is_told_and_what_was_written_is_written(
    cluster: Cluster, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(cluster, name, bounds=Bounds(versions=1)) as store:
        told = Told(caplog, store.journal.path)
        with cluster.connect() as connection:
            connection.execute((MAKES + REFUSES).format(name))
            for n in range(20):
                store.set("a", Slot(n))
            assert told.times("journal_not_shortened") == 1
            assert (store.snapshot()["a"], store.journal.oldest) == (Slot(19), 0)
            connection.execute(f"DROP TRIGGER refuse ON cowstate_{name}.commits")
            store.set("a", Slot(99))
            assert store.journal.oldest > 0
            connection.execute(REFUSES.format(name))
            for n in range(20):
                store.set("a", Slot(n))
            assert told.times("journal_not_shortened") == 2


MAKES = """
CREATE FUNCTION cowstate_{0}.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no'; END $$;
"""
REFUSES = """
CREATE TRIGGER refuse BEFORE DELETE ON cowstate_{0}.commits
FOR EACH ROW EXECUTE FUNCTION cowstate_{0}.refuse()
"""

"""Everything that can be watched, in one program, for tests of what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from cowstate import Aggregate, Index, Meter, Store
from cowstate.journal import follow, open_store
from cowstate.metrics import Figure, Metrics, Sample
from cowstate.mirror import Mirror, PollingSource
from tests.positions.reconcile.desk import Desk

JOBS = Figure("shop.jobs", lambda now: now.total("by"), "Jobs, by queue.", "{job}", label="queue")
NEWEST = Figure("shop.newest", lambda now: now.version, "The version, once more.")

MOVING = {"cowstate_follower_lag_seconds", "cowstate_mirror_lost_time_seconds"}
"""What is another number a moment later."""


class Unanswered:
    """A source that never answers."""

    def list(self) -> Any:
        raise ConnectionError("no answer")

    def watch(self, revision: Any) -> Iterator[Any]:
        raise NotImplementedError


class Program:
    """A store in memory, one in a file, its follower, two mirrors and a reconciler."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends = ExitStack()
        self.metrics = Metrics()

    def __enter__(self) -> Self:
        jobs: Store[int, str] = Store(
            {1: "mail", 2: "mail", 3: "print"},
            aggregates={"by": Aggregate.count(by=str)},
            indexes={"queue": Index(str)},
            meter=Meter(),
        )
        self.jobs = jobs
        self.kept = self.ends.enter_context(
            open_store(self.path, key=str, record=int, meter=Meter())
        )
        self.seen = self.ends.enter_context(follow(self.path, key=str, record=int))
        self.mirror: Mirror[str, int] = Mirror(Store(), PollingSource(lambda: {"a": 1}))
        self.lost: Mirror[str, int] = Mirror(Store(), Unanswered())
        for mirror in (self.mirror, self.lost):
            self.ends.callback(mirror.close)
        self.desk = Desk()
        metrics = self.metrics
        metrics.add_store("jobs", jobs, figures=[JOBS, NEWEST])
        metrics.add_store("kept", self.kept)
        metrics.add_store("seen", self.seen)
        metrics.add_mirror("whole", self.mirror)
        metrics.add_mirror("lost", self.lost)
        metrics.add_reconciler("X", self.desk.reconciler)
        return self

    def live(self) -> None:
        """Have something happen to each of them."""
        self.jobs.set(4, "print")
        try:
            self.jobs.delete(9)
        except KeyError:
            pass
        commit = self.kept.set("a", 1)
        self.seen.wait_for(version=commit.version, timeout=60)
        self.mirror.start()
        self.mirror.wait_synced(timeout=60)
        self.mirror.close()
        self.lost.start()
        while not self.lost.status().errors:
            self.lost.status()
        self.desk.reconciler.reconcile()

    def __exit__(self, *_: object) -> None:
        self.ends.close()


def values(samples: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    """The numbers of one metric, by their labels; *name* may be either kind of name."""
    return {
        sample.labels: sample.value
        for sample in samples
        if name in (sample.metric.name, sample.metric.exposed)
    }

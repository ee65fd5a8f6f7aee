"""The same as `jobs_locked`, turned over to a store as *From lock and dict* says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from cowstate import (
    MISSING,
    Aggregate,
    Commit,
    Index,
    Record,
    Store,
    Transaction,
    WaitTimeoutError,
)


class Job(Record):
    """What is to be done, by whom, and what came of it. *number* says which was added first."""

    name: str
    number: int
    state: str = "waiting"
    worker: str | None = None
    tries: int = 0
    log: tuple[str, ...] = ()


def is_waiting(job: Job) -> bool:
    """Whether nobody works on a job that is to be done."""
    return job.state == "waiting"


class Jobs:
    """All jobs. Every method, from any thread."""

    def __init__(self) -> None:
        self._numbers = count()
        self.store: Store[str, Job] = Store(
            indexes={
                "state": Index(lambda job: job.state),
                "worker": Index(lambda job: job.worker),
            },
            aggregates={"waiting": Aggregate.count(is_waiting)},
        )

    def add(self, name: str) -> None:
        """Add a job that waits."""
        if self.store.compare_and_set(name, MISSING, Job(name, next(self._numbers))) is None:
            raise ValueError(f"there is a job {name} already")

    def claim(self, worker: str) -> str | None:
        """Take the first job that waits; None if there is none."""

        def take(tx: Transaction[str, Job]) -> str | None:
            waiting = tx.find_all("state", "waiting").values()
            job = min(waiting, key=lambda job: job.number, default=None)
            if job is None:
                return None
            tx[job.name] = job.replace(state="running", worker=worker, tries=job.tries + 1)
            return job.name

        return self.store.transact(take)

    def finish(self, name: str, *, ok: bool, said: str = "") -> None:
        """Say what came of a job; one that failed waits again, up to three times."""

        def ended(job: Job) -> Job:
            state = "done" if ok else "waiting" if job.tries < 3 else "failed"
            return job.replace(state=state, worker=None, log=(*job.log, said))

        self.store.update(name, ended)

    def get(self, name: str) -> Job:
        """Return the job as it is now; it stays as it was."""
        return self.store.snapshot()[name]

    def running_of(self, worker: str) -> set[str]:
        """Return what a worker works on."""
        return set(self.store.snapshot().find_all("worker", worker))

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in which state, all at one moment."""
        counts: dict[str, int] = {}
        for job in self.store.snapshot().values():
            counts[job.state] = counts.get(job.state, 0) + 1
        return counts

    def wait_until_none_waits(self, timeout: float) -> bool:
        """Wait until no job waits; return whether that came in time."""
        try:
            self.store.wait_for(lambda now: now.total("waiting") == 0, timeout)
        except WaitTimeoutError:
            return False
        return True

    def listen(self, listener: Callable[[str, str], object]) -> None:
        """Have ``listener(name, state)`` called for each step of a job."""

        def told(commit: Commit[str, Job]) -> None:
            for name, (_, new) in commit.changes.items():
                if new is not MISSING:
                    listener(name, new.state)

        self.store.subscribe(told)

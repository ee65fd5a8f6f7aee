"""Jobs and who works on them, as one writes it at first: a dict, and a lock around it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Job:
    """What is to be done, by whom it is done, and what came of it."""

    name: str
    state: str = "waiting"
    worker: str | None = None
    tries: int = 0
    log: list[str] = field(default_factory=list)


class Jobs:
    """All jobs. Every method, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._of_worker: dict[str, set[str]] = {}
        self._waiting = 0
        self._listeners: list[Callable[[str, str], object]] = []

    def add(self, name: str) -> None:
        """Add a job that waits."""
        with self._lock:
            if name in self._jobs:
                raise ValueError(f"there is a job {name} already")
            self._jobs[name] = Job(name)
            self._waiting += 1
            self._lock.notify_all()
            for listener in self._listeners:
                listener(name, "waiting")

    def claim(self, worker: str) -> str | None:
        """Take the first job that waits; None if there is none."""
        with self._lock:
            for job in self._jobs.values():
                if job.state == "waiting":
                    job.state, job.worker = "running", worker
                    job.tries += 1
                    self._waiting -= 1
                    self._of_worker.setdefault(worker, set()).add(job.name)
                    self._lock.notify_all()
                    for listener in self._listeners:
                        listener(job.name, "running")
                    return job.name
            return None

    def finish(self, name: str, *, ok: bool, said: str = "") -> None:
        """Say what came of a job; one that failed waits again, up to three times."""
        with self._lock:
            job = self._jobs[name]
            assert job.worker is not None
            self._of_worker[job.worker].discard(name)
            job.worker = None
            job.log.append(said)
            if ok:
                job.state = "done"
            elif job.tries < 3:
                job.state = "waiting"
                self._waiting += 1
            else:
                job.state = "failed"
            self._lock.notify_all()
            for listener in self._listeners:
                listener(name, job.state)

    def get(self, name: str) -> Job:
        """Return the job itself: whoever has it sees it change, and may change it."""
        with self._lock:
            return self._jobs[name]

    def running_of(self, worker: str) -> set[str]:
        """Return what a worker works on."""
        with self._lock:
            return set(self._of_worker.get(worker, ()))

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in which state."""
        with self._lock:
            counts: dict[str, int] = {}
            for job in self._jobs.values():
                counts[job.state] = counts.get(job.state, 0) + 1
            return counts

    def wait_until_none_waits(self, timeout: float) -> bool:
        """Wait until no job waits; return whether that came in time."""
        with self._lock:
            return self._lock.wait_for(lambda: self._waiting == 0, timeout)

    def listen(self, listener: Callable[[str, str], object]) -> None:
        """Have ``listener(name, state)`` called for each step of a job."""
        with self._lock:
            self._listeners.append(listener)

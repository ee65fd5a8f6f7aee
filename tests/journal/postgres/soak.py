"""A store on a server, written and followed by processes, while everything is killed now and then.

    python -m tests.journal.postgres.soak [--commits N] [--seed S] [--writers W] [--followers F]

Until N commits were acknowledged. Then it is asked of everybody what they were told, of the server
what is there, and whether that is the same. Ends with 1 if it is not. The server is one of its own,
without syncing: a process that is killed needs none.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic
from typing import NamedTuple

from tests.journal.postgres.judged import Change, Left, told, wrongs
from tests.journal.postgres.servers import Cluster
from tests.journal.postgres.soaking import THREADS

NAME = "soak"
STALL = 120.0
"""Seconds without any commit after which it is given up."""
PAUSE = Event()
"""Nobody sets it: waiting for it is how often a file is looked at."""
APART = (20, 120)
"""How many commits lie between two troubles."""


class Options(NamedTuple):
    commits: int
    seed: int = 0
    writers: int = 3
    followers: int = 2


class Report(NamedTuple):
    """What came of it: how many of what, and what must not be."""

    versions: int
    counts: Counter[str]
    seconds: float
    wrong: list[str]


class Process:
    """One that writes or follows, and what it says."""

    def __init__(self, role: str, url: str, folder: Path, number: int) -> None:
        self.role = role
        self.says = folder / f"{number}.{role}"
        self.stopped = False
        self._done, self._read = 0, 0
        self.errors = folder / f"{number}.errors"
        with self.errors.open("w") as errors:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "tests.journal.postgres.soaking", role, url, NAME,
                 str(self.says), str(number)],
                stdin=subprocess.PIPE, text=True, stderr=errors,
            )  # fmt: skip

    def lines(self) -> list[str]:
        return self.says.read_text().splitlines(keepends=True) if self.says.exists() else []

    def said_at(self) -> float:
        return self.says.stat().st_mtime if self.says.exists() else 0.0

    def done(self) -> int:
        """How many commits it was told of by now, as it says."""
        if self.says.exists():
            with self.says.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
            self._done += sum(line.startswith(b"done ") for line in whole.split(b"\n"))
            self._read += len(whole) + 1 if whole else 0
        return self._done

    def stop(self) -> None:
        self.running.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        self.running.send_signal(signal.SIGCONT)
        self.stopped = False

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()
        if self.running.stdin is not None:
            self.running.stdin.close()

    def end(self, version: int) -> None:
        self.running.communicate(f"{version}\n", timeout=STALL)


class Soak:
    """The processes, and what is done to them."""

    def __init__(self, options: Options, folder: Path, cluster: Cluster) -> None:
        self._random = Random(options.seed)
        self._folder, self._cluster = folder, cluster
        self._gone: list[Process] = []
        self.counts: Counter[str] = Counter()
        self._alive = [
            *(self._made("write") for _ in range(options.writers)),
            *(self._made("follow") for _ in range(options.followers)),
        ]

    def _made(self, role: str) -> Process:
        self.counts[f"{role} started"] += 1
        number = self.counts.total()
        return Process(role, self._cluster.url, self._folder, number)

    def everybody(self, role: str) -> list[Process]:
        return [each for each in (*self._gone, *self._alive) if each.role == role]

    def acknowledged(self) -> int:
        return sum(each.done() for each in self.everybody("write"))

    def run_to(self, commits: int) -> None:
        """Return when so many were acknowledged since the start.

        Raises:
            AssertionError: none was for a long time.
        """
        seen, last = self.acknowledged(), monotonic()
        while seen < commits:
            PAUSE.wait(0.05)
            now = self.acknowledged()
            if now > seen:
                seen, last = now, monotonic()
            assert monotonic() - last < STALL, f"no commit after {seen} for {STALL:.0f} s"
            for each in self._alive:
                assert each.running.poll() is None, f"{each.role} ended: {each.errors.read_text()}"

    def a_while(self) -> int:
        return self._random.randint(*APART)

    def trouble(self) -> None:
        """Do to somebody what is drawn."""
        troubles: list[tuple[int, Callable[[], None]]] = [
            (4, self.kill_a_writer),
            (4, self.stop_a_writer),
            (3, self.kill_a_follower),
            (2, self.crash_the_server),
            (1, self.restart_the_server),
            (4, self.cut_connections),
        ]
        weights = [weight for weight, _ in troubles]
        [(_, do)] = self._random.choices(troubles, weights)
        self.counts[do.__name__.replace("_", " ")] += 1
        do()

    def _one(self, role: str) -> Process:
        """Anybody, but mostly the one that said something last: of writers, whose turn it is."""
        everybody = [each for each in self._alive if each.role == role]
        last = max(everybody, key=lambda each: each.said_at())
        return self._random.choice([*everybody, *len(everybody) * [last]])

    def _replace(self, gone: Process) -> None:
        gone.kill()
        self._gone.append(gone)
        self._alive[self._alive.index(gone)] = self._made(gone.role)

    def kill_a_writer(self) -> None:
        self._replace(self._one("write"))

    def kill_a_follower(self) -> None:
        self._replace(self._one("follow"))

    def stop_a_writer(self) -> None:
        """For as long as it takes the others to go on without it; one at a time."""
        self.go_on()
        self._one("write").stop()

    def go_on(self) -> None:
        for each in self._alive:
            if each.stopped:
                each.go_on()

    def crash_the_server(self) -> None:
        self._cluster.stop(signal.SIGKILL)
        self._cluster.start()

    def restart_the_server(self) -> None:
        self._cluster.stop()
        self._cluster.start()

    def cut_connections(self) -> None:
        with self._cluster.connect() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
            for (pid,) in found:
                if self._random.random() < 0.5:
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))

    def end(self) -> Left:
        """Have them end, the writers first; return what is on the server then."""
        self.go_on()
        for each in self._alive:
            if each.role == "write":
                each.end(0)
        left = left_on(self._cluster)
        for each in self._alive:
            if each.role == "follow":
                each.end(len(left.versions))
        return left

    def kill(self) -> None:
        for each in self._alive:
            each.kill()


def left_on(cluster: Cluster) -> Left:
    with cluster.connect() as connection:
        versions = connection.execute(f"SELECT version FROM cowstate_{NAME}.commits ORDER BY 1")
        found = [version for (version,) in versions]
        changes = connection.execute(
            f"SELECT version, key, new FROM cowstate_{NAME}.changes ORDER BY version, key"
        )
        made = [Change(version, key, *_slot(new)[::-1]) for version, key, new in changes]
        records = connection.execute(f"SELECT key, value FROM cowstate_{NAME}.records")
        return Left(found, made, {json.loads(key): _slot(value) for key, value in records})


def _slot(text: str) -> tuple[int, str]:
    record = json.loads(text)
    return record["quantity"], record.get("owner", "")


def soak(options: Options) -> Report:
    began = monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        cluster = Cluster()
        stack.callback(cluster.remove)
        cluster.start()
        soak = Soak(options, folder, cluster)
        stack.callback(soak.kill)
        while (commits := soak.acknowledged()) < options.commits:
            soak.run_to(commits + soak.a_while())
            soak.trouble()
        left = soak.end()
        said = {role: [line for each in soak.everybody(role) for line in each.lines()]
                for role in ("write", "follow")}  # fmt: skip
        found = [*wrongs(left, said["write"], said["follow"]), *_verified(cluster)]
        counts = soak.counts + Counter(word for lines in said.values() for word, _ in told(lines))
        return Report(len(left.versions), counts, monotonic() - began, found)


def _verified(cluster: Cluster) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "cowstate", "verify", cluster.url, "--name", NAME],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def parsed(argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser("python -m tests.journal.postgres.soak", description=__doc__)
    parser.add_argument("--commits", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--writers", type=int, default=3)
    parser.add_argument("--followers", type=int, default=2)
    return Options(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> int:
    options = parsed(argv)
    report = soak(options)
    print(f"{options}, {THREADS} threads each, Python {platform.python_version()}")
    print(f"{report.versions} versions in {report.seconds:.0f} s")
    for what, times in sorted(report.counts.items()):
        print(f"{times:>9} {what}")
    for wrong in report.wrong[:20]:
        print(f"WRONG: {wrong}")
    print("all is as it was told" if not report.wrong else f"{len(report.wrong)} are wrong")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

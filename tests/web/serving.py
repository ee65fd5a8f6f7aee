"""The page as it is served, for tests: in a thread or a process, and browsers that are none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import httpx

from cowstate.journal.reading import Reader, as_text
from cowstate.web.app import Door
from cowstate.web.server import serve
from tests.commanding import INTERRUPTIBLE, SECONDS, environment


class Browser:
    """What a browser makes of what it is told: the script of the page, without a page.

    Attributes:
        head: the newest message.
        rows: the records that it shows.
        told: how many messages there were, by their kinds.
    """

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.rows: dict[str, str] = {}
        self.told = {"state": 0, "change": 0}

    def take(self, message: dict[str, Any]) -> None:
        self.told[message["kind"]] += 1
        if message["kind"] == "state":
            self.rows = {row[0]: row[1] for row in message["rows"]}
        else:
            assert message["from"] == self.head["to"]
            for name in message["drop"]:
                del self.rows[name]
            self.rows.update({row[0]: row[1] for row in message["put"]})
        self.head = message

    def shown(self) -> dict[str, str]:
        return dict(sorted(self.rows.items()))


def client_of(url: str) -> httpx.Client:
    # Without what it would need for TLS, which takes long to load.
    return httpx.Client(base_url=url, verify=False, trust_env=False, timeout=SECONDS)


class Served:
    """A server, in a thread or a process.

    Attributes:
        url: where it is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.port = int(url.rstrip("/").rpartition(":")[2])


class ServedHere(Served):
    """A server in a thread.

    Attributes:
        raised: what it ended by, if that was an error.
    """

    raised: BaseException | None = None

    def __init__(self, path: Path | str, port: int, **options: Any) -> None:
        door = Door(options.pop("host", "127.0.0.1"), options.pop("token", None))
        up: SimpleQueue[Any] = SimpleQueue()

        def run() -> None:
            try:
                serve(str(path), door, port, started=lambda *told: up.put(told[1:]), **options)
            except BaseException as error:
                self.raised = error
                up.put(("http://none:0/", bool))

        self.thread = Thread(target=run, daemon=True)
        self.thread.start()
        url, self._end = up.get()
        if self.raised is not None:
            raise self.raised
        super().__init__(url)

    def end(self) -> None:
        """End it."""
        self._end()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


@contextmanager
def served(path: Path | str, port: int = 0, **options: Any) -> Iterator[ServedHere]:
    """Serve the file at *path* in a thread, with the arguments of `serve`."""
    server = ServedHere(path, port, **options)
    try:
        yield server
    finally:
        server.end()


class ServedApart(Served):
    """A server in a process of its own, as the command starts it.

    Attributes:
        process: the process.
        line: what it said when it was there.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        assert process.stderr is not None
        self.line = process.stdout.readline()
        found = re.search(r"http://\S+/", self.line)
        assert found is not None, self.line + process.stderr.read()
        super().__init__(found[0])

    def end(self, how: int) -> tuple[int, str]:
        """End it by a signal; return its status and what it said."""
        self.process.send_signal(how)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait until it ends; return its status and what it said."""
        _, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, err


@contextmanager
def served_apart(path: Path | str, *options: str, **variables: str) -> Iterator[ServedApart]:
    """Serve the file at *path* by the command."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "serve", str(path), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    ) as process:
        try:
            yield ServedApart(process)
        finally:
            process.kill()


def messages_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield what a stream of events says, but for the beats."""
    for line in lines:
        if line.startswith("data: ") and line != "data: {}":
            yield json.loads(line.removeprefix("data: "))


@contextmanager
def browsing(url: str, **options: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """Connect to the events of *url*; yield what comes."""
    with (
        client_of(url) as client,
        client.stream("GET", "/events", **options) as answer,
    ):
        assert answer.status_code == 200
        yield messages_in(answer.iter_lines())


def texts_of(path: Path) -> dict[str, str]:
    """What stands in the file at *path* now, as the page calls it, if it is short."""
    reader = Reader(os.fspath(path))
    try:
        found = {as_text(key): as_text(value) for key, value, _ in reader.records()}
    finally:
        reader.close()
    return dict(sorted(found.items()))

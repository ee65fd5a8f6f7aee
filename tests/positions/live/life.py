"""A life of ``cowstate trade`` in a process of its own: `Life`, and what that process runs.

    python -m tests.positions.live.life ADDRESS ARGUMENT ...

Run so, it is the command with these arguments, whose clients go to the server at ADDRESS; or, for
the address "-", in a process in which nothing can be connected to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Condition, Thread
from time import monotonic
from typing import Any

__all__ = ["STREAMS", "Life"]

STREAMS = "COWSTATE_TESTED_STREAMS"
"""The variable that holds where the streams of the venue are; without it, it has none."""

PATIENCE = 60


class Life:
    """One process; what it logs is read as it comes. Used in a ``with``, it does not outlive it."""

    def __init__(self, address: str, arguments: Sequence[str], **environ: str) -> None:
        self.lines: list[str] = []
        self.heard = Condition()
        self.over = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.positions.live.life", address, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.heard:
                self.lines.append(line)
                self.heard.notify_all()
        with self.heard:
            self.over = True
            self.heard.notify_all()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def until(self, event: str, count: int = 1) -> None:
        """Wait until that many lines name *event*."""
        end = monotonic() + PATIENCE

        def seen() -> bool:
            return sum(f" {event} " in line for line in self.lines) >= count

        with self.heard:
            while not seen():
                assert not self.over, f"it ended before {event}: {self.log}"
                assert self.heard.wait(end - monotonic()), f"no {event}: {self.log}"

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it printed."""
        assert self.process.stdout is not None
        # What it prints fits into the pipe, so one that never ends is a test that fails.
        status = self.process.wait(PATIENCE)
        printed = self.process.stdout.read()
        self.reader.join(PATIENCE)
        return status, printed

    def stopped(self) -> str:
        """Tell it to end; it does, in order. Return what it printed."""
        self.tell()
        status, printed = self.ended()
        assert status == 0, self.log
        return printed

    def kill(self) -> None:
        self.tell(signal.SIGKILL)
        assert self.ended()[0] == -signal.SIGKILL

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()


def connected_to(address: str) -> None:
    """Have the clients of the command go to *address*."""
    from cowstate.positions.command import account
    from cowstate.positions.exchange.ccxt.connecting import client_of, streaming_client_of
    from cowstate.positions.exchange.ccxt.keys import Keys
    from tests.positions.exchange.ccxt.desks import async_led_to, led_to

    def local(exchange_id: str, keys: Keys) -> Any:
        client = client_of(exchange_id, keys)
        client.options["fetchMarkets"] = {"types": ["linear"]}
        client.enableRateLimit = False
        led_to(client, address)
        return client

    def local_streams(exchange_id: str, keys: Keys) -> Any:
        streams = os.environ.get(STREAMS, "")
        client = streaming_client_of(exchange_id, keys)
        if not streams or client is None:
            return None
        client.options["fetchMarkets"] = {"types": ["linear"]}
        client.enableRateLimit = False
        async_led_to(client, address, streams)
        return client

    account.client_of = local
    account.streaming_client_of = local_streams


def cut_off() -> None:
    """Have nothing connect to anything, and no client of an exchange be loaded."""

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
            raise AssertionError(f"there is no network: {event}")
        if event == "import" and args[0] == "ccxt":
            raise AssertionError("no client is needed")

    sys.addaudithook(refuse)


def main(address: str, *arguments: str) -> int:
    from cowstate.cli import main as command

    if address == "-":
        cut_off()
    else:
        connected_to(address)
    return command(["trade", *arguments])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

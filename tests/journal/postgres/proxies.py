"""Between a client and a server: what passes on a connection until it is cut, at any byte."""

from __future__ import annotations

import shutil
import socket
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Lock, Thread
from types import SimpleNamespace
from typing import Any

from tests.journal.postgres.servers import Cluster, url_of


class Proxy:
    """Hands everything on, but for what it is told.

    Attributes:
        refuses: whether nobody is let in.
        cuts: how often a connection was cut.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._server = str(cluster.home / ".s.PGSQL.5432")
        self._home = Path(mkdtemp(prefix="px-", dir="/tmp"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._home / ".s.PGSQL.5432"))
        self._listener.listen()
        self._lock = Lock()
        self._left: dict[str, int] = {}
        self._refuses_then = False
        self._open: list[socket.socket] = []
        self._flows = Event()
        self._flows.set()
        self.refuses = False
        self.cuts = 0
        Thread(target=self._accept, daemon=True).start()

    @property
    def cluster(self) -> Any:
        """For what wants a cluster's URL alone."""
        return SimpleNamespace(url=url_of(self._home))

    def cut(self, direction: str, after: int, then_refuse: bool = False) -> None:
        """Cut the connection of which the next byte but *after* comes, going ``to`` or ``from``."""
        with self._lock:
            self._left = {direction: after}
            self._refuses_then = then_refuse

    def hold(self) -> None:
        """Hand nothing on from now on, and keep all connections."""
        self._flows.clear()

    def be_quiet(self) -> None:
        """Cut nothing, and let everybody in."""
        with self._lock:
            self._left = {}
            self.refuses = False

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                for arguments in ((client, server, "to"), (server, client, "from")):
                    Thread(target=self._hand_on, args=arguments, daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                allowed = self._allowed(direction, len(data))
                target.sendall(data[:allowed])
                if allowed < len(data):
                    break
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _allowed(self, direction: str, count: int) -> int:
        with self._lock:
            left = self._left.get(direction)
            if left is None or left >= count:
                if left is not None:
                    self._left[direction] = left - count
                return count
            self._left = {}
            self.refuses = self._refuses_then
            self.cuts += 1
            return left

    def close(self) -> None:
        self._listener.close()
        self._flows.set()
        for each in self._open:
            each.close()
        shutil.rmtree(self._home, ignore_errors=True)

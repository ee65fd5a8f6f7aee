"""A server that is reached by a network, and lets in whom it knows, with TLS or without."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.journal.postgres.servers import SOON, Cluster, whose

PASSWORD = "right-hush"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def handed_over(*paths: Path) -> None:
    """Give files to whom the servers run as."""
    user = whose()
    for path in paths:
        path.chmod(0o600)
        if user:
            os.chown(path, user["user"], user["group"])


class Guarded(Cluster):
    """A server on a port of this machine. `ann` has a password, and `guest` is not known.

    Args:
        encrypts: whether it has TLS, and lets nobody in by the network without.
    """

    def __init__(self, encrypts: bool) -> None:
        super().__init__()
        self.port = free_port()
        self.certificate = self.home / "server.crt"
        with (self.data / "postgresql.conf").open("a") as config:
            config.write(f"\nlisten_addresses = '127.0.0.1'\nport = {self.port}\n")
            if encrypts:
                self._certify()
                config.write(f"ssl = on\nssl_cert_file = '{self.certificate}'\n")
                config.write(f"ssl_key_file = '{self.home / 'server.key'}'\n")
        kind = "hostssl" if encrypts else "host"
        (self.data / "pg_hba.conf").write_text(
            "local all postgres trust\n"
            f"{kind} all guest 127.0.0.1/32 trust\n"
            f"{kind} all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.start()
        with self.connect() as connection:
            connection.execute(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("CREATE DATABASE trading OWNER ann")

    def _certify(self) -> None:
        key = self.home / "server.key"
        subprocess.run(
            ["openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost",
             "-out", str(self.certificate), "-keyout", str(key)],
            check=True, capture_output=True, timeout=SOON,
        )  # fmt: skip
        handed_over(self.certificate, key)

    @property
    def url(self) -> str:
        return f"{super().url}&port={self.port}"

    def by_network(
        self,
        user: str = f"ann:{PASSWORD}",
        database: str = "trading",
        host: str = "localhost",
        port: int | None = None,
        **options: Any,
    ) -> str:
        """The URL of a database, as somebody on another machine would write it."""
        said = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@{host}:{port or self.port}/{database}?{said}"


def pooler() -> str | None:
    """The program of a pooler, if there is one."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Pool:
    """A pooler before a server.

    Args:
        cluster: the server.
        mode: for how long a client has a session: ``"session"``, ``"transaction"``.
        size: how many sessions there are.
    """

    def __init__(self, cluster: Guarded, mode: str, size: int = 20) -> None:
        program = pooler()
        assert program is not None
        self.port = free_port()
        self.home = cluster.home
        users, config = self.home / f"users-{mode}", self.home / f"pool-{mode}.ini"
        users.write_text(f'"ann" "{PASSWORD}"\n')
        config.write_text(
            f"[databases]\ntrading = host=127.0.0.1 port={cluster.port} dbname=trading\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\npool_mode = {mode}\n"
            f"default_pool_size = {size}\n"
        )
        handed_over(users, config)
        self._process = subprocess.Popen(
            [program, str(config)], stderr=subprocess.PIPE, text=True, cwd="/", **whose()
        )
        self._await()

    def _await(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "process up" in line:
                return
        raise AssertionError("the pooler does not come up")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

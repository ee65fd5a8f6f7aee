"""PostgreSQL servers of the tests' own: made in a temporary directory, killed, started anew."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cowstate import Index
from cowstate.journal import Follower, JournaledStore, follow, open_store
from tests.journal.files import INDEXES, Slot

READY = "ready to accept connections"
SOON = 60.0
"""Longer than anything here takes, in seconds."""

NEEDED = ("initdb", "postgres", "pg_basebackup", "pg_ctl")

ONCE = ["test_bench.py", "test_commands.py", "test_machine.py", "test_promotion.py", "test_soak.py"]
"""What a server does is the same whoever asks it, so two interpreters will do for these."""

CONFIG = """
listen_addresses = ''
fsync = off
shared_buffers = 16MB
max_connections = 40
max_wal_senders = 4
log_min_messages = log
autovacuum = off
"""


@lru_cache
def programs() -> Path | None:
    """Where Debian, or whoever installed them, has put the server's programs, and a client's."""
    homes = [*Path("/usr/lib/postgresql").glob("*/bin")]
    if (found := shutil.which("initdb")) is not None:
        homes.append(Path(found).resolve().parent)
    # A machine may have the client's alone.
    whole = [home for home in homes if all((home / each).exists() for each in NEEDED)]
    return max(whole, key=_newest, default=None)


def _newest(home: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in home.parent.name.split(".") if part.isdecimal())


def missing() -> str | None:
    """Why there is nothing to be tested with; None if there is."""
    if os.name != "posix" or programs() is None:
        return "needs a PostgreSQL server: apt-get install postgresql"
    if find_spec("psycopg") is None:
        return "needs psycopg"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "needs the libpq that psycopg uses"
    return None


def whose() -> dict[str, Any]:
    """As whom a server runs, for it refuses to be root's."""
    if os.getuid():
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("there is nobody whom a server could run as")


def _run(program: str, *arguments: str) -> None:
    where = programs()
    assert where is not None
    subprocess.run(
        [str(where / program), *arguments],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SOON,
        cwd="/", **whose(),
    )  # fmt: skip


def _home(kind: str) -> Path:
    home = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir="/tmp"))
    if (user := whose().get("user")) is not None:
        os.chown(home, user, whose()["group"])
    return home


@lru_cache
def _template() -> Path:
    """What a server begins with; to make it takes longer than to copy it."""
    home = _home("pgt")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    _run("initdb", "-D", str(home / "data"), "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8",
         "--locale=C", "--wal-segsize=1")  # fmt: skip
    with (home / "data" / "postgresql.conf").open("a") as config:
        config.write(CONFIG)
    return home / "data"


CURRENT: list[Cluster] = []
"""The one of this session, while there is one."""


def url_of(*homes: Path, **options: str) -> str:
    """Of the servers in some directories, with patience for a machine that is busy."""
    options = {"host": ",".join(map(str, homes)), "connect_timeout": "60", **options}
    return "postgresql://postgres@/postgres?" + "&".join(
        f"{name}={value}" for name, value in options.items()
    )


class Cluster:
    """A server and its directory."""

    def __init__(self, copy_of: Cluster | None = None) -> None:
        self.home = _home("pg")
        self.data = self.home / "data"
        self.process: subprocess.Popen[str] | None = None
        if copy_of is None:
            subprocess.run(["cp", "-a", str(_template()), str(self.data)], check=True)
        else:
            _run("pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast",
                 "-d", copy_of.url)  # fmt: skip

    @property
    def url(self) -> str:
        return url_of(self.home)

    def start(self, says: str = READY) -> None:
        """Return when it answers, which it *says*."""
        where = programs()
        assert where is not None
        self.process = subprocess.Popen(
            [str(where / "postgres"), "-D", str(self.data), "-k", str(self.home)],
            stderr=subprocess.PIPE, text=True, cwd="/", start_new_session=True, **whose(),
        )  # fmt: skip
        ready = Event()
        self.listener = Thread(target=_listen, args=(self.process, ready, says), daemon=True)
        self.listener.start()
        assert ready.wait(SOON), "the server does not come up"

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends what is open, SIGKILL is a crash."""
        process, self.process = self.process, None
        if process is None:
            return
        if how == signal.SIGKILL:
            process.kill()  # the others notice, and end
        else:
            process.send_signal(how)
        process.wait(SOON)
        self.listener.join(SOON)
        if how == signal.SIGKILL:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            for lock in self.home.glob(".s.PGSQL.*"):
                lock.unlink(missing_ok=True)

    def promote(self) -> None:
        """Make a replica a server of its own; return when it is."""
        _run("pg_ctl", "promote", "-w", "-D", str(self.data))

    def connect(self) -> Any:
        """A bare connection, on which each statement is a transaction."""
        import psycopg

        return psycopg.connect(self.url, autocommit=True)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def _listen(process: subprocess.Popen[str], ready: Event, says: str) -> None:
    assert process.stderr is not None
    with process.stderr as said:
        for line in said:
            if says in line:
                ready.set()


Slots = JournaledStore[str, Slot]


def opened(cluster: Cluster, name: str, **options: Any) -> Slots:
    options = {"indexes": INDEXES, "lease": 600.0, "wait": 0.0, **options}
    return open_store(cluster.url, name=name, key=str, record=Slot, meta=str, **options)


def following(cluster: Cluster, name: str, **options: Any) -> Follower[str, Slot]:
    indexes: dict[str, Index[Slot]] = INDEXES
    options = {"indexes": indexes, **options}
    return follow(cluster.url, name=name, key=str, record=Slot, meta=str, **options)


def expire(cluster: Cluster, name: str) -> None:
    """The lease of whoever writes ends now."""
    with cluster.connect() as connection:
        connection.execute(f"UPDATE cowstate_{name}.writer SET until = '-infinity'")


def is_held_up(connection: Any, name: str) -> bool:
    """Whether somebody waits for the row of the writer, which another one has locked."""
    found = connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s",
        (f"%UPDATE cowstate_{name}.writer%",),
    ).fetchall()
    return bool(found)


def on_server(cluster: Cluster, name: str) -> tuple[dict[str, str], list[int]]:
    """What another program sees: the records, and the versions in the log."""
    with cluster.connect() as connection:
        return seen_by(connection, name)


def seen_by(connection: Any, name: str) -> tuple[dict[str, str], list[int]]:
    """What is seen by whoever has a connection."""
    records = dict(connection.execute(f"SELECT key, value FROM cowstate_{name}.records"))
    found = connection.execute(f"SELECT version FROM cowstate_{name}.commits ORDER BY version")
    return records, [version for (version,) in found]

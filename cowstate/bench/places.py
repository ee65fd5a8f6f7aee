"""Where a journal is measured: in a file that is deleted, or on a server that somebody named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from typing import Any, Final, NamedTuple

__all__ = ["NO_SERVER", "SERVER", "Place", "a_file", "a_name_on", "connected", "server"]

SERVER: Final = "COWSTATE_BENCH_URL"
"""The variable that names a database to measure on: ``postgresql://…``. What is measured makes
schemas of its own in it, and drops them."""

NO_SERVER: Final = f"no server: {SERVER} names none"

_NUMBERS: Final = count(1)


class Place(NamedTuple):
    """What `open_store` and `follow` are told of where a store is."""

    where: str
    name: str | None = None


def connected(url: str) -> Any:
    """Return a connection of psycopg, each statement of which is a transaction."""
    # Looked for here, and without its types: it is there with the extra `postgres` only.
    return import_module("psycopg").connect(url, autocommit=True)


def server() -> str | None:
    """The URL of the database to measure on, None if nobody named one."""
    return os.environ.get(SERVER) or None


@contextmanager
def a_file() -> Generator[Place]:
    """Give one that is not there; afterwards it is deleted."""
    with tempfile.TemporaryDirectory() as directory:
        yield Place(os.path.join(directory, "positions.db"))


@contextmanager
def a_name_on(url: str) -> Generator[Place]:
    """Give a name that no store has; afterwards what is under it is dropped."""
    name = f"bench_{os.getpid()}_{next(_NUMBERS)}"
    try:
        yield Place(url, name)
    finally:
        with connected(url) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS cowstate_{name} CASCADE")

"""Which store a command is about, in its arguments: `add_place`, `ensure_place`."""

from __future__ import annotations

import argparse

from cowstate.errors import ArgumentValueError

from .postgres.server import is_url

__all__ = ["add_place", "ensure_place"]


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add to *parser* what says which store a command is about."""
    parser.add_argument(
        "file", metavar="FILE", help="the file of a store, or the URL of a database"
    )
    parser.add_argument("--name", help="in a database: the name of the store")


def ensure_place(path: str, name: str | None) -> None:
    """Raise if it is left open which store of a database is meant.

    Raises:
        ArgumentValueError: *path* is the URL of a database, and there is no *name*; or it is a URL
            of something else.

    >>> ensure_place("run.db", None)
    >>> ensure_place("postgresql:///trading", None)
    Traceback (most recent call last):
    cowstate.errors.ArgumentValueError: a database may hold several stores; say which by --name NAME
    """
    if is_url(path) and name is None:
        raise ArgumentValueError("a database may hold several stores; say which by --name NAME")

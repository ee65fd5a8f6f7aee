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


def ensure_place(args: argparse.Namespace) -> None:
    """Raise if *args* leave it open which store of a database is meant."""
    if is_url(args.file) and args.name is None:
        raise ArgumentValueError("a database may hold several stores; say which by --name NAME")

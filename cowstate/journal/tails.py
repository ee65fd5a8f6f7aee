"""What is read: a file, or a store on a server: `tail_of`, `view_of`."""

from __future__ import annotations

import os
from typing import Final

from .arguments import ensure_nameless
from .postgres.server import Server, is_url
from .postgres.tail import PostgresTail
from .postgres.view import PostgresView
from .reading import Reader
from .tail import FileTail
from .view import Tail, View

__all__ = ["tail_of", "view_of"]

FILE: Final = 0.01
"""How often, in seconds, a file is looked at, of which nobody tells when it was written."""

SERVER: Final = 1.0
"""How often a store on a server is looked at, although nobody told."""


def tail_of(
    path: str | os.PathLike[str], name: str | None, every: float | None
) -> tuple[Tail, float]:
    """Return what is to be followed, and how often, in seconds, it is to be looked at."""
    if is_url(path):
        return PostgresTail(Server(os.fspath(path), name)), every or SERVER
    ensure_nameless(name)
    return FileTail(os.fspath(path), every or FILE), every or FILE


def view_of(path: str, name: str | None) -> View:
    """Return a look at what is there now; whoever asks for it closes it."""
    if is_url(path):
        return PostgresView(Server(path, name))
    ensure_nameless(name)
    return Reader(path)

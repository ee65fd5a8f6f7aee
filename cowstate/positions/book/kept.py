"""A book in a file: `open_book`, which journals every commit of the slots and their account.

The slots are the records of the journal, and the `Account` is its meta value, so that what belongs
together is one version in the file as it is in memory: a fill, and the cursor up to which trades
were read; a correction, and the evidence of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from cowstate import ArgumentTypeError, Commit, Feed, Store, Transaction

from ..errors import OtherGridError
from .account import Account
from .config import GridConfig
from .saved import restored_slots
from .slots import InventorySlot
from .store import AGGREGATES, INDEXES, Slots

if TYPE_CHECKING:
    from cowstate.journal import Bounds

__all__ = [
    "Sync",
    "close_book",
    "earlier_commits",
    "ensure_grid",
    "ensure_writable",
    "open_book",
    "read_book",
    "wait_on_disk",
]

Sync: TypeAlias = Literal["full", "normal", "interval"]
"""What a write waits for: see `cowstate.journal.open_store`."""

_SCHEMA: Final = 1
"""Of what is in the file; to be raised, with a way from the last one, when that changes."""

# What the orders in a file are known by. With another one of these it is somebody else's file.
_OF_ITS_ORDERS: Final = ("symbol", "prefix")


def open_book(
    path: str | os.PathLike[str],
    config: GridConfig,
    *,
    regrid: bool = False,
    sync: Sync = "full",
    interval: float = 0.1,
    bounds: Bounds | None = None,
    name: str | None = None,
    lease: float = 5.0,
    wait: float | None = 10.0,
) -> Store[str, InventorySlot, Account]:
    """Open the book of the grid *config* in the file at *path*, or make it; O(slots).

    What was asked of the exchange in an earlier life is unknown: orders that were PENDING stay so
    until they are asked for, and cancellations may be asked for again. That is the one thing that
    opening writes, besides another grid.

    Args:
        path: the file, or the URL of a database.
        config: whose slots they are.
        regrid: whether *config* may be another one than the file was kept with, but for symbol
            and prefix.
        sync: as of `cowstate.journal.open_store`.
        interval: likewise.
        bounds: likewise.
        name: likewise, for a URL.
        lease: likewise.
        wait: likewise.

    Raises:
        OtherGridError: the file holds another grid; it says in what.
        WriterActiveError: somebody writes the file; it says who.
        JournalFileError: the file is another program's, or another store's, is damaged, or of a
            newer schema.
        JournalError: it cannot be opened or made.
        ArgumentTypeError, ArgumentValueError: an argument makes no sense; no file was made.
    """
    # Before a file is made, or one is asked what it was kept with.
    if not isinstance(config, GridConfig):
        raise ArgumentTypeError(f"config must be a GridConfig, not {config!r}")
    if not isinstance(regrid, bool):
        raise ArgumentTypeError(f"regrid must be True or False, not {regrid!r}")
    # Not before: who keeps no file needs no SQLite.
    from cowstate import journal

    opened = journal.open_store(
        path,
        key=str,
        record=InventorySlot,
        meta=Account,
        indexes=INDEXES,
        aggregates=AGGREGATES,
        schema=_SCHEMA,
        sync=sync,
        interval=interval,
        bounds=bounds,
        name=name,
        lease=lease,
        wait=wait,
    )
    try:
        account = opened.snapshot().meta
        if account is None and opened.snapshot().version:
            raise journal.JournalFileError(
                opened.journal.path, "is a store's, and not a position manager's; name another file"
            )
        if account is not None:
            ensure_grid(config, account.grid, opened.journal.path, regrid)
        opened.transact(lambda tx: _begin(tx, config))
        book = cast(Store[str, InventorySlot, Account], opened)
        wait_on_disk(book)
    except BaseException:
        opened.close()
        raise
    return book


def read_book(path: str | os.PathLike[str], *, name: str | None = None) -> Slots:
    """Return what stands in the file of a book, which somebody may be writing; O(slots).

    Nothing is written. The grid that it was kept with is in the account, ``meta.grid``.

    Args:
        path: the file, or the URL of a database.
        name: on a server, which of its stores.

    Raises:
        JournalFileError: there is no such file, it is damaged, or another program's or store's.
        JournalError: it cannot be read.
        ArgumentValueError: a URL without a name, or a file with one.
    """
    from cowstate import journal

    with journal.follow(
        path,
        name=name,
        key=str,
        record=InventorySlot,
        meta=Account,
        indexes=INDEXES,
        aggregates=AGGREGATES,
        schema=_SCHEMA,
    ) as follower:
        return cast(Slots, follower.snapshot())


def ensure_grid(config: GridConfig, kept: GridConfig | None, path: str, regrid: bool) -> None:
    """Raise if the grid that the file at *path* is *kept* with does not go on as *config*. Pure.

    Raises:
        OtherGridError: it says in what they differ. With *regrid* in symbol or prefix.
    """
    differs = [
        (name, getattr(kept, name, None), getattr(config, name))
        for name in config.__struct_fields__
        if getattr(kept, name, None) != getattr(config, name)
    ]
    final = [each for each in differs if each[0] in _OF_ITS_ORDERS]
    if final or (differs and not regrid):
        raise OtherGridError(path, final or differs, final=bool(final))


def _begin(tx: Transaction[str, InventorySlot, Any], config: GridConfig) -> None:
    if tx.meta is None:
        tx.meta = Account(grid=config)
    elif tx.meta.grid != config:
        tx.meta = tx.meta.replace(grid=config)
    for key, slot in restored_slots(dict(tx), config).items():
        if slot is not tx[key]:
            tx[key] = slot


def close_book(store: Store[str, InventorySlot, Account]) -> None:
    """Let go of the file of a book, if it has one; what is left is written first.

    Raises:
        JournalError: that could not be written; the file is free all the same.
    """
    close = getattr(store, "close", None)
    if close is not None:
        close()


def earlier_commits(
    store: Store[str, InventorySlot, Account], most: int
) -> Callable[[], Sequence[Commit[str, InventorySlot]]]:
    """Return what reads the last commits that are in the log now, at most *most*, oldest first.

    In memory there are none. What is read is equal to what was written, not the very objects.
    """
    journal = getattr(store, "journal", None)
    if journal is None:
        return tuple
    upto = store.snapshot().version

    def read() -> Sequence[Commit[str, InventorySlot]]:
        since = max(upto - most, journal.oldest)
        with store.feed(since=since) as feed:
            return _first(feed, upto - since)

    return read


def _first(
    feed: Feed[str, InventorySlot, Account], most: int
) -> tuple[Commit[str, InventorySlot], ...]:
    items = islice(iter(feed.poll, None), max(most, 0))
    return tuple(item for item in items if isinstance(item, Commit))


def ensure_writable(store: Store[str, InventorySlot, Account]) -> None:
    """Raise if nothing will ever be written to a book again, whoever met that; else at once.

    Raises:
        JournalError: why.
    """
    journal = getattr(store, "journal", None)
    if journal is not None and journal.closed:
        with store.transaction():
            pass


def wait_on_disk(store: Store[str, InventorySlot, Account]) -> None:
    """Return when what a book holds is as durable as its file makes anything; at once in memory.

    Raises:
        JournalError: it could not be written.
    """
    journal = getattr(store, "journal", None)
    if journal is not None:
        journal.wait_durable(store.snapshot().version)

"""How the positions are opened that a command trades with, and waited for: `opened`."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from cowstate import ArgumentValueError
from cowstate.journal import Bounds, FencedError, JournalFileError, WriterActiveError

from ..book.account import Account
from ..book.config import GridConfig
from ..book.ids import parse_client_oid
from ..book.kept import ensure_grid, read_book
from ..book.reports import Leg
from ..errors import OtherGridError
from ..exchange.pages import read_pages
from ..exchange.protocol import Exchange
from ..live.bell import Bell, striking
from ..trading.manager import PositionManager
from .account import ensure_leg

__all__ = ["ensure_known", "opened"]

_DAY_S: Final = 86_400
_PAGES: Final = 10
_PATIENCE_S: Final = 10.0
_AGAIN_S: Final = 1.0
"""How long until a file that somebody has is tried again; a server tells when it is free."""

_ANOTHER: Final = (
    "was deleted or replaced while it was waited for, and what works at the venue is noted in the "
    "one that was there: put that back, with its -wal, and give the same command again. If it is "
    "lost, cancel these orders at the venue before you begin with a new one"
)

_log = logging.getLogger(__name__)


@contextmanager
def opened(
    args: argparse.Namespace, config: GridConfig, time_ms: Callable[[], int], leg: Leg, bell: Bell
) -> Generator[PositionManager]:
    """Open the positions that *args* name; with ``--standby`` once nobody else writes them.

    Raises:
        Rung: a signal came while they were waited for.
        ArgumentValueError: they are of another grid, account or leg.
        JournalFileError: they are not those any more that were waited for.
        JournalError: they cannot be opened, or somebody writes them.
    """
    bounds = None if args.keep_days is None else Bounds(seconds=args.keep_days * _DAY_S)

    def attempt(wait: float | None) -> PositionManager:
        return PositionManager.open(
            args.journal,
            config,
            time_ms=time_ms,
            regrid=args.regrid,
            bounds=bounds,
            name=args.name,
            wait=wait,
        )

    try:
        if args.standby:
            manager = _waited_for(args, config, leg, attempt, bell)
        else:
            manager = attempt(_PATIENCE_S)
    except OtherGridError as error:
        if "prefix" in error.fields:
            theirs = "those of a live account" if args.paper else "on paper, or of another --prefix"
            raise ArgumentValueError(
                f"the positions in {error.path} are {theirs}; name another --journal"
            ) from None
        # What stands in the way of another symbol is no grid, and nothing gets around it.
        hint = "" if "symbol" in error.fields else " (here: --regrid)"
        raise ArgumentValueError(f"{error}{hint}") from None
    with manager:
        ensure_leg(manager.snapshot().meta, leg)
        yield manager


def _waited_for(
    args: argparse.Namespace,
    config: GridConfig,
    leg: Leg,
    attempt: Callable[[float | None], PositionManager],
    bell: Bell,
) -> PositionManager:
    try:
        return attempt(0.0)
    except WriterActiveError as error:
        held = error
    if args.resume is not None:
        raise ArgumentValueError(
            f"--resume is for what is halted now, and {held.path} is written by {held.who}: end "
            "that first, or leave out --resume"
        )
    waited_for = _stood(args)
    # What would be refused then is refused now, and not in the night in which it is needed.
    least = _ensured_fit(args, config, leg, held.path)
    _log.info(
        "%s: stands by, for %s is written by %s",
        *(config.symbol, held.path, held.who),
        extra={"cowstate_event": "standby_waits", "cowstate_symbol": config.symbol},
    )
    with striking(bell):
        manager = _taken(args, waited_for, attempt, bell)
        if manager.snapshot().version < least:
            manager.close()
            raise JournalFileError(held.path, _ANOTHER)
    _log.warning(
        "%s: takes over %s",
        *(config.symbol, held.path),
        extra={"cowstate_event": "standby_takes_over", "cowstate_symbol": config.symbol},
    )
    return manager


def _stood(args: argparse.Namespace) -> tuple[int, int] | None:
    """Return what stands where the file is to be; None if nothing does, or on a server."""
    try:
        found = None if args.name is not None else os.stat(args.journal)
    except OSError:  # it is just being made
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def _ensured_fit(args: argparse.Namespace, config: GridConfig, leg: Leg, path: str) -> int:
    """Raise if what is kept does not go on so; return its version."""
    try:
        kept = read_book(args.journal, name=args.name)
    except JournalFileError:
        return 0  # likewise
    grid = getattr(kept.meta, "grid", None)
    if grid is not None:
        ensure_grid(config, grid, path, args.regrid)
        ensure_leg(kept.meta, leg)
    return kept.version


def _taken(
    args: argparse.Namespace,
    waited_for: tuple[int, int] | None,
    attempt: Callable[[float | None], PositionManager],
    bell: Bell,
) -> PositionManager:
    while True:
        stands = _stood(args)
        if waited_for is None:
            waited_for = stands
        elif stands != waited_for:
            # An attempt would make a new one in its place, and trade beside its orders.
            raise JournalFileError(args.journal, _ANOTHER)
        try:
            return attempt(None)
        except (WriterActiveError, FencedError):
            bell.wait(_AGAIN_S)


def ensure_known(kept: Account, exchange: Exchange, config: GridConfig) -> None:
    """Refuse positions that are new where orders work that begin as theirs would.

    They are noted in a file that is gone, or of somebody else, who trades with the same account.

    Raises:
        ArgumentValueError: it says which, and what to do.
        ExchangeError: the venue does not say.
    """
    if kept.ledger.began_ms is not None:
        return
    read = read_pages(lambda cursor: exchange.fetch_open_orders(config.symbol, cursor), _PAGES)
    if read.error is not None:
        raise read.error
    ours = [
        each.client_oid for each in read.items if parse_client_oid(each.client_oid, config.prefix)
    ]
    if ours:
        raise ArgumentValueError(
            f"--journal is new, and orders that begin with {config.prefix} work at the venue "
            f"({', '.join(sorted(ours)[:3])}): give the journal that they are noted in, or cancel "
            "them at the venue, or choose another --prefix"
        )

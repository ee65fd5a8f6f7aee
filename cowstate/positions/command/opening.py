"""How the positions are opened that a command trades with, and waited for: `opened`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from cowstate import ArgumentValueError
from cowstate.journal import Bounds, FencedError, JournalFileError, WriterActiveError

from ..book.config import GridConfig
from ..book.kept import ensure_grid, read_book
from ..book.reports import Leg
from ..errors import OtherGridError
from ..live.bell import Bell, striking
from ..trading.manager import PositionManager
from .account import ensure_leg

__all__ = ["opened"]

_DAY_S: Final = 86_400
_PATIENCE_S: Final = 10.0
_AGAIN_S: Final = 1.0
"""How long until a file that somebody has is tried again; a server tells when it is free."""

_log = logging.getLogger(__name__)


@contextmanager
def opened(
    args: argparse.Namespace, config: GridConfig, time_ms: Callable[[], int], leg: Leg, bell: Bell
) -> Generator[PositionManager]:
    """Open the positions that *args* name; with ``--standby`` once nobody else writes them.

    Raises:
        Rung: a signal came while they were waited for.
        ArgumentValueError: they are of another grid, account or leg.
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
    # What would be refused then is refused now, and not in the night in which it is needed.
    _ensure_fits(args, config, leg, held.path)
    _log.info(
        "%s: stands by, for %s is written by %s",
        *(config.symbol, held.path, held.who),
        extra={"cowstate_event": "standby_waits", "cowstate_symbol": config.symbol},
    )
    with striking(bell):
        manager = _taken(attempt, bell)
    _log.warning(
        "%s: takes over %s",
        *(config.symbol, held.path),
        extra={"cowstate_event": "standby_takes_over", "cowstate_symbol": config.symbol},
    )
    return manager


def _ensure_fits(args: argparse.Namespace, config: GridConfig, leg: Leg, path: str) -> None:
    try:
        kept = read_book(args.journal, name=args.name).meta
    except JournalFileError:
        return  # it is just being made
    grid = getattr(kept, "grid", None)
    if grid is not None:
        ensure_grid(config, grid, path, args.regrid)
        ensure_leg(kept, leg)


def _taken(attempt: Callable[[float | None], PositionManager], bell: Bell) -> PositionManager:
    while True:
        try:
            return attempt(None)
        except (WriterActiveError, FencedError):
            bell.wait(_AGAIN_S)

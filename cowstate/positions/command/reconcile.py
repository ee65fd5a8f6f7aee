"""``cowstate reconcile``: one pass of the reconciler against a live account, told in words."""

from __future__ import annotations

import argparse
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from cowstate import ArgumentValueError
from cowstate.journal.addressing import ensure_place

from ..book.config import GridConfig
from ..book.kept import read_book
from ..book.store import Slots
from ..exchange.ccxt import CcxtExchange
from ..exchange.promises import VenuePromises
from ..reconcile.policy import ReconcilePolicy
from ..reconcile.reconciler import Reconciler
from ..reconcile.report import PassReport
from ..reconcile.verdicts import VerdictKind
from ..trading.manager import PositionManager
from .account import KEYS, add_account, add_positions, ensure_leg, exchange_of

__all__ = ["add_arguments", "as_text", "run"]

_DESCRIPTION = f"""\
Ask the exchange for the position, the open orders, the orders in doubt and the trades, hold all
that against the positions in FILE, and print what was found and done. With --dry-run nothing is
done and nothing is written, at the exchange or in FILE, and whoever trades with FILE may go on
meanwhile. FILE may be the URL of a database, with the name of the store in it.

{KEYS}"""

_MOST_PASSES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to its *parser*."""
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_account(parser)
    add_positions(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would be done, and do nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Make one pass; 0 if both sides agree and nobody need look, 1 if somebody should.

    Raises:
        CowstateError: the file, the keys or the exchange will not do.
    """
    ensure_place(args.journal, args.name)
    exchange = exchange_of(args)
    with _positions(args, exchange) as manager:
        policy = ReconcilePolicy(dry_run=args.dry_run)
        reconciler = Reconciler(manager, exchange, policy=policy, time_ms=exchange.time_ms)
        report = _judged(reconciler, exchange.promises)
        worry = reconciler.status().worry
    print(as_text(report, args.symbol))
    return 0 if report.agrees and not worry else 1


def _judged(reconciler: Reconciler, promises: VenuePromises) -> PassReport:
    """Return the first pass that says something of the position, or the last there is time for.

    A look is compared with trades that are surely complete up to it. Where a list of trades may
    lag, that takes another pass, so much later.
    """
    late_ms = promises.trades_lag_ms + promises.stamp_ms + 2 * promises.clock_ms
    for _ in range(_MOST_PASSES - 1):
        report = reconciler.reconcile()
        verdict = report.verdict
        if verdict is None or verdict.kind is not VerdictKind.SILENT or report.errors:
            return report
        time.sleep((late_ms + 1) / 1_000)
    return reconciler.reconcile()


def as_text(report: PassReport, symbol: str) -> str:
    """Return what a pass found and did, in lines."""
    return "\n".join([f"{symbol}: {report.summary}", *_lines(report)])


def _lines(report: PassReport) -> Iterator[str]:
    if report.standing is not None:
        yield f"  held by the book: {report.standing.accounted:f}"
    for each in report.corrections:
        doing = "would do" if report.dry_run else "did"
        yield f"  {doing} {each.kind} {each.what}: {each.detail or 'no more to say'}"
    if not report.corrections:
        yield "  nothing to do"
    for kind, quantity in report.others:
        yield f"  moved by others, {kind}: {quantity:f}"
    for alarm in report.alarms:
        yield f"  ALARM: {alarm.why}"
    for error in report.errors:
        yield f"  not answered: {error}"
    if report.dry_run:
        yield "  a dry run: nothing was changed"


@contextmanager
def _positions(args: argparse.Namespace, exchange: CcxtExchange) -> Generator[PositionManager]:
    """Open the positions; for a dry run, what stands in their file, in memory."""
    saved, config = _kept(args.journal, args.name, args.symbol)
    ensure_leg(saved.meta, exchange.leg)
    if args.dry_run:
        manager = PositionManager(config, time_ms=exchange.time_ms)
        manager.restore_state(saved)
        yield manager
        return
    with PositionManager.open(
        args.journal, config, time_ms=exchange.time_ms, name=args.name
    ) as manager:
        yield manager


def _kept(path: str, name: str | None, symbol: str) -> tuple[Slots, GridConfig]:
    saved = read_book(path, name=name)
    config = getattr(saved.meta, "grid", None)
    # A URL may hold a password, so what was given is not repeated.
    if config is None:
        raise ArgumentValueError("--journal is not that of a position manager; name another one")
    if config.symbol != symbol:
        raise ArgumentValueError(
            f"--journal holds positions in {config.symbol}, not in {symbol[:40]}; name that symbol"
        )
    return saved, config

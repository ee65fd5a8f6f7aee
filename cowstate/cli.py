"""The command ``cowstate``: ``cowstate replay`` runs the reference application on a tape."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

import cowstate
from cowstate.errors import CowstateError
from cowstate.positions.grid import GridConfig
from cowstate.positions.line import Faults
from cowstate.positions.replay import ReplayOptions, ReplayReport, replay
from cowstate.positions.tape import read_tape, synthetic_tape

__all__ = ["main"]

AGREED, DIFFERED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with *argv* and return its exit status.

    0: done, and the two sides agree. 1: they differ. 2: bad usage, or a bad file. 130:
    interrupted by Ctrl-C.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except CowstateError as error:
        return _fail(args.command, str(error))
    except KeyboardInterrupt:
        print(f"cowstate {args.command}: interrupted; nothing was kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. Python would complain at its own flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return AGREED
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(args.command, f"cannot write the report: {error.strerror or error}")
    return status


def _fail(command: str, why: str) -> int:
    print(f"cowstate {command}: error: {why}", file=sys.stderr)
    return BAD_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cowstate", description="Copy-on-write state: the reference application, measured."
    )
    parser.add_argument("--version", action="version", version=cowstate.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_replay(commands.add_parser("replay", help="trade a grid over a tape of trades"))
    return parser


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Trade a grid over a tape: strategy, paper exchange, order stream, position manager and "
        "reconciler. Exit status 0 if both sides agree at the end, 1 if not."
    )
    parser.add_argument(
        "trades",
        nargs="?",
        metavar="TRADES.csv[.gz]",
        help="trades to replay; without it, a synthetic tape is made",
    )
    parser.add_argument("--symbol", default="BTCUSDT", help="the market (%(default)s)")
    parser.add_argument(
        "--step", type=_amount, default=Decimal(10), help="distance of the slots (%(default)s)"
    )
    parser.add_argument(
        "--quantity", type=_amount, default=Decimal("0.05"), help="per order (%(default)s)"
    )
    parser.add_argument(
        "--levels", type=int, default=10, help="purchases below the price (%(default)s)"
    )
    parser.add_argument(
        "--reconcile", type=int, default=5_000, metavar="MS", help="between passes (%(default)s ms)"
    )
    parser.add_argument(
        "--latency", type=int, default=50, metavar="MS", help="of each message (%(default)s ms)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the synthetic tape and the faults (%(default)s)"
    )
    parser.add_argument(
        "--count", type=int, default=20_000, help="trades of the synthetic tape (%(default)s)"
    )
    parser.add_argument(
        "--threads", action="store_true", help="feed, strategy and reconciler as real threads"
    )
    for name, what in (
        ("lose", "order events never arrive"),
        ("double", "order events arrive twice"),
        ("delay", "order events come late and out of order"),
        ("no-answer", "requests get no answer, though they were carried out"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=0.0, metavar="P", help=f"how often {what} (0 to 1)"
        )
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    parser.set_defaults(run=_replay)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a decimal number") from None


def _replay(args: argparse.Namespace) -> int:
    options = ReplayOptions(
        GridConfig(args.symbol, args.step, args.quantity, args.levels, "grid"),
        reconcile_ms=args.reconcile,
        latency_ms=args.latency,
        threads=args.threads,
        faults=Faults(
            lose_event=args.lose,
            double_event=args.double,
            delay_event=args.delay,
            lose_answer=args.no_answer,
            seed=args.seed,
        ),
    )
    if args.trades is None:
        trades = synthetic_tape(seed=args.seed, count=args.count)
        source = f"a synthetic tape of {args.count} trades, seed {args.seed} (no file was given)"
    else:
        trades = read_tape(args.trades)
        source = args.trades
    total = args.count if args.trades is None else None
    with _progress(total, show=not args.json) as progress:
        report = replay(trades, options, progress)
    if args.json:
        print(json.dumps(_as_json(report, source)))
    else:
        _show(report, source)
    return AGREED if report.agrees else DIFFERED


def _as_json(report: ReplayReport, source: str) -> dict[str, Any]:
    fields = {name: getattr(report, name) for name in report.__struct_fields__}
    fields.update(
        position=str(report.position),
        realized_profit=str(report.realized_profit),
        corrections=dict(report.corrections),
        differences=list(report.differences),
        agrees=report.agrees,
        tape=source,
    )
    return fields


def _rows(report: ReplayReport) -> Iterator[tuple[str, str]]:
    corrections = ", ".join(f"{kind} {count}" for kind, count in report.corrections)
    passes = str(report.passes)
    if report.abandoned:
        passes += f" (and {report.abandoned} without an answer)"
    yield "trades", str(report.trades)
    yield "orders placed", str(report.orders_placed)
    yield "full fills", str(report.fills_full)
    yield "partial fills", str(report.fills_partial)
    yield "round trips", str(report.round_trips)
    yield "position", str(report.position)
    yield "realized profit", str(report.realized_profit)
    yield "open orders", str(report.open_orders)
    yield "versions committed", str(report.versions)
    yield "snapshots taken", str(report.snapshots)
    yield "reconcile passes", passes
    yield "corrections", corrections or "none"
    yield "wall time", f"{report.wall_seconds:.2f} s"


def _show(report: ReplayReport, source: str) -> None:
    rows = list(_rows(report))
    print(f"tape: {source}")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    if report.agrees:
        print("agrees: local orders and position are the exchange's")
        return
    print("DIFFERS from the exchange:")
    for difference in report.differences:
        print(f"  {difference}")


@contextmanager
def _progress(total: int | None, *, show: bool) -> Iterator[Callable[[int], object]]:
    """Give a function that shows how many trades were read; silent if nobody can watch."""
    if not (show and sys.stderr.isatty()):
        yield lambda _: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
    except ImportError:
        yield lambda _: None
        return
    bar = Progress(
        "replaying",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("replaying", total=total)

        def advance(count: int) -> None:
            if count % 256 == 0:
                bar.update(task, completed=count)

        yield advance

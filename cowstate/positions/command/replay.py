"""The command ``cowstate replay``: its options, its report for people and for machines."""

from __future__ import annotations

import argparse
import json
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import Any

from cowstate import ArgumentValueError
from cowstate.journal.addressing import ensure_place

from ..book.config import MAX_LEVELS, GridConfig
from ..errors import ClientIdError
from ..simulation.line import Faults
from ..simulation.options import ReplayOptions
from ..simulation.replay import ReplayReport, replay
from ..simulation.suspending import Suspension
from ..simulation.tape import STDIN, read_tape, synthetic_tape
from .options import advancing, amount, probability, whole

__all__ = ["add_arguments", "as_json", "as_text", "run"]

_DESCRIPTION = """\
Trade a grid over a tape of trades: strategy, paper exchange, order stream, position manager and
reconciler. At the end the orders and the position here are compared with the exchange's.
"""
_EPILOG = """\
A tape is a file of recorded trades or one of the exchange's daily dumps
(id,price,qty,quote_qty,time,is_buyer_maker[,is_best_match], with header or
without), plain or gzipped; - is standard input. Without --threads the same
tape and options give the same report, apart from the wall time.

--journal FILE keeps the positions in FILE, which any other program may look at
meanwhile: cowstate watch FILE. A run that was killed goes on with --resume, and
ends as one that was not: with the same report, to the last digit. FILE may be
the URL of a database, with the --name of the store in it; the next run there
waits until the lease of one that was killed is over, five seconds at most.

--json prints one object. Prices, quantities and profits in it are strings,
exact decimals; counts are integers, wall_seconds is a float, corrections maps
each kind that occurred to how many.

exit status: 0 both sides agree; 1 they differ, and the report says where;
2 bad usage, a bad file, or output that cannot be written; 130 interrupted
by Ctrl-C; 141 nobody read the output to its end.
"""
_COUNT = 20_000
_BETWEEN_UPDATES = 256
_DECIMALS = ("position", "realized_profit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``cowstate replay`` to *parser*."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "trades",
        nargs="?",
        metavar="TRADES.csv[.gz]",
        help="trades to replay, - for standard input; without it, a synthetic tape is made",
    )
    grid = parser.add_argument_group("the grid")
    grid.add_argument("--symbol", default="BTCUSDT", help="the market (%(default)s)")
    grid.add_argument(
        "--step", type=amount, default=Decimal(10), help="distance of the slots (%(default)s)"
    )
    grid.add_argument(
        "--quantity", type=amount, default=Decimal("0.05"), help="per order (%(default)s)"
    )
    grid.add_argument(
        "--levels",
        type=whole(1, MAX_LEVELS),
        default=10,
        metavar="N",
        help="purchases below the price (%(default)s)",
    )
    run_group = parser.add_argument_group("the run")
    run_group.add_argument(
        "--reconcile",
        type=whole(1),
        default=5_000,
        metavar="MS",
        help="milliseconds of the tape between two passes (%(default)s)",
    )
    run_group.add_argument(
        "--latency",
        type=whole(0),
        default=50,
        metavar="MS",
        help="milliseconds that each message takes, in each direction (%(default)s)",
    )
    run_group.add_argument(
        "--threads", action="store_true", help="feed, strategy and reconciler as real threads"
    )
    run_group.add_argument(
        "--seed",
        type=whole(),
        default=0,
        help="of the synthetic tape and of what goes wrong (%(default)s)",
    )
    run_group.add_argument(
        "--count",
        type=whole(1),
        metavar="N",
        help=f"trades of the synthetic tape ({_COUNT})",
    )
    run_group.add_argument(
        "--journal",
        metavar="FILE",
        help="keep the positions in this file, and beside it what else a run needs to go on; or "
        "the URL of a database",
    )
    run_group.add_argument("--name", help="in a database: the name of the store")
    run_group.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in FILE, which was killed; give the same tape and options",
    )
    run_group.add_argument("--json", action="store_true", help="one JSON object, for machines")
    faults = parser.add_argument_group("what goes wrong", "probabilities from 0 to 1, by default 0")
    for option, field, what in (
        ("--lose", "lose_event", "an order event never arrives"),
        ("--double", "double_event", "an order event arrives twice"),
        ("--delay", "delay_event", "an order event comes late, so that others overtake it"),
        ("--no-answer", "lose_answer", "a request is carried out and its answer never arrives"),
    ):
        faults.add_argument(
            option, dest=field, type=probability, default=0.0, metavar="P", help=what
        )


def run(args: argparse.Namespace) -> int:
    """Replay as *args* say, write the report to standard output, return 0 or 1.

    Raises:
        CowstateError: an option is bad (`ArgumentValueError`), or the file (`TapeError`).
    """
    options = _options(args)
    if args.trades is None:
        total: int | None = args.count or _COUNT
        trades = synthetic_tape(seed=args.seed, count=args.count or _COUNT)
        source = f"synthetic, {total} trades, seed {args.seed} (no file was given)"
    elif args.count is not None:
        raise ArgumentValueError(
            f"--count is the length of a synthetic tape; leave it out to replay {args.trades}"
        )
    else:
        total = None
        trades = read_tape(args.trades)
        source = "standard input" if args.trades == STDIN else args.trades

    def count() -> int | None:
        return _count_lines(args.trades) if total is None else total

    if args.resume and args.journal is None:
        raise ArgumentValueError("--resume goes on with the run in a file; say which: --journal")
    if args.name is not None and args.journal is None:
        raise ArgumentValueError("--name is of a store in a database; say in which: --journal")
    with (
        advancing("replaying", count, wanted=not args.json, every=_BETWEEN_UPDATES) as progress,
        _kept(args, options) as suspension,
    ):
        report = replay(trades, options, progress, suspension=suspension)
    text = json.dumps(as_json(report, source)) if args.json else as_text(report, source)
    print(text)
    compared = report.settled or report.orders_placed > 0
    return 0 if report.agrees and compared else 1


def _kept(
    args: argparse.Namespace, options: ReplayOptions
) -> AbstractContextManager[Suspension | None]:
    if args.journal is None:
        return nullcontext()
    ensure_place(args.journal, args.name)
    return Suspension(args.journal, options, resume=args.resume, name=args.name)


def _options(args: argparse.Namespace) -> ReplayOptions:
    try:
        grid = GridConfig(args.symbol, args.step, args.quantity, args.levels, "grid")
    except ClientIdError:
        raise ArgumentValueError(
            f"--step {args.step} has more decimals than a client order id has room for"
        ) from None
    faults = Faults(
        lose_event=args.lose_event,
        double_event=args.double_event,
        delay_event=args.delay_event,
        lose_answer=args.lose_answer,
        seed=args.seed,
    )
    return ReplayOptions(grid, args.reconcile, args.latency, args.threads, faults)


def as_json(report: ReplayReport, source: str) -> dict[str, Any]:
    """Return *report* as an object for JSON: its fields, *agrees*, and the *tape*'s name.

    Decimals are strings, so that nothing is rounded; counts are integers, *wall_seconds* is a
    float, *corrections* maps kind to count, *differences* is a list of strings.
    """
    fields = {name: getattr(report, name) for name in report.__struct_fields__}
    fields.update({name: f"{fields[name]:f}" for name in _DECIMALS})
    fields.update(
        corrections=dict(report.corrections),
        differences=list(report.differences),
        agrees=report.agrees,
        tape=source,
    )
    return fields


def as_text(report: ReplayReport, source: str) -> str:
    """Return *report* as a table, and below it the verdict."""
    rows = list(_rows(report))
    left = max(len(name) for name, _ in rows)
    right = max(len(value) for _, value in rows)
    lines = [f"tape: {source}", ""]
    lines += [f"  {name:<{left}}  {value:>{right}}" for name, value in rows]
    lines += ["", *_verdict(report)]
    return "\n".join(lines)


def _rows(report: ReplayReport) -> Iterator[tuple[str, str]]:
    yield "trades", f"{report.trades:,}"
    yield "orders placed", f"{report.orders_placed:,}"
    yield "full fills", f"{report.fills_full:,}"
    yield "partial fills", f"{report.fills_partial:,}"
    yield "round trips", f"{report.round_trips:,}"
    yield "position", f"{report.position:f}"
    yield "realized profit", f"{report.realized_profit:f}"
    yield "open orders", f"{report.open_orders:,}"
    yield "versions committed", f"{report.versions:,}"
    yield "reconcile passes", f"{report.passes:,}"
    if report.abandoned:
        yield "  and without an answer", f"{report.abandoned:,}"
    yield "corrections", f"{sum(count for _, count in report.corrections):,}"
    for kind, count in report.corrections:
        yield f"  {kind}", f"{count:,}"
    yield "wall time", f"{report.wall_seconds:.2f} s"


def _verdict(report: ReplayReport) -> Iterator[str]:
    if report.halted:
        yield f"HALTED by the circuit breaker: {report.halted}"
    elif not report.settled:
        yield "NOT SETTLED: too few answers came for the reconciler to come to an end"
    if not report.agrees:
        yield "DIFFERS from the exchange:"
        yield from (f"  {difference}" for difference in report.differences)
    elif not report.orders_placed:
        yield "agrees, but no order was placed: there was nothing to compare"
    else:
        yield (
            f"agrees: the {report.open_orders:,} open orders and the position are the exchange's"
        )


def _count_lines(path: str | None) -> int | None:
    """Return about how many trades a file holds; None if that is not quickly known."""
    if path is None or path == STDIN or path.endswith(".gz"):
        return None
    try:
        # Only a regular file: what comes through a pipe can be read once.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return None  # read_tape says what is wrong with it

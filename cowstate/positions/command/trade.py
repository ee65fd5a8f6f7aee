"""``cowstate trade``: a grid that trades until it is told to stop, at an exchange or on paper."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Final

from cowstate import ArgumentValueError
from cowstate.journal import JournalError
from cowstate.journal.addressing import ensure_place

from ..book.config import MAX_LEVELS, GridConfig
from ..book.model import EXACT, Side
from ..book.reports import Leg
from ..errors import ClientIdError, InvalidOrderError, NetworkError, RateLimitedError
from ..exchange.ccxt import CcxtExchange
from ..exchange.ccxt.rules import Rules, check_request
from ..exchange.protocol import Exchange, OrderRequest
from ..live.bell import Bell, Rung, rung_by_signals
from ..live.gate import FRESH_S
from ..live.markets import Market, TapeMarket, skipped
from ..live.public import PublicMarket, PublicTrades
from ..live.trader import Ending, Trader
from ..live.unwritten import unwritten_by
from ..live.venue import PaperVenue, paper_place
from ..simulation.tape import STDIN, read_tape, synthetic_tape
from ..trading.manager import PositionManager, wall_clock_ms
from .account import KEYS, add_account, add_positions, exchange_of, market_of, streamed_of
from .ending import as_text
from .opening import ensure_known, opened
from .options import amount, seconds, whole

__all__ = ["add_arguments", "ensure_suits", "run"]

SYNTHETIC: Final = "synthetic"
_PREFIX: Final = "grid"
_PAPER: Final = "paper"
_ENDLESS: Final = 10**15
# Of a trial on paper; with real money nobody should trade by a number that he has not chosen.
_SYMBOL: Final = "BTC/USDT"
_STEP: Final = Decimal(10)
_QUANTITY: Final = Decimal("0.05")
_BEGINS_AT: Final = Decimal(60_000)

_DESCRIPTION: Final = f"""\
Trade a grid until somebody ends it: purchases below the price, a sale above each. The positions
are kept in FILE, and the reconciler holds them against the exchange. Before anything is placed
both sides have agreed. After a crash, or kill -9, the same command goes on where it stood.

With --paper no order leaves this machine: they go to a paper account, which is kept beside FILE.
Its prices are the exchange's, for which no key is needed, or with --tape those of a file of
trades, or made up.

{KEYS}"""
_EPILOG: Final = """\
SIGTERM, Ctrl-C and a terminal that is closed end it: nothing more is placed,
and what still works at the exchange is told; with --cancel-on-exit it is
cancelled first. A second SIGTERM or Ctrl-C ends it at once, which loses nothing
either.

Look at it meanwhile: cowstate serve FILE.

exit status: 0 it was ended, or its tape was; 2 bad usage, a file, an exchange
or keys that will not do; 3 it traded, and the positions cannot be written any
more: told are why, what still works at the exchange, and what to do.
"""

UNWRITTEN: Final = 3
"""The exit status of who has traded and cannot write the positions any more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to its *parser*."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_account(parser, required=False)
    add_positions(parser)
    grid = parser.add_argument_group("the grid")
    grid.add_argument("--step", type=amount, help="distance of the slots; on paper 10")
    grid.add_argument("--quantity", type=amount, help="per order; on paper 0.05")
    grid.add_argument(
        "--levels",
        type=whole(1, MAX_LEVELS),
        default=10,
        metavar="N",
        help="purchases below the price (%(default)s)",
    )
    grid.add_argument(
        "--prefix", help=f"what our client order ids begin with ({_PREFIX}); not on paper"
    )
    grid.add_argument(
        "--regrid",
        action="store_true",
        help="go on with another step, quantity or levels than FILE was kept with",
    )
    paper = parser.add_argument_group("on paper")
    paper.add_argument("--paper", action="store_true", help="no order leaves this machine")
    paper.add_argument(
        "--tape",
        metavar="TRADES.csv[.gz]",
        help=f"play these trades, in real time; {SYNTHETIC}: made up ones, without end",
    )
    paper.add_argument(
        "--speed",
        type=whole(1, 100_000),
        default=1,
        metavar="N",
        help="play the tape so many times as fast (%(default)s)",
    )
    paper.add_argument("--seed", type=whole(), default=0, help="of a synthetic tape (%(default)s)")
    going = parser.add_argument_group("the run")
    going.add_argument(
        "--every",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="from one look at price and orders to the next (%(default)s)",
    )
    going.add_argument(
        "--reconcile",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="from one pass of the reconciler to the next (%(default)s)",
    )
    going.add_argument(
        "--poll-orders",
        action="store_true",
        help="ask for the orders at each look, also where the exchange has a stream of them",
    )
    going.add_argument(
        "--cancel-on-exit", action="store_true", help="leave no order at the exchange"
    )
    going.add_argument(
        "--standby",
        action="store_true",
        help="wait until nobody else trades with FILE, then look, and go on with it",
    )
    going.add_argument(
        "--resume",
        metavar="REASON",
        help="let trading go on that was halted for REASON, as the log told it",
    )
    going.add_argument(
        "--keep-days",
        type=whole(1),
        metavar="N",
        help="how far back the log in FILE goes; all of it is kept by default",
    )
    going.add_argument("--quiet", action="store_true", help="log warnings and errors only")


def run(args: argparse.Namespace) -> int:
    """Trade until somebody ends it; return 0, or `UNWRITTEN`.

    Raises:
        CowstateError: the arguments, the file, the keys or the exchange will not do; or nothing
            could be written before it traded.
    """
    config = _config(args)
    bell = Bell()
    ending: Ending | None = None
    try:
        with ExitStack() as stack:
            stack.enter_context(rung_by_signals(bell))
            stack.enter_context(_logging(logging.WARNING if args.quiet else logging.INFO))
            trader = _trader(args, config, bell, stack)
            ending = _traded(args, trader)
            if ending.unwritten is not None:
                # Before the journal is let go of, which may take a while, or fail once more.
                _say(as_text(ending, config.symbol))
    except Rung:
        print(f"{config.symbol}: ended by {bell.why} while it stood by; nothing was sent")
        return 0
    except JournalError:
        if ending is None or ending.unwritten is None:
            raise
    if ending.unwritten is not None:
        return UNWRITTEN
    print(as_text(ending, config.symbol))
    return 0


def _say(text: str) -> None:
    """Print *text*; where that cannot be, as on the very disk that is full, on standard error."""
    try:
        print(text, flush=True)
    except OSError:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def _trader(args: argparse.Namespace, config: GridConfig, bell: Bell, stack: ExitStack) -> Trader:
    account = None if args.paper else exchange_of(args)
    public = None if args.exchange is None else market_of(args.exchange, config.symbol)
    if account is not None:
        _ensure_mode(account)
    time_ms = wall_clock_ms if account is None else account.time_ms
    # Before a file is made, which would keep to the grid that was refused.
    ensure_suits(config, _price(args, public), None if public is None else public.rules)
    leg = Leg.NET if account is None else account.leg
    manager = stack.enter_context(opened(args, config, time_ms, leg, bell))
    if account is None:
        exchange, market = _on_paper(args, manager, public, stack)
    else:
        assert public is not None
        exchange, market = account, public
        if args.standby:
            # It may have waited for days, and clocks drift.
            account.measure_clock()
        ensure_known(manager.snapshot().meta, account, config)
    orders = None
    if account is not None and not args.poll_orders:
        orders = stack.enter_context(streamed_of(args, account))
    trader = Trader(
        manager,
        exchange,
        market,
        bell,
        time_ms=time_ms,
        every_s=args.every,
        reconcile_s=args.reconcile,
        orders=orders,
        fresh_s=None if args.name is None else FRESH_S,
    )
    if args.resume is not None and not trader.reconciler.resume(args.resume):
        raise ArgumentValueError("trading is not halted; leave out --resume")
    print(f"{config.symbol}: trades {_what(args)}; {_where(manager)} (Ctrl-C ends it)", flush=True)
    return trader


def _ensure_mode(account: CcxtExchange) -> None:
    """Raise if the account has legs and no ``--leg`` was given, or the other way round."""
    # No look would ever agree. A venue that is silent now is asked again, by each look.
    with suppress(NetworkError, RateLimitedError):
        account.fetch_positions([account.symbol])


def _traded(args: argparse.Namespace, trader: Trader) -> Ending:
    try:
        trader.run()
        return trader.finish(cancel=args.cancel_on_exit)
    except JournalError as error:
        unwritten = unwritten_by(error, served=args.name is not None)
        return trader.abandon(unwritten, cancel=args.cancel_on_exit)


# Where


def _config(args: argparse.Namespace) -> GridConfig:
    if args.paper:
        for name in ("keys", "lag", "leg", "prefix"):
            if getattr(args, name) is not None:
                raise ArgumentValueError(f"--{name} is of a live account; leave it out on paper")
        if (args.exchange is None) == (args.tape is None):
            raise ArgumentValueError(
                "say where the prices come from: --exchange ID, --tape FILE, or "
                f"--tape {SYNTHETIC} where there is no network"
            )
        if args.tape is not None and _comes_once(args.tape):
            raise ArgumentValueError(
                f"--tape {args.tape[:80]} can be read only once, and the next life goes on in it; "
                "give a file"
            )
        if args.exchange is not None and args.symbol is None:
            raise ArgumentValueError("--symbol is missing, as BTC/USDT or BTC/USDT:USDT")
    else:
        missing = [each for each in ("exchange", "symbol", "step", "quantity") if _none(args, each)]
        if missing:
            raise ArgumentValueError(
                f"{', '.join(f'--{each}' for each in missing)} missing; or give --paper to try it "
                "without an account"
            )
        if args.tape is not None:
            raise ArgumentValueError("--tape is for trading on paper; add --paper")
    prefix = _PAPER if args.paper else args.prefix or _PREFIX
    if not args.paper and prefix == _PAPER:
        raise ArgumentValueError(f"--prefix {_PAPER} is what orders on paper begin with")
    ensure_place(args.journal, args.name)
    symbol, step, quantity = args.symbol or _SYMBOL, args.step or _STEP, args.quantity or _QUANTITY
    try:
        return GridConfig(symbol, step, quantity, args.levels, prefix)
    except ClientIdError as error:
        raise ArgumentValueError(f"--step and --prefix: {error}") from None


def _none(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, name) is None


def _comes_once(tape: str) -> bool:
    # Who waits for what comes through a pipe hears no signal either.
    known = os.path.isfile(tape) or os.path.isdir(tape) or not os.path.exists(tape)
    return tape == STDIN or not known


def _price(args: argparse.Namespace, public: PublicMarket | None) -> Decimal:
    if public is not None:
        return public.advance()
    return _BEGINS_AT if args.tape == SYNTHETIC else next(read_tape(args.tape)).price


def _what(args: argparse.Namespace) -> str:
    if not args.paper:
        return f"at {args.exchange}"
    return "on paper, " + (
        f"tape {args.tape}" if args.exchange is None else f"at the prices of {args.exchange}"
    )


def _where(manager: PositionManager) -> str:
    from cowstate.journal import JournaledStore

    store = manager.store
    assert isinstance(store, JournaledStore)
    return f"positions in {store.journal.path}"


def _on_paper(
    args: argparse.Namespace,
    manager: PositionManager,
    public: PublicMarket | None,
    stack: ExitStack,
) -> tuple[Exchange, Market]:
    """Return the paper account of the positions, and the market that it is shown."""
    begins = not manager.get_slot_count()
    path, name = paper_place(args.journal, args.name)
    venue = stack.enter_context(
        PaperVenue(path, manager.config.symbol, name=name, time_ms=wall_clock_ms, begins=begins)
    )
    if begins and venue.has_traded:
        raise ArgumentValueError(
            "the positions are gone, and their paper account is there; put them back, or delete "
            "the account beside them as well"
        )
    if public is not None:
        return venue, PublicTrades(public, venue, args.exchange)
    return venue, _tape(args, venue)


def _tape(args: argparse.Namespace, venue: PaperVenue) -> TapeMarket:
    if args.tape == SYNTHETIC:
        begins = venue.last_price or _BEGINS_AT
        # Where a life ended the next goes on, and not with the steps that it began with.
        seed = args.seed + venue.seen.trades
        tape = synthetic_tape(seed=seed, count=_ENDLESS, price=begins)
        return TapeMarket(tape, venue, SYNTHETIC, args.speed)
    trades = skipped(read_tape(args.tape), venue.seen, "tape")
    return TapeMarket(trades, venue, "tape", args.speed)


def ensure_suits(config: GridConfig, price: Decimal, rules: Rules | None) -> None:
    """Refuse a grid whose orders the market would refuse, one after the other. Pure.

    Raises:
        ArgumentValueError: it says which rule they break.

    >>> ensure_suits(GridConfig("X", Decimal(10), Decimal(1), 2, "g"), Decimal(7), None)
    Traceback (most recent call last):
        ...
    cowstate.errors.ArgumentValueError: --step 10 leaves no room below the price, which is 7
    """
    step = config.price_step
    if step >= price:
        raise ArgumentValueError(f"--step {step} leaves no room below the price, which is {price}")
    if rules is None:
        return
    top = EXACT.multiply(EXACT.divide_int(price, step), step)
    reach = EXACT.multiply(step, Decimal(config.levels))
    for each in (top, max(step, EXACT.subtract(top, reach))):
        request = OrderRequest(config.symbol, Side.BUY, config.quantity, each)
        try:
            check_request(request, rules)
        except InvalidOrderError as error:
            raise ArgumentValueError(
                f"the market would refuse a purchase at {each:f}: {error}; choose --step and "
                "--quantity to suit"
            ) from None


@contextmanager
def _logging(level: int) -> Generator[None]:
    """Have what the package logs written to standard error, and nothing of other packages."""
    # Not of the root: what is logged below the client holds requests as they were signed.
    logger = logging.getLogger("cowstate")
    if sys.stderr is None:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s %(levelname)s %(cowstate_event)s %(message)s",
            defaults={"cowstate_event": "-"},
        )
    )
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)

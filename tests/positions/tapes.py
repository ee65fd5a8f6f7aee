"""Long tapes for tests: recorded ones, where they stand beside the project, and ones like them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from cowstate.positions import Trade, read_tape, synthetic_tape

RECORDING = "local_ts_ns,event_time_ms,trade_time_ms,trade_id,price,qty,is_buyer_maker"


class TapeFile(NamedTuple):
    """A file of trades with contiguous ids, and what is known of it without reading it."""

    path: Path
    count: int
    lowest: Decimal
    highest: Decimal


def first_of(path: Path, count: int) -> Iterator[Trade]:
    """The first *count* trades of a file: a generator, which a replay closes, and with it the file.

    An `islice` has no ``close``: the file would be open until a collector comes by.
    """
    with closing(cast("Generator[Trade, None, None]", read_tape(path))) as tape:
        yield from islice(tape, count)


def recording(tape: Iterable[Trade], *, trade_type: bool) -> Iterator[str]:
    """The lines of a file of *tape* in the layout of the recorded ones."""
    yield RECORDING + (",trade_type" if trade_type else "")
    for t in tape:
        row = f"1,2,{t.time_ms},{t.trade_id},{t.price},{t.quantity},{int(t.buyer_is_maker)}"
        yield row + (",MARKET" if trade_type else "")


def in_bursts() -> Iterator[Trade]:
    """Like futures: most trades are some hundredths of a coin, several in one millisecond."""
    for trade in synthetic_tape(seed=1, count=20_000):
        yield trade.replace(time_ms=trade.time_ms // 64 * 64)


def of_crumbs() -> Iterator[Trade]:
    """Like the spot market: most trades are crumbs, so that an order is filled by many."""
    return synthetic_tape(
        seed=6, count=10_000, gap_ms=34, swing=300, tick=Decimal("0.01"), lot=Decimal("0.00002")
    )


RECORDED = {
    "recorded usdm": ("binance_usdm_btcusdt_trades_20240808.csv", 21_313),
    "recorded spot": ("binance_spot_btcusdt_trades_20240808.csv", 9_757),
}
MADE_UP: dict[str, tuple[Callable[[], Iterator[Trade]], int, bool]] = {
    "made up in bursts": (in_bursts, 20_000, True),
    "made up of crumbs": (of_crumbs, 10_000, False),
}
ALL = [*RECORDED, *MADE_UP]

# For a test that would tell nothing more of four tapes than of two.
futures = pytest.mark.parametrize("tape_file", [ALL[0], ALL[2]], indirect=True)
spot = pytest.mark.parametrize("tape_file", [ALL[1], ALL[3]], indirect=True)

"""Tapes: recorded trades read from a file, or made up from a seed.

A tape is an iterator of `Trade` in order of time. `read_tape` knows two layouts of files, plain
or gzipped, and tells them apart by the first line:

- recordings: ``local_ts_ns,event_time_ms,trade_time_ms,trade_id,price,qty,is_buyer_maker`` and
  perhaps ``trade_type``, with that header;
- the exchange's public daily dumps: ``id,price,qty,quote_qty,time,is_buyer_maker`` and perhaps
  ``is_best_match``, with that header or without, the time in milliseconds or microseconds.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import partial
from io import BufferedReader
from os import PathLike
from random import Random
from typing import NamedTuple, NoReturn

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..book.model import check_amount
from ..errors import TapeError

__all__ = ["BACKWARDS_MS", "STDIN", "Trade", "read_tape", "synthetic_tape"]

BACKWARDS_MS = 1_000
"""By how much a tape's time may step back: venues stamp trades of one moment out of order."""


STDIN = "-"
"""What stands for standard input in place of a path."""


class Trade(Record):
    """One trade of the market, as the exchange publishes it.

    *quantity* is in base units. *buyer_is_maker* says that the buyer's order was resting and
    the seller came to it, so the aggressor is the seller.
    """

    time_ms: int
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool


class _Layout(NamedTuple):
    columns: int
    time: int
    trade_id: int
    price: int
    quantity: int
    buyer_is_maker: int
    flag: int | None = None  # another boolean; checked because a cut shows in the last column


_RECORDING = "local_ts_ns,event_time_ms,trade_time_ms,trade_id,price,qty,is_buyer_maker"
_DUMP = "id,price,qty,quote_qty,time,is_buyer_maker"
_LAYOUTS = {
    _RECORDING: _Layout(7, 2, 3, 4, 5, 6),
    f"{_RECORDING},trade_type": _Layout(8, 2, 3, 4, 5, 6),
    _DUMP: _Layout(6, 4, 0, 1, 2, 5),
    f"{_DUMP},is_best_match": _Layout(7, 4, 0, 1, 2, 5, 6),
}
_WITHOUT_HEADER = {6: _LAYOUTS[_DUMP], 7: _LAYOUTS[f"{_DUMP},is_best_match"]}
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "false", "False", "FALSE"), False),
}
# Milliseconds have 13 digits until the year 2286 and microseconds 16: there is room between.
_MICROSECONDS_FROM = 10**14
_TIME_LIMIT = 10**17
_AMOUNT_LIMIT = Decimal(10) ** 18
_DECIMALS = 30
_LONGEST_AMOUNT = 100
# A compressed file of a megabyte may be a line of a thousand.
_LONGEST_ROW = 65_536


def read_tape(path: str | PathLike[str]) -> Iterator[Trade]:
    r"""Read the trades of a file, one at a time, in constant memory.

    The path ``"-"`` is standard input; a file of that name is ``"./-"``. Gzip is recognised by its
    content. Empty lines are skipped. A time may step back by up to `BACKWARDS_MS`. About 2
    microseconds a row.

    Raises:
        TapeError: when the reading gets there: the file is missing, a directory, not text, cut
            off, or holds no trade; the columns are unknown; a row is malformed, or endless; a price
            or quantity is not a positive number; time runs backwards. It names the row.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "trades.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("17,61800.30,0.5,30900.15,1723161256322,true\n")
    ...     list(read_tape(path))  # doctest: +NORMALIZE_WHITESPACE
    [Trade(time_ms=1723161256322, trade_id=17, price=Decimal('61800.30'),
           quantity=Decimal('0.5'), buyer_is_maker=True)]
    """
    row = 0
    from_stdin = path == STDIN
    source: object = "standard input" if from_stdin else path
    try:
        place = _stdin() if from_stdin else path
        with open(place, "rb", closefd=not from_stdin) as file, _plain(source, file) as lines:
            layout: _Layout | None = None
            latest = 0
            rows = iter(partial(lines.readline, _LONGEST_ROW + 1), b"")
            for row, line in enumerate(rows, 1):
                if len(line) > _LONGEST_ROW:
                    raise TapeError(
                        source,
                        row,
                        f"the row is longer than {_LONGEST_ROW:,} bytes, as no row of trades is; "
                        "give a .csv or .csv.gz file",
                    )
                # Line by line, for a text reader fails for a whole block: the row is lost.
                fields = line.decode().rstrip("\r\n").split(",")
                if fields == [""]:
                    continue
                if layout is None:
                    layout, is_header = _layout(source, row, fields)
                    if is_header:
                        continue
                try:
                    trade = _trade(fields, layout)
                except ValueError as error:
                    _refuse(source, row, str(error), is_last=next(rows, None) is None)
                if trade.time_ms < latest - BACKWARDS_MS:
                    raise TapeError(
                        source,
                        row,
                        f"time runs backwards, from {latest} to {trade.time_ms} ms; sort the "
                        "file by time",
                    )
                latest = max(latest, trade.time_ms)
                yield trade
            if not latest:
                raise TapeError(source, None, "the file holds no trade; get it again")
    except UnicodeDecodeError:
        raise TapeError(source, row, "this is not text; give a .csv or .csv.gz file") from None
    except EOFError:
        raise TapeError(
            source, row + 1, "the compressed file is cut off here; get it again"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TapeError(
            source, row + 1, f"the compressed file is damaged ({error}); get it again"
        ) from None
    except OSError as error:
        raise TapeError(
            source, None, f"cannot be read: {error.strerror or error}; give a file of trades"
        ) from None


def _stdin() -> int:
    if sys.stdin is None:  # and its number may by now be another file's
        raise TapeError("standard input", None, "it is closed; give a file of trades")
    return 0


def _plain(path: object, file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    magic = file.peek(4)[:4]
    if magic.startswith(b"PK\x03\x04"):
        raise TapeError(path, None, "this is a zip archive; unzip it and give the .csv in it")
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    return file


def _layout(path: object, row: int, fields: list[str]) -> tuple[_Layout, bool]:
    header = ",".join(field.strip() for field in fields).removeprefix("\ufeff")
    if header in _LAYOUTS:
        return _LAYOUTS[header], True
    if fields[0].isdecimal() and len(fields) in _WITHOUT_HEADER:
        return _WITHOUT_HEADER[len(fields)], False
    shown = header if len(header) <= 100 else header[:100] + "..."
    raise TapeError(
        path,
        row,
        f"unknown columns {shown!r}; known are {_RECORDING}[,trade_type] with that header, and "
        f"{_DUMP}[,is_best_match] with that header or without",
    )


def _trade(fields: list[str], layout: _Layout) -> Trade:
    if len(fields) != layout.columns:
        raise ValueError(f"{len(fields)} columns instead of {layout.columns}")
    time = _integer("time", fields[layout.time])
    if time >= _MICROSECONDS_FROM:
        if time >= _TIME_LIMIT:
            raise ValueError(f"time {time} is neither milliseconds nor microseconds")
        time //= 1000
    if layout.flag is not None:
        _boolean(fields[layout.flag])
    return Trade(
        time,
        _integer("trade id", fields[layout.trade_id]),
        _amount("price", fields[layout.price]),
        _amount("quantity", fields[layout.quantity]),
        _boolean(fields[layout.buyer_is_maker]),
    )


def _integer(name: str, text: str) -> int:
    # int() would also take signs, blanks, underscores and other scripts' digits.
    if not (text.isdecimal() and text.isascii() and len(text) <= 20):
        raise ValueError(f"{name} {text[:40]!r} is not a whole number")
    return int(text)


def _amount(name: str, text: str) -> Decimal:
    if len(text) > _LONGEST_AMOUNT:
        raise ValueError(f"{name} {text[:40]!r} has more than {_LONGEST_AMOUNT} characters")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} {text[:40]!r} is not a number") from None
    if not (amount.is_finite() and 0 < amount < _AMOUNT_LIMIT):
        raise ValueError(f"{name} {text[:40]!r} is not a finite number above zero")
    _, _, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent < -_DECIMALS:
        raise ValueError(f"{name} {text[:40]!r} has more than {_DECIMALS} decimals")
    return amount


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise ValueError(f"{text[:40]!r} is neither true nor false") from None


def _refuse(path: object, row: int, problem: str, *, is_last: bool) -> NoReturn:
    if is_last:
        raise TapeError(
            path, row, f"{problem}. It is the last row: if it was cut off, get the file again"
        )
    raise TapeError(path, row, f"{problem}; correct the row or remove it")


def synthetic_tape(
    seed: int = 0,
    count: int = 20_000,
    *,
    start_ms: int = 1_700_000_000_000,
    price: Decimal = Decimal(60_000),
    tick: Decimal = Decimal("0.1"),
    swing: int = 20,
    lot: Decimal = Decimal("0.001"),
    gap_ms: int = 16,
) -> Iterator[Trade]:
    """Make up a tape: a random walk with a bid and an ask one tick apart.

    The same arguments give the same trades, on every platform and version of Python.

    Args:
        seed: which walk.
        count: how many trades.
        start_ms: earliest time of the first one.
        price: where the bid starts; it never falls below one tick.
        tick: unit of prices.
        swing: by how many ticks at most the price moves between two trades.
        lot: unit of quantities; most trades are of a few lots, few of up to a thousand.
        gap_ms: mean time between two trades.

    Raises:
        ArgumentTypeError, ArgumentValueError, AmountTypeError, AmountValueError: an argument
            is not what it must be. At once, not when the first trade is taken.

    >>> [str(trade.price) for trade in synthetic_tape(seed=1, count=4)]
    ['60001.4', '60001.3', '59999.3', '59997.4']
    """
    for name, value, least in (
        ("seed", seed, None),
        ("count", count, 0),
        ("start_ms", start_ms, 0),
        ("swing", swing, 0),
        ("gap_ms", gap_ms, 0),
    ):
        if type(value) is not int:
            raise ArgumentTypeError(f"{name} must be an int, and is {value!r}")
        if least is not None and value < least:
            raise ArgumentValueError(f"{name} must be {least} or more, and is {value}")
    for name, amount in (("price", price), ("tick", tick), ("lot", lot)):
        check_amount(name, amount, positive=True)
    if price < tick:
        raise ArgumentValueError(f"price must be at least one tick ({tick}), and is {price}")
    return _walk(Random(seed), count, start_ms, price, tick, swing, lot, gap_ms)


def _walk(
    random: Random,
    count: int,
    time_ms: int,
    price: Decimal,
    tick: Decimal,
    swing: int,
    lot: Decimal,
    gap_ms: int,
) -> Iterator[Trade]:
    # Of Random, only random() is promised to give the same numbers in later versions.
    def below(limit: int) -> int:
        return int(random.random() * limit)

    bid = int(price / tick)
    for trade_id in range(1, count + 1):
        time_ms += below(2 * gap_ms + 1)
        bid = max(1, bid + below(2 * swing + 1) - swing)
        lots = 1 + int(random.random() ** 6 * 1_000)
        buyer_is_maker = random.random() < 0.5
        at = bid if buyer_is_maker else bid + 1
        yield Trade(time_ms, trade_id, at * tick, lots * lot, buyer_is_maker)

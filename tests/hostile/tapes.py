"""Tapes of trades, plain and gzipped, and a replay of those that can be read."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from cowstate.positions import GridConfig, read_tape
from cowstate.positions.simulation.options import ReplayOptions
from cowstate.positions.simulation.replay import replay
from tests.hostile.door import TAKEN, Door, Knock, bounded, outcome
from tests.hostile.drawing import NUMBERS, TEXTS, mutated

__all__ = ["DOORS"]

_ROWS: Final = 12
GOOD: Final = (
    b"id,price,qty,quote_qty,time,is_buyer_maker\n"
    + b"".join(
        b"%d,6180%d.30,0.5,30900.15,%d,true\n" % (n, n % 7, 1_723_161_256_322 + 500 * n)
        for n in range(_ROWS)
    ),
    b"".join(
        b"%d,6180%d.1,0.05,3090,%d,false,true\n" % (n, n % 9, 1_723_161_256_322_000 + n)
        for n in range(_ROWS)
    ),
    b"local_ts_ns,event_time_ms,trade_time_ms,trade_id,price,qty,is_buyer_maker\n"
    + b"".join(b"1,2,%d,%d,60000.5,0.001,1\n" % (1_700_000_000_000 + n, n) for n in range(_ROWS)),
)

OPTIONS: Final = ReplayOptions(GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid"))


def _fields(random: Random, data: bytes) -> bytes:
    """Put into some fields what stands in none."""
    rows = data.decode().split("\n")
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(rows))
        fields = rows[at].split(",")
        new = random.choice((*TEXTS, *map(str, NUMBERS[:-12]), "1e17", "1e-30", "9" * 18))
        fields[random.randrange(len(fields))] = new
        rows[at] = ",".join(fields)
    return "\n".join(rows).encode(errors="surrogatepass")


@contextmanager
def _opened() -> Generator[Knock]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tape.csv")

        def knock(random: Random) -> str:
            data = random.choice(GOOD)
            how = random.randrange(8)
            if how < 3:
                data = mutated(random, data, GOOD)
            elif how < 7:
                data = _fields(random, data)
            else:
                # Little that is much: a line, or lines, without an end.
                data += random.choice((b"1", b"\n", b",", b"1,2,3,4,5,6\n")) * 10**6
            if random.random() < 0.4:
                data = gzip.compress(data, 1)
                if random.random() < 0.5:
                    data = mutated(random, data)
            path.write_bytes(data)
            how_read, trades = outcome(lambda: list(islice(read_tape(path), 100)))
            if how_read != TAKEN:
                return how_read
            for trade in trades:
                bounded(trade.price, trade.quantity)
            return f"replay: {outcome(lambda: replay(trades, OPTIONS))[0]}"

        yield knock


DOORS: Final = [Door("tape", "tapes of trades, and a replay of them", _opened)]

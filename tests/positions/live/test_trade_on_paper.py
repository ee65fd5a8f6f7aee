"""``cowstate trade --paper``: without keys or a network, and as hard to kill as the real one."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from cowstate.cli import main
from cowstate.positions.book.account import held
from cowstate.positions.book.kept import read_book
from cowstate.positions.live.venue import PaperVenue
from tests.positions.exchange.ccxt.desks import real_ms
from tests.positions.exchange.ccxt.serving import serving
from tests.positions.live.life import Life
from tests.positions.live.marketplace import Marketplace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

PACE = ("--every", "0.02", "--reconcile", "0.2")


def on_paper(journal: Path, *more: str) -> Life:
    """A life that cannot reach anything, and has no key."""
    keys = {"COWSTATE_API_KEY": "", "COWSTATE_SECRET": ""}
    return Life("-", ["--paper", "--journal", str(journal), *PACE, *more], **keys)


def agree(journal: Path, symbol: str = "BTC/USDT") -> Decimal:
    """What the positions say is what the paper account says, to the last digit."""
    slots = read_book(journal)
    with PaperVenue(f"{journal}-paper", symbol, time_ms=real_ms, begins=False) as venue:
        (report,) = venue.fetch_positions([symbol])
        working = {each.client_oid: each for each in venue.fetch_open_orders(symbol)}
    assert held(slots) == report.quantity
    mine = {
        each.client_oid: each
        for slot in slots.values()
        for each in slot.orders
        if not each.terminal
    }
    # Noted and never sent, by a life that was killed in between: it stays until it could not come.
    unsent = {name for name, order in mine.items() if order.order_id is None}
    assert mine.keys() - unsent <= working.keys() <= mine.keys()
    for name, known in working.items():
        order = mine[name]
        assert (order.order_id, order.price, order.filled) == (
            known.order_id,
            known.price,
            known.filled,
        )
    assert main(["verify", str(journal)]) == 0
    return report.quantity


def test_it_runs_where_there_is_no_network_and_no_key(tmp_path: Path) -> None:
    journal = tmp_path / "grid.db"
    with on_paper(journal, "--tape", "synthetic", "--speed", "20") as life:
        life.until("order_filled", 3)
        printed = life.stopped()
    assert "trades on paper, tape synthetic" in printed
    assert "ended by SIGTERM" in printed
    agree(journal)


def test_killed_at_any_moment_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    journal, random = tmp_path / "grid.db", Random(1)
    for _ in range(3):
        with on_paper(journal, "--tape", "synthetic", "--speed", "20") as life:
            life.until("trading_goes_on")
            life.until("order_filled", random.randrange(1, 5))
            life.kill()
    with on_paper(journal, "--tape", "synthetic", "--speed", "20") as life:
        life.until("trading_goes_on")
        life.until("order_filled")
        life.stopped()
        assert "breaker_opened" not in life.log
        assert "position_corrected" not in life.log
    agree(journal)


def test_a_tape_in_a_file_goes_on_behind_what_was_played_and_ends(tmp_path: Path) -> None:
    journal, tape = tmp_path / "grid.db", tmp_path / "tape.csv"
    rows = []
    for number in range(1, 401):
        price = 60_005 - 10 * (number // 20) if number <= 200 else 59_905 + 10 * (number // 20 - 10)
        rows.append(f"{number},{price},1,1,{1_700_000_000_000 + 20 * number},{number % 2}")
    tape.write_text("\n".join(rows).replace(",0\n", ",false\n").replace(",1\n", ",true\n"))
    with on_paper(journal, "--tape", str(tape)) as life:
        life.until("order_filled", 2)
        life.kill()
    with on_paper(journal, "--tape", str(tape)) as life:
        status, printed = life.ended()
        assert status == 0, life.log
    assert "ended by the end of the tape" in printed
    with PaperVenue(f"{journal}-paper", "BTC/USDT", time_ms=real_ms) as venue:
        seen = venue.seen
    assert 0 < seen.trades <= 400
    agree(journal)
    # All of it was played; another tape is not its continuation.
    tape.write_text("\n".join(row.replace(",60", ",61") for row in rows))
    with on_paper(journal, "--tape", str(tape)) as life:
        status, _ = life.ended()
        assert status == 2
        assert "of this tape is not the one" in life.log


def test_it_trades_on_paper_at_the_prices_of_an_exchange(tmp_path: Path) -> None:
    pytest.importorskip("ccxt", reason="the client is not installed here")
    from cowstate.positions import Trade

    journal, symbol = tmp_path / "grid.db", "BTC/USDT:USDT"
    arguments = [
        *("--paper", "--exchange", "binance", "--symbol", symbol),
        *("--journal", str(journal), *PACE),
    ]
    with PaperVenue(tmp_path / "venue", "X", time_ms=real_ms) as venue:
        app = Marketplace(venue)
        app.trades.append(Trade(real_ms(), 1, Decimal(60_005), Decimal(1), True))
        with serving(app) as served, Life(served.address, arguments) as life:
            life.until("trading_goes_on")
            app.trades.append(Trade(real_ms(), 2, Decimal(59_990), Decimal("0.08"), True))
            life.until("order_filled", 2)
            printed = life.stopped()
        assert not venue.has_traded
        assert not [each for each in served.asked if each.method != "GET"]
        assert not [each for each in served.asked if "signature" in each.query]
    assert "on paper, at the prices of binance" in printed
    assert agree(journal, symbol) == Decimal("0.08")

"""The arguments of ``cowstate trade``: what will not do is told in a line, and makes no file."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from cowstate import ArgumentValueError
from cowstate.cli import main
from cowstate.positions import GridConfig, OrderStatus, OrderUpdate, PositionManager, Side
from cowstate.positions.command.ending import as_text
from cowstate.positions.command.trade import ensure_suits
from cowstate.positions.exchange.ccxt import Rules
from cowstate.positions.live.trader import Ending
from cowstate.positions.live.unwritten import Unwritten

PAPER = ["--paper", "--tape", "synthetic"]
LIVE = ["--exchange", "binance", "--symbol", "BTC/USDT", "--step", "10", "--quantity", "1"]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("COWSTATE_API_KEY", "COWSTATE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "grid.db"


def refused(capsys: pytest.CaptureFixture[str], journal: Path, *more: str) -> str:
    """The one line that tells why the command will not run."""
    assert main(["trade", "--journal", str(journal), *more]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("cowstate trade: error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--exchange, --symbol, --step, --quantity missing"),
        (LIVE[:4], "--step, --quantity missing; or give --paper"),
        ([*LIVE, "--tape", "synthetic"], "add --paper"),
        ([*LIVE, "--prefix", "paper"], "on paper begin with"),
        ([*LIVE, "--prefix", "a-b"], "prefix"),
        (LIVE, "COWSTATE_API_KEY and COWSTATE_SECRET not set"),
        ([*LIVE, "--keys", "/no/such/file"], "cannot read /no/such/file"),
        ([*LIVE, "--leg", "short"], "a grid buys first and sells what it has bought"),
        ([*PAPER, "--leg", "long"], "--leg is of a live account"),
        (["--paper"], "where the prices come from"),
        ([*PAPER, "--exchange", "binance"], "where the prices come from"),
        (["--paper", "--exchange", "binance"], "--symbol is missing"),
        ([*PAPER, "--keys", "f"], "--keys is of a live account"),
        ([*PAPER, "--lag", "5"], "--lag is of a live account"),
        ([*PAPER, "--prefix", "g"], "--prefix is of a live account"),
        ([*PAPER, "--step", "0"], "--step"),
        ([*PAPER, "--step", "x"], "is not a decimal number"),
        ([*PAPER, "--every", "0"], "is no number of seconds"),
        ([*PAPER, "--every", "nan"], "is no number of seconds"),
        ([*PAPER, "--levels", "0"], "--levels"),
        ([*PAPER, "--step", "0.00000000000000001"], "--step"),
        (["--paper", "--exchange", "nowhere", "--symbol", "A/B"], "'nowhere'"),
    ],
)
def test_what_makes_no_sense_is_told_and_makes_no_file(
    capsys: pytest.CaptureFixture[str], journal: Path, more: list[str], said: str
) -> None:
    assert said in refused(capsys, journal, *more)
    assert not list(journal.parent.iterdir())


def test_a_database_needs_a_name_and_a_file_has_none(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    url = "postgresql://grid:password-of-nobody@127.0.0.1:9/trading?connect_timeout=1"
    for more in ([], ["--name", "grid"]):
        assert main(["trade", "--journal", url, *PAPER, *more]) == 2
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1
        assert "password-of-nobody" not in told
    assert "name" in refused(capsys, journal, *PAPER, "--name", "grid")


def test_a_tape_that_cannot_be_read_or_has_no_room_is_told_and_makes_no_file(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    tape = journal.parent / "none.csv"
    assert "none.csv" in refused(capsys, journal, "--paper", "--tape", str(tape))
    assert "leaves no room" in refused(capsys, journal, *PAPER, "--step", "70000")
    assert not list(journal.parent.iterdir())
    tape.write_text("17,7.5,0.5,3.75,1723161256322,true\n")
    assert "which is 7.5" in refused(capsys, journal, "--paper", "--tape", str(tape))
    assert list(journal.parent.iterdir()) == [tape]


@pytest.mark.skipif(os.name != "posix", reason="named pipes are those of POSIX")
def test_a_tape_that_comes_once_is_refused_and_not_waited_for(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    pipe = journal.parent / "pipe"
    os.mkfifo(pipe)
    for tape in ("-", str(pipe)):
        assert "only once" in refused(capsys, journal, "--paper", "--tape", tape)
    assert list(journal.parent.iterdir()) == [pipe]


def test_another_grid_needs_a_word(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    with PositionManager.open(
        journal, GridConfig("BTC/USDT", Decimal(10), Decimal("0.05"), 10, "paper")
    ):
        pass
    assert "--regrid" in refused(capsys, journal, *PAPER, "--step", "20")
    other = [*PAPER, "--symbol", "ETH/USDT"]
    for more in ([], ["--regrid"]):
        told = refused(capsys, journal, *other, *more)
        assert "symbol is BTC/USDT there, and ETH/USDT here" in told
        assert "--regrid" not in told


def test_paper_and_live_positions_are_never_mixed_up(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    with PositionManager.open(
        journal, GridConfig("BTC/USDT", Decimal(10), Decimal("0.05"), 10, "grid")
    ):
        pass
    assert "those of a live account" in refused(capsys, journal, *PAPER)
    assert not journal.with_name("grid.db-paper").exists()


def test_one_half_of_a_trial_without_the_other_is_refused(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    grid = GridConfig("BTC/USDT", Decimal(10), Decimal("0.05"), 10, "paper")
    with PositionManager.open(journal, grid) as manager:
        manager.initialize(Decimal(60_005))
    for _ in range(2):
        assert "the paper account of these positions is gone" in refused(capsys, journal, *PAPER)
    from cowstate.positions.live.venue import PaperVenue

    other = journal.with_name("other.db")
    with PaperVenue(f"{other}-paper", "BTC/USDT", time_ms=lambda: 5) as venue:
        venue.create_order("BTC/USDT", "limit", Side.BUY, Decimal(1), Decimal(9))
    assert "the positions are gone" in refused(capsys, other, *PAPER)


def test_what_is_not_halted_is_not_resumed(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    assert "not halted" in refused(capsys, journal, *PAPER, "--resume", "drift")


# The grid and the market


RULES = Rules(
    *("BTC/USDT", "BTCUSDT", "BTC", "USDT", "USDT"),
    tick=Decimal("0.1"),
    step=Decimal("0.001"),
    least=Decimal("0.01"),
    least_cost=Decimal(5),
)


@pytest.mark.parametrize(
    ("step", "quantity", "price", "said"),
    [
        ("10", "0.05", "60005", ""),
        ("10", "0.05", "60000", ""),
        ("10", "0.05", "15", ""),
        ("10", "0.05", "10", "leaves no room"),
        ("10.05", "0.05", "60005", "no multiple of 0.1"),
        ("10", "0.0505", "60005", "no multiple of 0.001"),
        ("10", "0.005", "60005", "at least 0.01"),
        ("10", "0.05", "125", "at least 5 is taken"),
    ],
)
def test_a_grid_suits_its_market_or_is_refused(
    step: str, quantity: str, price: str, said: str
) -> None:
    grid = GridConfig("BTC/USDT", Decimal(step), Decimal(quantity), 5, "g")
    rules = RULES.replace(least_cost=Decimal("0.5")) if price == "15" else RULES
    if not said:
        ensure_suits(grid, Decimal(price), rules)
        return
    with pytest.raises(ArgumentValueError, match=said):
        ensure_suits(grid, Decimal(price), rules)


# What is told at the end


def test_an_ending_is_told_in_words() -> None:
    order = OrderUpdate(
        *("X", "g-90-B1", 7, Side.BUY, Decimal("90.0"), Decimal("0.5"), OrderStatus.NEW)
    )
    ending = Ending("SIGTERM", Decimal("1.50"), Decimal("-0.25"), 9, 1_200, 3, "", (order,))
    assert as_text(ending, "X").splitlines() == [
        "X: ended by SIGTERM",
        "  position: 1.50, realized profit: -0.25",
        "  passes: 1,200, corrections of the position: 3",
        "  still working at the venue: 1",
        "    BUY 0.5 at 90.0 (g-90-B1)",
    ]
    worse = ending.replace(
        halted="drift",
        unasked="no answer",
        uncertain=("g-80-B1", "g-70-B2"),
        uncancelled=2,
        working=(order.replace(filled=Decimal("0.1")),),
    )
    told = as_text(worse, "X")
    for said in (
        "HALTED: drift",
        "--resume with these words",
        "not cancelled, or not known to be: 2",
        "the venue was not heard: no answer",
        "working, as far as is known here: 1",
        "(g-90-B1), 0.1 of it filled",
        "sent, and not known whether they work: g-80-B1, g-70-B2",
    ):
        assert said in told


def test_an_ending_that_could_not_be_written_is_told_with_what_to_do() -> None:
    unwritten = Unwritten("the disk is full", "", "make room")
    ending = Ending(
        *("SIGTERM", Decimal(1), Decimal(0), 9, 2, 0, "", ()), unwritten=unwritten, spared="taken"
    )
    assert as_text(ending, "X").splitlines() == [
        "X: ended by SIGTERM",
        "  NOT WRITTEN: the disk is full",
        "  position, as it was written last: 1, realized profit: 0",
        "  passes: 2, corrections of the position: 0",
        "  nothing was cancelled: taken",
        "  still working at the venue: 0",
        "  now: make room",
    ]

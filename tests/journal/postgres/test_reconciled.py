"""``cowstate reconcile`` where the positions stand in a database."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.cli import main
from cowstate.positions import GridConfig, PositionManager
from tests.journal.postgres.servers import Cluster
from tests.positions.exchange.ccxt.desks import commanded

SYMBOL = "BTC/USDT:USDT"
GRID = GridConfig(SYMBOL, Decimal(10), Decimal("0.5"), 3, "g")


def test_a_pass_reads_a_database_and_writes_it_unless_it_is_dry(
    cluster: Cluster,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["reconcile", "--exchange", "binance", "--symbol", SYMBOL, "--lag", "0"]
    words += ["--journal", cluster.url, "--name", name]
    with commanded(monkeypatch):
        with PositionManager.open(cluster.url, GRID, name=name) as manager:
            manager.restore_from_exchange_position(Decimal("0.5"), Decimal(100))
            # Whoever trades goes on meanwhile.
            assert main([*words, "--dry-run"]) == 1
            dry = capsys.readouterr().out
            assert "held by the book: 0.5" in dry
            assert "a dry run: nothing was changed" in dry
            before = manager.snapshot().version
        assert main(words) == 1
        assert "a dry run" not in capsys.readouterr().out
    with PositionManager.open(cluster.url, GRID, name=name) as manager:
        assert manager.snapshot().version > before

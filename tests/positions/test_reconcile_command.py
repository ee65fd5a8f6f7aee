"""``cowstate reconcile``: one pass at a real client, in words, and no key anywhere."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentValueError
from cowstate.cli import main
from cowstate.positions import GridConfig, PositionManager
from cowstate.positions.exchange.ccxt.connecting import client_of
from cowstate.positions.exchange.ccxt.keys import Keys, keys_from_environment, keys_from_file
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.desks import commanded
from tests.positions.exchange.ccxt.serving import Served

SYMBOL = "BTC/USDT:USDT"
GRID = GridConfig(SYMBOL, Decimal(10), Decimal("0.5"), 3, "g")


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Any:
    with commanded(monkeypatch) as served:
        yield served


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "positions.db"
    with PositionManager.open(path, GRID) as manager:
        manager.restore_from_exchange_position(Decimal("0.5"), Decimal(100))
    return str(path)


def run(book: str, *more: str) -> int:
    return main(
        ["reconcile", "--exchange", "binance", "--symbol", SYMBOL, "--journal", book, *more]
    )


def test_a_dry_run_tells_what_differs_and_changes_nothing(
    venue: Served,
    book: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    before = Path(book).read_bytes()
    # Whoever trades with the file may hold it meanwhile.
    with PositionManager.open(book, GRID):
        assert run(book, "--dry-run", "--lag", "0") == 1
    told = capsys.readouterr()
    assert "held by the book: 0.5" in told.out
    assert "a dry run: nothing was changed" in told.out
    assert "1.5" in told.out
    assert not {each.method for each in venue.asked} - {"GET"}
    # Whoever logs everything reads neither of them.
    for secret in (KEY, SECRET):
        assert secret not in told.out + told.err + caplog.text
    assert caplog.text
    with PositionManager.open(book, GRID) as manager:
        assert manager.snapshot().total("position") == Decimal("0.5")
    assert len(before) <= len(Path(book).read_bytes())


def test_a_key_that_is_refused_is_told_without_it(
    venue: Served, book: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COWSTATE_SECRET", "another-secret-222222")
    assert run(book) == 2
    told = capsys.readouterr()
    assert "Signature for this request is not valid" in told.err
    assert len(told.err.splitlines()) == 1
    for secret in (KEY, "another-secret-222222"):
        assert secret not in told.out + told.err


def test_a_database_is_named_by_a_url_and_a_name(
    venue: Served, book: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nobody listens there; what is told of it holds no password.
    url = "postgresql://grid:password-of-nobody@127.0.0.1:9/trading?connect_timeout=1"
    for more in ([], ["--name", "grid"]):
        assert run(url, *more) == 2
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1
        assert "password-of-nobody" not in told
    assert run(book, "--name", "grid") == 2
    assert "name" in capsys.readouterr().err


def test_what_will_not_do_is_told_in_a_line(
    venue: Served, book: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = ["reconcile", "--exchange", "binance", "--symbol", "ETH/USDT:USDT", "--journal"]
    assert main([*other, book]) == 2
    assert run(str(tmp_path / "none.db")) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "no market" in told[0]


def test_an_exchange_that_is_not_known_is_named() -> None:
    keys = Keys({"apiKey": KEY, "secret": SECRET})
    with pytest.raises(ArgumentValueError, match="'kucoin' are not known"):
        client_of("kucoin", keys)
    pytest.importorskip("ccxt", reason="the client is not installed here")
    client = client_of("binanceusdm", keys)
    assert (client.id, client.number, client.apiKey) == ("binanceusdm", str, KEY)


# Keys


def test_keys_are_shown_by_nothing() -> None:
    keys = keys_from_environment({"COWSTATE_API_KEY": KEY, "COWSTATE_SECRET": SECRET})
    assert keys.settings() == {"apiKey": KEY, "secret": SECRET}
    for shown in (repr(keys), str(keys), f"{keys}", f"{[keys]}"):
        assert KEY not in shown
        assert SECRET not in shown
    with pytest.raises(TypeError):
        keys.__reduce__()


@pytest.mark.parametrize("held", [KEY + "\n", " " + KEY, KEY + "\u2019", "a\r\nb: c", "a\0b"])
def test_what_no_key_holds_is_told_without_it(held: str) -> None:
    for name in ("apiKey", "secret", "password"):
        with pytest.raises(ArgumentValueError, match=f"^{name}: a blank") as refused:
            Keys({"apiKey": "k", "secret": "s", name: held})
        assert KEY not in str(refused.value)
    lines = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"
    assert Keys({"apiKey": "k", "secret": lines}).settings()["secret"] == lines


@pytest.mark.parametrize("name", ["COWSTATE_API_KEY", "COWSTATE_SECRET"])
def test_a_variable_that_is_not_set_is_named(name: str) -> None:
    environ = {"COWSTATE_API_KEY": KEY, "COWSTATE_SECRET": SECRET}
    del environ[name]
    with pytest.raises(ArgumentValueError, match=f"^{name} not set") as refused:
        keys_from_environment(environ)
    assert KEY not in str(refused.value)


def test_a_file_of_keys_is_read_if_nobody_else_can(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'apiKey = "{KEY}"\nsecret = "{SECRET}"\n')
    file.chmod(0o600)
    assert keys_from_file(file).settings() == {"apiKey": KEY, "secret": SECRET}
    file.chmod(0o644)
    with pytest.raises(ArgumentValueError, match="chmod 600"):
        keys_from_file(file)


@pytest.mark.parametrize(
    "text", [f'apiKey = "{KEY}', f'apiKey = "{KEY}"', f'apiKey = "{KEY}"\nsecret = 5', f"{KEY}"]
)
def test_a_file_that_is_none_of_keys_is_told_without_what_stands_in_it(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ArgumentValueError) as refused:
        keys_from_file(file)
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None

"""What stands on the page, in a real browser, is what is in the store; whatever is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cowstate.positions import OrderStatus, PositionManager, Side
from tests.journal.files import Slot, Slots, opened
from tests.positions.trading.managing import CONFIG, PRICE, told
from tests.web.chromium import Page, chromium
from tests.web.serving import served, texts_of

TOKEN = "a-token-that-nobody-guesses"
HOSTILE = (
    "<script>document.title='struck'</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(2)>",
    "__proto__",
    "\u202e\u2028{{1}}",
    "a" * 5_000,
)
# Where to put the pictures of the documentation; by default they are made and thrown away.
PICTURES = os.environ.get("COWSTATE_PICTURES")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Slots]:
    with opened(tmp_path / "slots.db") as store:
        for n in range(30):
            store.set(f"k{n}", Slot(n, "ann"))
        yield store


@pytest.fixture
def file(store: Slots) -> Path:
    return Path(store.journal.path)


def is_equal(page: Page, store: Slots, file: Path) -> None:
    """Wait until *page* shows the newest version; it must show what is in the file."""
    version = store.snapshot().version
    page.wait_for_version(version)
    stored = texts_of(file)
    shown = page.records()
    short = {key: text for key, text in stored.items() if len(key) < 200 and len(text) < 500}
    assert {key: text for key, text in shown.items() if "..." not in key + text} == short
    assert len(shown) == len(stored)
    assert page.text("records") == str(len(store.snapshot()))
    assert page.text("version") == str(version)
    assert page.text("link") == "live"
    total = sum(slot.quantity for slot in store.snapshot().values())
    assert page.tab.text_content("#figures .total dd") == str(total)
    assert page.table("commits")[0][0] == str(version)
    assert page.faults == []


def test_what_is_shown_is_what_is_stored(browser: Any, store: Slots, file: Path) -> None:
    with served(file, fields=["quantity"], every=0.05) as server:
        page = Page(browser, server.url)
        is_equal(page, store, file)
        store.transact(lambda tx: tx.update({"k1": Slot(-1), "k100": Slot(7, "bob")}))
        store.delete("k2")
        is_equal(page, store, file)
        for n, text in enumerate(HOSTILE):
            store.set(text, Slot(n, text))
        store.set_meta(HOSTILE[1])
        is_equal(page, store, file)
        assert page.text("meta").startswith('"<img src=x')
        assert page.tab.title() == "slots.db"
        assert page.tab.locator("img").count() == 0
        assert page.tab.locator("script").count() == 1
        store.replace_all({"only": Slot(1)})
        is_equal(page, store, file)

        # The slider: each version, and what it changed.
        page.tab.press("#at", "Home")
        page.wait('#changes[data-version="1"]')
        assert page.table("changes") == [['"k0"', "-", '{"quantity":0,"owner":"ann"}']]
        for version in range(2, 32):
            page.tab.click("#later")
            page.wait(f'#changes[data-version="{version}"]')
        assert page.table("changes") == [
            ['"k1"', '{"quantity":1,"owner":"ann"}', '{"quantity":-1,"owner":""}'],
            ['"k100"', "-", '{"quantity":7,"owner":"bob"}'],
        ]
        page.tab.press("#at", "ArrowRight")
        page.wait('#changes[data-version="32"]')
        assert page.table("changes") == [['"k2"', '{"quantity":2,"owner":"ann"}', "-"]]
        page.tab.check("#follow")
        newest = store.set("k9", Slot(9)).version
        page.wait(f'#changes[data-version="{newest}"]')
        assert page.table("changes") == [['"k9"', "-", '{"quantity":9,"owner":""}']]
        assert page.faults == []


def test_after_a_restart_it_is_so_again(browser: Any, store: Slots, file: Path) -> None:
    with served(file, fields=["quantity"], every=0.05) as server:
        page = Page(browser, server.url)
        is_equal(page, store, file)
        port = server.port
    page.wait("#link.lost")
    assert "not connected" in page.text("link")
    store.delete("k3")
    store.set("k4", Slot(400))
    with served(file, port, fields=["quantity"], every=0.05):
        is_equal(page, store, file)
        store.set("k5", Slot(500))
        is_equal(page, store, file)


def test_the_token_is_asked_for_once(browser: Any, store: Slots, file: Path) -> None:
    with served(file, fields=["quantity"], token=TOKEN) as server:
        page = Page(browser, server.url)
        page.faults.clear()  # that it was answered with 401
        page.tab.fill("input[name=token]", TOKEN)
        page.tab.click("button")
        is_equal(page, store, file)
        assert TOKEN not in page.tab.url
        port = server.port
    page.wait("#link.lost")
    store.set("k1", Slot(100))
    with served(file, port, fields=["quantity"], token=TOKEN):
        is_equal(page, store, file)
    with served(file, port, token=TOKEN[::-1]):
        page.tab.wait_for_selector("input[name=token]")


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def test_a_page_from_elsewhere_gets_nothing(browser: Any, file: Path) -> None:
    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    Thread(target=elsewhere.serve_forever, daemon=True).start()
    try:
        with served(file) as server:
            for there in ("127.0.0.1", "evil.example"):
                page = Page(browser, f"http://{there}:{elsewhere.server_address[1]}/")
                for how in ("{}", "{mode: 'no-cors'}", "{credentials: 'include'}"):
                    got = page.tab.evaluate(
                        f"""url => fetch(url, {how}).then(
                            answer => answer.text(), () => "").catch(() => "")""",
                        f"{server.url}version?version=1",
                    )
                    assert got == ""
                framed = page.tab.evaluate(
                    """url => new Promise(done => {
                        const source = new EventSource(url);
                        source.onmessage = () => done("told");
                        source.onerror = () => { source.close(); done("refused"); };
                    })""",
                    f"{server.url}events",
                )
                assert framed == "refused"
            # A name that was pointed at us, of one origin with what it asks for.
            rebound = Page(browser, f"http://evil.example:{server.port}/")
            assert "not known here" in rebound.tab.text_content("body")
    finally:
        elsewhere.shutdown()
        elsewhere.server_close()


def test_a_trader_s_ladder(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "grid.db"
    manager = PositionManager.open(path, CONFIG)
    try:
        with served(path, every=0.05) as server:
            page = Page(browser, server.url)
            for n, action in enumerate(manager.calculate_adjustments(PRICE), 1):
                filled = action.quantity / (1 + n % 2)
                status = OrderStatus.PARTIALLY_FILLED if n % 2 else OrderStatus.FILLED
                manager.on_order_update(told(action, status, filled, n, 1_796_000_000_000))
            manager.calculate_adjustments(PRICE)
            page.wait_for_version(manager.snapshot().version)
            slots = manager.snapshot()
            busy = [slot for slot in slots.values() if slot.orders or slot.position_qty]
            busy.sort(key=lambda slot: -slot.price)
            shown = page.table("ladder")
            assert [Decimal(row[0]) for row in shown] == [slot.price for slot in busy]
            assert [Decimal(row[1]) for row in shown] == [slot.position_qty for slot in busy]
            for row, slot in zip(shown, busy, strict=True):
                assert (slot.working is None) is (row[2] == "")
                assert slot.working is None or slot.working.status.value in row[2]
                fills = [order for order in slot.orders if order.filled]
                assert row[3].count("BUY ") == len(fills)
            total = slots.total("position")
            figures = page.text("position")
            assert f"held{total}" in figures
            at_work = [slot.working for slot in busy if slot.working is not None]
            ends = [
                total + side.sign * sum(each.remaining for each in at_work if each.side is side)
                for side in (Side.SELL, Side.BUY)
            ]
            assert ends[0] < total < ends[1]
            assert f"{ends[0]} to {ends[1]}" in figures
            assert "not halted" in page.text("breaker")
            assert page.tab.locator("#interval circle").count() == 1
            pictures = tmp_path if PICTURES is None else Path(PICTURES)
            page.tab.screenshot(path=pictures / "serve.png")
            assert page.faults == []
    finally:
        manager.close()

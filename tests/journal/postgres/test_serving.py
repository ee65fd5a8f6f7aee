"""The page over a store on a server is the page over a file."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from threading import Thread
from typing import Any

import httpx
import pytest

from cowstate import Record
from cowstate.cli import main
from cowstate.journal import JournalError, JournalFileError, open_store
from cowstate.journal.postgres import view
from cowstate.journal.tails import tail_of
from cowstate.positions import PositionManager
from cowstate.web import seen
from tests.commanding import SECONDS, is_one_line
from tests.journal.files import Slot
from tests.journal.postgres.proxies import Proxy
from tests.journal.postgres.servers import Cluster, on_server, opened
from tests.positions.trading.managing import CONFIG, PRICE
from tests.web.serving import Browser, browsing, client_of, served, served_apart

PASSWORD = "nobody-guesses-it"


def records(cluster: Cluster, name: str) -> dict[str, str]:
    return dict(sorted(on_server(cluster, name)[0].items()))


def get(url: str, path: str) -> httpx.Response:
    with client_of(url) as client:
        return client.get(f"{url}{path}")


def shown_at(browser: Browser, messages: Iterator[dict[str, Any]], version: int) -> Browser:
    while browser.head.get("version") != version:
        browser.take(next(messages))
    return browser


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_browser_shows_what_is_on_the_server(
    cluster: Cluster, name: str, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FEW", 2)
    monkeypatch.setattr(view, "AT_ONCE", 3)
    with opened(cluster, name, form=form) as store:
        store.transact(lambda tx: tx.update({f"k{n}": Slot(n, "ann") for n in range(9)}))
        with (
            served(cluster.url, name=name, fields=["quantity"], every=0.02) as server,
            browsing(server.url) as messages,
        ):
            browser = shown_at(Browser(), messages, 1)
            assert browser.head["name"] == name
            assert browser.head["records"] == 9
            assert browser.head["totals"] == [["quantity", "36"]]
            for n in range(20):
                store.set("k1", Slot(n))
            store.delete("k2")
            store.set("l", Slot(100))
            version = store.set_meta("open").version
            shown_at(browser, messages, version)
            texts = {f'"{key}"': slot for key, slot in store.snapshot().items()}
            assert browser.shown() == {
                key: f'{{"quantity":{slot.quantity},"owner":"{slot.owner}"}}'
                for key, slot in sorted(texts.items())
            }
            total = sum(slot.quantity for slot in store.snapshot().values())
            assert browser.head["totals"] == [["quantity", str(total)]]
            assert (browser.head["records"], browser.head["meta"]) == (9, '"open"')
            assert browser.told["state"] == 1
            first = get(server.url, "version?version=1").json()
            assert (first["keys"], len(first["changes"])) == (9, 9)
            assert first["who"].startswith("process ")
            assert get(server.url, f"version?version={version + 1}").status_code == 404


def test_only_the_first_ones_are_asked_for(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "ROWS", 2)
    with (
        opened(cluster, name) as store,
        served(cluster.url, name=name, every=0.02) as server,
        browsing(server.url) as messages,
    ):
        # By their bytes, as in a file: no collation has a part in it.
        browser = Browser()
        version = store.replace_all({key: Slot(1) for key in ("b", "B", "ä", "a")}).version
        shown_at(browser, messages, version)
        assert [*browser.shown()] == ['"B"', '"a"']
        version = store.delete("B").version
        shown_at(browser, messages, version)
        assert [*browser.shown()] == ['"a"', '"b"']
        assert browser.head["records"] == 3


class Renamed(Record):
    amount: Decimal


def test_a_migration_is_shown_though_it_makes_no_version(cluster: Cluster, name: str) -> None:
    kinds: dict[str, Any] = {"name": name, "key": str, "wait": 0.0}
    opened(cluster, name).close()
    with opened(cluster, name) as store:
        store.set("a", Slot(3))
    with (
        served(cluster.url, name=name, fields=["amount"], every=0.02) as server,
        browsing(server.url) as messages,
    ):
        browser = shown_at(Browser(), messages, 1)
        assert browser.head["totals"] == [["amount", "0"]]
        open_store(
            cluster.url, record=Renamed, meta=str, schema=1,
            migrate={0: lambda record: {"amount": record["quantity"]}}, **kinds,
        ).close()  # fmt: skip
        while browser.head["totals"] == [["amount", "0"]]:
            browser.take(next(messages))
        assert browser.shown() == records(cluster, name) == {'"a"': '{"amount":"3"}'}
        assert browser.head["version"] == 1


def test_records_that_are_rewritten_after_the_epoch_was_raised_are_looked_at(
    cluster: Cluster, name: str
) -> None:
    opened(cluster, name).close()
    tail, _ = tail_of(cluster.url, name, None)
    try:
        assert tail.look() is not None
        tail.done()
        assert tail.look() is None
        with cluster.connect() as connection:
            connection.execute(f"UPDATE cowstate_{name}.about SET schema = 7")
        view = tail.look()
        assert view is not None
        assert view.schema == 7
        tail.done()
        assert tail.look() is None
    finally:
        tail.close()


def test_a_trader_s_positions(cluster: Cluster, name: str) -> None:
    manager = PositionManager.open(cluster.url, CONFIG, name=name, lease=600.0, wait=0.0)
    try:
        manager.calculate_adjustments(PRICE)
        with served(cluster.url, name=name) as server, browsing(server.url) as messages:
            told = next(messages)
        slots = manager.snapshot()
    finally:
        manager.close()
    assert told["position"]["symbol"] == CONFIG.symbol
    working = [slot for slot in slots.values() if slot.working is not None]
    assert told["position"]["working"] == len(working) > 0


def test_a_server_that_is_away_is_said_to_be_and_comes_back(own: Cluster, name: str) -> None:
    with opened(own, name) as store:
        store.set("a", Slot(1))
    with (
        served(own.url, name=name, every=0.02) as server,
        browsing(server.url) as messages,
    ):
        browser = shown_at(Browser(), messages, 1)
        own.stop()
        while not browser.head["trouble"]:
            browser.take(next(messages))
        assert "cannot be read now" in browser.head["trouble"]
        assert browser.shown()  # what is shown stays, and the page says that it is old
        answer = get(server.url, "version?version=1")
        assert (answer.status_code, "now" in answer.json()["error"]) == (503, True)
        own.start()
        with opened(own, name) as store:
            version = store.set("b", Slot(2)).version
        shown_at(browser, messages, version)
        while browser.head["trouble"]:
            browser.take(next(messages))
        assert browser.shown() == records(own, name)


def test_a_store_that_is_deleted_ends_it(cluster: Cluster, name: str) -> None:
    opened(cluster, name).close()
    with (
        served(cluster.url, name=name, every=0.02) as server,
        browsing(server.url) as messages,
    ):
        next(messages)
        with cluster.connect() as connection:
            connection.execute(f"DROP SCHEMA cowstate_{name} CASCADE")
        assert [m for m in messages if m["trouble"]] == []
        server.thread.join(SECONDS)
        assert isinstance(server.raised, JournalFileError)
        assert "deleted" in str(server.raised)


def test_no_password_is_said_anywhere(cluster: Cluster, name: str) -> None:
    opened(cluster, name).close()
    url = f"{cluster.url}&password={PASSWORD}"
    with served_apart(url, "--name", name) as server:
        assert PASSWORD not in server.line
        assert server.line.startswith(f"{name} on postgresql://postgres@")
        with browsing(server.url) as messages:
            assert PASSWORD not in str(next(messages))
        assert server.end(signal.SIGTERM) == (0, "")


def asked_in_vain(client: httpx.Client) -> None:
    with suppress(httpx.HTTPError):
        assert client.get("/version?version=1").status_code == 503


def test_a_server_that_does_not_answer_holds_no_end_up(cluster: Cluster, name: str) -> None:
    opened(cluster, name).close()
    proxy = Proxy(cluster)
    try:
        # Of its own accord it would end long after the test.
        url = proxy.cluster.url.replace("connect_timeout=60", f"connect_timeout={10 * SECONDS}")
        with served_apart(url, "--name", name, "--every", "0.02") as server:
            with browsing(server.url) as messages:
                next(messages)
            proxy.hold()
            # One of them waits for an answer that does not come.
            with client_of(server.url) as client, client_of(server.url) as other:
                asking = Thread(target=asked_in_vain, args=(client,))
                asking.start()
                # Whatever else is asked is answered.
                assert other.get("/page.js").status_code == 200
                assert server.end(signal.SIGTERM) == (0, "")
    finally:
        proxy.close()


def test_what_names_no_store_is_one_line(
    cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, said in [
        ([], "--name NAME"),
        (["--name", "No Name"], "small letters"),
        (["--name", f"{name}_none"], "is not there"),
    ]:
        assert main(["serve", cluster.url, *options]) == 2
        assert is_one_line(capsys.readouterr().err, said)
    nobody = "postgresql://postgres:secret@/x?host=/nowhere"
    assert main(["serve", nobody, "--name", name]) == 2
    err = capsys.readouterr().err
    assert is_one_line(err, "cannot be had")
    assert "secret" not in err
    with pytest.raises(JournalError), served(nobody, name=name):
        pass

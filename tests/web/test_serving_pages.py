"""The page over real HTTP: what it gives, to whom, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cowstate.cli import main
from cowstate.journal import JournalFileError
from tests.commanding import ROOT, SECONDS, posix
from tests.journal.files import Slot, opened
from tests.web.serving import Browser, Served, browsing, client_of, served, served_apart, texts_of

TOKEN = "a-token-that-nobody-guesses"
HOSTILE = "<script>document.title='struck'</script><img src=x onerror=alert(1)>"


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1, "ann"))
        store.transact(lambda tx: tx.update({"a": Slot(2), HOSTILE: Slot(5, HOSTILE)}))
        store.set_meta("open")
    return path


@pytest.fixture
def server(file: Path) -> Iterator[Served]:
    with served(file, fields=["quantity"], every=0.02) as server:
        yield server


def get(server: Served, path: str, **headers: str) -> httpx.Response:
    return ask(server, "GET", path, **headers)


def ask(server: Served, method: str, path: str, **headers: str) -> httpx.Response:
    with client_of(server.url) as client:
        return client.request(method, f"{server.url}{path}", headers=headers)


def test_a_browser_shows_what_there_is_and_then_what_changes(file: Path, server: Served) -> None:
    browser = Browser()
    with browsing(server.url) as messages, opened(file) as store:
        browser.take(next(messages))
        assert browser.shown() == texts_of(file)
        assert browser.head["totals"] == [["quantity", "7"]]
        assert browser.head["name"] == "slots.db"
        assert browser.head["position"] is None
        for n in range(100):
            store.set("b", Slot(n))
        store.delete("a")
        last = store.snapshot().version
        while browser.head["version"] < last:
            browser.take(next(messages))
        assert browser.shown() == texts_of(file)
        assert browser.head["totals"] == [["quantity", "104"]]
        assert browser.head["records"] == 2
        assert browser.told["state"] == 1
        assert browser.told["change"] < 100
        assert [each["version"] for each in browser.head["commits"][:2]] == [last, last - 1]
        first = next(m for m in messages if m["rate"] == 0.0)  # when nothing comes any more
        assert first["version"] == last
        assert first["put"] == first["drop"] == []


def test_each_version_can_be_asked_for(server: Served) -> None:
    found = get(server, "version?version=2").json()
    assert found["keys"] == 2
    assert [each["old"] is None for each in found["changes"]] == [True, False]
    assert found["changes"][1]["new"] == '{"quantity":2,"owner":""}'
    assert get(server, "version?version=3").json()["meta"] == {"old": None, "new": '"open"'}
    for wrong, status in [
        ("", 400),
        ("x", 400),
        ("-1", 400),
        ("1" * 30, 400),
        ("9", 404),
        ("0", 404),
    ]:
        answer = get(server, f"version?version={wrong}")
        assert answer.status_code == status
        assert answer.json()["error"]


def test_each_answer_says_what_a_browser_is_to_heed(server: Served) -> None:
    for path in ("", "page.js", "ladder.js", "page.css", "version?version=1", "none", "login"):
        headers = get(server, path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    page = get(server, "").text
    assert "style=" not in page
    assert "onclick" not in page
    assert page.count("<script") == page.count('<script type="module" src=') == 1


def test_nothing_can_be_written(server: Served) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("", "events", "version"):
            answer = ask(server, method, path)
            assert answer.status_code == 405
    assert ask(server, "HEAD", "events").status_code == 200
    assert get(server, "..%2f..%2fetc/passwd").status_code == 404
    assert get(server, "server.py").status_code == 404


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.0", 200),
        ("GET /events HTTP/0.9", 200),
        ("HEAD /version?version=1 HTTP/1.1", 200),
        ("OPTIONS / HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 404),
        ("TRACE / HTTP/1.1", 405),
        ("CONNECT localhost:80 HTTP/1.1", 404),
        ("POST /events HTTP/1.1\r\nContent-Length: 9", 405),
        ("GET /page/../server.py HTTP/1.1", 404),
        ("GET /..%5cserver.py HTTP/1.1", 404),
        ("GET /%00 HTTP/1.1", 404),
        ("GET /%ff%fe HTTP/1.1", 404),
        ("GET //evil.example/ HTTP/1.1", 404),
        ("GET http://evil.example/ HTTP/1.1", 404),
        ("GET /login%0d%0aSet-Cookie:%20a=b HTTP/1.1", 404),
        ("GET /version?version=%D9%A1 HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nCookie: \xff\xfe=;;;a=b=c", 200),
        ("GET / HTTP/1.1\r\nOrigin: \xff", 403),
        ("GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==", 200),
    ],
)
def test_whatever_is_asked_is_answered_as_it_should_be(
    server: Served, line: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
        ask = f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        client.sendall(ask.encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(65_536)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.split()[1] == str(status).encode()
    assert b"content-security-policy: default-src 'none'" in head
    assert b"set-cookie" not in head
    assert b"evil" not in head


def test_a_foreign_page_is_not_answered(server: Served) -> None:
    for host in ("evil.example", f"evil.example:{server.port}", "192.0.2.1", ""):
        assert get(server, "version?version=1", host=host).status_code in (400, 421)
    for path in ("version?version=1", "events"):
        site = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
        assert get(server, path, **site).status_code == 403
        assert get(server, path, origin="http://evil.example").status_code == 403
    assert get(server, "", host=f"localhost:{server.port}").status_code == 200


def test_a_token_is_asked_for_and_is_in_no_url(file: Path) -> None:
    with served(file, token=TOKEN) as server:
        assert get(server, "").status_code == 401
        assert 'name="token"' in get(server, "").text
        for path in ("events", "version?version=1", "page.js", f"?token={TOKEN}", "none"):
            assert get(server, path).status_code == 401
        by_header = get(server, "version?version=1", authorization=f"Bearer {TOKEN}")
        assert by_header.json()["version"] == 1
        with client_of(server.url) as client:
            for wrong in ({"token": TOKEN[:-1]}, {}, {"token": "x" * 10_000}, {"other": TOKEN}):
                assert client.post("/login", data=wrong).status_code == 403
            assert not client.cookies
            foreign = {"origin": "http://evil.example"}
            assert client.post("/login", data={"token": TOKEN}, headers=foreign).status_code == 403
            answer = client.post("/login", data={"token": TOKEN})
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            kept = answer.headers["set-cookie"].lower()
            assert "httponly" in kept
            assert "samesite=strict" in kept
            assert TOKEN not in kept
            assert client.get("/").status_code == 200
            server.end()
            # What the browser keeps is good for another one that was started with the same token.
            with served(file, server.port, token=TOKEN) as again:
                assert client.get("/version?version=1").status_code == 200
                with browsing(again.url, cookies=client.cookies) as messages:
                    assert next(messages)["kind"] == "state"
            with served(file, server.port, token=TOKEN[::-1]):
                assert client.get("/version?version=1").status_code == 401


def test_elsewhere_only_with_a_token(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", ""):
        assert main(["serve", str(file), "--host", host]) == 2
        assert "--token-file" in capsys.readouterr().err
    for token in ("", "short", "a" * 15, "é" * 20, "a" * 20 + "\n"):
        monkeypatch.setenv("COWSTATE_TOKEN", token)
        assert main(["serve", str(file), "--host", "0.0.0.0"]) == 2
        assert "secrets" in capsys.readouterr().err
    with served(file, host="0.0.0.0", token=TOKEN) as server:
        token = {"authorization": f"Bearer {TOKEN}"}
        assert get(server, "version?version=1", **token).status_code == 200
        assert get(server, "version?version=1", host="evil.example", **token).status_code == 421


@posix
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_whoever_is_connected(file: Path, tmp_path: Path, how: int) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\nand a second line\n")
    bearer = {"authorization": f"Bearer {TOKEN}"}
    with (
        served_apart(file, "--token-file", str(secret), "--total", "quantity") as server,
        browsing(server.url, headers=bearer) as messages,
    ):
        assert next(messages)["totals"] == [["quantity", "7"]]
        assert get(server, "").status_code == 401
        assert server.end(how) == (0, "")
        assert [*messages] == []


@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_the_newer_kind_needs_no_token_either(file: Path, host: str) -> None:
    with served_apart(file, "--host", host) as server:
        assert server.url == f"http://[::1]:{server.port}/"
        with browsing(server.url) as messages:
            assert next(messages)["version"] == 3
        assert get(server, "", host="evil.example").status_code == 421


@posix
def test_to_be_told_twice_is_to_be_told_once(file: Path) -> None:
    with served_apart(file) as server, browsing(server.url) as messages:
        next(messages)
        # Both are there when it goes on.
        for how in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM):
            server.process.send_signal(how)
        assert server.end(signal.SIGCONT) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
def test_a_file_that_goes_away_ends_it(file: Path) -> None:
    with served(file, every=0.02) as server, browsing(server.url) as messages:
        assert next(messages)["trouble"] == ""
        file.unlink()
        assert [*messages] == []
        server.thread.join(SECONDS)
        assert isinstance(server.raised, JournalFileError)
        assert "deleted or replaced" in str(server.raised)


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_a_file_that_cannot_be_read_for_now_is_said_to_be(file: Path) -> None:
    with served(file, every=0.02) as server, browsing(server.url) as messages:
        assert next(messages)["trouble"] == ""
        with opened(file) as store:
            store.set("a", Slot(3))
        with sqlite3.connect(file, isolation_level=None) as other:
            other.execute("ALTER TABLE commits RENAME TO away")
            assert "no such table" in next(m for m in messages if m["trouble"])["trouble"]
            other.execute("ALTER TABLE away RENAME TO commits")
            now = next(m for m in messages if not m["trouble"] and m["version"] == 4)
        other.close()
        assert now["records"] == 2


def test_what_is_wrong_is_one_line(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.db"
    other.write_text("no database")
    with served(file) as server:
        for argv, said in [
            ([str(tmp_path / "none.db")], "is not there"),
            ([str(other)], "other.db"),
            ([str(tmp_path)], "is a directory"),
            ([str(file), "--port", str(server.port)], "--port"),
            ([str(file), "--port", "x"], "is no port"),
            ([str(file), "--port", "65536"], "is no port"),
            ([str(file), "--name", "slots"], "needs no name"),
            (["postgresql://nobody:hidden@/x"], "--name NAME"),
            ([str(file), "--allow-host", "https://a.example"], "without a port"),
            ([str(file), "--allow-host", "a.example:443"], "without a port"),
            ([str(file), "--allow-host", "*.example"], "without a port"),
            ([str(file), "--every", "0"], "is no pause"),
            ([str(file), "--token-file", str(tmp_path / "none")], "cannot be read"),
            ([str(file), "--token-file", str(other)], "16 or more"),
        ]:
            assert main(["serve", *argv]) == 2, argv
            err = capsys.readouterr().err
            assert err.startswith("cowstate serve: error: ")
            assert err.count("\n") == 1
            assert said in err
            assert "hidden" not in err


def test_every_option_is_in_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
    assert main(["serve", "--help"]) == 0
    options = set(re.findall(r"^ {2}(?:-h, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert options - {"--help"} == set(re.findall(r"^\| `(--[\w-]+)", page, re.MULTILINE))


def test_without_the_extra_it_says_what_to_install(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cowstate.web.")]:
        if name.endswith((".app", ".server")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    assert main(["serve", str(file)]) == 2
    assert "pip install 'cowstate[web]'" in capsys.readouterr().err

"""Requests to the page of `cowstate serve`, over sockets: nothing is told to who has no token."""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from cowstate.journal import open_store
from cowstate.web.guarding import HEADERS, cookie_of
from tests.hostile.door import Door, Knock, LawBrokenError
from tests.hostile.drawing import TEXTS, mutated
from tests.web.serving import served

__all__ = ["DOORS", "HIDDEN", "TOKEN", "answer_to"]

TOKEN: Final = "token-of-somebody-else"
HIDDEN: Final = b"what is hidden"
SECONDS: Final = 20.0

PATHS: Final = (
    *("/", "/events", "/version?version=1", "/version", "/login", "/page.js", "/favicon.ico"),
    *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "/%ff", "//evil.example/", "*"),
    *(
        "/version?version=" + "9" * 400,
        "/version?version=-1",
        "/version?version=%d9%a3",
        "/x" * 900,
    ),
    *("http://evil.example/", "/version?" + "a=1&" * 900, "/events/", "/login?token=" + TOKEN[:-1]),
)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "CONNECT", "get", "GET\0", "")


def answer_to(port: int, data: bytes, patience: float = 0.05) -> bytes:
    """What a server says to *data*, until it says no more, or that there is more to come.

    After *patience* it is told that no more will come of the question either.
    """
    said = b""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as peer:
        try:
            peer.sendall(data)
            peer.settimeout(patience)
            while b"text/event-stream" not in said:
                try:
                    part = peer.recv(65_536)
                except TimeoutError:
                    if said or peer.gettimeout() == SECONDS:
                        break
                    peer.shutdown(socket.SHUT_WR)
                    peer.settimeout(SECONDS)
                    continue
                if not part:
                    break
                said += part
        except OSError:
            pass  # it did not read to the end
    return said


class _Heard(logging.Handler):
    """What the server says in the log: of nothing that somebody sends a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(f"{record.getMessage()} {record.exc_info!r}")


def _request(random: Random, port: int) -> bytes:
    host = f"127.0.0.1:{port}"
    headers = [
        ("Host", random.choice((*[host] * 20, "evil.example", "[::1", "", *TEXTS[:6]))),
        ("Cookie", random.choice((f"cowstate-serve-{port}={'0' * 64}", "a", ";;=;" * 99, "\x80"))),
        ("Authorization", random.choice(("Bearer x", "Bearer", f"Basic {TOKEN}", "Bearer \xff"))),
        ("Origin", random.choice((f"http://{host}", "null", "http://evil.example"))),
        ("Sec-Fetch-Site", random.choice(("none", "cross-site", "same-origin"))),
        ("Content-Length", random.choice(("0", "5", "-1", "99999999999", "1, 2", "x"))),
        ("Transfer-Encoding", random.choice(("chunked", "gzip, chunked", "identity"))),
        ("Expect", "100-continue"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X" * random.choice((1, 300, 70_000)), random.choice(TEXTS)),
    ]
    chosen = [headers[0], *random.sample(headers[1:], random.randrange(3))]
    if random.random() < 0.1:
        chosen = chosen[1:]
    lines = [f"{random.choice(METHODS[:6])} {random.choice(PATHS)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in chosen]
    body = random.choice(("", "token=", f"token={TOKEN[:-1]}", "token=a" * 900, "5\r\nhello\r\n0"))
    text = "\r\n".join(lines) + "\r\n\r\n" + body
    return text.encode("utf-8", "surrogatepass")


@contextmanager
def _opened() -> Generator[Knock]:
    heard = _Heard()
    log = logging.getLogger("uvicorn.error")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "served.db")
        with open_store(path, key=str, record=str) as store:
            store.set("a", HIDDEN.decode())
        with served(path, token=TOKEN) as server:
            log.addHandler(heard)
            good = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
            cookie = f"Cookie: cowstate-serve-{server.port}={cookie_of(TOKEN)}\r\n".encode()
            cookie += b"Connection: close\r\n\r\n"

            def knock(random: Random) -> str:
                data = _request(random, server.port)
                if random.random() < 0.4:
                    data = mutated(random, data, [good])
                said = answer_to(server.port, data)
                status = said[9:12].decode("latin-1") if said.startswith(b"HTTP/1.1 ") else "none"
                if HIDDEN in said or status.startswith("5") or TOKEN.encode() in said:
                    raise LawBrokenError(f"{data[:2_000]!r} was told {said[:2_000]!r}")
                if b"content-security-policy" in said and any(
                    name.lower().encode() not in said for name in HEADERS
                ):
                    raise LawBrokenError(f"{said[:2_000]!r} lacks what a browser is to heed")
                if heard.told:
                    raise LawBrokenError(f"{data[:2_000]!r}: {heard.told.pop()}")
                if random.random() < 0.02:
                    # Who has the token is answered as if nothing had been.
                    known = answer_to(
                        server.port,
                        good.replace(b"/ HTTP", b"/version?version=1 HTTP")[:-2] + cookie,
                        SECONDS,
                    )
                    if HIDDEN not in known:
                        raise LawBrokenError(f"who has the token was told {known[:500]!r}")
                return f"status {status}"

            try:
                yield knock
            finally:
                log.removeHandler(heard)


DOORS: Final = [Door("web", "requests to the page of cowstate serve, over sockets", _opened)]

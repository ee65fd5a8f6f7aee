"""The page, what it loads, and what it is told, over HTTP: `application`."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator
from contextlib import closing, contextmanager
from functools import partial
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from anyio import CancelScope, CapacityLimiter, fail_after
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cowstate import Commit, Lagged, Snapshot, aio
from cowstate.errors import ClosedError, WaitTimeoutError

from .beside import beside
from .connections import PATIENCE
from .guarding import COOKIE, HEADERS, cookie_of, is_foreign, is_host_ours, is_let_in
from .messages import encoded, item_of, version_of
from .seen import Head, Row
from .watcher import Watcher

__all__ = ["Door", "Streams", "application"]

BEAT: Final = 5.0
"""After so many seconds in which nothing changed a browser is told that somebody is there."""

MOST: Final = 200
"""How many browsers there may be at once."""

READERS: Final = 4
"""How many look into the log at once; who else asks waits."""

FORM: Final = 4_096
"""How many bytes the form with the token may be."""

KEPT: Final = 16
"""How many encoded messages are kept for others who are to be told the same."""

TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


class Door(NamedTuple):
    """Who is let in.

    Attributes:
        bound: the address that is listened on.
        token: what has to be given; None if nothing has to be.
        allowed: names, beside that address, by which a browser may call us.
    """

    bound: str
    token: str | None = None
    allowed: Collection[str] = ()


class Streams:
    """The browsers that are connected, each with a feed of the board, and what they wait for.

    On one event loop.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._feeds: set[aio.AsyncFeed[str, Row, Head]] = set()
        self._kept: dict[tuple[int, int], bytes] = {}
        self._waits: set[CancelScope] = set()
        self._ended = False

    def opened(self) -> aio.AsyncFeed[str, Row, Head] | None:
        """Return a feed for one more browser; None if there are too many, or it is the end."""
        if self._ended or len(self._feeds) >= MOST:
            return None
        feed = aio.feed(self._watcher.board, "latest", initial=True)
        self._feeds.add(feed)
        return feed

    def closed(self, feed: aio.AsyncFeed[str, Row, Head]) -> None:
        """Forget a browser that has gone."""
        feed.close()
        self._feeds.discard(feed)

    def end(self) -> None:
        """Let all go."""
        self._ended = True
        for feed in tuple(self._feeds):
            feed.close()
        for wait in self._waits:
            wait.cancel()

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Wait within for what may take long; at the end of all, it is left."""
        with CancelScope() as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)

    async def events(self, feed: aio.AsyncFeed[str, Row, Head]) -> AsyncIterator[bytes]:
        """Yield what the browser of *feed* is told, as server-sent events."""
        yield b"retry: 1000\n\n"
        while True:
            try:
                item = await feed.get(timeout=BEAT)
            except WaitTimeoutError:
                yield b"event: beat\ndata: {}\n\n"
            except ClosedError:
                return
            else:
                yield b"data: %b\n\n" % self._said(item)

    def _said(self, item: Commit[str, Row, Head] | Lagged[str, Row, Head]) -> bytes:
        """Return what one browser is told, as the next one is that shows the same."""
        now: Snapshot[str, Row, Head] = item.snapshot if isinstance(item, Lagged) else item.after
        before = -1 if isinstance(item, Lagged) else item.before.version
        step = before, now.version
        said = self._kept.get(step)
        if said is None:
            said = self._kept[step] = encoded(item_of(item))
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return said


def application(watcher: Watcher, streams: Streams, door: Door) -> ASGIApp:
    """Return the application that serves what *watcher* sees. It only reads."""
    limiter = CapacityLimiter(READERS)

    async def events(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        feed = streams.opened()
        if feed is None:
            return PlainTextResponse("too many browsers\n", 503, {"Retry-After": "5"})
        return _Events(streams, feed)

    async def version(request: Request) -> Response:
        text = request.query_params.get("version", "")
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            return JSONResponse({"error": "name a version: /version?version=1"}, 400)
        look = partial(_version_in, watcher, int(text))
        with streams.waiting():
            try:
                async with limiter:
                    found = await beside(look)
            except Exception as error:
                if watcher.refused(error) is None:
                    raise
            else:
                if found is None:
                    return JSONResponse({"error": f"version {int(text)} is not in the log"}, 404)
                return Response(encoded(found), media_type="application/json")
        return JSONResponse({"error": f"version {int(text)} cannot be read now"}, 503)

    async def login(request: Request) -> Response:
        given = await _token_in(request)
        right = door.token or ""
        if given is None or not hmac.compare_digest(given.encode(errors="replace"), right.encode()):
            return _page("login.html", 403)
        answer = RedirectResponse("/", 303)
        if door.token is not None:
            answer.set_cookie(
                _cookie_name(request),
                cookie_of(door.token),
                max_age=30 * 86_400,
                httponly=True,
                samesite="strict",
                secure=request.headers.get("origin", "").startswith("https://"),
            )
        return answer

    async def no_icon(_: Request) -> Response:
        return Response(status_code=204)

    def page(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(_: Request) -> Response:
            return _page(name)

        return answer

    routes = [
        Route("/", page("index.html")),
        *(Route(f"/{name}", page(name)) for name in ("page.css", "page.js", "ladder.js")),
        Route("/favicon.ico", no_icon),
        Route("/events", events),
        Route("/version", version),
        Route("/login", login, methods=["POST"]),
    ]
    return _Guarded(Starlette(routes=routes), door)


class _Events(StreamingResponse):
    """What one browser is told, until it goes, or never came to read it."""

    def __init__(self, streams: Streams, feed: aio.AsyncFeed[str, Row, Head]) -> None:
        super().__init__(
            streams.events(feed),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )
        self._end = partial(streams.closed, feed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


class _Guarded:
    """Lets in whom the door lets in, and puts what a browser is to heed on each answer."""

    def __init__(self, inner: ASGIApp, door: Door) -> None:
        self._inner = inner
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *ours]}
            await send(message)

        answer = self._refused(scope) or self._inner
        await answer(scope, receive, send_guarded)

    def _refused(self, scope: Scope) -> ASGIApp | None:
        headers, door = Headers(scope=scope), self._door
        if not is_host_ours(headers.getlist("host"), door.bound, door.allowed):
            return PlainTextResponse(
                "this name is not known here; cowstate serve --allow-host NAME lets it be\n", 421
            )
        if is_foreign(headers):
            return PlainTextResponse("another site asks for this; nobody answers it\n", 403)
        request = Request(scope)
        cookie = request.cookies.get(_cookie_name(request))
        if is_let_in(door.token, cookie, headers.get("authorization")):
            return None
        path = scope["path"]
        if path in ("/login", "/page.css", "/favicon.ico"):
            return None
        if path == "/":
            return _page("login.html", 401)
        return PlainTextResponse("give the token first\n", 401)


def _cookie_name(request: Request) -> str:
    _, port = request.scope.get("server") or ("", 0)
    return f"{COOKIE}-{port}"


def _page(name: str, status: int = 200) -> Response:
    text = files("cowstate.web").joinpath("page", name).read_bytes()
    return Response(text, status, media_type=TYPES[name.rpartition(".")[2]])


async def _token_in(request: Request) -> str | None:
    """Return the token in the body of a form, None if there is none, or too much."""
    try:
        with fail_after(PATIENCE):
            body = await _form_in(request)
    except TimeoutError:
        return None
    if body is None:
        return None
    try:
        return parse_qs(body.decode("ascii")).get("token", [None])[0]
    except (UnicodeError, ValueError):
        return None


async def _form_in(request: Request) -> bytes | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM:
            return None
    return body


def _version_in(watcher: Watcher, version: int) -> dict[str, Any] | None:
    """Return what a commit of the log did, None if it is not there."""
    with closing(watcher.view()) as view:
        commit = next(view.commits(version - 1, version), None)
        return None if commit is None else version_of(commit, view.changes(version))

"""The edge: calls of a ccxt client, one at a time, and what its server said beside. `Calls`.

ccxt tells what it made of an answer. Whether an order exists is concluded from what came: whether
a request left, with which status it was answered, when the venue says that it did, and whether the
body is whole. So the client's own hooks are used, which it offers for this, on the one object that
it is; no class of ccxt is changed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC
from decimal import localcontext
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

from cowstate import ArgumentValueError, CowstateError, Record

from ...book.model import EXACT
from ...errors import ExchangeError, NetworkError
from ...guard import Guard
from .amounts import ensure_bounded
from .bridge import Bridge
from .clients import ensure_client, secrets_of
from .failures import Heard, Mark, failure_of, without_secrets
from .lists import Place, entries_in
from .loops import LoopThread

__all__ = ["Answer", "Calls", "readable"]

T = TypeVar("T")

_SECOND: Final = 1_000
_LONGEST_WAIT: Final = 9


class Answer(Record, Generic[T]):
    """What a call gave, read, and when the venue says that it answered.

    *answered_ms* is None where the venue does not say, or where the call took more than one
    request: which of them the answer is of, nobody can tell. *entries*: how many its list has,
    where one was asked for.
    """

    value: T
    answered_ms: int | None = None
    entries: int = 0


class _Call:
    """What came in the course of one call. One that a finalizer makes in its middle has its own."""

    __slots__ = ("answered_ms", "body", "heard", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.heard = Heard()
        self.answered_ms: int | None = None
        self.body: object = None


_CALL: Final[ContextVar[_Call | None]] = ContextVar("_CALL", default=None)

_UNREADABLE: Final = (
    *(CowstateError, LookupError, TypeError, ValueError, AttributeError),
    *(ArithmeticError, RecursionError),  # of numbers, and of lists in lists, that nobody means
)


class _UnreadableError(Exception):
    """The body of an answer is no JSON, or not all of it."""


def readable(name: str, read: Callable[[Any], T], said: Any, secrets: Iterable[str] = ()) -> T:
    """Return ``read(said)``.

    Raises:
        NetworkError: what was answered cannot be read, so nobody knows what was done.
    """
    try:
        return read(said)
    except ExchangeError:
        raise
    except _UNREADABLE as error:
        text = without_secrets(str(error), secrets)
        raise NetworkError(
            f"{name}: the answer cannot be read, so what was done is not known: {text}"
        ) from None


class Calls:
    """Calls of one client. Thread-safe: one at a time; who comes meanwhile waits.

    From then on the client is this object's: whoever else uses it gets its answers mixed up.

    Args:
        client: of ccxt.
        marks: what the venue's errors are known by.
        loop: where it runs, if it is an asynchronous one; None: it is none.

    Raises:
        ArgumentTypeError, ArgumentValueError: see `ensure_client`.
    """

    def __init__(
        self, client: Any, marks: tuple[Mark, ...] = (), loop: LoopThread | None = None
    ) -> None:
        ensure_client(client, asynchronous=loop is not None)
        if isinstance(getattr(client.fetch, "__self__", None), Calls):
            raise ArgumentValueError(
                "this client is another adapter's already, and keeps its last answer in itself; "
                "make one for each"
            )
        self._client = client
        self._marks = marks
        self._loop = loop
        self._guard = Guard()
        if loop is None:
            # A redirect takes the key along, and what answers there knows nothing of what was done.
            client.session.max_redirects = 0
            self._called: Callable[..., Any] = self._call_client
        else:
            self._called = Bridge(client, loop).call
        # At the level DEBUG its own logger writes every request with its headers.
        client.logger = logging.Logger("ccxt", logging.CRITICAL + 1)
        self._fetch: Callable[..., Any] = client.fetch
        self._on_response: Callable[..., Any] = client.on_rest_response
        self._on_json: Callable[..., Any] = client.on_json_response
        client.fetch = self._sending
        client.on_rest_response = self._responding
        client.on_json_response = self._decoding

    def release(self) -> None:
        """Let go of the client: it is as it was, but follows no redirect and writes no log."""
        self._client.fetch = self._fetch
        self._client.on_rest_response = self._on_response
        self._client.on_json_response = self._on_json

    def ask(
        self,
        name: str,
        *args: Any,
        read: Callable[[Any], T],
        writing: bool = False,
        at: Place | None = None,
        each: bool = False,
    ) -> Answer[T]:
        """Return ``read(client.name(*args))``, and when that was answered.

        Args:
            name: of a method of the client.
            args: what it is given.
            read: what makes of what it returns what is wanted.
            writing: whether an order is placed or cancelled.
            at: where in the body of the answer the list stands that was asked for; None: none was.
            each: whether the client returns an entry for each that stands there.

        Raises:
            ExchangeError: whatever the client raised, in our words; `NetworkError`: no answer
                came, or none that can be read. Also one that is called on the thread of its loop.
        """
        if self._loop is not None:
            # Before the lock: whoever has it may be waiting for this very thread.
            self._loop.ensure_elsewhere()
        return self._guard.run(self._ask, name, args, read, writing, at, each)

    # With the lock held:

    def _ask(
        self,
        name: str,
        args: tuple[Any, ...],
        read: Callable[[Any], T],
        writing: bool,
        at: Place | None,
        each: bool,
    ) -> Answer[T]:
        call = _Call()
        # It goes along to the loop of an asynchronous client, and is that of this call there.
        before = _CALL.set(call)
        try:
            # ccxt sets the rounding and the traps of the context that it finds.
            with localcontext(EXACT):
                said = self._called(name, *args)
        except ExchangeError:
            raise
        except Exception as error:
            # Its chain holds requests as they were signed.
            raise self._failure(error, call.heard, writing) from None
        finally:
            _CALL.reset(before)
        entries = 0
        if at is not None:
            entries = readable(name, lambda body: entries_in(body, at), call.body, self._hidden())
            if each and len(said) != entries:
                raise NetworkError(
                    f"{name}: {entries} entries came, and the client could read {len(said)} of them"
                )
        value = readable(name, read, said, self._hidden())
        return Answer(value, call.answered_ms if call.requests == 1 else None, entries)

    def _failure(self, error: Exception, heard: Heard, writing: bool) -> ExchangeError:
        return failure_of(error, heard, writing=writing, marks=self._marks, secrets=self._hidden())

    def _hidden(self) -> tuple[str, ...]:
        return secrets_of(self._client)

    def _call_client(self, name: str, *args: Any) -> Any:
        return getattr(self._client, name)(*args)

    # Called by the client, in the course of a call:

    def _sending(self, *args: Any, **named: Any) -> Any:
        call = _current()
        call.requests += 1
        call.heard, call.answered_ms = Heard(sent=True), None
        return self._fetch(*args, **named)

    def _responding(
        self,
        code: int,
        reason: Any,
        url: Any,
        method: Any,
        headers: Any,
        body: str,
        *rest: Any,
    ) -> Any:
        call, answered_ms = _current(), _moment(headers.get("Date", ""))
        call.answered_ms = answered_ms
        call.heard = Heard(True, int(code), _wait_in(headers, answered_ms))
        text = self._on_response(code, reason, url, method, headers, body, *rest)
        if code < 400 and not text.lstrip().startswith(("{", "[")):
            raise _UnreadableError("the body of the answer is no JSON")
        return text

    def _decoding(self, body: str) -> Any:
        try:
            # What is a number with a fraction there stays the text that it is.
            found = json.loads(body, parse_float=str, parse_constant=str)
            ensure_bounded(found)
            _current().body = found
            return found
        except ValueError:
            status = _current().heard.status
            if status is None or status < 400:
                raise _UnreadableError("the body of the answer is no whole JSON") from None
            raise


def _current() -> _Call:
    # Whoever uses the client beside us asks for nothing here.
    return _CALL.get() or _Call()


def _moment(text: str) -> int | None:
    try:
        told = parsedate_to_datetime(text)
        # Without a zone it is one of UTC, as they all are, and none of this machine's.
        moment = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
        return round(moment.timestamp() * _SECOND)
    except (ValueError, TypeError, OverflowError):
        return None


def _wait_in(headers: Mapping[str, str], answered_ms: int | None) -> int | None:
    """Return how long an answer says that one should wait, in milliseconds."""
    told = headers.get("Retry-After", "")
    seconds = _number(told)
    if seconds is not None:
        return seconds * _SECOND
    until = _moment(told)
    if until is None and headers.get("X-Bapi-Limit-Status", "") == "0":
        until = _number(headers.get("X-Bapi-Limit-Reset-Timestamp", ""), longest=15)
    if until is None or answered_ms is None:
        return None
    return max(until - answered_ms, 0)


def _number(text: str, longest: int = _LONGEST_WAIT) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= longest else None

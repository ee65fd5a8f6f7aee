"""The edge: calls of a ccxt client, one at a time, and what its server said beside. `Calls`.

ccxt tells what it made of an answer. Whether an order exists is concluded from what came: whether
a request left, with which status it was answered, when the venue says that it did, and whether the
body is whole. So the client's own hooks are used, which it offers for this, on the one object that
it is; no class of ccxt is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import localcontext
from email.utils import parsedate_to_datetime
from inspect import iscoroutinefunction
from typing import Any, Final, Generic, TypeVar

from cowstate import ArgumentTypeError, ArgumentValueError, CowstateError, Record

from ...book.model import EXACT
from ...errors import ExchangeError, NetworkError
from ...guard import Guard
from .failures import Heard, Mark, failure_of, without_secrets

__all__ = ["Answer", "Calls", "ensure_client", "readable"]

T = TypeVar("T")

_SECRETS: Final = ("apiKey", "secret", "password", "privateKey", "walletAddress", "token", "uid")
_NEEDED: Final = (
    "id",
    "options",
    "number",
    "fetch",
    "on_rest_response",
    "on_json_response",
    "fetch_open_orders",
)
_SECOND: Final = 1_000
_SHORTEST: Final = 6


class Answer(Record, Generic[T]):
    """What a call gave, read, and when the venue says that it answered.

    *answered_ms* is None where the venue does not say, or where the call took more than one
    request: which of them the answer is of, nobody can tell.
    """

    value: T
    answered_ms: int | None = None


class _UnreadableError(Exception):
    """The body of an answer is no JSON, or not all of it."""


def ensure_client(client: Any) -> None:
    """Refuse a client that rounds numbers, or that repeats requests on its own.

    Raises:
        ArgumentTypeError: it is no client of ccxt, or an asynchronous one.
        ArgumentValueError: its settings would do harm; it says which to make it with.
    """
    for name in _NEEDED:
        if not hasattr(client, name):
            raise ArgumentTypeError(
                f"client is of type {type(client).__name__}, and no client of ccxt: it has no "
                f"{name}; give one such as ccxt.binance({{'number': str}})"
            )
    if iscoroutinefunction(client.fetch):
        raise ArgumentTypeError("client is an asynchronous one; give one of ccxt itself, as it is")
    if client.number is not str:
        raise ArgumentValueError(
            "this client rounds numbers to floats; make it with {'number': str}"
        )
    options: Mapping[str, Any] = client.options or {}
    repeated = [options, *(each for each in options.values() if isinstance(each, dict))]
    if any(each.get("maxRetriesOnFailure") for each in repeated):
        raise ArgumentValueError(
            "this client repeats requests that had no answer (maxRetriesOnFailure): an order that "
            "is placed twice under an id that may be used again is two orders; leave it out"
        )


def readable(name: str, read: Callable[[Any], T], said: Any, secrets: Iterable[str] = ()) -> T:
    """Return ``read(said)``.

    Raises:
        NetworkError: what was answered cannot be read, so nobody knows what was done.
    """
    try:
        return read(said)
    except ExchangeError:
        raise
    except (CowstateError, LookupError, TypeError, ValueError, AttributeError) as error:
        text = without_secrets(str(error), secrets)
        raise NetworkError(
            f"{name}: the answer cannot be read, so what was done is not known: {text}"
        ) from None


class Calls:
    """Calls of one client. Thread-safe: one at a time; who comes meanwhile waits.

    From then on the client is this object's: whoever else uses it gets its answers mixed up.

    Args:
        client: of ccxt, synchronous.
        marks: what the venue's errors are known by.

    Raises:
        ArgumentTypeError, ArgumentValueError: see `ensure_client`.
    """

    def __init__(self, client: Any, marks: tuple[Mark, ...] = ()) -> None:
        ensure_client(client)
        if isinstance(getattr(client.fetch, "__self__", None), Calls):
            raise ArgumentValueError(
                "this client is another adapter's already, and keeps its last answer in itself; "
                "make one for each"
            )
        self._client = client
        self._marks = marks
        self._guard = Guard()
        self._requests = 0
        self._heard = Heard()
        self._answered_ms: int | None = None
        self._fetch: Callable[..., Any] = client.fetch
        self._on_response: Callable[..., Any] = client.on_rest_response
        client.fetch = self._sending
        client.on_rest_response = self._responding
        client.on_json_response = self._decoding

    def ask(
        self, name: str, *args: Any, read: Callable[[Any], T], writing: bool = False, **named: Any
    ) -> Answer[T]:
        """Return ``read(client.name(*args, **named))``, and when that was answered.

        Raises:
            ExchangeError: whatever the client raised, in our words; `NetworkError`: no answer
                came, or none that can be read.
        """
        return self._guard.run(self._ask, name, args, named, read, writing)

    # With the lock held:

    def _ask(
        self,
        name: str,
        args: tuple[Any, ...],
        named: dict[str, Any],
        read: Callable[[Any], T],
        writing: bool,
    ) -> Answer[T]:
        self._requests, self._heard, self._answered_ms = 0, Heard(), None
        # ccxt sets the rounding and the traps of the context that it finds.
        with localcontext(EXACT):
            try:
                said = getattr(self._client, name)(*args, **named)
            except ExchangeError:
                raise
            except Exception as error:
                # Its chain holds requests as they were signed.
                raise self._failure(error, writing) from None
        value = readable(name, read, said, self._hidden())
        return Answer(value, self._stamp())

    def _stamp(self) -> int | None:
        return self._answered_ms if self._requests == 1 else None

    def _failure(self, error: Exception, writing: bool) -> ExchangeError:
        return failure_of(
            error, self._heard, writing=writing, marks=self._marks, secrets=self._hidden()
        )

    def _hidden(self) -> tuple[str, ...]:
        held = (getattr(self._client, name, None) for name in _SECRETS)
        # A shorter one stands in half of all texts by chance, and tells nothing.
        return tuple(each for each in held if isinstance(each, str) and len(each) >= _SHORTEST)

    # Called by the client, in the course of a call:

    def _sending(self, *args: Any, **named: Any) -> Any:
        self._requests += 1
        self._heard, self._answered_ms = Heard(sent=True), None
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
        self._answered_ms = _date_in(headers)
        self._heard = Heard(True, int(code), _wait_in(headers, self._answered_ms))
        text = self._on_response(code, reason, url, method, headers, body, *rest)
        if code < 400 and not text.lstrip().startswith(("{", "[")):
            raise _UnreadableError("the body of the answer is no JSON")
        return text

    def _decoding(self, body: str) -> Any:
        try:
            # What is a number with a fraction there stays the text that it is.
            return json.loads(body, parse_float=str, parse_constant=str)
        except ValueError:
            status = self._heard.status
            if status is None or status < 400:
                raise _UnreadableError("the body of the answer is no whole JSON") from None
            raise


def _date_in(headers: Mapping[str, str]) -> int | None:
    try:
        return round(parsedate_to_datetime(headers["Date"]).timestamp() * _SECOND)
    except (KeyError, ValueError, TypeError):
        return None


def _wait_in(headers: Mapping[str, str], answered_ms: int | None) -> int | None:
    """Return how long an answer says that one should wait, in milliseconds."""
    seconds = headers.get("Retry-After", "")
    if seconds.isascii() and seconds.isdigit():
        return int(seconds) * _SECOND
    reset = headers.get("X-Bapi-Limit-Reset-Timestamp", "")
    status = headers.get("X-Bapi-Limit-Status", "")
    if status == "0" and reset.isascii() and reset.isdigit() and answered_ms is not None:
        return max(int(reset) - answered_ms, 0)
    return None

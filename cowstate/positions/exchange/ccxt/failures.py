"""What an error of a ccxt client means: `failure_of`, and `Heard`, which is what the server said.

ccxt's classes tell what a venue calls an error, and not whether anything was done. A write counts
as refused only if an answer came, without a status of 500 or more, in a class that says so. All
else is a `NetworkError`: it was done, or not, or will be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from cowstate import Record

from ...errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    InvalidOrderError,
    NetworkError,
    OrderNotFoundError,
    OrderRefusedError,
    RateLimitedError,
)

__all__ = [
    "Heard",
    "Mark",
    "PostOnlyError",
    "StampRefusedError",
    "failure_of",
    "without_secrets",
]

_LONGEST = 300


class PostOnlyError(OrderRefusedError):
    """A post-only order was not taken, because it would have taken liquidity."""


class StampRefusedError(ExchangeError):
    """A request was refused for the time that it bore: nothing was done."""


class Heard(Record):
    """What came of the last request of a call.

    Attributes:
        sent: whether a request left at all.
        status: the HTTP status of the answer to the last one; None if none came.
        retry_after_ms: how long to wait, if the answer says.
    """

    sent: bool = False
    status: int | None = None
    retry_after_ms: int | None = None


class Mark(Record):
    """A text by which an answer of one venue is known, whatever class ccxt gives it.

    Attributes:
        text: what stands in the error.
        error: the class of ours that it is; `NetworkError`: the outcome is unknown.
    """

    text: str
    error: type[ExchangeError]


# By ccxt's class, or the nearest class above it that stands here; the names are in its
# documents: https://docs.ccxt.com/#/README?id=error-handling
_REFUSED: Final[dict[str, Callable[[str], ExchangeError]]] = {
    "OrderNotFound": OrderNotFoundError,
    "DuplicateOrderId": DuplicateOrderIdError,
    "InsufficientFunds": InsufficientFundsError,
    "OrderImmediatelyFillable": PostOnlyError,
    "OrderNotFillable": PostOnlyError,
    "InvalidOrder": InvalidOrderError,
    "AuthenticationError": ExchangeError,
    "ArgumentsRequired": ExchangeError,
    "BadRequest": ExchangeError,
    "OperationRejected": ExchangeError,
    "NotSupported": ExchangeError,
    "InvalidNonce": StampRefusedError,
}
_LIMITED: Final = ("RateLimitExceeded", "DDoSProtection")
_ANY: Final = "BaseError"
_UNKNOWN: Final = "no answer that tells what was done: it was done, or not, or will be; ask again"


def failure_of(
    error: Exception,
    heard: Heard,
    *,
    writing: bool,
    marks: Iterable[Mark] = (),
    secrets: Iterable[str] = (),
) -> ExchangeError:
    """Return what *error*, raised by a client of ccxt, means. Pure.

    Args:
        error: of ccxt, or whatever came up while an answer was taken apart.
        heard: what the server said.
        writing: whether an order was placed or cancelled.
        marks: what the venue's answers are known by.
        secrets: what must not stand in a text.

    >>> class RequestTimeout(Exception): pass
    >>> failure_of(RequestTimeout("binance POST"), Heard(sent=True), writing=True)
    NetworkError('RequestTimeout: binance POST (no answer that tells what was done: ...ask again)')
    """
    classes = [each.__name__ for each in type(error).__mro__]
    said = without_secrets(str(error), secrets)
    text = f"{classes[0]}: {said}" if said else classes[0]
    if not heard.sent:
        # It was refused here: by the client, which lacked something or took it for senseless.
        return _refusal(classes, text) or ExchangeError(text)
    if heard.status is None or heard.status >= 500:
        return NetworkError(f"{text} ({_UNKNOWN})")
    for mark in marks:
        if mark.text in str(error):
            unknown = mark.error is NetworkError
            return mark.error(f"{text} ({_UNKNOWN})" if unknown else text)
    if heard.status in (418, 429) or any(name in classes for name in _LIMITED):
        return RateLimitedError(text, heard.retry_after_ms)
    refusal = _refusal(classes, text)
    if refusal is not None:
        return refusal
    if not writing and "ExchangeError" in classes and _ANY in classes:
        return ExchangeError(text)
    return NetworkError(f"{text} ({_UNKNOWN})")


def _refusal(classes: list[str], text: str) -> ExchangeError | None:
    if _ANY not in classes:
        return None
    for name in classes:
        if name in _REFUSED:
            return _REFUSED[name](text)
    return None


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return *text* on one line, cut, and without what was signed or is secret. Pure.

    >>> without_secrets("binance GET https://x/api?symbol=A&signature=12 502", ["GET"])
    'binance *** https://x/api?*** 502'
    """
    # What is secret goes first, or half of it could be left where the text is cut.
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(r"((?:http|ws)s?://[^\s?]*\?)\S*", r"\1***", " ".join(text.split()))
    # It goes to terminals and logs, and what a venue wrote must not command them.
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

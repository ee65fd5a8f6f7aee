"""Names: the canonical key of a price, and client order ids that say whose order it is.

A client order id is ``{prefix}-{slot key}-{B|S}{sequence}``, so a process that has lost
everything still knows its own orders, their slots and their sides by their ids alone.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from ..errors import AmountTypeError, AmountValueError, ClientIdError, OrderMismatchError
from .model import Side, check_amount

__all__ = [
    "MAX_CLIENT_OID",
    "MAX_SEQUENCE",
    "ClientOid",
    "check_prefix",
    "client_order_id",
    "parse_client_oid",
    "price_key",
    "sequence_in",
    "split_client_oid",
]

MAX_CLIENT_OID = 36
"""The longest client order id that the venues take, in characters."""

MAX_SEQUENCE = 99_999_999
"""The highest sequence number of an order within its slot."""

_PREFIX = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
# Only canonical text parses: a key without leading or trailing zeros, a sequence from 1.
_CLIENT_OID = re.compile(
    r"([A-Za-z0-9_]+)-((?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?)-([BS])([1-9][0-9]{0,7})", re.ASCII
)
_SIDES = {"B": Side.BUY, "S": Side.SELL}


class ClientOid(NamedTuple):
    """What a client order id says: the slot's key, the side, the sequence in the slot."""

    slot: str
    side: Side
    sequence: int


def price_key(price: Decimal | int | str) -> str:
    """Return the canonical key of *price*: plain decimal digits without trailing zeros.

    Equal prices have equal keys, whatever their notation, and different prices different
    ones: nothing is rounded. The key is the text that `Decimal` reads back.

    Raises:
        AmountTypeError: *price* is a float (also a `TypeError`), or of another type.
        AmountValueError: it is no number, not finite, or not more than zero.

    >>> price_key(50000), price_key("50000.00"), price_key(Decimal("5E+4"))
    ('50000', '50000', '50000')
    >>> price_key("50000.50")
    '50000.5'
    """
    if isinstance(price, Decimal):
        number = price
    elif isinstance(price, str):
        try:
            number = Decimal(price)
        except InvalidOperation:
            raise AmountValueError("price", repr(price), "it is no decimal number") from None
    elif isinstance(price, int) and not isinstance(price, bool):
        number = Decimal(price)
    else:
        raise AmountTypeError("price", price)
    text = format(check_amount("price", number, positive=True), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_prefix(prefix: str) -> str:
    """Return *prefix* if client order ids can begin with it.

    Raises:
        ClientIdError: it is empty or has characters other than ASCII letters, digits and
            the underscore (the dash separates the parts of an id).
    """
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise ClientIdError(
            f"prefix {prefix!r} cannot begin a client order id; use ASCII letters, digits and _"
        )
    return prefix


def client_order_id(prefix: str, price: Decimal | int | str, side: Side, sequence: int) -> str:
    """Return the client order id of the *sequence*-th order of the slot at *price*.

    *price* is the slot's price (or its key), not the order's. Both sides of a slot share one
    sequence, from 1. The result has at most 36 characters and `parse_client_oid` reads it
    back.

    Raises:
        ClientIdError: the prefix or the sequence is not of the form, or the id is too long.

    >>> client_order_id("grid", Decimal("50000.0"), Side.BUY, 12)
    'grid-50000-B12'
    """
    check_prefix(prefix)
    if isinstance(sequence, bool) or not isinstance(sequence, int):
        raise ClientIdError(f"sequence {sequence!r} is no int")
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise ClientIdError(f"sequence {sequence} is not from 1 to {MAX_SEQUENCE}")
    client_oid = f"{prefix}-{price_key(price)}-{side.value[0]}{sequence}"
    if len(client_oid) > MAX_CLIENT_OID:
        raise ClientIdError(
            f"client order id {client_oid!r} has {len(client_oid)} characters, venues take "
            f"{MAX_CLIENT_OID}; use a shorter prefix"
        )
    return client_oid


def split_client_oid(text: str) -> tuple[str, ClientOid] | None:
    """Return the prefix and the parts of a client order id, or None if it is not of the form.

    >>> split_client_oid("grid-50000-B12")
    ('grid', ClientOid(slot='50000', side=<Side.BUY: 'BUY'>, sequence=12))
    >>> split_client_oid("web_F5CNSgkUd5Rxp4UN4eWw") is None
    True
    """
    match = _CLIENT_OID.fullmatch(text)
    if match is None or len(text) > MAX_CLIENT_OID or match[2] == "0":
        return None
    return match[1], ClientOid(match[2], _SIDES[match[3]], int(match[4]))


def parse_client_oid(text: str, prefix: str) -> ClientOid | None:
    """Return what an id of ours says, or None if it is foreign.

    Ours is exactly what `client_order_id` makes with *prefix*: an id that merely looks alike
    (another prefix, a key or sequence in another notation) is foreign.

    >>> parse_client_oid("grid-50000.5-S3", "grid")
    ClientOid(slot='50000.5', side=<Side.SELL: 'SELL'>, sequence=3)
    >>> parse_client_oid("grid-50000.5-S3", "other") is None
    True
    """
    parts = split_client_oid(text)
    return parts[1] if parts is not None and parts[0] == prefix else None


def sequence_in(slot_key: str, side: Side, client_oid: str) -> int:
    """Return the sequence of an order of *side* in the slot *slot_key*, by its id.

    Raises:
        OrderMismatchError: the id names another slot, or another side, or none.

    >>> sequence_in("50000", Side.BUY, "grid-50000-B12")
    12
    """
    parts = split_client_oid(client_oid)
    if parts is None:
        raise OrderMismatchError(
            client_oid, "its id does not name a slot, so it is no order of this one"
        )
    _, (key, named_side, sequence) = parts
    if key != slot_key:
        raise OrderMismatchError(client_oid, f"it is of slot {key}, not of slot {slot_key}")
    if named_side is not side:
        raise OrderMismatchError(client_oid, f"its id says {named_side}, it is said to be {side}")
    return sequence

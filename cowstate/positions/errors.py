"""The errors of the position manager, the reconciler and the paper exchange.

They have the base and the manners of the library's own: see `cowstate.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable

from cowstate import CowstateError

__all__ = [
    "AmountTypeError",
    "AmountValueError",
    "ClientIdError",
    "OrderMismatchError",
    "RetiredOrderError",
    "SlotBusyError",
    "ClockError",
    "ExchangeError",
    "OrderNotFoundError",
    "OrderNotFoundYetError",
    "OrderPurgedError",
    "OrderRefusedError",
    "DuplicateOrderIdError",
    "InsufficientFundsError",
    "InvalidOrderError",
    "RateLimitedError",
    "NetworkError",
    "TapeError",
    "ShortfallError",
    "OtherGridError",
]


class AmountTypeError(CowstateError, TypeError):
    """A price, quantity or other amount is not a `decimal.Decimal`."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value_type = type(value)
        why = ", because a float is already rounded" if isinstance(value, float) else ""
        super().__init__(
            f"{name} is of type {type(value).__name__} ({value!r}); give a decimal.Decimal made "
            f"from a string or an int{why}"
        )


class AmountValueError(CowstateError, ValueError):
    """A price, quantity or other amount is NaN, infinite, of the wrong sign or impossible."""

    def __init__(self, name: str, value: object, problem: str) -> None:
        self.name = name
        self.value = value
        super().__init__(f"{name} is {value}: {problem}")


class ClientIdError(CowstateError, ValueError):
    """A client order id cannot be made: its parts are not of the form, or it is too long."""


class OrderMismatchError(CowstateError, ValueError):
    """An order update contradicts the order known under its id, or belongs to another slot."""

    def __init__(self, client_oid: str, problem: str) -> None:
        self.client_oid = client_oid
        super().__init__(f"order {client_oid!r}: {problem}")


class RetiredOrderError(CowstateError, LookupError):
    """An update is of an order that its slot no longer remembers, so it was not counted."""

    def __init__(self, client_oid: str, sequence: int, retired_sequence: int) -> None:
        self.client_oid = client_oid
        self.sequence = sequence
        self.retired_sequence = retired_sequence
        super().__init__(
            f"order {client_oid!r}: the slot has forgotten its orders up to sequence "
            f"{retired_sequence}, so this update cannot be told from one that was counted; "
            "compare the position with the exchange's"
        )


class SlotBusyError(CowstateError, RuntimeError):
    """A slot takes no order while one is working in it."""

    def __init__(self, client_oid: str, working: str) -> None:
        self.client_oid = client_oid
        self.working = working
        super().__init__(
            f"order {client_oid!r} cannot be opened: {working!r} is working in the slot; wait "
            "until it is over, or cancel it"
        )


class ClockError(CowstateError, RuntimeError):
    """A clock was driven by a thread that may not drive it now."""


class ExchangeError(CowstateError):
    """An exchange refused a request; nothing was done."""


class OrderNotFoundError(ExchangeError, LookupError):
    """The exchange knows no such order, or, for a cancellation, none that still works.

    By itself it says no more than that: the order was never there, or cannot be seen yet, or was
    there and is forgotten. Which of them it may be follows from what the venue promises. Raise
    one of the two below only where the venue itself says so.
    """


class OrderNotFoundYetError(OrderNotFoundError):
    """The exchange says that an order was taken and cannot be seen yet: ask again."""


class OrderPurgedError(OrderNotFoundError):
    """The exchange says that an order was there, is over, and that its record is gone."""


class OrderRefusedError(ExchangeError):
    """An order was not taken, for a reason that the exchange gave. No such order exists."""


class DuplicateOrderIdError(ExchangeError):
    """An order was not taken, because the exchange knows its client order id already.

    So this request made nothing, and an order under that id *exists*, or did: it may be the very
    order, which an earlier request placed whose answer was lost. Never take it for a refusal.
    """


class InsufficientFundsError(OrderRefusedError):
    """An order was not taken, because margin or balance do not suffice."""


class InvalidOrderError(OrderRefusedError):
    """An order was not taken, because it breaks a rule of the exchange: tick, lot, least cost."""


class RateLimitedError(ExchangeError):
    """A request was refused unread, because there were too many: nothing was done.

    Attributes:
        retry_after_ms: how long to wait before the next request; None where it was not said.
    """

    def __init__(self, message: str, retry_after_ms: int | None = None) -> None:
        self.retry_after_ms = retry_after_ms
        super().__init__(message)


class NetworkError(ExchangeError, OSError):
    """No answer came: the request may have been executed or not, and may still be."""


class TapeError(CowstateError, ValueError):
    """A file of trades cannot be read.

    Attributes:
        path: the file, as it was named.
        row: the line of the file that is wrong, from 1, the header counted; None where the
            file as a whole is.
        problem: what is wrong, and what to do.
    """

    def __init__(self, path: object, row: int | None, problem: str) -> None:
        self.path = str(path)
        self.row = row
        self.problem = problem
        where = self.path if row is None else f"{self.path}, row {row}"
        super().__init__(f"{where}: {problem}")


class ShortfallError(CowstateError, RuntimeError):
    """A total position cannot be reached, because too few slots may be changed.

    Attributes:
        wanted: the total position that was asked for.
        missing: what is left over, signed: positive where more should have been added.
    """

    def __init__(self, wanted: object, missing: object) -> None:
        self.wanted = wanted
        self.missing = missing
        super().__init__(
            f"a total position of {wanted} cannot be reached: {missing} is left over, for slots "
            "with a working order are not changed and others take one order's quantity each; "
            "cancel working orders and try again"
        )


class OtherGridError(CowstateError, ValueError):
    """A file holds the positions of another grid than the one that it was opened for.

    Attributes:
        path: the file.
        fields: what differs, by the names of `GridConfig`.
    """

    def __init__(
        self, path: str, differs: Iterable[tuple[str, object, object]], final: bool
    ) -> None:
        found = tuple(differs)
        self.path = path
        self.fields = tuple(name for name, _, _ in found)
        what = "; ".join(f"{name} is {held} there, and {given} here" for name, held, given in found)
        then = (
            "its orders are not of this grid, so open the file that belongs to it, or a new one"
            if final
            else "give the grid that it was kept with, or say regrid=True to go on with this one"
        )
        super().__init__(f"{path} holds another grid: {what}; {then}")

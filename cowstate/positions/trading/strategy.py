"""The grid strategy at work: from a price to requests, and from their answers to the manager."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from ..book.ids import parse_client_oid
from ..book.model import ActionKind, ActionOutcome, ActionResult, OrderAction, OrderUpdate
from ..errors import DuplicateOrderIdError, ExchangeError, NetworkError
from ..exchange.protocol import Exchange, OrderRequest
from .manager import PositionManager
from .permit import TRADING, Permit
from .sending import going_out

__all__ = ["GridStrategy", "action_result", "order_request"]

_Answers: TypeAlias = Sequence[OrderUpdate | ExchangeError]


class GridStrategy:
    """Carries out at an exchange what `PositionManager.calculate_adjustments` wants done.

    Decides nothing: what to do is `plan_grid`'s, what came of it is the manager's. One step at a
    time; the manager and the exchange may be used by others meanwhile.

    Args:
        manager: whose grid it works on.
        exchange: where the orders go.
        time_ms: the clock, the same as the manager's.
        permit: says whether orders may be placed, or the position is to be closed instead:
            `Reconciler.permit`. By default nothing holds the strategy back.
    """

    def __init__(
        self,
        manager: PositionManager,
        exchange: Exchange,
        time_ms: Callable[[], int],
        permit: Callable[[], Permit] = lambda: TRADING,
    ) -> None:
        self._manager = manager
        self._exchange = exchange
        self._symbol = manager.config.symbol
        self._time_ms = time_ms
        self._permit = permit

    def step(self, last_price: Decimal) -> int:
        """Send what *last_price* asks for, wait for the answers, and return how many were sent.

        Nothing is sent while that is not permitted; where the position is to be closed, what does
        that. Cancellations go first. An order without an answer stays PENDING, and so does one
        whose client id the exchange knows already: the order stream or the reconciler will tell
        what became of it. An `ExchangeError` for all requests at once counts as the answer to each.

        Raises:
            AmountTypeError, AmountValueError: *last_price* is no positive `Decimal`.
            ExchangeError: the exchange broke its contract: another number of answers than
                of requests.
        """
        permit = self._permit()
        if permit.flatten:
            actions = self._manager.calculate_flattening(last_price)
        elif permit.trade:
            actions = self._manager.calculate_adjustments(last_price)
        else:
            return 0
        cancels = [action for action in actions if action.kind is ActionKind.CANCEL]
        places: Sequence[OrderAction] = [
            action for action in actions if action.kind is ActionKind.PLACE
        ]
        if cancels:
            ids = [action.order_id for action in cancels if action.order_id is not None]
            self._learn(cancels, lambda: self._exchange.cancel_orders(ids, self._symbol))
            # That took time, and a pass may have given up meanwhile what has not gone out.
            places = going_out(self._manager.store, places, self._time_ms())
        if places:
            taking = permit.flatten
            requests = [order_request(action, self._symbol, not taking) for action in places]
            self._learn(places, lambda: self._exchange.create_orders(requests))
        return len(cancels) + len(places)

    def _learn(self, actions: Sequence[OrderAction], request: Callable[[], _Answers]) -> None:
        answers: _Answers
        try:
            answers = request()
        except ExchangeError as error:
            # Noted as requested and never answered, a cancellation would not be asked for again.
            answers = [error] * len(actions)
        if len(answers) != len(actions):
            raise ExchangeError(
                f"the exchange gave {len(answers)} answers to {len(actions)} requests"
            )
        now = self._time_ms()
        self._manager.apply_action_results(
            [
                action_result(action, answer, now, self._manager.config.prefix)
                for action, answer in zip(actions, answers, strict=True)
            ]
        )


def order_request(action: OrderAction, symbol: str, post_only: bool = True) -> OrderRequest:
    """Return the request that carries out the PLACE *action*."""
    return OrderRequest(
        symbol,
        action.side,
        action.quantity,
        action.price,
        action.client_oid,
        post_only=post_only,
    )


def action_result(
    action: OrderAction, answer: OrderUpdate | ExchangeError, time_ms: int, prefix: str
) -> ActionResult:
    """Return what *answer* means for *action*, for `PositionManager.apply_action_results`.

    No answer is UNKNOWN, and so is an id that is taken: it proves an order, perhaps this one.
    *prefix* is that of our client ids, *time_ms* when the answer came. Pure.
    """
    if isinstance(answer, (NetworkError, DuplicateOrderIdError)):
        return ActionResult(action, ActionOutcome.UNKNOWN, reason=str(answer), time_ms=time_ms)
    if isinstance(answer, ExchangeError):
        return ActionResult(action, ActionOutcome.REJECTED, reason=str(answer), time_ms=time_ms)
    if parse_client_oid(answer.client_oid, prefix) is None:
        # Some venues do not repeat our id; whose answer it is, its place says.
        answer = answer.replace(client_oid=action.client_oid)
    return ActionResult(action, ActionOutcome.ACCEPTED, answer, time_ms=time_ms)

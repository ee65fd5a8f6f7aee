"""Positions of a grid trader: the reference application, on the public surface of the core.

A `PositionManager` holds the slots of a grid in a store: its snapshots are free, its order
events are joined, so they may be lost, doubled or late. A `Reconciler` holds those snapshots
against an `Exchange`, whatever moves meanwhile, and corrects only what is proven. `PaperExchange`
plays recorded trades against it on a `VirtualClock` or, with real threads, a `ThreadedClock`.
"""

from .book.account import Account, QuantityCorrection
from .book.blotter import PositionUpdate
from .book.config import GridConfig
from .book.findings import Dispute
from .book.ids import client_order_id, parse_client_oid, price_key
from .book.model import (
    ActionKind,
    ActionOutcome,
    ActionResult,
    Fill,
    OrderAction,
    OrderStatus,
    OrderUpdate,
    PositionStatus,
    Side,
    SlotStatus,
)
from .book.orders import apply_order_update, fills_of
from .book.remembered import BreakerState, PastDivergence
from .book.reports import FeeAsset, Leg, PositionReport, TradeKind, TradeReport
from .book.slots import InventorySlot, Order
from .book.store import Slots
from .book.sync import plan_force_sync, plan_restore
from .exchange.listing import Listing
from .exchange.promises import FOREVER, VenuePromises
from .exchange.protocol import Exchange, OrderRequest
from .reconcile.alarms import Alarm, AlarmKind
from .reconcile.breaker import CircuitBreaker
from .reconcile.policy import ReconcilePolicy, Remedy
from .reconcile.reconciler import Reconciler
from .reconcile.report import Correction, CorrectionKind, PassOutcome, PassReport, ReconcilerStatus
from .reconcile.verdicts import Verdict, VerdictKind
from .simulation.clock import Clock, VirtualClock
from .simulation.paper import Faults, PaperExchange
from .simulation.tape import Trade, read_tape, synthetic_tape
from .simulation.threaded import ThreadedClock
from .trading.grid import plan_grid
from .trading.manager import PositionManager
from .trading.outcomes import UpdateOutcome
from .trading.permit import Permit

__all__ = [
    # the slots and who holds them
    "PositionManager",
    "GridConfig",
    "InventorySlot",
    "Order",
    "Slots",
    "Account",
    "SlotStatus",
    "PositionStatus",
    "PositionUpdate",
    "Fill",
    "UpdateOutcome",
    # orders
    "OrderUpdate",
    "OrderStatus",
    "Side",
    "OrderAction",
    "ActionKind",
    "ActionResult",
    "ActionOutcome",
    # the pure functions
    "apply_order_update",
    "fills_of",
    "plan_grid",
    "plan_force_sync",
    "plan_restore",
    "price_key",
    "client_order_id",
    "parse_client_oid",
    # reconciling
    "Reconciler",
    "ReconcilePolicy",
    "ReconcilerStatus",
    "PassReport",
    "PassOutcome",
    "Correction",
    "CorrectionKind",
    "CircuitBreaker",
    "BreakerState",
    "Remedy",
    "Verdict",
    "VerdictKind",
    "Alarm",
    "AlarmKind",
    "Permit",
    "PastDivergence",
    "Dispute",
    "QuantityCorrection",
    # the exchange
    "Exchange",
    "OrderRequest",
    "Listing",
    "VenuePromises",
    "FOREVER",
    "PositionReport",
    "TradeReport",
    "TradeKind",
    "FeeAsset",
    "Leg",
    "PaperExchange",
    "Faults",
    "Clock",
    "VirtualClock",
    "ThreadedClock",
    "Trade",
    "read_tape",
    "synthetic_tape",
]

"""How a tape is replayed: `ReplayOptions`."""

from __future__ import annotations

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..book.config import GridConfig
from ..reconcile.policy import ReconcilePolicy
from .line import Faults

__all__ = ["ReplayOptions"]


class ReplayOptions(Record):
    """How a tape is replayed.

    Attributes:
        grid: what is traded.
        reconcile_ms: virtual milliseconds between two reconcile passes.
        latency_ms: how long each message takes, in each direction.
        threads: whether feed, strategy and reconciler are real threads; else everything
            happens on one, and the same options give the same report.
        faults: what goes wrong on the line.
        policy: when the reconciler judges, and what it does.

    Raises:
        ArgumentTypeError: a field is of the wrong type.
        ArgumentValueError: a time is too small.
    """

    grid: GridConfig
    reconcile_ms: int = 5_000
    latency_ms: int = 50
    threads: bool = False
    faults: Faults = Faults()
    policy: ReconcilePolicy = ReconcilePolicy()

    def __post_init__(self) -> None:
        for name, kind in (
            ("grid", GridConfig),
            ("reconcile_ms", int),
            ("latency_ms", int),
            ("threads", bool),
            ("faults", Faults),
            ("policy", ReconcilePolicy),
        ):
            if type(getattr(self, name)) is not kind:
                given = type(getattr(self, name)).__name__
                raise ArgumentTypeError(f"{name} is of type {given}, not {kind.__name__}")
        for name, value, least in (
            ("reconcile_ms", self.reconcile_ms, 1),
            ("latency_ms", self.latency_ms, 0),
        ):
            if value < least:
                raise ArgumentValueError(f"{name} is {value}; it must be {least} or more")

"""The samples of what a reconciler tells of itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..positions import AlarmKind, CorrectionKind, ReconcilerStatus, VerdictKind
from .samples import Sample, Samples

__all__ = ["samples_of_reconciler"]


def samples_of_reconciler(name: str, status: ReconcilerStatus) -> list[Sample]:
    """Return the samples of one status. Pure.

    >>> status = ReconcilerStatus("BTCUSDT", time_ms=9_000, in_doubt_since_ms=2_000)
    >>> for each in samples_of_reconciler("btc", status):
    ...     if each.metric.name == "cowstate.reconciler.doubt.age":
    ...         print(each.labels, each.value)
    ('btc', 'position') 7.0
    ('btc', 'dispute') 0.0
    """
    of, now = Samples(name), status.time_ms
    of.note("reconciler.passes", status.passes, "done")
    of.note("reconciler.passes", status.abandoned, "abandoned")
    of.note("reconciler.passes", status.failures, "failed")
    if status.last is not None:
        of.note("reconciler.pass.age", _age([status.last.time_ms], now))
    of.note("reconciler.running", status.running)
    made = dict(status.corrections)
    for kind in CorrectionKind:
        of.note("reconciler.corrections", made.get(kind, 0), kind)
    for alarm in AlarmKind:
        since = [each.since_ms for each in status.alarms if each.kind is alarm]
        of.note("reconciler.alarms", len(since), alarm)
        of.note("reconciler.alarm.age", _age(since, now), alarm)
    of.note("reconciler.halted", bool(status.halted))
    of.note("reconciler.waits", bool(status.waits_for))
    of.note("reconciler.worry", status.worry)
    _note_verdict(of, status)
    of.note("reconciler.held", status.held)
    if status.agreed_ms is not None:
        of.note("reconciler.agreement.age", _age([status.agreed_ms], now))
    of.note("reconciler.disputes", len(status.disputes))
    doubt = [] if status.in_doubt_since_ms is None else [status.in_doubt_since_ms]
    of.note("reconciler.doubt.age", _age(doubt, now), "position")
    disputes = [each.since_ms for each in status.disputes]
    of.note("reconciler.doubt.age", _age(disputes, now), "dispute")
    return of


def _note_verdict(of: Samples, status: ReconcilerStatus) -> None:
    verdict = status.verdict
    of.note_which("reconciler.verdict", None if verdict is None else verdict.kind, VerdictKind)
    if verdict is not None and verdict.possible is not None:
        of.note("reconciler.interval.lowest", verdict.possible.lowest)
        of.note("reconciler.interval.highest", verdict.possible.highest)
        of.note("reconciler.interval.width", verdict.possible.width)


def _age(since_ms: Iterable[int], now_ms: int) -> float:
    """Return how long ago, in seconds, the first of these was; 0 if there is none."""
    return max(now_ms - min(since_ms, default=now_ms), 0) / 1_000

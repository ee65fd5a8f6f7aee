"""What somebody should look at, since when, and whether trading may go on meanwhile.

Silence is an alarm: an endpoint that does not answer, and a position of which nothing is known
exactly, are told by their age, and halt trading where the policy says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from cowstate import Record

from ..book.findings import Dispute
from .lags import Contradiction
from .policy import ReconcilePolicy
from .standing import Overdue

__all__ = ["Alarm", "AlarmKind", "Watch", "alarms_of", "halted_by", "waits_for"]


class AlarmKind(StrEnum):
    """What is wrong.

    DOUBT: nothing was known exactly for too long. SILENCE: something that is asked for in each
    pass has not been answered for too long. DISPUTE: the book holds a fill that the venue's list
    does not show, or a fact contradicts what is held. PROMISE: answers contradict what the venue
    promises.
    """

    DOUBT = "DOUBT"
    SILENCE = "SILENCE"
    DISPUTE = "DISPUTE"
    PROMISE = "PROMISE"


class Alarm(Record):
    """One thing that somebody should look at; *halts* says that trading is to stop for it."""

    kind: AlarmKind
    what: str
    since_ms: int
    halts: bool
    why: str


class Watch(Record):
    """What was heard when, by our clock: what alarms of age follow from.

    Attributes:
        began_ms: when this life began.
        exact_ms: when the newest look came that left one number; None: none did in this life.
        agreed_ms: when the newest look came that left zero alone; likewise.
        heard: for each endpoint that was asked, when it was last answered in full.
    """

    began_ms: int
    exact_ms: int | None = None
    agreed_ms: int | None = None
    heard: tuple[tuple[str, int], ...] = ()

    def asked(self, endpoint: str, answered: bool, now_ms: int) -> Watch:
        """Return the watch after *endpoint* was asked; one never heard of counts from now on."""
        known = dict(self.heard)
        if answered or endpoint not in known:
            known[endpoint] = now_ms
        return self.replace(heard=tuple(sorted(known.items())))

    def looked(self, exact_ms: int | None, agreed_ms: int | None) -> Watch:
        """Return the watch after looks were judged; None: none of them was exact, or agreed."""
        return self.replace(
            exact_ms=self.exact_ms if exact_ms is None else exact_ms,
            agreed_ms=self.agreed_ms if agreed_ms is None else agreed_ms,
        )


def alarms_of(
    watch: Watch,
    now_ms: int,
    policy: ReconcilePolicy,
    overdue: Iterable[Overdue] = (),
    contradicted: Iterable[Contradiction] = (),
    disputes: Iterable[Dispute] = (),
) -> tuple[Alarm, ...]:
    """Return what somebody should look at now. Pure.

    >>> watch = Watch(began_ms=0, exact_ms=1_000).asked("positions", True, 2_000)
    >>> [alarm.what for alarm in alarms_of(watch, 61_500, ReconcilePolicy())]
    ['position']
    >>> alarms_of(watch, 30_000, ReconcilePolicy())
    ()
    """
    alarms: list[Alarm] = []
    known_ms = watch.began_ms if watch.exact_ms is None else watch.exact_ms
    _add_if_old(
        alarms, AlarmKind.DOUBT, "position", known_ms, now_ms, policy, "has not been known exactly"
    )
    for endpoint, heard_ms in watch.heard:
        _add_if_old(
            alarms,
            AlarmKind.SILENCE,
            endpoint,
            heard_ms,
            now_ms,
            policy,
            "was not answered in full",
        )
    for each in overdue:
        why = (
            f"order {each.client_oid}: {each.quantity} stands in the book and not in the venue's "
            "list of trades"
        )
        alarms.append(Alarm(AlarmKind.DISPUTE, each.client_oid, each.before_ms, False, why))
    for dispute in disputes:
        why = (
            f"order {dispute.client_oid}: its {dispute.about} is {dispute.ours} here, and the "
            f"venue says {dispute.theirs}"
        )
        alarms.append(Alarm(AlarmKind.DISPUTE, dispute.client_oid, dispute.since_ms, False, why))
    for broken in contradicted:
        alarms.append(Alarm(AlarmKind.PROMISE, broken.promise, broken.seen_ms, False, broken.why))
    return tuple(alarms)


def _add_if_old(
    alarms: list[Alarm],
    kind: AlarmKind,
    what: str,
    since_ms: int,
    now_ms: int,
    policy: ReconcilePolicy,
    saying: str,
) -> None:
    age = now_ms - since_ms
    if age > policy.alarm_ms:
        halts = policy.halt_ms is not None and age > policy.halt_ms
        alarms.append(Alarm(kind, what, since_ms, halts, f"{what} {saying} for {age} ms"))


def halted_by(alarms: Iterable[Alarm]) -> str | None:
    """Return why trading is to stop, None if none of *alarms* demands it."""
    return next((alarm.why for alarm in alarms if alarm.halts), None)


def waits_for(watch: Watch, policy: ReconcilePolicy) -> str | None:
    """Return what trading waits for at the start of a life, None if it need not wait. Pure.

    >>> waits_for(Watch(began_ms=0), ReconcilePolicy())
    'no look of this life has agreed exactly yet'
    """
    if policy.gate and watch.agreed_ms is None:
        return "no look of this life has agreed exactly yet"
    return None

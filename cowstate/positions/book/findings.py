"""What is known of orders that is no fact yet: not found since when, listed though over, disputed.

`Findings` belong to one version of the slots, as a `Ledger` does, and are published, saved and
restored with them. All times are of our own clock.
"""

from __future__ import annotations

from collections.abc import Iterable

from cowstate import Record

from .model import OrderId

__all__ = ["Absent", "Dispute", "Findings", "Ghost"]


_SETTLED = 64


class Absent(Record):
    """An order that is alive here and that the venue did not find: first *since_ms*.

    *last_ms* is when the latest request left that was answered so. *acknowledged* is whether the
    venue had told of the order when it was asked for.
    """

    client_oid: str
    since_ms: int
    last_ms: int
    acknowledged: bool = False


class Ghost(Record):
    """An order of ours that the venue lists as working, and that no slot has at work.

    It is over here, or forgotten, or another order has its client id. *since_ms* is when it was
    first listed so.
    """

    order_id: OrderId
    client_oid: str
    since_ms: int


class Dispute(Record):
    """A fact that contradicts what is held: somebody has to settle it.

    What is certain in it has been counted; this is the rest. It is kept until it is settled, and is
    never tried again as a fact.

    Attributes:
        client_oid: our id of the order.
        order_id: the venue's id of what the fact was about.
        about: what they disagree on.
        ours: what is held here.
        theirs: what the venue says.
        since_ms: when it was first said.
    """

    client_oid: str
    order_id: OrderId | None
    about: str
    ours: str
    theirs: str
    since_ms: int

    def is_about_the_same(self, other: Dispute) -> bool:
        """Whether both say the same of one order, whenever they were found."""
        return self.replace(since_ms=0) == other.replace(since_ms=0)


class Findings(Record):
    """All of that, each sorted by its client id.

    *settled_disputes* are the last 64 that somebody has looked at: they are not raised again.
    *asked* is when each order was asked for last, so that who has waited longest comes first.
    *given_up* is what was absent and is over, as long as somebody may still find it.

    >>> found = Findings().not_found("g-100-B1", 1_000).not_found("g-100-B1", 6_000)
    >>> found.absence("g-100-B1")
    Absent(client_oid='g-100-B1', since_ms=1000, last_ms=6000, acknowledged=False)
    >>> found.found("g-100-B1").absence("g-100-B1") is None
    True
    """

    absent: tuple[Absent, ...] = ()
    ghosts: tuple[Ghost, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    asked: tuple[tuple[str, int], ...] = ()
    settled_disputes: tuple[Dispute, ...] = ()
    given_up: tuple[Absent, ...] = ()

    def absence(self, client_oid: str) -> Absent | None:
        """Return since when an order was not found; None if it was, or was not asked for."""
        return next((each for each in self.absent if each.client_oid == client_oid), None)

    def gave_up(self, client_oid: str) -> Absent | None:
        """Return for how long an order that is over was not found; None if it was."""
        return next((each for each in self.given_up if each.client_oid == client_oid), None)

    def ghost(self, order_id: OrderId) -> Ghost | None:
        """Return since when an order is listed that should not be; None if it is not."""
        return next((each for each in self.ghosts if each.order_id == order_id), None)

    def not_found(self, client_oid: str, asked_ms: int, acknowledged: bool = False) -> Findings:
        """Return the findings when a request that left at *asked_ms* found no such order.

        What was not found before the venue told of it, and is not found again, is counted from
        anew: it may have come only just now.
        """
        known = self.absence(client_oid)
        same = known is not None and known.acknowledged is acknowledged
        since_ms = known.since_ms if known is not None and same else asked_ms
        others = tuple(each for each in self.absent if each.client_oid != client_oid)
        now = Absent(client_oid, since_ms, asked_ms, acknowledged)
        return self.replace(absent=tuple(sorted((*others, now), key=_client_oid)))

    def found(self, client_oid: str) -> Findings:
        """Return the findings when the venue has told of an order: it is not absent."""
        if self.absence(client_oid) is None and self.gave_up(client_oid) is None:
            return self
        return self.replace(
            absent=tuple(each for each in self.absent if each.client_oid != client_oid),
            given_up=tuple(each for each in self.given_up if each.client_oid != client_oid),
        )

    def listed_though_over(self, order_id: OrderId, client_oid: str, now_ms: int) -> Findings:
        """Return the findings when an order is listed as working that is not at work here."""
        if self.ghost(order_id) is not None:
            return self
        ghosts = (*self.ghosts, Ghost(order_id, client_oid, now_ms))
        return self.replace(ghosts=tuple(sorted(ghosts, key=_client_oid)))

    def laid(self, order_id: OrderId) -> Findings:
        """Return the findings when a ghost has turned out to be none, or is being cancelled."""
        return self.replace(ghosts=tuple(each for each in self.ghosts if each.order_id != order_id))

    def disputed(self, dispute: Dispute) -> Findings:
        """Return the findings with *dispute*; the same ones if that is known, or was settled."""
        known = (*self.disputes, *self.settled_disputes)
        if any(dispute.is_about_the_same(each) for each in known):
            return self
        disputes = (*self.disputes, dispute)
        return self.replace(disputes=tuple(sorted(disputes, key=_client_oid)))

    def settled(self, dispute: Dispute) -> Findings:
        """Return the findings without *dispute*: somebody has looked at it."""
        rest = tuple(each for each in self.disputes if not dispute.is_about_the_same(each))
        if len(rest) == len(self.disputes):
            return self
        settled = (*self.settled_disputes[1 - _SETTLED :], dispute)
        return self.replace(disputes=rest, settled_disputes=settled)

    def asking(self, names: Iterable[str], now_ms: int) -> Findings:
        """Return the findings when the orders that *names* are of are asked for at *now_ms*."""
        asked = dict(self.asked)
        asked.update(dict.fromkeys(names, now_ms))
        return self.replace(asked=tuple(sorted(asked.items())))

    def only(self, names: Iterable[str], over: Iterable[str] = ()) -> Findings:
        """Return the findings without those of orders that are not of *names* any more.

        Ghosts and disputes are not of orders that are alive, and stay. What was absent and is
        among those that are *over* is given up.
        """
        kept, ended = set(names), set(over)
        given_up = [
            each
            for each in (*self.given_up, *self.absent)
            if each.client_oid in ended and each.client_oid not in kept
        ]
        return self.replace(
            absent=tuple(each for each in self.absent if each.client_oid in kept),
            asked=tuple((name, when) for name, when in self.asked if name in kept),
            given_up=tuple(sorted(given_up, key=_client_oid)),
        )


def _client_oid(finding: Absent | Ghost | Dispute) -> str:
    return finding.client_oid

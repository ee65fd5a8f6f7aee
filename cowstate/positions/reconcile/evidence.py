"""What several looks have shown together: since when, in how many, and how large. `Evidence`."""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

from .possible import Possible

__all__ = ["Evidence"]

_ZERO = Decimal(0)


class Evidence(Record):
    """What is known of a divergence over the looks that were judged, one after the other.

    A divergence is *proven* while zero is none of the numbers that the looks allow together. That
    is not undone by a look that allows zero by an accident of fills, as long as it allows one of
    the other numbers as well; but only a look that does not allow zero itself adds to the proof.

    What it says of the size it never says of agreement: that several looks leave zero alone does
    not mean that all is well now, for old certainty would hide a new divergence. Agreement is
    a matter of one look.

    Attributes:
        possible: what all the looks since *since_ms* allow; None before the first.
        looks: how many looks *possible* comes from.
        since_ms: when the first of those came, by our clock.
        proofs: how many looks did not allow zero, in this proof; 0: nothing is proven.
        proven_ms: when the first of those came.
        last_ms: when the latest look came.
        last: what the latest look alone allows.

    >>> def may_be(*numbers): return Possible.of(map(Decimal, numbers))
    >>> seen = Evidence().after(may_be(5, 7), 1_000).after(may_be(0, 5), 2_000)
    >>> seen.exact, seen.proofs, seen.proven_for_ms
    (Decimal('5'), 1, 1000)
    """

    possible: Possible | None = None
    looks: int = 0
    since_ms: int = 0
    proofs: int = 0
    proven_ms: int = 0
    last_ms: int = 0
    last: Possible | None = None

    @property
    def proven(self) -> bool:
        """Whether there is a divergence for sure."""
        return self.proofs > 0

    @property
    def exact(self) -> Decimal | None:
        """The divergence, if the looks leave one number."""
        return None if self.possible is None else self.possible.exact

    @property
    def proven_for_ms(self) -> int:
        """From the first to the latest look of the proof; 0 if nothing is proven."""
        return self.last_ms - self.proven_ms if self.proven else 0

    @property
    def lasted_ms(self) -> int:
        """From the first to the latest of the looks that *possible* comes from."""
        return self.last_ms - self.since_ms

    def after(self, seen: Possible, came_ms: int) -> Evidence:
        """Return the evidence with one more look, which allows *seen*. Pure.

        Looks are to be added in the order in which they came. If *seen* has nothing in common
        with what was known, something has happened since, and the size begins again from *seen*; a
        proof goes on, unless *seen* allows zero.
        """
        common = None if self.possible is None else self.possible & seen
        if common is None:
            possible, looks, since_ms = seen, 1, came_ms
        else:
            possible, looks, since_ms = common, self.looks + 1, self.since_ms
        proofs, proven_ms = self.proofs, self.proven_ms
        if _ZERO in possible:
            proofs = proven_ms = 0
        elif _ZERO not in seen:
            proofs, proven_ms = proofs + 1, proven_ms if proofs else came_ms
        return Evidence(possible, looks, since_ms, proofs, proven_ms, came_ms, seen)

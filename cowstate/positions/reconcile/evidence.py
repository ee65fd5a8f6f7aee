"""What several looks have shown together: since when, in how many, and how large. `Evidence`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cowstate import Record

from ..book.model import EXACT
from .differences import Showing
from .looks import Window
from .possible import Possible

__all__ = ["Era", "Evidence"]

_ZERO = Decimal(0)


class Era(Record):
    """What a run of looks has shown together, until one came that shows something else.

    A venue that lags shows moments in any order, so either may be what is so since. By the venue's
    clock: the first of the run shows no moment after *since_ms*, and the one that ended it none
    after *until_ms*.
    """

    possible: Possible
    since_ms: int
    until_ms: int


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
        last: what the latest look alone allows. One that may be of before a change says nothing of
            what is so since: that allows all of *possible* too.
        sized_ms: when the latest look came that *possible* comes from.
        first: the moments that the first of those may show; None: it did not say.
        sized: likewise, the latest of those.
        shown: likewise, the latest look.
        eras: what the looks before had shown, as far as others may show it still, oldest first.
        mixed: whether a look has come that showed an earlier moment than one before it.
        together: what the looks allow together as they came, until they allow nothing: as if each
            were of after those before.

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
    sized_ms: int = 0
    first: Window | None = None
    sized: Window | None = None
    shown: Window | None = None
    eras: tuple[Era, ...] = ()
    mixed: bool = False
    together: Possible | None = None

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
        return self.sized_ms - self.since_ms

    @property
    def allowed(self) -> Possible | None:
        """*possible*, and what may be so as well where the looks come in any order."""
        allowed = self.possible
        for era in self.eras:
            if allowed is not None and self._may_be_last(era):
                allowed = allowed | era.possible
        return allowed

    @property
    def settled(self) -> bool:
        """Whether the latest look is of after all changes, and so is what *possible* comes from.

        By the fewest changes that explain the looks. Where these come in any order, an era may be
        what is so since as well, if its first look may show a later moment than all that
        *possible* comes from.
        """
        if self.sized_ms < self.last_ms:
            return False
        return not any(self._may_be_last(era) for era in self.eras)

    def after(
        self,
        seen: Possible,
        came_ms: int,
        window: Window | None = None,
        shows: Sequence[Showing] = (),
    ) -> Evidence:
        """Return the evidence with one more look, which allows *seen*. Pure; O(numbers * eras).

        Looks are to be added in the order in which they came. If *seen* has nothing in common
        with what was known, something has happened since, and the size begins again from *seen*; a
        proof goes on, unless *seen* allows zero.

        A venue that lags may go on answering with moments of before. So a look whose *window*, the
        moments that it may show, begins before a change, and that allows what was known until
        then, says nothing of what is so since. What it *shows* if it is of which moment makes that
        sharper. Without a window it is of after all changes.
        """
        possible, eras = self.possible, self._eras_of(window)
        common = None if possible is None else possible & seen
        known = [era for era in eras if era.possible & seen and self._may_show(era, shows)]
        together = (None if self.together is None else self.together & seen) or seen
        if known and possible is not None and (common is not None or not self._is_over(window)):
            proofs, proven_ms = self._proof(possible, seen, came_ms)
            return self.replace(
                proofs=proofs,
                proven_ms=proven_ms,
                last_ms=came_ms,
                last=seen | possible,
                shown=window,
                eras=eras,
                mixed=self.mixed or common is None,
                together=together,
            )
        if common is not None:
            looks, since_ms, first = self.looks + 1, self.since_ms, self.first
            begun_ms = _latest(common, shows)
            if first is not None and begun_ms is not None and begun_ms < first.highest:
                # By then it had begun, and what was before it was over.
                first = first.replace(lowest=min(first.lowest, begun_ms), highest=begun_ms)
                eras = tuple(era.replace(until_ms=min(era.until_ms, begun_ms)) for era in eras)
        else:
            looks, since_ms, first = 1, came_ms, window
            if possible is not None and self.first is not None and window is not None:
                eras = (*eras, Era(possible, self.first.highest, window.highest))
            # What was seen before the looks that are over was of after them.
            common = (known[-1].possible & seen if known else None) or seen
        proofs, proven_ms = self._proof(common, seen, came_ms)
        return Evidence(
            common,
            looks,
            since_ms,
            proofs,
            proven_ms,
            came_ms,
            seen,
            came_ms,
            first,
            window,
            window,
            eras,
            self.mixed,
            together,
        )

    def _eras_of(self, window: Window | None) -> tuple[Era, ...]:
        """Return the eras of which a look in *window* may tell, or one of before it has told."""
        if window is None:
            return self.eras
        return tuple(
            era for era in self.eras if era.until_ms >= window.lowest or self._may_be_last(era)
        )

    def _may_be_last(self, era: Era) -> bool:
        """Whether what that *era* was may be what is so by now."""
        return self.mixed and self.sized is not None and era.since_ms >= self.sized.lowest

    def _may_show(self, era: Era, shows: Sequence[Showing]) -> bool:
        """Whether a look that *shows* this may be of a moment of that *era*."""
        if not shows or self._may_be_last(era):
            return True
        return any(
            each.divergence in era.possible
            and (each.since_ms is None or each.since_ms <= era.until_ms)
            for each in shows
        )

    def _is_over(self, window: Window | None) -> bool:
        """Whether a look in *window* is of after what *possible* comes from began."""
        return window is not None and self.first is not None and window.lowest > self.first.highest

    def _proof(self, possible: Possible, seen: Possible, came_ms: int) -> tuple[int, int]:
        if _ZERO in possible:
            return 0, 0
        if _ZERO in seen:
            return self.proofs, self.proven_ms
        return self.proofs + 1, self.proven_ms if self.proofs else came_ms

    def moved(self, by: Decimal) -> Evidence:
        """Return what the latest look says of a book that holds *by* more. Pure.

        What others said is over, but for what was before a change: of that looks may tell still.
        """
        less = EXACT.minus(by)
        eras = tuple(era.replace(possible=era.possible.moved(less)) for era in self.eras)
        begun = Evidence()
        if self.last is not None:
            begun = begun.after(self.last.moved(less), self.last_ms, self.shown)
        return begun.replace(eras=eras, mixed=self.mixed)


def _latest(possible: Possible, shows: Sequence[Showing]) -> int | None:
    """Return until when a look that *shows* this may tell of *possible*; None: to its end."""
    untils = [each.until_ms for each in shows if each.divergence in possible]
    known = [until for until in untils if until is not None]
    return max(known) if known and len(known) == len(untils) else None

"""Which steps of a run might have come in another order: what partial-order reduction looks for.

Two steps of two threads that do not commute, and of which neither had to come first, are a *race*:
in another schedule they come in the other order. Where there is no race, to leave a thread leads
nowhere new. See `backtracking` for what follows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple

from .footprints import Footprint

__all__ = ["Move", "Race", "Races", "StepName"]

# Places beside those that steps touch: whoever touches something touches this, and
_SOME: Final = object()
# whoever may touch anything writes this.
_ANY: Final = object()


class StepName(NamedTuple):
    """The thread, and which of its steps: the same in all runs that come to the same."""

    thread: int
    number: int


class Move:
    """One step of one thread, in the order in which they were made.

    Attributes:
        at: the number of the point that it comes after; -1 if it was never made.
        thread: the number of the thread.
        touched: what the step touched.
        held: the primitives that the thread held before it, by their ``id``.
        busy: those that others could not have taken before it.
        taken: the primitive, by its ``id``, without which nothing of it can be done; None if there
            is none, or nobody knows.
        seized: the primitives that it used while another thread held them.
        waited: whether it only waited for what it takes. It touches nothing then.
        born: for the first of its thread, the place of the step that started it, or -1.
    """

    def __init__(
        self,
        at: int,
        thread: int,
        touched: Footprint,
        held: frozenset[int] = frozenset(),
        busy: frozenset[int] = frozenset(),
    ) -> None:
        self.at = at
        self.thread = thread
        self.touched = touched
        self.held = held
        self.busy = busy
        self.taken: int | None = None
        self.seized: frozenset[int] = frozenset()
        self.waited = False
        self.born = -1


class Race(NamedTuple):
    """Two steps, by their places.

    Attributes:
        early: the one that came first.
        late: the other.
        unless: if no step of another thread ever meets one of these, it is no race; empty if it is
            one in any case.
    """

    early: int
    late: int
    unless: tuple[int, ...] = ()


class Races:
    """What came before what in one run, for all that is known. Costs O(moves squared) at worst.

    Args:
        moves: the steps of the run. Told by their places.
        bounded: whether to be kept waiting counts: it lets others go on at no cost.
    """

    def __init__(self, moves: Sequence[Move], bounded: bool) -> None:
        self._moves = moves
        self._bounded = bounded

    def __iter__(self) -> Iterator[Race]:
        """Return each race."""
        moves = self._moves
        # For each move the latest of each thread that had to come before it, itself included.
        before: list[dict[int, int]] = []
        latest: dict[int, int] = {}
        for late, move in enumerate(moves):
            mine = latest.get(move.thread, move.born)
            known = before[mine] if mine >= 0 else {}
            after = dict(known)
            for early in range(late - 1, -1, -1):
                other = moves[early]
                thread = other.thread
                if thread == move.thread or known.get(thread, -1) >= early:
                    continue
                if other.touched.meets(move.touched):
                    if not self._is_kept_out(early, late):
                        yield Race(early, late)
                    elif gone := self._on_the_way(early, late):
                        yield Race(early, late, gone)
                    if after.get(thread, -1) < early:
                        for each, place in before[early].items():
                            if after.get(each, -1) < place:
                                after[each] = place
            after[move.thread] = latest[move.thread] = late
            before.append(after)

    def _is_kept_out(self, early: int, late: int) -> bool:
        """Whether the later step could not come first: another thread had what it takes."""
        lock = self._moves[late].taken
        if lock is None or lock not in self._moves[early].held:
            return False
        # Else somebody else may have given it back.
        return not any(lock in each.seized for each in self._moves[early + 1 : late])

    def _on_the_way(self, early: int, late: int) -> tuple[int, ...]:
        """Return what a thread did before it waited for what the step at *early* gave back.

        To wait is a switch at no cost, and who gives back what is waited for puts an end to that.
        """
        moves = self._moves
        thread, lock = moves[late].thread, moves[late].taken
        if not self._bounded or lock in self._held_next(early):
            return ()
        return self._touching(thread, early + 1, late)

    def _held_next(self, place: int) -> frozenset[int]:
        """Return what the thread of the move at *place* held before its next one."""
        moves = self._moves
        thread = moves[place].thread
        later = (each for each in moves[place + 1 :] if each.thread == thread)
        return next((each.held for each in later), frozenset())

    def _touching(self, thread: int, start: int, end: int) -> tuple[int, ...]:
        """Return where *thread*, between those places, made steps that touch something."""
        moves = self._moves
        places = range(start, end)
        return tuple(n for n in places if moves[n].thread == thread and moves[n].touched)

    def waits_at(self, place: int, thread: int) -> bool:
        """Whether *thread*, given its turn at *place*, would only wait for what another holds."""
        moves = self._moves
        later = next((n for n in range(place, len(moves)) if moves[n].thread == thread), None)
        return later is not None and moves[later].taken in moves[place].busy

    def turns_before(self, place: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Return where others are to have their turn so as to come before that step.

        With each place go others: if no step of another thread ever meets one of those, the place
        leads nowhere new; if there are none, it may in any case.
        """
        moves = self._moves
        turn = place
        while turn and moves[turn - 1].thread == moves[place].thread:
            turn -= 1
        yield turn, ()
        if gone := self._touching(moves[place].thread, turn, place):
            yield place, gone

    def names(self) -> list[StepName]:
        """Return what each step is called: its thread, and which of its steps it is.

        To wait for something that is taken first of all is none.
        """
        made: Counter[int] = Counter()
        names = []
        for move in self._moves:
            names.append(StepName(move.thread, made[move.thread]))
            made[move.thread] += not move.waited
        return names

    def meeting(self) -> Iterator[int]:
        """Return the places of the steps that meet one of another thread."""
        touching: defaultdict[Hashable, set[int]] = defaultdict(set)
        writing: defaultdict[Hashable, set[int]] = defaultdict(set)
        for thread, touched in ((each.thread, each.touched) for each in self._moves):
            if not touched:
                continue
            for place in (*touched.reads, *touched.writes, _SOME):
                touching[place].add(thread)
            for place in (*touched.writes, *[_ANY] * touched.anything):
                writing[place].add(thread)
        for number, move in enumerate(self._moves):
            touched, alone = move.touched, {move.thread}
            if touched and (
                writing[_ANY] - alone
                or (touched.anything and touching[_SOME] - alone)
                or any(writing[place] - alone for place in touched.reads)
                or any(touching[place] - alone for place in touched.writes)
            ):
                yield number

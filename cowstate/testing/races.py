"""Which steps of a run might have come in another order: what partial-order reduction looks for.

Two steps of two threads that do not commute, and of which neither had to come first, are a *race*:
in another schedule they come in the other order. Where there is no race, to leave a thread leads
nowhere new. See `backtracking` for what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .footprints import Footprint, Looked

__all__ = ["Move", "Races"]


class Move:
    """One step of one thread, in the order in which they were made.

    Attributes:
        at: the number of the point that it comes after.
        thread: the number of the thread.
        touched: what the step touched.
        held: the primitives that the thread held before it, by their ``id``.
        looked: what it touches before it takes anything; None if nobody knows what it does first.
        taken: the primitive, by its ``id``, that must be free for the rest of it; None for none.
        born: for the first of its thread, the place of the step that started it, or -1.
    """

    def __init__(self, at: int, thread: int, touched: Footprint, held: frozenset[int]) -> None:
        self.at = at
        self.thread = thread
        self.touched = touched
        self.held = held
        self.looked: Looked | None = None
        self.taken: int | None = None
        self.born = -1

    def waited_for(self, earlier: Move) -> bool:
        """Whether *earlier* could not have come later, for its thread had what this one takes."""
        return (
            self.taken is not None
            and self.taken in earlier.held
            and self.looked is not None
            and not self.looked.meets(earlier.touched)
        )


class Races:
    """What came before what in one run, for all that is known. Costs O(moves squared) at worst.

    Args:
        moves: the steps of the run. Told by their places.
        bounded: whether to be kept waiting counts: it lets others go on at no cost.
    """

    def __init__(self, moves: Sequence[Move], bounded: bool) -> None:
        self._moves = moves
        self._bounded = bounded
        self._alone: dict[int, bool] = {}

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Return ``(early, late)`` for each race."""
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
                    if not (move.waited_for(other) and self._waits_for_nothing(early, late)):
                        yield early, late
                    if after.get(thread, -1) < early:
                        for each, place in before[early].items():
                            if after.get(each, -1) < place:
                                after[each] = place
            after[move.thread] = latest[move.thread] = late
            before.append(after)

    def _waits_for_nothing(self, early: int, late: int) -> bool:
        """Whether the thread of *late* could as well wait where it did, and not before *early*.

        What it does until it must wait might be done before *early*, and the wait is then a switch
        at no cost. That leads nowhere new if it meets nothing that others do from there on.
        """
        if not self._bounded:
            return True
        moves = self._moves
        thread = moves[late].thread
        mine = [each for each in moves[early + 1 : late] if each.thread == thread]
        looked = moves[late].looked
        return not any(
            (looked is not None and looked.meets(other.touched))
            or any(each.touched.meets(other.touched) for each in mine)
            for other in moves[early:]
            if other.thread != thread
        )

    def waits_at(self, place: int, thread: int) -> bool:
        """Whether *thread*, given its turn at *place*, would only wait for what another holds.

        It is not so if what it looks at on the way is another thing by then: see its next move.
        """
        moves = self._moves
        later = next((n for n in range(place, len(moves)) if moves[n].thread == thread), None)
        if later is None:
            return False
        move = moves[later]
        first_of: dict[int, Move] = {}
        for other in moves[place:later]:
            first_of.setdefault(other.thread, other)
        return any(move.taken in each.held for each in first_of.values()) and all(
            move.looked is not None and not move.looked.meets(other.touched)
            for other in moves[place:later]
        )

    def turn_of(self, place: int) -> int:
        """Return where the turn began that the move at *place* was made in."""
        moves = self._moves
        while place and moves[place - 1].thread == moves[place].thread:
            place -= 1
        return place

    def met_nothing(self, first: int, end: int) -> bool:
        """Whether nothing that others did later meets a move of one turn from *first* to *end*."""
        return all(self._met_nothing(place) for place in range(first, end))

    def _met_nothing(self, place: int) -> bool:
        found = self._alone.get(place)
        if found is None:
            move = self._moves[place]
            found = self._alone[place] = not any(
                other.thread != move.thread and other.touched.meets(move.touched)
                for other in self._moves[place + 1 :]
            )
        return found

    def undisturbed(self, start: int) -> dict[int, int]:
        """Return how many moves of each thread, from *start* on, meet nothing since that place.

        What others had done between *start* and the move is what counts.
        """
        found: dict[int, int] = {}
        over: set[int] = set()
        for place, move in enumerate(self._moves[start:], start):
            thread = move.thread
            if thread in over:
                continue
            if any(
                other.thread != thread and other.touched.meets(move.touched)
                for other in self._moves[start:place]
            ):
                over.add(thread)
            else:
                found[thread] = found.get(thread, 0) + 1
        return found

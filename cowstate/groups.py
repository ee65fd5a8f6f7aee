"""Who is served together: `Group`, the subscriptions that one hand serves, in one order."""

from __future__ import annotations

import sys
from collections.abc import Collection, Hashable
from typing import Final, Generic, TypeVar

from .commit import Commit
from .locks import BUSY, OwnedLock
from .members import Members
from .subscribers import Subscription
from .timeline import Timeline

__all__ = ["Group"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PATIENCE: Final = 1.0
"""How long, in seconds, a move of the position waits for another one, of a few instructions."""

_WITHOUT_GIL: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Group(Generic[K, V]):
    """Subscriptions that are served by the same hand, in one order.

    Nothing is noted for them: what is owed is what lies between the group's `position` and the
    current version, and the commits are in the store's ring. Each member marks what it has had.
    So there is nothing to take back after a write that failed, nothing to lose after one that was
    published, and a delivery that is interrupted anywhere is done again from where it was.

    Whoever gets the *turn* delivers, without waiting for it. Who finds it taken may go: its commit
    was published before it looked, and who has the turn looks again after giving it back.

    Attributes:
        timeline: the versions of the store.
        members: the subscriptions, by number and by key.
        position: every commit up to this version has been handed to all whom it concerns.
        beginners: those who are to be given what is there, and have not been, by number.
    """

    def __init__(self, timeline: Timeline[K, V]) -> None:
        self.timeline = timeline
        self.members: Members[K, Subscription[K, V]] = Members()
        self.position = timeline.current.version
        self._turn = OwnedLock()
        self._moving = OwnedLock()  # used without the GIL only
        self.beginners: dict[int, Subscription[K, V]] = {}
        # The versions that callbacks wrote in this turn, and whom they let begin: by the number,
        # below zero.
        self._own: dict[int, None] = {}

    def admit(self, member: Subscription[K, V]) -> None:
        """Let *member* be served from the current version on.

        Who is to be given what is there is known to be so from here on; somebody has to `deliver`.
        """
        self.members.add(member.number, member, member.keys)
        since = member.fix(self.timeline.current.version)
        # Alone, it is the only one whom the position must not run ahead of: who came after it
        # begins later still. It only spares the way there: who delivers finds it without this.
        if len(self.members.all) == 1:
            self._advance(since)
        # As late as this: who is found among the members is given it before its first commit.
        if member.begins:
            self.beginners[member.number] = member

    def discard(self, member: Subscription[K, V]) -> None:
        """Let *member* go; no harm if it is gone."""
        self.beginners.pop(member.number, None)
        self.members.discard(member.number, member.keys)

    def ready(self) -> bool:
        """Whether something waits to be delivered."""
        return self.position < self.timeline.current.version or bool(self.beginners)

    def waiting(self) -> int:
        """Return how many commits wait to be delivered, each that somebody begins with included."""
        commits = self.timeline.current.version - self.position if self.members.all else 0
        return commits + len(self.beginners)

    def begins_before(self, number: int) -> bool:
        """Whether somebody with a number below *number* is to be given what is there."""
        return any(beginner < number for beginner in list(self.beginners))

    def passes_over(self, commit: Commit[K, V]) -> bool:
        """Pass over *commit*, by its writer, if it is the next one and concerns nobody.

        Needs no turn: whoever has that looks at the position anew for each commit.
        """
        if self.beginners or not self.members.concerns_nobody(commit):
            return False
        version = commit.after.version
        return self._move(version - 1, version - 1, version)

    def _advance(self, version: int) -> None:
        # Never back: `passes_over` may have moved it on meanwhile.
        if _WITHOUT_GIL:
            self._move(0, version - 1, version)
        elif self.position < version:  # a straight line, as in `_move`
            self.position = version

    def _move(self, least: int, most: int, to: int) -> bool:
        """Move the position *to*, if it is from *least* to *most*; return whether it was.

        A position that fell back, by more than the ring holds, would look like a gap.
        """
        if not _WITHOUT_GIL:
            # A straight line from the look to the store, so nobody else comes between.
            if not least <= self.position <= most:
                return False
            self.position = to
            return True
        moved = self._moving.attempt(PATIENCE, self._move_alone, (least, most), to)
        # Busy is only who is called in the middle of its own move: then it is done again later.
        return moved is True

    def _move_alone(self, bounds: tuple[int, int], to: int) -> bool:
        if not bounds[0] <= self.position <= bounds[1]:
            return False
        self.position = to
        return True

    def is_turn_here(self) -> bool:
        """Whether the calling thread has the turn."""
        return self._turn.owned()

    def takes_up(self, due: int) -> bool:
        """Whether the calling thread is delivering; then it will deliver what is *due*, too.

        Args:
            due: a version, or the number of a member that begins, below zero.
        """
        if self._turn.owned():
            self._own[due] = None
            return True
        return False

    def deliver(self, most: int, seconds: float = 0.0) -> bool:
        """Hand over at most *most* commits, and those that the callbacks make meanwhile.

        What somebody begins with is one of them, and goes before the others.

        Returns whether there is more, of which nobody else is taking care. What a callback raises
        that is no `Exception` is raised here, when its siblings have had the commit.

        Args:
            most: how many commits.
            seconds: how long to wait for the turn, if somebody has it.
        """
        timeline = self.timeline
        while self.position < timeline.current.version or self.beginners:
            if not most:
                return True
            left = self._turn.attempt(seconds, self._drain, most)
            if left is BUSY:
                return False
            most = left
        return False

    def _drain(self, most: int, _: None) -> int:
        """Deliver; return how many more there could have been. Having the turn."""
        timeline, own = self.timeline, self._own
        own.clear()
        # Read once in each round: `passes_over` may move it at any time.
        while (version := self.position + 1) <= timeline.current.version or self.beginners:
            if self.beginners:
                most = self._begin(most)
                if self.beginners and not most:
                    break
                continue
            if version not in own:
                if not most:
                    break
                most -= 1
            commit = timeline.ring.get(version)
            if commit is not None:
                error = self._hand_over(commit)
                self._advance(version)
            elif self.position >= version:  # passed over meanwhile, and gone for that
                continue
            else:
                error = self._catch_up()
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # its traceback holds this frame, which must not hold it
        return most

    def _begin(self, most: int) -> int:
        """Give those who begin what is there; return how many more there could have been."""
        for member in list(self.beginners.values()):
            if -member.number not in self._own:
                if not most:
                    break
                most -= 1
            error = member.begin(self.timeline.current)
            self.beginners.pop(member.number, None)
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # likewise
        return most

    def _hand_over(self, commit: Commit[K, V]) -> BaseException | None:
        kept = error = None
        changed = commit._changed
        keys: Collection[K] = (changed[0],) if type(changed) is tuple else commit._delta
        members = self.members.concerned(keys)
        current = self.timeline.current  # after the look for members: see `fix`
        for member in members:
            error = member.offer(commit, current)
            kept = kept or error
        try:
            return kept
        finally:
            del kept, error  # its traceback holds this frame, which must not hold it

    def _catch_up(self) -> BaseException | None:
        """Go on where the ring still has commits, and tell those who have missed some."""
        members = list(self.members.all.values())
        wanted = min((member.wants_from() for member in members), default=self.position)
        if wanted > self.position:  # what is gone concerned nobody who is still here
            self._advance(wanted)
            return None
        snapshot = self.timeline.current
        kept = error = None
        for member in members:
            error = member.tell_lagged(self.position, snapshot)
            kept = kept or error
        self._advance(snapshot.version)
        try:
            return kept
        finally:
            del kept, error  # likewise

    def after_fork_in_child(self) -> None:
        """Forget who was delivering: that thread is not in the child."""
        self._turn.after_fork_in_child()
        self._moving.after_fork_in_child()
        self.members.after_fork_in_child()

"""Seeded bugs: each puts one into the real package, and is taken out again by its *patch*."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, get_ident
from typing import Any

import pytest

from cowstate import DeadlockError, blocks, reservation, scope, writelock
from cowstate.blocks import JointBlock
from cowstate.committer import Committer
from cowstate.reservation import Reservation
from cowstate.scope import Scoped
from cowstate.store import Store
from cowstate.writelock import WriteLock

# Reservations


def a_reservation_outlives_its_block(patch: pytest.MonkeyPatch) -> None:
    def over(self: Any) -> bool:
        return self.done or self._timeline.current is not self.base

    patch.setattr(Reservation, "over", over)


def a_reservation_belongs_to_its_thread(patch: pytest.MonkeyPatch) -> None:
    a_reservation_outlives_its_block(patch)

    def of_its_thread(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(self: Any, reservation: Reservation, *args: Any, **choices: Any) -> None:
            if reservation.thread == get_ident():
                real(self, reservation, *args, **choices)

        return act

    patch.setattr(Committer, "leave", of_its_thread(Committer.leave))
    patch.setattr(Committer, "let_go", of_its_thread(Committer.let_go))
    patch.setattr(Committer, "hold", of_its_thread(Committer.hold))


def a_transaction_commits_as_often_as_it_is_left(patch: pytest.MonkeyPatch) -> None:
    def turn(self: Any, work: Any, holder: Any) -> Any:
        fn, a, b = work
        return fn(a, b)

    patch.setattr(WriteLock, "_turn", turn)
    patch.setattr("cowstate.committer._work_of", lambda reservation: reservation.work)


def the_exit_is_an_ordinary_method(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scoped, "__exit__", scope._leave)


def nobody_looks_for_torn_blocks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writelock, "was_left_by_an_exception", lambda reservation: False)


def the_exit_is_ordinary_and_nobody_looks(patch: pytest.MonkeyPatch) -> None:
    the_exit_is_an_ordinary_method(patch)
    nobody_looks_for_torn_blocks(patch)


def inside_is_who_has_the_thread(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reservation, "is_around", lambda self: self.thread == get_ident())


def inside_is_who_has_the_context(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reservation, "concerns", lambda self, thread: True)


def inside_is_only_the_thread_itself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reservation, "concerns", lambda self, thread: self.thread == thread)


# Waiting


def timeouts_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = WriteLock.wait

    def wait(self: Any, work: Any, a: Any, b: Any, holder: Any, timeout: Any) -> Any:
        self.timeout = None
        return real(self, work, a, b, holder, None)

    patch.setattr(WriteLock, "wait", wait)


def nobody_is_named(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WriteLock, "_who", lambda self, reserved: "another write")


def threads_are_not_named(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reservation, "thread_named", lambda ident: "a thread")
    patch.setattr(writelock, "thread_named", lambda ident: "a thread")


def places_are_those_of_the_package(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writelock, "place_of", lambda frame, package: "an unknown place")
    patch.setattr(Reservation, "opened_at", "an unknown place")


def nobody_looks_for_rings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WriteLock, "_look_for_a_ring", lambda self, reserved, ticket: None)


def only_rings_of_two_are_seen(patch: pytest.MonkeyPatch) -> None:
    real = WriteLock._look_for_a_ring

    def look(self: Any, reserved: Any, ticket: int) -> None:
        if len(writelock._waits) < 3:
            real(self, reserved, ticket)

    patch.setattr(WriteLock, "_look_for_a_ring", look)


def all_of_a_ring_give_up(patch: pytest.MonkeyPatch) -> None:
    real, met = WriteLock._look_for_a_ring, Barrier(2)

    def look(self: Any, reserved: Any, ticket: int) -> None:
        if len(writelock._waits) < 2:
            return
        met.wait(5)
        try:
            real(self, reserved, 10**9)
        finally:
            met.wait(5)

    patch.setattr(WriteLock, "_look_for_a_ring", look)


def every_chain_is_a_ring(patch: pytest.MonkeyPatch) -> None:
    def look(self: Any, reserved: Any, ticket: int) -> None:
        thread = self._thread_of(reserved)
        if thread is not None and thread in writelock._waits:
            raise DeadlockError("this write waits for one that waits")

    patch.setattr(WriteLock, "_look_for_a_ring", look)


def worries_are_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writelock, "WORRY", float("inf"))


def worries_come_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writelock, "WORRY", 0.0)


def a_write_inside_a_write_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WriteLock, "_refuse", lambda self, reserved: None)


def the_child_keeps_the_reservations_of_the_parent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "_after_fork_in_child", lambda self: None)


def the_child_drops_its_own_reservation(patch: pytest.MonkeyPatch) -> None:
    def after_fork_in_child(self: Any) -> None:
        self.reserved = None

    patch.setattr(WriteLock, "after_fork_in_child", after_fork_in_child)


# Several stores


def stores_are_locked_in_the_order_given(patch: pytest.MonkeyPatch) -> None:
    def open_all(self: Any, made: Any, opener: Any) -> Any:
        opened = []
        for committer in self._committers:
            held = Reservation(committer.timeline, self, self._scope, opener)
            made.append((committer, held))
            opened.append(committer.open(held, self._timeout))
        return tuple(opened)

    patch.setattr(JointBlock, "_open_all", open_all)


def stores_publish_one_after_the_other(patch: pytest.MonkeyPatch) -> None:
    def commit_all(made: Any, commits: Any) -> None:
        commits += [committer.ready(reservation) for committer, reservation in made]
        for (committer, _), commit in zip(made, commits, strict=True):
            committer.timeline.publish(commit)

    patch.setattr(blocks, "_commit_all", commit_all)


def stores_commit_one_after_the_other(patch: pytest.MonkeyPatch) -> None:
    def end(self: Any, exc_type: Any) -> None:
        for committer, held in self._made:
            committer.leave(held, commits=exc_type is None)

    patch.setattr(JointBlock, "_end", end)

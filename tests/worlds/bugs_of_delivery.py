"""Seeded bugs of who is called when, and by whom: see `tests.worlds.bugs`."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate import committer, delivery, subscribers, writelock
from cowstate.delivery import Delivery
from cowstate.groups import Group
from cowstate.members import Members
from cowstate.readstore import ReadStore
from cowstate.subscribers import Subscription
from cowstate.waiters import Waiters
from cowstate.waits import Source


def a_write_delivers_all_there_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delivery, "BOUND", 10**9)


def a_write_delivers_one_too_many(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delivery, "BOUND", delivery.BOUND + 1)


def the_rest_waits_for_the_next_write(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "wake", lambda self: None)


def what_callbacks_write_counts_like_what_others_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Group, "takes_up", lambda self, version: self.is_turn_here())


def _skip(self: Any) -> None:
    self.position = self.timeline.current.version


def a_gap_is_passed_over_in_silence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Group, "_catch_up", _skip)


def only_the_first_is_told_of_the_gap(patch: pytest.MonkeyPatch) -> None:
    def catch_up(self: Any) -> BaseException | None:
        snapshot = self.timeline.current
        error = None
        for member in list(self.members.all.values())[:1]:
            error = member.tell_lagged(self.position, snapshot)
        self.position = snapshot.version
        return error  # type: ignore[no-any-return]

    patch.setattr(Group, "_catch_up", catch_up)


def a_gap_begins_where_the_group_stood(patch: pytest.MonkeyPatch) -> None:
    real = Subscription.tell_lagged

    def tell(self: Any, position: int, snapshot: Any) -> Any:
        since = self._since
        self._seen, self._since = position, {0: position}
        try:
            return real(self, position, snapshot)
        finally:
            self._since = since

    patch.setattr(Subscription, "tell_lagged", tell)


def what_lags_is_told_again(patch: pytest.MonkeyPatch) -> None:
    real = Subscription.tell_lagged

    def tell(self: Any, position: int, snapshot: Any) -> Any:
        seen = self._seen
        real(self, position, snapshot)
        self._seen = seen
        return real(self, position, snapshot)

    patch.setattr(Subscription, "tell_lagged", tell)


def a_short_history_forgets_what_is_undelivered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "needed", lambda self: self._timeline.current.version + 1)


def a_gap_without_on_lagged_is_no_error(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscription, "_lagged", lambda self, lagged: None)


def the_store_s_thread_is_any_writer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "wake", lambda self: self.serve())


def a_closed_loop_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    real = delivery._LoopGroup.call

    def call(self: Any) -> None:
        if not self.loop.is_closed():
            real(self)

    patch.setattr(delivery._LoopGroup, "call", call)


def a_loop_s_subscribers_are_called_by_the_writer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delivery._LoopGroup, "call", delivery._LoopGroup._run)


def callbacks_run_inside_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delivery, "is_writing", lambda: False)


def only_locks_count_as_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        delivery, "is_writing", lambda: any(owned() for owned in writelock._owners.values())
    )


def what_was_put_off_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(committer, "settle", lambda thread=None: None)


def who_leaves_a_block_pays_only_for_itself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(committer, "settle", lambda thread=None: delivery.settle())


def what_is_no_exception_leaves_at_once(patch: pytest.MonkeyPatch) -> None:
    real = Subscription.offer

    def offer(self: Any, *args: Any) -> None:
        error = real(self, *args)
        if error is not None:
            raise error

    patch.setattr(Subscription, "offer", offer)


def what_is_no_exception_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    real = Subscription.offer

    def offer(self: Any, *args: Any) -> None:
        real(self, *args)

    patch.setattr(Subscription, "offer", offer)


def the_position_moves_before_the_call(patch: pytest.MonkeyPatch) -> None:
    real = Group._hand_over

    def hand_over(self: Any, commit: Any) -> Any:
        self.position = commit.version
        return real(self, commit)

    patch.setattr(Group, "_hand_over", hand_over)


def those_who_have_left_are_still_called(patch: pytest.MonkeyPatch) -> None:
    offer = Subscription.offer

    def offer_all_the_same(self: Any, commit: Any, current: Any) -> Any:
        self._closed = False
        return offer(self, commit, current)

    patch.setattr(Subscription, "offer", offer_all_the_same)


def newcomers_begin_before_they_are_made(patch: pytest.MonkeyPatch) -> None:
    real = Subscription.fix
    patch.setattr(Subscription, "fix", lambda self, version: real(self, max(version - 1, 0)))


def the_index_by_key_is_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Members, "_index", lambda self, number, what: None)


def an_empty_change_concerns_all(patch: pytest.MonkeyPatch) -> None:
    found, narrowed = Members.concerned, subscribers.narrowed

    def concerned(self: Any, keys: Any) -> Any:
        return found(self, keys) if keys else list(self.all.values())

    def narrowed_if_at_all(commit: Any, keys: Any) -> Any:
        return narrowed(commit, keys) if commit._delta else commit

    patch.setattr(Members, "concerned", concerned)
    patch.setattr(subscribers, "narrowed", narrowed_if_at_all)


def keys_may_fail_their_writer(patch: pytest.MonkeyPatch) -> None:
    def concerned(self: Any, keys: Any) -> Any:
        found = dict(self._flat)
        self._gather(keys, found)
        return [found[number] for number in sorted(found)]

    def concerns_nobody(self: Any, commit: Any) -> bool:
        changed = commit._changed
        return type(changed) is tuple and changed[0] not in self._by_key and not self._flat

    patch.setattr(Members, "concerned", concerned)
    patch.setattr(Members, "concerns_nobody", concerns_nobody)


def every_commit_wakes_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Waiters, "notify", lambda self, commit: self.notify_all())


def flush_returns_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "flush", lambda self, deadline: True)


def flush_waits_inside_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "is_served_here", lambda self: False)


def the_exit_leaves_a_backlog(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ReadStore, "_end_waits", lambda self: None)


def who_waits_waits_for_the_block_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Source, "_pass", lambda self, deadline: self.lock.run(lambda a, b: True))


def who_waits_passes_the_lock_first(patch: pytest.MonkeyPatch) -> None:
    def pass_(self: Any, deadline: float | None) -> bool:
        while not self.lock.pass_through(1.0):
            pass
        return True

    patch.setattr(Source, "_pass", pass_)

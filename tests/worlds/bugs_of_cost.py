"""Seeded bugs of what something costs, and keeps alive: see `tests.worlds.bugs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest

from cowstate import MISSING, committer, delivery, reservation, subscribers, timeline, waits
from cowstate.draft import Draft
from cowstate.index import Entries
from cowstate.members import Members
from cowstate.schema import Schema
from cowstate.timeline import Timeline
from cowstate.workspace import Workspace


def length_is_counted_anew(patch: pytest.MonkeyPatch) -> None:
    def count(self: Any) -> int:
        keys = {*self._map, *self._writes}
        return sum(self._writes.get(key) is not MISSING for key in keys)

    patch.setattr(Workspace, "_count", count)


def an_item_is_popped_from_the_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Workspace, "popitem", MutableMapping.popitem)
    patch.setattr(Draft, "popitem", MutableMapping.popitem)


def iterations_do_not_look(patch: pytest.MonkeyPatch) -> None:
    def keys(self: Any) -> Iterator[Any]:
        yield from [key for key in {**self._map, **self._writes} if key in self]

    patch.setattr(Workspace, "__iter__", keys)


def every_write_spoils_an_iteration(patch: pytest.MonkeyPatch) -> None:
    real = Workspace.__setitem__

    def set_item(self: Any, key: Any, record: Any) -> None:
        real(self, key, record)
        self._grown += key not in self._map

    patch.setattr(Workspace, "__setitem__", set_item)


def a_check_compares_all_keys(patch: pytest.MonkeyPatch) -> None:
    real = Draft.conflicts_with

    def conflicts_with(self: Any, current: Any, expected_version: int | None) -> None:
        assert {*self.base} == {*current}
        real(self, current, expected_version)

    patch.setattr(Draft, "conflicts_with", conflicts_with)


def _sizes(factor: float) -> Callable[[pytest.MonkeyPatch], None]:
    def seed(patch: pytest.MonkeyPatch) -> None:
        real = Schema.size_of
        patch.setattr(Schema, "size_of", lambda self, commit: int(real(self, commit) * factor))

    return seed


def versions_seem_to_cost_a_third(patch: pytest.MonkeyPatch) -> None:
    _sizes(1 / 3)(patch)


def versions_seem_to_cost_three_times_as_much(patch: pytest.MonkeyPatch) -> None:
    _sizes(3)(patch)


def each_record_has_one_entry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Entries, "_entries_of_each", lambda self, state, records: 1.0)


def no_version_is_too_much(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timeline, "_passed", lambda self, version, newest, now: False)


def what_is_undelivered_counts_as_retained(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Timeline, "_superseded", lambda self, version, current: self.ring.get(version + 1)
    )


def what_is_undelivered_is_let_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delivery.Delivery, "needed", lambda self: self._timeline.current.version + 1)


def the_index_by_key_is_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Members, "_index", lambda self, number, what: None)


# What keeps something alive


def _strongly(module: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def seed(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(module, "ref", lambda thing: lambda: thing)

    return seed


def subscriptions_hold_their_store(patch: pytest.MonkeyPatch) -> None:
    _strongly(subscribers)(patch)


def contexts_hold_their_store(patch: pytest.MonkeyPatch) -> None:
    def go_inside(one: Any) -> None:
        within: Any = (*reservation.inside.get(), lambda: one)
        reservation.inside.set(within)

    patch.setattr(committer, "go_inside", go_inside)


def pins_hold_their_store(patch: pytest.MonkeyPatch) -> None:
    _strongly(timeline)(patch)


def the_thread_holds_its_store(patch: pytest.MonkeyPatch) -> None:
    _strongly(delivery)(patch)


def the_thread_stays(patch: pytest.MonkeyPatch) -> None:
    real = delivery.SimpleQueue

    class Patient(real):  # type: ignore[type-arg,valid-type,misc]
        def get(self, block: bool = True, timeout: float | None = None) -> None:
            return super().get()  # type: ignore[no-any-return]

    patch.setattr(delivery, "SimpleQueue", Patient)


def who_has_waited_stays_parked(patch: pytest.MonkeyPatch) -> None:
    def await_change(
        self: Any, seen: Any, deadline: Any, keys: Any = None, ended: Any = bool
    ) -> None:
        waiter = waits.ThreadWaiter()
        self.waiters.parked.add(waiter.number, waiter, keys)
        self._sleep(waiter, seen, deadline, keys, ended)

    patch.setattr(waits.Source, "await_change", await_change)


def who_left_stays_in_the_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Members, "_unindex", lambda self, number, keys: None)

"""Not each commit is told of; and whoever follows finds each soon all the same."""

from __future__ import annotations

from time import perf_counter
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.journal.postgres.telling import AGAIN, HUSH, Telling
from tests.journal.files import Slot
from tests.journal.postgres.servers import SOON, Cluster, following, opened
from tests.journal.postgres.test_following import NEVER

TIMES = st.lists(
    st.tuples(st.floats(0, 0.02), st.floats(0, 0.02), st.floats(0, 0.02)), min_size=1, max_size=30
)
"""Of each write: how long after the one before it begins, how long it takes, and how long its word,
if there is one, is under way."""


class Write(NamedTuple):
    """One write: when it was there for others at the latest; which looks its word leads to."""

    there: float
    looks: tuple[float, ...]


def writes(telling: Telling, times: list[tuple[float, float, float]]) -> list[Write]:
    """What becomes of writes, as of those of a log; the word is heard with the commit, or later."""
    now, made = 0.0, []
    for pause, took, way in times:
        began = now + pause
        now = began + took
        tells = telling.due(began)
        if telling.ended(began, now, told=tells):
            telling.ended(now, now, told=True)
            tells = True
        heard = now + way
        made.append(Write(now, (heard, heard + AGAIN) if tells else ()))
    return made


def all_are_found_soon(made: list[Write]) -> None:
    """There is a look after each, of those that are due to a word of before its end."""
    looks = [look for write in made for look in write.looks]
    for place, write in enumerate(made):
        due = [look for before in made[: place + 1] for look in before.looks]
        assert any(look >= write.there for look in due), f"nobody looks: {made}, {looks}"


@given(TIMES)
@example([(0.0, 0.0, 0.0), (0.004, 0.0, 0.0)])
def test_each_write_is_followed_by_a_look(times: list[tuple[float, float, float]]) -> None:
    all_are_found_soon(writes(Telling(), times))


class FromItsEnd(Telling):
    """Counts from when one that told had ended, which may be long after others heard of it."""

    def ended(self, began: float, now: float, *, told: bool) -> bool:
        return super().ended(began + 0.02, now, told=told)


def test_it_counts_from_the_beginning() -> None:
    times = [(0.0, 0.001, 0.0), (0.02, 0.0, 0.0)]
    all_are_found_soon(writes(Telling(), times))
    with pytest.raises(AssertionError, match="nobody looks"):
        all_are_found_soon(writes(FromItsEnd(), times))


def test_who_writes_much_tells_now_and_then_and_who_follows_finds_all(
    cluster: Cluster, name: str
) -> None:
    count = 300
    with opened(cluster, name, sync="normal") as store, cluster.connect() as ear:
        ear.execute(f"LISTEN cowstate_{name}")
        with following(cluster, name, every=NEVER) as follower:
            feed = follower.feed()
            began = perf_counter()
            for n in range(count):
                store.set("a", Slot(n))
            took = perf_counter() - began
            for n in range(count):
                assert feed.get(SOON).after["a"] == Slot(n)  # type: ignore[union-attr]
            for n in range(20):  # one by one, each soon after the one that was found
                store.set("a", Slot(-n))
                assert feed.get(SOON).after["a"] == Slot(-n)  # type: ignore[union-attr]
        heard = [int(each.payload) for each in ear.notifies(timeout=0)]
    told = [version for version in heard if version <= count]
    assert 1 <= len(told) <= took / HUSH + 1, f"{len(told)} of {count} in {took} s"
    assert told == sorted(told)

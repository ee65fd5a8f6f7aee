"""Ctrl-C at any point of a commit to a server: memory and server agree, and it goes on."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest

import cowstate.journal
from tests.journal.files import Slot
from tests.journal.postgres.servers import Cluster, Slots, expire, on_server, opened
from tests.laws.interrupts import Strike, Struck
from tests.laws.points import count_points

PACKAGE = cowstate.journal.__path__[0]
PLACES = 25


def in_journal(code: Any) -> bool:
    return bool(code.co_filename.startswith(PACKAGE))


def block(store: Slots) -> None:
    with store.transaction() as tx:
        tx["a"] = tx["a"].replace(quantity=9)
        tx["c"] = Slot(1)


def compact(store: Slots) -> None:
    store.set("a", Slot(5))
    store.set("a", Slot(6))
    store.journal.compact(versions=1)


ACTS: dict[str, Callable[[Slots], object]] = {
    "update": lambda store: store.update("a", lambda slot: slot.replace(quantity=9)),
    "transaction": block,
    "compact": compact,
    "close": lambda store: store.close(),
}


# What is struck between the call that connects and the next instruction is let go of by whoever
# drops it, which psycopg warns of.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ACTS)
def test_ctrl_c_in_a_commit_leaves_memory_and_server_in_agreement(
    name: str, cluster: Cluster
) -> None:
    act = ACTS[name]
    numbers = count()

    def begun() -> tuple[Slots, str]:
        place = f"struck_{name.replace(' ', '_')}_{next(numbers)}"
        store = opened(cluster, place)
        for n in range(3):
            store.set("a", Slot(n))
        return store, place

    store, _ = begun()
    points = count_points(lambda: act(store), in_journal)
    store.close()
    came_up = 0
    store, place = begun()
    for point in range(1, points + 1, max(1, points // PLACES)):
        strike = Strike(point, None, in_journal)
        before = store.snapshot()
        try:
            strike.run(partial(act, store))
        except Struck:  # or it was over before: how long it is depends on when a thread ends
            came_up += 1
        if store.journal.closed:
            store.close()
            expire(cluster, place)
            store = opened(cluster, place)
        # Readers see nothing that is not on the server, before anybody writes again.
        assert store.snapshot().version in {0, *on_server(cluster, place)[1]}
        assert store.snapshot().version >= before.version
        store.set("b", Slot(point))
        records, versions = on_server(cluster, place)
        now = store.snapshot()
        assert sorted(records) == [f'"{key}"' for key in sorted(now)]
        assert records['"b"'] == f'{{"quantity":{point},"owner":""}}'
        assert versions == [*range(versions[0], now.version + 1)]
    store.close()
    gc.collect()
    assert came_up > 5

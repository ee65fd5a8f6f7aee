"""A write from inside of another one is refused in words that say inside of which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cowstate import ReentrantWriteError, Store
from cowstate.journal.log import Row
from tests.journal.plain import PlainLog, plain_store

DISK = "inside a write to the disk of this very store"
OTHER = "inside a write to another store"
ITSELF = "in a write called at"


def opens_a_block(store: Any) -> None:
    with store.transaction() as tx:
        tx["b"] = 1


WAYS: list[Callable[[Any], object]] = [
    lambda store: store.set("b", 1),
    lambda store: store.update("a", lambda n: n + 1),
    lambda store: store.delete("a"),
    lambda store: store.transact(lambda tx: tx.update(b=1)),
    lambda store: store.retry(lambda draft: draft.update(b=1)),
    lambda store: store.journal.flush(),
    opens_a_block,
]


class Called(PlainLog):
    """Calls something while it writes, as a signal handler or a finalizer does."""

    call: Callable[[], object] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        call, self.call = self.call, None
        if call is not None:
            call()
        super().write(rows)


def said(way: Callable[[Any], object], store: Any) -> str:
    with pytest.raises(ReentrantWriteError) as told:
        way(store)
    return str(told.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("same", [True, False], ids=["the same store", "another one"])
def test_in_the_middle_of_a_write_to_the_disk(way: Callable[[Any], object], same: bool) -> None:
    log = Called()
    store = plain_store(log, {})
    other = store if same else plain_store(PlainLog(), {})
    heard: list[str] = []
    store.set("a", 1)
    log.call = lambda: heard.append(said(way, other))
    assert store.set("a", 2).version == 2
    assert len(heard) == 1
    assert (DISK if same else OTHER) in heard[0]
    assert dict(store.snapshot()) == {"a": 2}
    assert len(log.rows) == 2


@pytest.mark.parametrize("way", WAYS)
def test_in_the_middle_of_an_update(way: Callable[[Any], object]) -> None:
    store = plain_store(PlainLog(), {})
    heard: list[str] = []
    store.set("a", 1)

    def inside(n: int) -> int:
        heard.append(said(way, store))
        return n + 1

    store.update("a", inside)
    assert len(heard) == 1
    assert ITSELF in heard[0]
    assert "test_inside.py" in heard[0]


@pytest.mark.parametrize("way", WAYS)
def test_in_the_middle_of_a_write_to_a_store_in_memory(way: Callable[[Any], object]) -> None:
    store, memory = plain_store(PlainLog(), {}), Store({"n": 1})
    heard: list[str] = []
    store.set("a", 1)

    def inside(n: int) -> int:
        heard.append(said(way, store))
        return n + 1

    memory.update("n", inside)
    assert len(heard) == 1
    assert OTHER in heard[0]
    assert dict(store.snapshot()) == {"a": 1}

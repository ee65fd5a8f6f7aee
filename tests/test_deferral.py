"""Readers that do not count, without the GIL: what is deferred, how often, and who says so."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import Aggregate, Index, Store, transaction
from cowstate.deferral import BURST, PERIOD, Deferral, deferral
from cowstate.errors import ArgumentTypeError, ArgumentValueError
from cowstate.index import Ordered
from cowstate.ordered import Sorted
from cowstate.tree import Tree

CAN = deferral(None, tuple) is not None
needs_it = pytest.mark.skipif(not CAN, reason="needs a free-threaded build from CPython 3.14 on")


def trunk_of(version: list[object]) -> list[list[object]]:
    return [version]


class Recorder:
    """A clock to be set, and what was deferred."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.deferred: list[object] = []
        self.deferral = Deferral(self.deferred.append, lambda: self.now, trunk_of)

    def version(self) -> bool:
        """Show one more version; whether it was deferred."""
        before = len(self.deferred)
        self.deferral.of_version([self])
        return len(self.deferred) > before


def is_deferred(thing: object) -> bool:
    # Whose references are not all counted is given more of them than there can be.
    return sys.getrefcount(thing) > 1 << 32


def test_in_the_long_run_one_version_in_a_period_is_deferred() -> None:
    recorder = Recorder()
    for _ in range(10_000):
        recorder.version()
        recorder.now += PERIOD / 10
    assert len(recorder.deferred) == pytest.approx(BURST / PERIOD + 1000, abs=2)


def test_after_a_pause_the_last_of_a_burst_is_deferred() -> None:
    recorder = Recorder()
    while recorder.version():
        pass
    recorder.now += BURST
    assert [recorder.version() for _ in range(99)] == [True] * 99


@given(st.lists(st.floats(0, 1), max_size=300))
def test_never_more_than_a_burst_and_one_in_a_period(pauses: list[float]) -> None:
    recorder, began = Recorder(), 1000.0
    for pause in pauses:
        recorder.now += pause * PERIOD * 3
        recorder.version()
        allowed = (recorder.now - began + BURST) / PERIOD + 1
        assert len(recorder.deferred) <= allowed + 1e-6


def test_while_the_collector_is_switched_off_nothing_is_deferred() -> None:
    # It would never be freed.
    recorder = Recorder()
    gc.disable()
    try:
        assert not recorder.version()
    finally:
        gc.enable()
    assert recorder.version()


def test_what_the_collector_does_not_see_is_let_alone() -> None:
    # It would never be freed.
    recorder = Recorder()
    recorder.deferral.of(5, "five", (5, 5.0), [5])
    assert recorder.deferred == [[5]]


@needs_it
def test_what_readers_have_in_common_is_deferred() -> None:
    store = Store(
        {n: n for n in range(1000)},
        indexes={"odd": Index(lambda n: n % 2)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
    )
    assert is_deferred(store)
    for _ in range(2):
        snapshot = store.snapshot()
        assert is_deferred(snapshot)
        assert is_deferred(snapshot._map)
        assert all(map(is_deferred, snapshot._indexes))
        store.set(0, snapshot[0] + 2)


@needs_it
@pytest.mark.parametrize("records", [0, 10, 1000])
def test_what_is_deferred_is_freed_by_the_collector(records: int) -> None:
    store = Store({n: object() for n in range(records)}, immutability="trusted")
    store.set(-1, object())
    gone: list[weakref.ref[Any]] = [weakref.ref(store), weakref.ref(store.snapshot())]
    del store
    gc.collect()
    assert [one() for one in gone] == [None, None]


def in_a_block(store: Store[int, int]) -> None:
    with store.transaction() as tx:
        tx[1] = 2


def in_a_block_over_two(store: Store[int, int]) -> None:
    with transaction(store, Store({1: 1})) as (tx, _other):
        tx[1] = 2


WRITES: dict[str, Callable[[Store[int, int]], object]] = {
    "set": lambda store: store.set(1, 2),
    "update": lambda store: store.update(1, lambda n: n + 1),
    "delete": lambda store: store.delete(1),
    "transact": lambda store: store.transact(lambda tx: tx.update({1: 5, 2: 6})),
    "block": in_a_block,
    "joint block": in_a_block_over_two,
    "replace_all": lambda store: store.replace_all({7: 8}),
    "draft": lambda store: store.retry(lambda draft: draft.update({1: 5})),
    "meta": lambda store: store.set_meta(5),
}


@pytest.fixture
def deferred(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is deferred from here on, on an interpreter that only notes it."""
    noted: list[object] = []
    monkeypatch.setattr("cowstate.deferral._enable", noted.append)
    return noted


@pytest.mark.parametrize("name", WRITES)
def test_every_kind_of_write_shows_its_version(name: str, deferred: list[object]) -> None:
    store = Store({1: 1, 2: 2}, deferred_refcount=True)
    assert any(thing is store for thing in deferred)
    first = store.snapshot()
    assert any(thing is first for thing in deferred)
    WRITES[name](store)
    snapshot = store.snapshot()
    assert snapshot.version == 1
    assert any(thing is snapshot for thing in deferred)


@pytest.mark.parametrize("gil", [True, False])
@pytest.mark.parametrize("can", [True, False])
@pytest.mark.parametrize("wanted", [True, False, None])
def test_it_is_done_where_it_is_asked_for_and_else_where_it_pays_and_can_be_had(
    gil: bool, can: bool, wanted: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[object] = []
    monkeypatch.setattr("cowstate.deferral._enable", noted.append if can else None)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: gil, raising=False)
    if wanted and not can:
        with pytest.raises(ArgumentValueError):
            Store({1: 1}, deferred_refcount=wanted)
        return
    after = Store({1: 1}, deferred_refcount=wanted).set(1, 2).after
    pays = not gil if wanted is None else wanted
    assert any(thing is after for thing in noted) == (pays and can)


@pytest.mark.skipif(hasattr(sys, "_is_gil_enabled"), reason="it can be asked whether there is one")
def test_an_interpreter_that_cannot_be_asked_has_the_gil(deferred: list[object]) -> None:
    Store({1: 1}).set(1, 2)
    assert not deferred


def ways_into(thing: Any) -> list[Any]:
    """What whoever reads *thing*, a state of whichever kind, goes through."""
    if isinstance(thing, Tree):
        return [thing, thing._top]
    if isinstance(thing, Sorted):
        top: Any = thing._top
        return [thing, top, *(top if type(top) is tuple else ())]
    if isinstance(thing, Ordered):
        return [thing, *ways_into(thing.entries), *ways_into(thing.order)]
    return [thing]


@pytest.mark.parametrize("records", [10, 1000])
def test_all_that_every_reader_goes_through_is_among_it(
    make_store: Callable[..., Store[Any, Any]], records: int, deferred: list[object]
) -> None:
    store = make_store(
        {n: n for n in range(records)},
        indexes={
            "odd": Index(lambda n: n % 2),
            "itself": Index(lambda n: n, unique=True),
            "order": Index(lambda n: n, ordered=True),
        },
        aggregates={
            "sum": Aggregate.sum(lambda n: n),
            "lists": Aggregate.count(lambda n: True),
            "least": Aggregate.min(lambda n: n),
            "groups": Aggregate.sum(lambda n: n, by=lambda n: n % 100),
            "extremes": Aggregate.max(lambda n: n, by=lambda n: n % 100),
            "folded": Aggregate.fold(("n",), lambda s, _: s, lambda s, _: s),
        },
        deferred_refcount=True,
    )
    for _ in range(2):
        snapshot = store.snapshot()
        derivation = snapshot._lineage.derivation
        states = [snapshot._map, *snapshot._indexes, *snapshot._totals]
        read = [through for state in states for through in ways_into(state)]
        read += [store, store._timeline, snapshot, snapshot._lineage, derivation]
        read += [derivation.index_positions, derivation.total_positions, derivation.unique]
        read += [snapshot._indexes, snapshot._totals, derivation.readers, *derivation.readers]
        read += [reader.__self__ for reader in derivation.readers if reader is not None]
        for thing in read:
            assert not gc.is_tracked(thing) or any(noted is thing for noted in deferred), thing
        store.set(0, snapshot[0] + records * 2)


@needs_it
def test_a_store_that_is_told_so_counts() -> None:
    store = Store({1: 1}, deferred_refcount=False)
    assert not is_deferred(store)
    assert not is_deferred(store.snapshot())
    assert not is_deferred(store.set(1, 2).after)


@needs_it
def test_it_is_left_alone_where_the_gil_was_turned_on() -> None:
    code = (
        "import sys; from cowstate import Store; s = Store({1: 1}); print(sys.getrefcount(s) < 99)"
    )
    run = subprocess.run(
        [sys.executable, "-X", "gil=1", "-c", code], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "True\n"), run.stderr


@pytest.mark.skipif(CAN, reason="it can be had")
def test_where_it_cannot_be_had_it_is_refused_and_the_error_says_what_to_do() -> None:
    with pytest.raises(ArgumentValueError, match="leave it out"):
        Store({}, deferred_refcount=True)
    assert not is_deferred(Store({}, deferred_refcount=None))


def test_anything_else_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="True, False or None"):
        Store({}, deferred_refcount=1)  # type: ignore[arg-type]


def test_an_exception_while_it_is_deferred_leaves_the_old_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def enable(thing: object) -> None:
        if interrupts:
            raise KeyboardInterrupt

    interrupts = False
    monkeypatch.setattr("cowstate.deferral._enable", enable)
    store = Store({1: 1}, deferred_refcount=True)
    before, interrupts = store.snapshot(), True
    with pytest.raises(KeyboardInterrupt):
        store.set(1, 2)
    assert store.snapshot() is before
    interrupts = False
    assert store.set(1, 2).version == 1

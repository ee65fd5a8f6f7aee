"""Ctrl-C, or another call, at any point of what is built at its first use and of what thaws."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentValueError,
    Index,
    RecordNotFoundError,
    ReentrantWriteError,
    Store,
)
from cowstate.journal import JournaledStore
from cowstate.later import Later
from tests.journal.plain import PlainLog, plain_store
from tests.laws.interrupts import CAN_GO_ASTRAY, Strike, Struck
from tests.laws.points import Tracer, count_points, sample
from tests.sweeps import at_least

Numbers = JournaledStore[str, int]
Act = Callable[[Numbers], object]

BEGUN = {f"k{n}": n for n in range(9)}
MODULES = (
    *("derivation", "index", "later", "ordered", "schema", "thawing", "totals"),
    *("journal/begun", "journal/behind", "journal/committer"),
)
DERIVED: dict[str, Any] = {
    "indexes": {
        "n": Index(int, unique=True, ordered=True),
        "digits": Index(lambda n: tuple(str(n)), many=True),
        "odd": Index(lambda n: n % 2),
    },
    "aggregates": {"sum": Aggregate.sum(int), "least": Aggregate.min(int, by=lambda n: n % 2)},
}
SYNCS = pytest.mark.parametrize("sync", ["full", "interval"])


def begun(sync: Any) -> Numbers:
    return plain_store(PlainLog(begun=BEGUN), DERIVED, sync=sync)


def where(code: Any) -> bool:
    return code.co_filename.removesuffix(".py").endswith(MODULES) and "cowstate" in code.co_filename


def block(store: Numbers) -> None:
    with store.transaction() as tx:
        tx["k1"] = 100
        del tx["k2"]


LOOKS: dict[str, Act] = {
    "find": lambda store: store.snapshot().find("n", 3),
    "range": lambda store: store.snapshot().range("n", 3, 5),
    "find_all": lambda store: store.snapshot().find_all("digits", "3"),
    "total": lambda store: store.snapshot().total("sum"),
    "group": lambda store: store.snapshot().total("least", 1),
    "statistics": lambda store: store.statistics(),
    "pickle": lambda store: pickle.dumps(store.snapshot()),
    "draft": lambda store: store.draft().total("least", 0),
}
ACTS: dict[str, Act] = {
    **LOOKS,
    "set": lambda store: store.set("k1", 100),
    "delete": lambda store: store.delete("k1"),
    "transaction": block,
    "transact": lambda store: store.transact(lambda tx: tx.update({"k1": 100, "new": 200})),
    "add_index": lambda store: store.add_index("other", Index(int)),
}


def derived_of(now: Any) -> Any:
    values = {*now.values()}
    return (
        dict(now),
        {n: now.find_key("n", n) for n in values},
        now.range("n", 0, 1000),
        {digit: now.find_all("digits", digit) for digit in "0123456789"},
        [now.find_all("odd", bit) for bit in (0, 1)],
        now.total("sum"),
        dict(now.total("least")),
    )


def check(store: Numbers) -> None:
    """Each version is what a store that begins with its records is; so are the ones that follow."""
    assert derived_of(store.at(0)) == derived_of(Store(BEGUN, **DERIVED).snapshot())
    for after in (store.snapshot(), store.set("k8", 300).after, store.delete("k7").after):
        assert derived_of(after) == derived_of(Store(after, **DERIVED).snapshot())
    for n in range(2 * len(BEGUN)):
        store.set(f"k{n}", 400 + n)
    now = store.snapshot()
    assert derived_of(now) == derived_of(Store(now, **DERIVED).snapshot())


def strike(name: str, sync: Any, most: int = 25) -> None:
    act, tracer = ACTS[name], sys.gettrace()  # coverage, perhaps
    store = begun(sync)
    points = count_points(lambda: act(store), where)
    answer = act(begun(sync))
    came_up = 0
    for point in sample(f"first use {name} {sync}", range(1, points + 1), most):
        store = begun(sync)
        strike = Strike(point, None, where)
        try:
            strike.run(lambda store=store: act(store))  # type: ignore[misc]
        except Struck:
            came_up += 1
            if name in LOOKS:
                assert act(store) == answer
        else:
            assert not strike.armed or (strike.astray and CAN_GO_ASTRAY)
        check(store)
    assert came_up >= at_least(6)
    assert sys.gettrace() is tracer


@SYNCS
@pytest.mark.parametrize("name", ACTS)
def test_ctrl_c_in_a_first_use_leaves_it_to_be_built_by_the_next(name: str, sync: Any) -> None:
    strike(name, sync)


def let_go_first(self: Any, place: int) -> None:
    """Have nobody else build meanwhile."""
    records, self._records = self._records, None
    if records is not None:
        self._built[place] = self._parts[place].build(records)
        self._records = records


@pytest.mark.parametrize("name", ["find", "set"])
def test_a_broken_twin_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Later, "_make", let_go_first)
    with pytest.raises((KeyError, AssertionError)):
        strike(name, "full")


def call_at(point: int, act: Callable[[], object], inner: Callable[[], object]) -> bool:
    """Do *act*, and *inner* in the middle of it; return whether it came to that point."""
    seen = 0
    reached = False

    def at(_: FrameType) -> bool:
        nonlocal seen, reached
        seen += 1
        if seen < point or reached:
            return False
        reached = True
        sys.settrace(None)
        inner()
        return True

    sys.settrace(Tracer(at, where))
    try:
        act()
    finally:
        sys.settrace(None)
    return reached


REFUSED = ReentrantWriteError, ArgumentValueError, RecordNotFoundError
"""A write in one that has the lock; and one that adds, or deletes, what another did before."""


def call_inside(name: str, inner: str, sync: Any, point: int) -> bool:
    """Call *inner* at a *point* of another; return whether that was reached."""
    store = begun(sync)
    refused = REFUSED if {name, inner}.isdisjoint(LOOKS) else ()

    def within() -> None:
        with suppress(*refused):
            ACTS[inner](store)

    reached = False
    with suppress(*refused):
        reached = call_at(point, lambda: ACTS[name](store), within)
    check(store)
    return reached


@SYNCS
@pytest.mark.parametrize("name", ACTS)
def test_any_use_may_come_in_the_middle_of_any_first_use(name: str, sync: Any) -> None:
    store = begun(sync)
    points = count_points(lambda: ACTS[name](store), where)
    pairs = [(inner, point) for inner in ACTS for point in range(1, points + 1)]
    chosen = sample(f"first use in {name} {sync}", pairs, 30)
    assert sum(call_inside(name, inner, sync, point) for inner, point in chosen) > at_least(15)

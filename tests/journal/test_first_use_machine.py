"""A store that was opened, one that was opened eagerly, and one without a file, in lockstep.

Nobody can tell which is which, in any order of looks and writes, at any of the versions that were
met, and again when the files are opened anew; but that the third has keys in an order of its own.
"""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from cowstate import Aggregate, CowstateError, History, Index, Store
from cowstate.journal import JournaledStore, open_store
from cowstate.later import Later
from cowstate.thawing import Thawing

Numbers = JournaledStore[str, int] | Store[str, int]
Look = Callable[[Any, str, int], object]

NAMES = [f"k{n}" for n in range(8)]
KEYS = st.sampled_from(NAMES)
VALUES = st.integers(0, 12)
OPTIONS: dict[str, Any] = {
    "indexes": {
        "n": Index(int, ordered=True),
        "unique": Index(lambda n: n if n > 5 else None, unique=True),
        "parts": Index(lambda n: (n % 2, n % 3), many=True),
    },
    "aggregates": {
        "sum": Aggregate.sum(int),
        "count": Aggregate.count(by=lambda n: n % 2),
        "most": Aggregate.max(int),
    },
}

# Each takes a snapshot, a key and a value.
LOOKS: dict[str, Look] = {
    "get": lambda now, key, _: now.get(key),
    "read": lambda now, key, _: now[key],
    "contains": lambda now, key, _: key in now,
    "len": lambda now, *_: len(now),
    "keys": lambda now, *_: list(now),
    "values": lambda now, *_: list(now.values()),
    "items": lambda now, *_: list(now.items()),
    "views": lambda now, key, n: (now.keys() & {key}, n in now.values(), (key, n) in now.items()),
    "find": lambda now, _, n: now.find("unique", n),
    "find_key": lambda now, _, n: now.find_key("unique", n),
    "find_all": lambda now, _, n: list(now.find_all("n", n).items()),
    "parts": lambda now, _, n: list(now.find_all("parts", n % 3).items()),
    "range": lambda now, _, n: list(now.range("n", n, n + 4).items()),
    "first": lambda now, *_: (now.first("n") or (None, None))[1],
    "sum": lambda now, *_: now.total("sum"),
    "groups": lambda now, *_: dict(now.total("count")),
    "group": lambda now, _, n: now.total("count", n % 2),
    "most": lambda now, *_: now.total("most"),
    "unknown": lambda now, *_: now.find("other", 1),
    "not unique": lambda now, *_: now.find("n", 1),
    "repr": lambda now, *_: len(repr(now)) > 0,
    "pickle": lambda now, *_: told(pickle.loads(pickle.dumps(now))),
    "copy": lambda now, *_: (copy.copy(now) is now, copy.deepcopy(now) is now),
    "equal": lambda now, *_: (now == dict(now), dict(now) == now, now == {}),
    "meta": lambda now, *_: now.meta,
}


def told(now: Any) -> Any:
    return dict(now), now.find_all("n", 3), now.total("sum")


class Raised(NamedTuple):
    kind: type[CowstateError]
    text: str


def answer(look: Callable[[], object]) -> Any:
    """What it gives, or which error it raises."""
    try:
        return look()
    except CowstateError as error:
        return Raised(type(error), str(error))


def in_any_order(found: Any) -> Any:
    """The same, as far as a store says that has another order and other numbers of versions."""
    if isinstance(found, Raised):
        return found.kind
    if isinstance(found, list):
        return sorted(map(in_any_order, found))
    return tuple(map(in_any_order, found)) if isinstance(found, tuple) else found


class Lockstep(RuleBasedStateMachine):
    """The stores, and the snapshots of each that were met."""

    @initialize(records=st.dictionaries(KEYS, VALUES), small=st.booleans(), kept=st.integers(1, 4))
    def begin(self, records: dict[str, int], small: bool, kept: int) -> None:
        self.home = Path(mkdtemp())
        self.maps = "dict+tree" if small else "tree"
        self.kept = kept
        path = self.home / "lazy.db"
        with open_store(path, key=str, record=int, meta=str, sync="normal", **OPTIONS) as store:
            answer(lambda: store.replace_all(records))  # none, if two of them exclude each other
        shutil.copy(path, self.home / "eager.db")
        self.open()

    def open(self) -> None:
        options: dict[str, Any] = {
            "maps": self.maps,
            "history": History(versions=self.kept),
            **OPTIONS,
        }
        self.files = [
            open_store(
                self.home / f"{name}.db",
                key=str,
                record=int,
                meta=str,
                sync="normal",
                eager=name == "eager",
                **options,
            )
            for name in ("lazy", "eager")
        ]
        now = self.files[0].snapshot()
        plain: Store[str, int] = Store(now, meta=now.meta, **options)
        self.stores: list[Numbers] = [*self.files, plain]
        self.met = [[store.snapshot()] for store in self.stores]

    def all(self, do: Callable[[Any, int], object]) -> None:
        lazy, eager, plain = (
            answer(lambda store=store, turn=turn: do(store, turn))  # type: ignore[misc]
            for turn, store in enumerate(self.stores)
        )
        assert lazy == eager
        assert in_any_order(lazy) == in_any_order(plain)

    @rule(name=st.sampled_from([*LOOKS]), key=KEYS, n=VALUES, at=st.integers(0, 50))
    def look(self, name: str, key: str, n: int, at: int) -> None:
        self.all(lambda _, turn: LOOKS[name](self.met[turn][at % len(self.met[turn])], key, n))

    @rule(one=st.integers(0, 50), other=st.integers(0, 50))
    def compare(self, one: int, other: int) -> None:
        def differ(_: Any, turn: int) -> Any:
            met = self.met[turn]
            a, b = met[one % len(met)], met[other % len(met)]
            return sorted((key, change) for key, change in a.diff(b).items()), a == b

        self.all(differ)

    @rule(at=st.integers(0, 50))
    def look_back(self, at: int) -> None:
        lazy, eager = (answer(lambda file=file: told(file.at(at))) for file in self.files)
        assert lazy == eager

    @rule()
    def look_at_figures(self) -> None:
        self.all(lambda store, _: store.statistics().index_entries)

    @rule(key=KEYS, n=VALUES)
    def set(self, key: str, n: int) -> None:
        self.all(lambda store, _: dict(store.set(key, n).changes))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.all(lambda store, _: dict(store.delete(key).changes))

    @rule(writes=st.dictionaries(KEYS, st.none() | VALUES), meta=st.none() | st.just("m"))
    def transact(self, writes: dict[str, int | None], meta: str | None) -> None:
        def work(tx: Any) -> Any:
            for key, n in writes.items():
                if n is None:
                    tx.pop(key, None)
                else:
                    tx[key] = n
            tx.meta = meta
            return list(tx), tx.find_all("n", 3), tx.total("sum")

        self.all(lambda store, _: store.transact(work))

    @rule(writes=st.dictionaries(KEYS, VALUES))
    def replace_all(self, writes: dict[str, int]) -> None:
        self.all(lambda store, _: len(store.replace_all(writes).changes))

    @rule(key=KEYS, n=VALUES, late=st.booleans(), at=st.integers(0, 50))
    def draft(self, key: str, n: int, late: bool, at: int) -> None:
        def work(store: Any, turn: int) -> Any:
            draft = store.draft(self.met[turn][at % len(self.met[turn])])
            seen = draft.find_all("n", n), draft.total("sum"), draft.get(key), len(draft)
            draft[key] = n
            if late:
                store.set(NAMES[0], n)
            draft.commit()
            return seen

        self.all(work)

    @rule()
    def open_anew(self) -> None:
        self.leave()
        self.open()

    @invariant()
    def they_stand_at_one_version(self) -> None:
        if hasattr(self, "stores"):
            now = [store.snapshot() for store in self.stores]
            assert now[0].version == now[1].version
            assert now[0] == now[2]
            for met, one in zip(self.met, now, strict=True):
                if met[-1] is not one:
                    met.append(one)

    def leave(self) -> None:
        for file in self.files:
            file.close()

    def teardown(self) -> None:
        if not hasattr(self, "stores"):
            return
        try:
            for look in LOOKS.values():
                for place in range(len(self.met[0])):
                    self.look_at(look, place)
        finally:
            self.leave()
            shutil.rmtree(self.home)

    def look_at(self, look: Look, place: int) -> None:
        self.all(lambda _, turn: look(self.met[turn][place], "k3", 3))


TestLockstep = Lockstep.TestCase
TestLockstep.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


def builds_of_what_is_left(self: Any, place: int) -> None:
    """Build of all but the last record."""
    records = dict(self._records)
    records.popitem()
    self._built.setdefault(place, self._parts[place].build(records))


def counts_wrongly(self: Any) -> int:
    """Count what was overwritten twice."""
    return len(self._frozen) - len(self._gone)


def leaves_gone_in(self: Any) -> Any:
    """Go through what is gone, too."""
    rest = [key for key in self._rest if key not in self._frozen]
    return iter([*self._frozen.order[self._at :], *rest])


TWINS: list[tuple[Any, str, Any]] = [
    (Later, "_make", builds_of_what_is_left),
    (Thawing, "__len__", counts_wrongly),
    (Thawing, "__iter__", leaves_gone_in),
]


@pytest.mark.parametrize(("owner", "name", "broken"), TWINS, ids=[name for _, name, _ in TWINS])
def test_a_broken_twin_is_caught(
    owner: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(Exception):  # noqa: B017 (whatever comes first)
        run_machine(
            Lockstep,
            settings=settings(
                max_examples=400,  # the first that finds it ends it
                stateful_step_count=12,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=[*HealthCheck],
            ),
        )

"""The variants of a store that are compared, and what each does for each workload.

A variant is made for one size, in one state, and gives the operation of a workload, or None
where it cannot do that at all. Operations work on ten keys spread over the store, so that the
depth of one key in one tree says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from importlib.util import find_spec
from itertools import count
from operator import attrgetter
from queue import SimpleQueue
from typing import Any

from cowstate import Aggregate, Index, Store
from cowstate.maps import available_maps, map_kind

from .levels import (
    Level,
    MutableLevel,
    add_one,
    add_one_in_place,
    locked_store,
    mutable_records,
    records_of,
    set_order_id_in_place,
    ten_keys,
)
from .locked import LockedStore
from .measure import Operation, gil_enabled
from .rivals import (
    AtomicReference,
    AtomReference,
    CopyOnRead,
    CopyOnWrite,
    Nimbus,
    NimbusEngine,
    Reference,
    Rival,
)

__all__ = [
    "DEFAULT",
    "LOCKED",
    "WORKLOADS",
    "Variant",
    "variants",
]


DEFAULT = f"cowstate/{map_kind('auto').name}"
"""The store as it is without any choice."""

LOCKED = "locked"
"""The lock-based twin, to which the others are compared."""

WORKLOADS = (
    "snapshot",
    "read_all",
    "iterate",
    "update",
    "update_indexed",
    "transaction",
    "conditional",
    "diff",
    "delivery",
    "feed",
    "build",
)
"""The workloads that a variant may have an operation for."""

_QUANTITY = attrgetter("quantity")
_ORDER_ID = attrgetter("order_id")
_UPDATE = "for key in keys: update(key, change)"


def _ignore(commit: object) -> None:
    """A subscriber that costs nothing but the call."""


def _ignore_event(key: str, event: str, old: object, new: object) -> None:
    """The same, for nimbuskv."""


class Variant:
    """One variant at one size: its store, and how each workload is done on it.

    The methods ``do_WORKLOAD`` return operations; `operation` is how to ask for them.

    Attributes:
        name: what the tables call it.
        note: what is not equal to the others about it.
        without: workloads that it could do only in another sense than the others.
    """

    name: str
    note = ""
    without: frozenset[str] = frozenset()
    change: Callable[[Any], Any] = staticmethod(add_one)

    def __init__(self, size: int) -> None:
        self.size = size
        self.keys = ten_keys(size)

    @cached_property
    def store(self) -> Any:
        """The store that the operations work on; not made where none does."""
        return self.fresh()

    def operation(self, workload: str) -> Operation | None:
        """Return the operation of *workload*, or None if the variant cannot do it."""
        make = None if workload in self.without else getattr(self, f"do_{workload}", None)
        operation: Operation | None = None if make is None else make()
        return operation

    def close(self) -> None:
        """Let go what must not outlive the measurement."""

    def fresh(self) -> Any:
        """Return a new store of the same records."""
        raise NotImplementedError

    def retain(self) -> Callable[[], object]:
        """Return a function that changes one record and returns a snapshot to be kept."""
        write, snapshot = self.writer(), self.store.snapshot

        def step() -> object:
            write()
            return snapshot()

        return step

    def writer(self) -> Callable[[], object]:
        """Return a function that changes one record, another one each time."""
        update, change, keys = self.store.update, self.change, self.keys
        turn = count()
        return lambda: update(keys[next(turn) % 10], change)

    def reader(self) -> Callable[[], object]:
        """Return a function that reads everything, consistently."""
        snapshot = self.store.snapshot
        return lambda: sum(map(_QUANTITY, snapshot().values()))

    def _do(self, statement: str, per: int = 1, note: str = "", **names: Any) -> Operation:
        known = {"keys": self.keys, "change": self.change, "update": self.store.update}
        return Operation(statement, {**known, **names}, per, note=note or self.note)

    def do_snapshot(self) -> Operation:
        """Take everything as of now."""
        return self._do("snapshot()", snapshot=self.store.snapshot)

    def do_read_all(self) -> Operation:
        """Add up one field of all records, consistently."""
        return self._do(
            "sum(map(quantity, snapshot().values()))",
            snapshot=self.store.snapshot,
            quantity=_QUANTITY,
        )

    def do_iterate(self) -> Operation:
        """Go through the items of a snapshot at hand."""
        return self._do("for item in now.items(): pass", now=self.store.snapshot())

    def do_update(self) -> Operation:
        """Change one record."""
        return self._do(_UPDATE, per=10)

    def do_transaction(self) -> Operation:
        """Change ten records at once."""
        return self._do("update_all(keys, change)", update_all=self.store.update_all)

    def do_conditional(self) -> Operation:
        """Change one record if it is still what was read."""
        return self._do(
            "for key in keys:\n"
            "    old = snapshot()[key]\n"
            "    compare_and_set(key, old, change(old))",
            per=10,
            snapshot=self.store.snapshot,
            compare_and_set=self.store.compare_and_set,
        )

    def do_diff(self) -> Operation:
        """Say what differs between two snapshots one change apart."""
        return self._do(
            "{key: (old, new) for key, new in now.items() if (old := before[key]) is not new}",
            note="a scan: nothing says what changed",
            **self._one_apart(),
        )

    def _one_apart(self) -> dict[str, Any]:
        # In a store of its own, kept alive: what changed is in its ring, and must stay there.
        store = self.fresh()
        before = store.snapshot()
        store.update(self.keys[0], self.change)
        return {"store": store, "before": before, "now": store.snapshot()}

    def do_build(self) -> Operation:
        """Make a store of all records."""
        return Operation("fresh()", {"fresh": self.fresh}, note=self.note)


class _WithChanges(Variant):
    """What the store and its lock-based twin do alike."""

    indexed_change: Callable[[Any, int], Any]

    def indexed(self) -> Any:
        """Return a new store with a unique index and a total."""
        raise NotImplementedError

    def do_update_indexed(self) -> Operation:
        """Change the field of one record that a unique index is on, with a total beside it."""
        ids = count(1)
        change = self.indexed_change
        return self._do(
            _UPDATE,
            per=10,
            update=self.indexed().update,
            change=lambda level: change(level, next(ids)),
        )

    def do_transaction(self) -> Operation:
        """Change ten records at once."""
        return self._do(
            "with transaction() as tx:\n    for key in keys: tx[key] = change(tx[key])",
            transaction=self.store.transaction,
        )

    def do_delivery(self) -> Operation:
        """Change one record and have one subscriber called."""
        store = self.fresh()
        store.subscribe(_ignore)
        return self._do(_UPDATE, per=10, update=store.update)


class _Cowstate(_WithChanges):
    indexed_change = staticmethod(lambda level, order_id: level.replace(order_id=order_id))

    def __init__(self, maps: str, size: int) -> None:
        self.name = f"cowstate/{maps}"
        self._maps = maps
        super().__init__(size)

    def fresh(self) -> Store[str, Level]:
        return Store(records_of(self.size), maps=self._maps)

    def indexed(self) -> Store[str, Level]:
        return Store(
            records_of(self.size),
            maps=self._maps,
            indexes={"order_id": Index(_ORDER_ID, unique=True)},
            aggregates={"quantity": Aggregate.sum(_QUANTITY)},
        )

    def do_diff(self) -> Operation:
        return self._do("now.diff(before)", **self._one_apart())

    def do_feed(self) -> Operation:
        """Change one record and pull what changed."""
        store = self.fresh()
        return self._do(
            f"{_UPDATE}\nfor key in keys: poll()",
            per=10,
            update=store.update,
            poll=store.feed().poll,
        )


class _Locked(_WithChanges):
    name = LOCKED
    change = staticmethod(add_one_in_place)
    indexed_change = staticmethod(set_order_id_in_place)

    def fresh(self) -> LockedStore[str, MutableLevel]:
        return locked_store(mutable_records(self.size))

    def indexed(self) -> LockedStore[str, MutableLevel]:
        return locked_store(
            mutable_records(self.size),
            indexes={"order_id": Index(_ORDER_ID, unique=True)},
            totals={"quantity": _QUANTITY},
        )

    def do_conditional(self) -> Operation:
        return self._do(
            "for key in keys:\n"
            "    old, new = get(key), get(key)\n"
            "    compare_and_set(key, old, change(new))",
            per=10,
            note="by value: what changed and changed back counts as unchanged",
            get=self.store.get,
            compare_and_set=self.store.compare_and_set,
        )

    def do_diff(self) -> Operation:
        return self._do("now.diff(before)", note="compares all values", **self._one_apart())

    def do_feed(self) -> Operation:
        store = self.fresh()
        queue: SimpleQueue[Any] = SimpleQueue()
        store.subscribe(queue.put)
        return self._do(
            f"{_UPDATE}\nfor key in keys: get()",
            per=10,
            note="through a queue without bound",
            update=store.update,
            get=queue.get,
        )

    def do_build(self) -> Operation:
        records = mutable_records(self.size)
        return Operation("make(records)", {"make": locked_store, "records": records})


class _ReadInPlace(_Locked):
    name = "locked, read in place"
    note = "no copy; no write happens until all is read"
    without = frozenset(WORKLOADS) - {"read_all"}

    def do_read_all(self) -> Operation:
        return self._do(
            "with reading() as levels: sum(map(quantity, levels))",
            reading=self.store.reading,
            quantity=_QUANTITY,
        )

    def reader(self) -> Callable[[], object]:
        reading = self.store.reading

        def read() -> object:
            with reading() as levels:
                return sum(map(_QUANTITY, levels))

        return read


class _Rival(Variant):
    def __init__(
        self, name: str, note: str, make: Callable[[Mapping[str, Level]], Rival], size: int
    ) -> None:
        self.name = name
        self.note = note
        self._make = make
        super().__init__(size)

    def fresh(self) -> Rival:
        return self._make(records_of(self.size))


class _Nimbus(_Rival):
    def close(self) -> None:
        if "store" in self.__dict__ and hasattr(self.store, "close"):
            self.store.close()

    def do_conditional(self) -> Operation:
        return self._do(
            "for key in keys:\n    old = get(key)\n    compare_and_set(key, old, change(old))",
            per=10,
            get=self.store.store.get,
            compare_and_set=self.store.compare_and_set,
        )

    def do_delivery(self) -> Operation:
        store = self.fresh().store  # type: ignore[attr-defined]
        store.subscribe(_ignore_event)
        return self._do(
            _UPDATE,
            per=10,
            note="not in order where several threads write",
            update=store.atomic,
        )


def _rivals() -> dict[str, Callable[[int], Variant]]:
    found: dict[str, Callable[[int], Variant]] = {
        "one lock, copied to read": partial(
            _Rival, "one lock, copied to read", "no versions or checks", CopyOnRead
        ),
        "one lock, copied to write": partial(
            _Rival, "one lock, copied to write", "no versions or checks", CopyOnWrite
        ),
    }
    for maps in available_maps():
        kind = map_kind(maps)
        if kind.name == kind.large:
            name = f"reference+lock/{maps}"
            make = partial(Reference, kind=kind)
            found[name] = partial(_Rival, name, "no versions or checks", make)
    peers: tuple[tuple[str, str, str, Any, Any], ...] = (
        ("nimbuskv", "nimbuskv", "a consistent read is a list of all", _Nimbus, Nimbus),
        ("nimbuskv", "nimbuskv engine", "not its public face", _Nimbus, NimbusEngine),
        ("atomix_stm", "atomix Atom", "may run the function again", _Rival, AtomReference),
        ("cereggii", "cereggii AtomicRef", "may run the function again", _Rival, AtomicReference),
    )
    for module, name, note, kind_of, store in peers:
        # nimbuskv imports the C map, which would turn the GIL on for the whole process.
        if find_spec(module) is not None and (gil_enabled() or module != "nimbuskv"):
            found[name] = partial(kind_of, name, note, store)
    return found


@cache
def variants() -> Mapping[str, Callable[[int], Variant]]:
    """Return what makes each variant that can be had here, by name, for a size."""
    found: dict[str, Callable[[int], Variant]] = {LOCKED: _Locked, _ReadInPlace.name: _ReadInPlace}
    for maps in available_maps():
        found[f"cowstate/{maps}"] = partial(_Cowstate, maps)
    return found | _rivals()

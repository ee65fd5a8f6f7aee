"""What a variant of a store is, and how each workload is done on any of them.

A variant is made for one size, in one state, and gives the operation of a workload, or None
where it cannot do that at all. Operations work on ten keys spread over the store, so that the
depth of one key in one tree says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import count
from operator import attrgetter
from typing import Any, Final

from cowstate.maps import map_kind

from .levels import add_one, ten_keys
from .measure import Operation

__all__ = [
    "DEFAULT",
    "LOCKED",
    "UPDATE",
    "WORKLOADS",
    "Copying",
    "Variant",
    "WithChanges",
    "WithGet",
    "ignore",
]

DEFAULT = f"cowstate/{map_kind('auto').name}"
"""The store as it is without any choice."""

LOCKED = "locked"
"""The lock-based twin, to which the others are compared."""

WORKLOADS = (
    "snapshot",
    "read",
    "read_all",
    "iterate",
    "update",
    "set",
    "update_indexed",
    "update_derived",
    "update_all",
    "transact",
    "transaction",
    "draft",
    "draft_of_ten",
    "conditional",
    "diff",
    "delivery",
    "feed",
    "build",
)
"""The workloads that a variant may have an operation for."""

UPDATE: Final = "for key in keys: update(key, change)"
_QUANTITY = attrgetter("quantity")


def ignore(commit: object) -> None:
    """A subscriber that costs nothing but the call."""


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

    def do_read(self) -> Operation:
        """Read one record."""
        return self._do("for key in keys: snapshot()[key]", per=10, snapshot=self.store.snapshot)

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
        return self._do(UPDATE, per=10)

    def do_set(self) -> Operation:
        """Put one record, made before, in the place of another."""
        return self._do(
            "for records in pairs:\n    for key in keys: put(key, records[key])",
            per=20,
            pairs=[self._altered(), self._altered()],
            put=self.store.set,
        )

    def _altered(self) -> dict[str, Any]:
        now = self.store.snapshot()
        return {key: self.change(now[key]) for key in self.keys}

    def do_update_all(self) -> Operation:
        """Change ten records at once, by one function."""
        return self._do("update_all(keys, change)", update_all=self.store.update_all)

    def do_transaction(self) -> Operation:
        """Change ten records at once."""
        return self.do_update_all()

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


class WithGet(Variant):
    """One whose snapshots are copies: to read one record, it is asked for that record."""

    def do_read(self) -> Operation:
        """Read one record."""
        return self._do("for key in keys: get(key)", per=10, get=self.store.get)


class Copying(WithGet):
    """One that changes records in place and gives out copies, which only compare by value."""

    def do_conditional(self) -> Operation:
        """Change one record if it still equals what was read; a second copy is what is changed."""
        return self._do(
            "for key in keys:\n"
            "    old, new = get(key), get(key)\n"
            "    compare_and_set(key, old, change(new))",
            per=10,
            note="by value: what changed and changed back counts as unchanged",
            get=self.store.get,
            compare_and_set=self.store.compare_and_set,
        )


class WithChanges(Variant):
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
            UPDATE,
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

    def do_update_all(self) -> Operation:
        """Change ten records at once, by one function."""
        return self.do_transaction()

    def do_delivery(self) -> Operation:
        """Change one record and have one subscriber called."""
        store = self.fresh()
        store.subscribe(ignore)
        return self._do(UPDATE, per=10, update=store.update)

"""The variants of a store that are compared: ours over each map, the locked twin, and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from operator import attrgetter
from queue import SimpleQueue
from typing import Any

from cowstate import Aggregate, Index, Store
from cowstate.maps import available_maps

from .levels import (
    Level,
    MutableLevel,
    add_one_in_place,
    locked_store,
    mutable_records,
    records_of,
    set_order_id_in_place,
)
from .locked import LockedStore
from .measure import Operation, Settings
from .peers import peers
from .variant import DEFAULT, LOCKED, UPDATE, WORKLOADS, Copying, Variant, WithChanges

__all__ = ["DEFAULT", "LOCKED", "WORKLOADS", "Variant", "chosen", "variants"]

_QUANTITY = attrgetter("quantity")
_PRICE = attrgetter("price")
_ORDER_ID = attrgetter("order_id")


class _Cowstate(WithChanges):
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

    def do_update_derived(self) -> Operation:
        """Change one record; two indexes and three totals are asked, and none of them moves."""
        store = Store(
            records_of(self.size),
            maps=self._maps,
            indexes={"order_id": Index(_ORDER_ID, unique=True), "price": Index(_PRICE)},
            aggregates={
                "prices": Aggregate.sum(_PRICE),
                "ordered": Aggregate.count(_ORDER_ID),
                "levels": Aggregate.count(),
            },
        )
        return self._do(UPDATE, per=10, update=store.update)

    def do_update_all(self) -> Operation:
        return self._do("update_all(keys, change)", update_all=self.store.update_all)

    def do_transact(self) -> Operation:
        """Change ten records at once, by a function of a transaction."""
        return self._do(
            "transact(lambda tx: tx.update({key: change(tx[key]) for key in keys}))",
            transact=self.store.transact,
        )

    def do_draft(self) -> Operation:
        """Change one record by a draft, and commit it."""
        return self._do(
            "for key in keys:\n"
            "    draft = begin()\n"
            "    draft[key] = change(draft[key])\n"
            "    draft.commit()",
            per=10,
            begin=self.store.draft,
        )

    def do_draft_of_ten(self) -> Operation:
        """Change ten records by a draft, and commit it."""
        return self._do(
            "draft = begin()\nfor key in keys: draft[key] = change(draft[key])\ndraft.commit()",
            begin=self.store.draft,
        )

    def do_diff(self) -> Operation:
        return self._do("now.diff(before)", **self._one_apart())

    def do_feed(self) -> Operation:
        """Change one record and pull what changed."""
        store = self.fresh()
        return self._do(
            f"{UPDATE}\nfor key in keys: poll()",
            per=10,
            update=store.update,
            poll=store.feed().poll,
        )


class _Locked(Copying, WithChanges):
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

    def do_diff(self) -> Operation:
        return self._do("now.diff(before)", note="compares all values", **self._one_apart())

    def do_feed(self) -> Operation:
        store = self.fresh()
        queue: SimpleQueue[Any] = SimpleQueue()
        store.subscribe(queue.put)
        return self._do(
            f"{UPDATE}\nfor key in keys: get()",
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


@cache
def variants() -> Mapping[str, Callable[[int], Variant]]:
    """Return what makes each variant that can be had here, by name, for a size."""
    found: dict[str, Callable[[int], Variant]] = {LOCKED: _Locked, _ReadInPlace.name: _ReadInPlace}
    for maps in available_maps():
        found[f"cowstate/{maps}"] = partial(_Cowstate, maps)
    return found | peers()


def chosen(settings: Settings) -> Mapping[str, Callable[[int], Variant]]:
    """Return those that *settings* ask for, as far as they can be had here."""
    wanted = settings.variants
    return {name: make for name, make in variants().items() if not wanted or name in wanted}

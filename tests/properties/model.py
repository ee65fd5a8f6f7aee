"""What a store should be, said with plain dicts: the model that the state machine compares with.

It knows no sharing, no index, no ring and no lock; all that it needs, it works out from the
records anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ChangeSet,
    CowstateError,
    Draft,
    Index,
    InvariantError,
    Record,
    Store,
    UniqueViolationError,
)


class Item(Record):
    owner: str | None = None
    tags: tuple[str, ...] = ()
    amount: Decimal = Decimal(0)


class Key:
    """A key whose hash says little, so that many of them collide."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return len(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.name == self.name

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


KEYS: list[Hashable] = [Key("a"), Key("b"), Key("c"), Key("dd"), 1, "1", None, (1, "x")]
OWNERS = ["ann", "bob", "cyd"]
TAGS = ["x", "y", "z"]
POISON = "poison"

keys = st.sampled_from(KEYS)
items = st.builds(
    Item,
    st.none() | st.sampled_from(OWNERS),
    st.lists(st.sampled_from(TAGS), max_size=3).map(tuple),
    st.decimals(min_value=-99, max_value=99, places=2),
)
values = st.one_of(
    items,
    items,
    st.none(),
    st.just(float("nan")),
    st.just(POISON),
    st.decimals(allow_nan=True, allow_infinity=False, places=3, min_value=-9, max_value=9),
    st.text(max_size=2),
)
mutable = st.sampled_from([[], {}, set(), bytearray()]).map(lambda value: type(value)())
metas = st.sampled_from([None, "one", (1, 2), Item("meta")])


def owner_of(value: Any) -> str | None:
    return value.owner if isinstance(value, Item) else None


def tags_of(value: Any) -> tuple[str, ...] | None:
    return value.tags if isinstance(value, Item) else None


def kind_of(value: Any) -> str:
    return type(value).__name__


def amount_of(value: Any) -> Decimal | int:
    return value.amount if isinstance(value, Item) else 0


def price_of(value: Any) -> Decimal | None:
    return value.amount if isinstance(value, Item) else None


INDEXES: dict[str, tuple[Callable[[Any], Any], bool, bool]] = {
    "owner": (owner_of, True, False),
    "tags": (tags_of, False, True),
    "kind": (kind_of, False, False),
    "price": (price_of, False, False),
}
ORDERED = {"price"}
KINDS = ("Item", "NoneType", "Decimal", "float", "str")
LOOKUPS = [("owner", owner) for owner in OWNERS] + [("tags", tag) for tag in TAGS]
LOOKUPS += [("kind", kind) for kind in KINDS]
LIMIT = Decimal(150)


def no_poison(snapshot: Any, changes: ChangeSet[Any, Any]) -> bool:
    return all(change.new != POISON for change in changes.values())


def within_limit(snapshot: Any, changes: Any) -> str | None:
    return None if snapshot.total("amount") <= LIMIT else "too much"


def make_store(
    records: Any, kind: type[Store[Any, Any]] = Store, **options: Any
) -> Store[Any, Any]:
    return kind(
        records,
        indexes={
            name: Index(fn, unique, many, name in ORDERED)
            for name, (fn, unique, many) in INDEXES.items()
        },
        aggregates={
            "amount": Aggregate.sum(amount_of),
            "count": Aggregate.count(),
            "items": Aggregate.count(lambda value: isinstance(value, Item)),
            "least": Aggregate.min(price_of),
            "greatest": Aggregate.max(price_of, default="none"),
            "by kind": Aggregate.sum(amount_of, by=kind_of),
            # Exact to the very object: any change that is missed or doubled shows.
            "identity": Aggregate.fold(0, lambda s, v: s ^ id(v), lambda s, v: s ^ id(v)),
        },
        invariants={"no poison": no_poison, "within limit": within_limit},
        allow_none=True,
        **options,
    )


class Version(NamedTuple):
    """One version, by the model."""

    records: dict[Any, Any]
    meta: Any

    def entry(self, index: str, value: Any) -> set[Any]:
        fn, _, many = INDEXES[index]
        found = set()
        for key, record in self.records.items():
            result = fn(record)
            if result is not None and (value in result if many else value == result):
                found.add(key)
        return found

    def totals(self) -> dict[str, Any]:
        identity = 0
        for record in self.records.values():
            identity ^= id(record)
        prices = self.prices()
        by_kind: dict[str, Decimal | int] = {}
        for record in self.records.values():
            by_kind[kind_of(record)] = by_kind.get(kind_of(record), 0) + amount_of(record)
        return {
            "least": min(prices, default=None),
            "greatest": max(prices, default="none"),
            "by kind": by_kind,
            "amount": sum(amount_of(record) for record in self.records.values()),
            "count": len(self.records),
            "items": sum(isinstance(record, Item) for record in self.records.values()),
            "identity": identity,
        }

    def total(self, name: str, group: Any = MISSING) -> Any:
        total = self.totals()[name]
        return total if group is MISSING else total.get(group, 0)

    def prices(self, low: Any = None, high: Any = None) -> set[Decimal]:
        found = {price_of(record) for record in self.records.values()} - {None}
        return {
            price
            for price in found
            if price is not None
            and (low is None or low <= price)
            and (high is None or price <= high)
        }

    def range(self, low: Any, high: Any, reverse: bool, limit: int | None) -> list[set[Any]]:
        """The keys of each price, in the order of the prices, up to the one that is too many."""
        found: list[set[Any]] = []
        for price in sorted(self.prices(low, high), reverse=reverse):
            if limit is not None and sum(map(len, found)) >= limit:
                break
            found.append(self.entry("price", price))
        return found

    def to(self, later: Version) -> dict[Any, tuple[Any, Any]]:
        keys = {*self.records, *later.records}
        pairs = {k: (self.records.get(k, MISSING), later.records.get(k, MISSING)) for k in keys}
        return {key: pair for key, pair in pairs.items() if pair[0] is not pair[1]}

    def after(self, writes: dict[Any, Any], meta: Any) -> Version:
        records = {k: v for k, v in {**self.records, **writes}.items() if v is not MISSING}
        return Version(records, meta)

    def refusal_of(self, later: Version) -> type[CowstateError] | None:
        if any(len(later.entry("owner", owner)) > 1 for owner in OWNERS):
            return UniqueViolationError
        poisoned = any(new == POISON for _, new in self.to(later).values())
        if poisoned or later.totals()["amount"] > LIMIT:
            return InvariantError
        return None


def same(mine: dict[Any, Any], other: dict[Any, Any]) -> bool:
    """Equal keys, and under each the very same object."""
    return mine.keys() == other.keys() and all(mine[key] is other[key] for key in mine)


class DraftModel:
    """A draft, and what the model remembers of it."""

    def __init__(self, draft: Draft[Any, Any], base: int, seen: Version) -> None:
        self.draft = draft
        self.base = base
        self.seen = seen
        self.writes: dict[Any, Any] = {}
        self.meta = seen.meta
        self.keys: set[Any] = set()
        self.entries: set[tuple[str, Any]] = set()
        self.totals: set[tuple[str, Any]] = set()
        self.ranges: list[tuple[Any, Any]] = []
        self.key_set = False
        self.meta_used = False

    @property
    def now(self) -> Version:
        return self.seen.after(self.writes, self.meta)

    def conflicts(self, history: list[Version], expected: int | None) -> bool:
        then, now = self.seen, history[-1]
        changed = then.to(now)
        return (
            any(key in changed for key in self.keys)
            or any(self._entry_changed(history, index, value) for index, value in self.entries)
            or any(self._range_changed(history, *ends) for ends in self.ranges)
            or any(then.total(*read) != now.total(*read) for read in self.totals)
            or (self.key_set and self._keys_came_or_went(history))
            or (self.meta_used and then.meta is not now.meta)
            or (expected is not None and expected != len(history) - 1)
        )

    def _entry_changed(self, history: list[Version], index: str, value: Any) -> bool:
        states = [version.entry(index, value) for version in history[self.base :]]
        if INDEXES[index][1]:
            return states[0] != states[-1]
        # An entry that several records may share is another object once anything joined or left.
        return any(state != states[0] for state in states)

    def _range_changed(self, history: list[Version], low: Any, high: Any) -> bool:
        since = history[self.base :]
        prices = set().union(*(version.prices(low, high) for version in since))
        # An entry that was gone and came back is another one, too.
        return any(self._entry_changed(history, "price", price) for price in prices)

    def _keys_came_or_went(self, history: list[Version]) -> bool:
        # That they are the same again in the end does not take it back.
        states = [version.records.keys() for version in history[self.base :]]
        return any(state != states[0] for state in states)

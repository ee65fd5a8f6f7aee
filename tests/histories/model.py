"""The sequential model of a store: one state after the other, in plain dicts.

It answers the questions that an operation may ask of a snapshot, a transaction or a draft, from
the records alone, without an index or a running total.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cowstate import MISSING, Aggregate, Index, Record, Store

KEYS: Final = ("a", "b", "c", "d")
OWNERS: Final = (None, "ann", "bob")
TEAMS: Final = ("x", "y")
TOTALS: Final = ("amount", "count", "least")
LOOKUPS: Final = (("owner", "ann"), ("owner", "bob"), ("team", "x"), ("team", "y"))
"""Of the index ``owner``, which is unique, and of ``team``, which is not."""

Part = tuple[int | None, int | None, int | None]
"""The ends of a range of amounts, and how many records of it."""

Question = tuple[Any, ...]
"""A name and its arguments, as in ``("get", "a")``, ``("find", "ann")`` or ``("len",)``."""


class Item(Record):
    """What is stored. Two that are equal are common, and two that are the same are not."""

    owner: str | None
    team: str
    amount: int


class Note(Record):
    """The meta value."""

    text: str


class State(NamedTuple):
    """One version, by the model."""

    records: dict[str, Item]
    meta: Any

    def after(self, writes: dict[str, Any], meta: Any) -> State:
        """Return what writing these over it comes to; `MISSING` deletes."""
        merged = {**self.records, **writes}
        return State({key: item for key, item in merged.items() if item is not MISSING}, meta)

    def is_same(self, other: State) -> bool:
        """Whether each key holds the very same object in both."""
        return self.meta is other.meta and _same(self.records, other.records)

    def holders(self, index: str, value: Any) -> set[str]:
        """Return the keys under an index entry."""
        return {key for key, item in self.records.items() if getattr(item, index) == value}

    def total(self, name: str, team: str | None = None) -> int | None:
        """Return an aggregate, or that of a team."""
        items = [item for item in self.records.values() if team in (None, item.team)]
        if name == "least":
            return min((item.amount for item in items), default=None)
        return len(items) if name == "count" else sum(item.amount for item in items)

    def range(self, part: Part) -> list[str]:
        """Return the keys of a part of the order of amounts."""
        low, high, limit = part
        found = sorted((item.amount, key) for key, item in self.records.items())
        return [key for amount, key in found if _is_within(amount, low, high)][:limit]

    def amounts(self, low: int | None, high: int | None) -> set[int]:
        """Return the amounts that there are between these ends."""
        amounts = {item.amount for item in self.records.values()}
        return {amount for amount in amounts if _is_within(amount, low, high)}

    def refuses(self) -> bool:
        """Whether no store may come to this state, since two records share a unique value."""
        return any(len(self.holders("owner", owner)) > 1 for owner in OWNERS if owner)

    def agrees(self, question: Question, answer: Any) -> bool:
        """Whether *answer* is what *question* should be told here."""
        name, *args = question
        records = self.records
        if name == "get":
            return records.get(*args, MISSING) is answer
        if name == "has":
            return (args[0] in records) is answer
        if name == "keys":
            return bool(answer == records.keys())
        if name == "len":
            return bool(answer == len(records))
        if name == "all":
            return _same(answer, records)
        if name == "total":
            return bool(answer == self.total(*args))
        if name == "team_total":
            return bool(answer == self.total("amount", *args))
        if name == "range":
            keys = self.range((args[0], args[1], args[2]))
            return list(answer) == keys and _same(answer, {key: records[key] for key in keys})
        if name == "meta":
            return answer is self.meta
        if name == "find_all":
            return _same(answer, {key: records[key] for key in self.holders(*args)})
        holders = self.holders("owner", *args)
        if not holders:
            return answer is None
        # Within a draft two records may have the value for now; then either may be told.
        if name == "find_key":
            return answer in holders
        return any(records[key] is answer for key in holders)


def _is_within(amount: int, low: int | None, high: int | None) -> bool:
    return (low is None or low <= amount) and (high is None or amount <= high)


def _same(mine: dict[str, Any], other: dict[str, Any]) -> bool:
    return mine.keys() == other.keys() and all(mine[key] is other[key] for key in mine)


def state_of(snapshot: Any) -> State:
    """Return what a snapshot holds, as the model would have it."""
    return State(dict(snapshot.items()), snapshot.meta)


def make_store(kind: type[Store[Any, Any]] = Store) -> Store[Any, Any]:
    """Return a store with all that the model knows of, holding two records."""
    return kind(
        {"a": Item(None, "x", 0), "b": Item("ann", "y", 1)},
        indexes={
            "owner": Index(lambda item: item.owner, unique=True),
            "team": Index(lambda item: item.team),
            "price": Index(lambda item: item.amount, ordered=True),
        },
        aggregates={
            "amount": Aggregate.sum(lambda item: item.amount),
            "count": Aggregate.count(),
            "least": Aggregate.min(lambda item: item.amount),
            "by team": Aggregate.sum(lambda item: item.amount, by=lambda item: item.team),
        },
        meta=Note("start"),
    )

"""What a type checker knows of a total that is asked for by its `Aggregate`, and by its name.

Checked by mypy and pyright, and never run for its effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Any, Literal, assert_type

from cowstate import Aggregate, Record, Snapshot, Store


class Slot(Record):
    owner: str
    price: Decimal
    number: int = 0
    share: Decimal | None = None


def price_of(slot: Slot) -> Decimal:
    return slot.price


def number_of(slot: Slot) -> int:
    return slot.number


def owner_of(slot: Slot) -> str:
    return slot.owner


def share_of(slot: Slot) -> Decimal | None:
    return slot.share


def seen(owners: frozenset[str], slot: Slot) -> frozenset[str]:
    return owners | {slot.owner}


# The sum of no record is the int 0, where no start is given.
POSITION = Aggregate.sum(price_of, Decimal(0))
assert_type(POSITION, Aggregate[Slot, Decimal])
LOOSE = Aggregate.sum(price_of)
assert_type(LOOSE, Aggregate[Slot, Decimal | Literal[0]])
NUMBER = Aggregate.sum(number_of, 0)
assert_type(NUMBER, Aggregate[Slot, int])
MIXED = Aggregate.sum(number_of, Fraction(0))
assert_type(MIXED, Aggregate[Slot, int | Fraction])
BY_OWNER = Aggregate.sum(price_of, Decimal(0), by=owner_of)
assert_type(BY_OWNER, Aggregate[Slot, Mapping[str, Decimal]])
LOOSE_BY_OWNER = Aggregate.sum(price_of, by=owner_of)
assert_type(LOOSE_BY_OWNER, Aggregate[Slot, Mapping[str, Decimal | Literal[0]]])

COUNT = Aggregate.count()
assert_type(COUNT, Aggregate[Any, int])
assert_type(Aggregate.count(number_of), Aggregate[Slot, int])
COUNT_BY = Aggregate.count(by=owner_of)
assert_type(COUNT_BY, Aggregate[Slot, Mapping[str, int]])
assert_type(Aggregate.count(number_of, by=owner_of), Aggregate[Slot, Mapping[str, int]])

# No record has no least value.
LEAST = Aggregate.min(price_of)
assert_type(LEAST, Aggregate[Slot, Decimal | None])
SHARE = Aggregate.max(share_of)
assert_type(SHARE, Aggregate[Slot, Decimal | None])
assert_type(Aggregate.max(share_of, default=Decimal(0)), Aggregate[Slot, Decimal])
assert_type(Aggregate.min(price_of, default="none"), Aggregate[Slot, Decimal | str])
LEAST_BY = Aggregate.min(price_of, by=owner_of)
assert_type(LEAST_BY, Aggregate[Slot, Mapping[str, Decimal | None]])
assert_type(
    Aggregate.max(price_of, default=Decimal(0), by=owner_of),
    Aggregate[Slot, Mapping[str, Decimal]],
)

NOBODY: frozenset[str] = frozenset()
OWNERS = Aggregate.fold(NOBODY, seen, seen)
assert_type(OWNERS, Aggregate[Slot, frozenset[str]])
OWNERS_BY = Aggregate.fold(NOBODY, seen, seen, by=number_of)
assert_type(OWNERS_BY, Aggregate[Slot, Mapping[int, frozenset[str]]])

# Of a lambda that stands alone nobody knows the records; of one that is called with a type they do.
TOLD: Aggregate[Slot, Decimal] = Aggregate.sum(lambda slot: slot.price, Decimal(0))

slots = Store(
    {"a": Slot("ann", Decimal(1))},
    aggregates={
        "position": POSITION,
        "loose": LOOSE,
        "mixed": MIXED,
        "told": TOLD,
        "by owner": BY_OWNER,
        "count": COUNT,
        "least": LEAST,
        "least by": LEAST_BY,
        "owners": OWNERS,
    },
)
assert_type(slots, Store[str, Slot])

# The records of the store are those of its lambdas.
by_lambdas = Store(
    {"a": Slot("ann", Decimal(1))},
    aggregates={
        "sum": Aggregate.sum(lambda slot: slot.price),
        "start": Aggregate.sum(lambda slot: slot.price, Decimal(0)),
        "sum by": Aggregate.sum(lambda slot: slot.price, by=lambda slot: slot.owner),
        "start by": Aggregate.sum(lambda slot: slot.price, Decimal(0), by=lambda slot: slot.owner),
        "least": Aggregate.min(lambda slot: slot.price),
        "most": Aggregate.max(lambda slot: slot.price, default=0),
        "most by": Aggregate.max(lambda slot: slot.price, default=0, by=lambda slot: slot.owner),
        "least by": Aggregate.min(lambda slot: slot.price, by=lambda slot: slot.owner),
        "count": Aggregate.count(lambda slot: slot.number > 3),
        "count by": Aggregate.count(by=lambda slot: slot.owner),
        "count both": Aggregate.count(lambda slot: slot.number > 3, by=lambda slot: slot.owner),
        "fold": Aggregate.fold(0, lambda n, slot: n + slot.number, lambda n, slot: n - slot.number),
    },
)
assert_type(by_lambdas, Store[str, Slot])

# Whoever keeps several of them, and asks by the name.
NAMED: dict[str, Aggregate[Slot, Any]] = {
    "position": POSITION,
    "sum": Aggregate.sum(price_of),
    "least": Aggregate.min(price_of, by=owner_of),
    "all": Aggregate.count(),
    "dear": Aggregate.count(lambda slot: slot.price > 5),
}
assert_type(Store({"a": Slot("ann", Decimal(1))}, aggregates=NAMED), Store[str, Slot])
assert_type(Aggregate(NOBODY, seen, seen), Aggregate[Slot, frozenset[str]])
assert_type(
    Aggregate(NOBODY, seen, seen, by=owner_of), Aggregate[Slot, Mapping[str, frozenset[str]]]
)


def read(now: Snapshot[str, Slot]) -> None:
    assert_type(now.total(POSITION), Decimal)
    assert_type(now.total(LOOSE), Decimal | Literal[0])
    assert_type(now.total(LOOSE) or Decimal(0), Decimal)
    assert_type(now.total(MIXED), int | Fraction)
    assert_type(now.total(NUMBER), int)
    assert_type(now.total(COUNT), int)
    assert_type(now.total(LEAST), Decimal | None)
    assert_type(now.total(TOLD), Decimal)
    assert_type(now.total(OWNERS), frozenset[str])
    # All groups, and one of them.
    assert_type(now.total(BY_OWNER), Mapping[str, Decimal])
    assert_type(now.total(BY_OWNER, "ann"), Decimal)
    assert_type(now.total(COUNT_BY, "ann"), int)
    assert_type(now.total(LEAST_BY), Mapping[str, Decimal | None])
    assert_type(now.total(LEAST_BY, "ann"), Decimal | None)
    assert_type(now.total(OWNERS_BY, 3), frozenset[str])
    # By its name it may be anything.
    assert_type(now.total("position"), Any)
    assert_type(now.total("by owner", "ann"), Any)
    position: Decimal = now.total("position")
    assert_type(position, Decimal)


def laid_over(store: Store[str, Slot, str]) -> None:
    with store.transaction() as tx:
        assert_type(tx.total(POSITION), Decimal)
        assert_type(tx.total(BY_OWNER, "ann"), Decimal)
        assert_type(tx.total("position"), Any)
    with store.draft() as draft:
        assert_type(draft.total(LEAST), Decimal | None)
        assert_type(draft.total(BY_OWNER), Mapping[str, Decimal])
        assert_type(draft.total("by owner", "ann"), Any)
    assert_type(store.transact(lambda tx: tx.total(POSITION)), Decimal)
    assert_type(store.add_aggregate("p", POSITION).after.total(POSITION), Decimal)


# `attrgetter` gives anything.
ANY = Aggregate.sum(attrgetter("price"), Decimal(0))
anything: int = slots.snapshot().total(Aggregate.max(attrgetter("price"), default=0))

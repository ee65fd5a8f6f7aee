"""Codecs and what they are given: keys and records of every type, and whatever else there is."""

from __future__ import annotations

import enum
import functools
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NewType

from hypothesis import strategies as st

from cowstate import MISSING, Codec, Commit, CowstateError, Record, Snapshot, Store

FORMS: Any = ["json", "msgpack"]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Place(NamedTuple):
    name: str
    number: int


class Slot(Record):
    price: Decimal
    order_id: int | None = None
    tags: tuple[str, ...] = ()
    at: datetime | None = None


class Buy(Record, tag=True):
    quantity: int


class Sell(Record, tag=True):
    quantity: int


Ident = NewType("Ident", int)
small = st.integers(-(2**63), 2**64 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
decimals = st.decimals(allow_nan=False)
moments = st.datetimes(timezones=st.sampled_from([None, UTC]))


# For each type of keys, some of them; and whether they are the names of an object in JSON.
KEYS: dict[str, tuple[Any, st.SearchStrategy[Any], bool]] = {
    "str": (str, text, True),
    "int": (int, small, True),
    "new type": (Ident, small, True),
    "Decimal": (Decimal, decimals, True),
    "UUID": (uuid.UUID, st.uuids(), True),
    "date": (date, st.dates(), True),
    "datetime": (datetime, moments, True),
    "time": (time, st.times(), True),
    "timedelta": (timedelta, st.timedeltas(timedelta(-999), timedelta(999)), True),
    "bytes": (bytes, st.binary(max_size=3), True),
    "enum": (Color, st.sampled_from(Color), True),
    "int enum": (Level, st.sampled_from(Level), True),
    "literal": (Literal["a", "b"], st.sampled_from("ab"), True),
    "mixed literal": (Literal[1, "1"], st.sampled_from([1, "1"]), False),
    "union": (int | str, small | text | st.sampled_from([1, "1"]), False),
    "optional": (str | None, text | st.sampled_from(["null", None]), False),
    "bool": (bool, st.booleans(), False),
    "float": (float, st.floats(allow_nan=False, allow_infinity=False), False),
    "tuple": (tuple[str, int], st.tuples(text, small), False),
    "named tuple": (Place, st.builds(Place, text, small), False),
    "frozenset": (frozenset[int], st.frozensets(small, max_size=2), False),
    "record": (Buy, st.builds(Buy, small), False),
}


slots = st.builds(
    Slot, decimals, st.none() | small, st.lists(text, max_size=2).map(tuple), st.none() | moments
)


RECORDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "record": (Slot, slots),
    "tagged union": (Buy | Sell, st.builds(Buy, small) | st.builds(Sell, small)),
    "optional": (Slot | None, st.none() | slots),
    "number or text": (int | str, small | text),
    "tuple": (tuple[int, ...], st.lists(small, max_size=3).map(tuple)),
}


@st.composite
def worlds(draw: st.DrawFn, record: str | None = None) -> tuple[Codec[Any, Any], list[Any]]:
    """A codec, and the states of a store, one after the other, each with its meta."""
    key_type, keys, _ = KEYS[draw(st.sampled_from(sorted(KEYS)))]
    record_type, records = RECORDS[record or draw(st.sampled_from(sorted(RECORDS)))]
    codec: Codec[Any, Any] = Codec(
        key=key_type, record=record_type, meta=str | None, form=draw(st.sampled_from(FORMS))
    )
    states = st.tuples(st.dictionaries(keys, records, max_size=4), st.sampled_from([None, "m"]))
    return codec, draw(st.lists(states, min_size=1, max_size=4))


def store_through(states: list[Any]) -> tuple[Snapshot[Any, Any], list[Commit[Any, Any]]]:
    """The first version of a store, and the commits that lead it through *states*."""
    store: Store[Any, Any] = Store(states[0][0], meta=states[0][1], allow_none=True)

    def become(state: Any, tx: Any) -> Any:
        for key in [key for key in tx if key not in state[0]]:
            del tx[key]
        for key, record in state[0].items():
            tx[key] = record
        tx.meta = state[1]
        return tx

    start = store.snapshot()
    return start, [store.transact(functools.partial(become, state)).result for state in states[1:]]


def is_like(one: Snapshot[Any, Any], other: Snapshot[Any, Any]) -> bool:
    assert (one.version, one.meta) == (other.version, other.meta)
    return one == other and len(one) == len(other)


def attempt(do: Callable[[], Any], *allowed: type[CowstateError]) -> Any:
    """What *do* returns, or the error, if it is one of those and of bounded length."""
    try:
        return do()
    except allowed as error:
        return checked(error)


def checked(error: CowstateError) -> CowstateError:
    assert len(str(error)) <= 600
    return error


# Whatever somebody put into a record, for Python does not look at the types.
anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.decimals()
    | st.binary(max_size=3)
    | st.sampled_from([object(), Color.RED, Level.LOW, "\ud800", 10**400, MISSING]),
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.lists(inner, max_size=2),
    max_leaves=4,
)

"""What news mean for a store: exactly what has to be written, and nothing that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    InvariantError,
    MutableRecordError,
    Record,
    Store,
    UnhashableKeyError,
)
from cowstate.mirror import Changes, Listed
from cowstate.mirror.plan import read, writes_of
from cowstate.mirror.publisher import Publisher


def publish(store: Any, news: Any, owns: Any = None) -> Any:
    return Publisher(store, owns).publish(news)


class Pod(Record):
    phase: int


class Odd:
    """What cannot be compared."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        raise TypeError("no such comparison")

    __hash__ = None  # type: ignore[assignment]


KEYS = st.sampled_from("abcdef")
RECORDS = st.dictionaries(KEYS, st.builds(Pod, st.integers(0, 2)))
SPLIT = st.sampled_from([None, lambda key: key < "d"])


def only(records: Any, owns: Any) -> dict[str, Any]:
    return {key: record for key, record in records.items() if owns is None or owns(key)}


@given(RECORDS, RECORDS, SPLIT)
def test_a_list_is_one_version_with_only_what_differs(held: Any, wanted: Any, owns: Any) -> None:
    store, wanted = Store(held), only(wanted, owns)
    before = store.snapshot()
    commit = publish(store, Listed(wanted), owns)
    now = store.snapshot()
    assert only(now, owns) == wanted
    differs = {k for k in {*only(held, owns), *wanted} if held.get(k) != wanted.get(k)}
    assert set(now.diff(before)) == differs
    assert now.version == bool(differs)
    assert (commit is None) == (not differs)
    for key in before.keys() - differs:
        assert now[key] is before[key]


@given(RECORDS, RECORDS, st.lists(KEYS), SPLIT)
def test_changes_are_one_version_with_only_what_differs(
    held: Any, put: Any, removed: list[str], owns: Any
) -> None:
    store, put = Store(held), only(put, owns)
    removed = [key for key in removed if owns is None or owns(key)]
    publish(store, Changes(put, removed), owns)
    expected = {**{k: v for k, v in held.items() if k not in removed}, **put}
    now = store.snapshot()
    assert dict(now) == expected
    assert now.version == (dict(held) != expected)


def test_what_was_deleted_is_told_with_its_last_known_state() -> None:
    gone = Pod(1)
    store = Store({"a": gone, "b": Pod(2)})
    commit = publish(store, Listed({"b": Pod(2)}))
    assert commit is not None
    assert dict(commit.changes) == {"a": (gone, MISSING)}


@pytest.mark.parametrize("news", [Listed, Changes])
def test_what_can_be_read_once_only_is_read_once(news: Any) -> None:
    store: Store[str, Any] = Store()
    publish(store, news(iter([("a", Pod(1))])))
    assert dict(store.snapshot()) == {"a": Pod(1)}
    publish(store, Changes({}, iter(["a"])))
    assert dict(store.snapshot()) == {}


def test_what_cannot_be_compared_is_the_same_as_itself_only() -> None:
    one, other, new = Odd("one"), Odd("other"), Odd("new")
    store = Store({"a": one, "b": other}, immutability="trusted")
    commit = publish(store, Listed({"a": one, "b": new}))
    assert commit is not None
    assert list(commit.changes) == ["b"]


def test_nothing_is_written_where_nothing_differs() -> None:
    store = Store({"a": Pod(1)})
    # Not even asked for the lock: a transaction is open, and would be in the way.
    with store.transaction():
        assert publish(store, Listed({"a": Pod(1)})) is None
        assert publish(store, Changes({"a": Pod(1)}, ["b"])) is None


class Meddler:
    """A record that, when it is compared, has somebody write to the store first."""

    write: Any = None

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        if Meddler.write is not None:
            write, Meddler.write = Meddler.write, None
            write()
        return isinstance(other, Meddler) and other.n == self.n

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "news", [Listed({"a": Meddler(1), "b": Meddler(5)}), Changes({"a": Meddler(1)})]
)
@pytest.mark.parametrize("by", ["set", "delete"])
def test_who_writes_in_between_is_put_right(news: Any, by: str) -> None:
    store = Store({"a": Meddler(0), "b": Meddler(5)}, immutability="trusted")
    Meddler.write = {
        "set": lambda: store.set("a", Meddler(9)),
        "delete": lambda: store.delete("a"),
    }[by]
    commit = publish(store, news)
    assert Meddler.write is None, "nobody has written in between: this shows nothing"
    assert store.snapshot()["a"].n == 1
    assert commit is not None
    assert commit.before.version == 1  # it is worked out anew, over what was written
    old = commit.changes["a"].old
    assert old is MISSING if by == "delete" else old.n == 9


def hostile() -> Iterator[tuple[Any, type[Exception], str]]:
    yield Listed([(["a"], 1)]), UnhashableKeyError, "a list cannot be a key"
    yield Changes([(["a"], 1)]), UnhashableKeyError, "a list cannot be a key"  # type: ignore[arg-type]
    yield Changes({}, [["a"]]), UnhashableKeyError, "a list cannot be a key"
    yield Listed(5), ArgumentTypeError, "must be a mapping"  # type: ignore[arg-type]
    yield Listed("ab"), ArgumentTypeError, "must be a mapping"  # type: ignore[arg-type]
    yield Listed([("a",)]), ArgumentTypeError, "with .*'a'.* in it"  # type: ignore[list-item]
    yield Listed([1]), ArgumentTypeError, "pairs, not an iterable with 1 in it"  # type: ignore[list-item]
    yield Listed([("a", 1), ("a", 2)]), ArgumentValueError, "'a' is in it twice"
    yield Changes({}, "ab"), ArgumentTypeError, "an iterable of keys"
    yield Listed({"a": [1]}), MutableRecordError, "list"
    yield Changes({"a": {}}), MutableRecordError, "dict"
    yield Listed({float("nan"): 1}), ArgumentValueError, "equals nothing"
    yield Listed({"a": -1}), InvariantError, "positive"


@pytest.mark.parametrize(("news", "error", "says"), list(hostile()))
def test_a_hostile_item_is_refused_whole(news: Any, error: Any, says: str) -> None:
    store: Store[Any, Any] = Store(
        {"z": 1}, invariants={"positive": lambda now, _: all(n > 0 for n in now.values())}
    )
    before = store.snapshot()
    with pytest.raises(error, match=says):
        publish(store, news)
    assert store.snapshot() is before
    store.set("free", 1)


def test_a_key_of_others_is_refused() -> None:
    for news in (Listed({"b": 1}), Changes({"b": 1}), Changes({}, ["b"])):
        with pytest.raises(ArgumentValueError, match="no key of this mirror's"):
            read(news, lambda key: key == "a")


def test_a_plan_changes_nothing() -> None:
    base = {"a": 1, "b": 2}
    assert writes_of(base, Listed({"b": 3, "c": 4})) == {"a": MISSING, "b": 3, "c": 4}
    assert base == {"a": 1, "b": 2}


WRITES = st.lists(st.tuples(KEYS, st.none() | st.builds(Pod, st.integers(0, 2))), max_size=5)


@given(st.lists(st.tuples(WRITES, RECORDS), max_size=5), SPLIT)
def test_one_publisher_sees_what_others_write_in_between(rounds: Any, owns: Any) -> None:
    store: Store[str, Any] = Store()
    publisher = Publisher(store, owns)
    for writes, wanted in rounds:
        for key, record in writes:
            if record is not None:
                store.set(key, record)
            elif key in store.snapshot():
                store.delete(key)
        before = store.snapshot()
        publisher.publish(Listed(only(wanted, owns)))
        now = store.snapshot()
        assert only(now, owns) == only(wanted, owns)
        assert {k: now[k] for k in now if owns and not owns(k)} == {
            k: before[k] for k in before if owns and not owns(k)
        }
        assert now.version - before.version == (only(before, owns) != only(wanted, owns))

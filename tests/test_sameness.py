"""Which write is none: by identity or by equality; and what cannot be compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentValueError,
    ChangeSet,
    ConflictError,
    Index,
    Record,
    Store,
)
from cowstate.sameness import equal

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    price: int
    tags: tuple[str, ...] = ()


class Raises:
    """As a Decimal that is a signalling NaN."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ArithmeticError("compare me not")


class Array:
    """As one of numpy's: its == is one more, and has no truth value."""

    def __eq__(self, other: object) -> Any:
        return Array()

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class Expression:
    """As a column of a query: its == is true, whatever it is compared with."""

    def __eq__(self, other: object) -> Any:
        return Expression()

    __hash__ = None  # type: ignore[assignment]


class Scalar:
    """As a number of numpy's: its == gives a truth value of another type than bool."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name

    def __eq__(self, other: object) -> Any:
        answer = isinstance(other, Scalar) and self.number == other.number
        return type(self.name, (), {"__bool__": lambda _: answer})()

    __hash__ = None  # type: ignore[assignment]


class Anything:
    """As `unittest.mock.ANY`."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


INCOMPARABLE = [Raises, Array, Expression, lambda: (1, Raises()), lambda: Decimal("sNaN")]
VALUES = (
    st.integers(-2, 2)
    | st.booleans()
    | st.sampled_from([0.0, 1.0, float("nan"), Decimal("1.0"), Decimal("1.00"), "a", "b", ()])
    | st.builds(Slot, st.integers(0, 1))
)
KEYS = st.sampled_from("abc")
WRITES = st.lists(st.tuples(KEYS, VALUES | st.just(MISSING)), max_size=6)


def set_or_delete(store: Store[Any, Any], key: str, new: Any) -> None:
    if new is not MISSING:
        store.set(key, new)
    elif key in store.snapshot():
        store.delete(key)


def by_transaction(store: Store[Any, Any], writes: Any) -> None:
    with store.transaction() as tx:
        for key, new in writes:
            if new is not MISSING:
                tx[key] = new
            else:
                tx.pop(key, None)
        expected = tx.changes
    assert tx.result.changes == expected


def by_draft(store: Store[Any, Any], writes: Any) -> None:
    draft = store.draft()
    for key, new in writes:
        if new is not MISSING:
            draft[key] = new
        else:
            draft.pop(key, None)
    draft.commit()


def one_by_one(store: Store[Any, Any], writes: Any) -> None:
    for key, new in writes:
        set_or_delete(store, key, new)


def by_update(store: Store[Any, Any], writes: Any) -> None:
    for key, new in writes:
        if new is not MISSING and key in store.snapshot():
            store.update(key, lambda _, new=new: new)
        else:
            set_or_delete(store, key, new)


def by_compare_and_set(store: Store[Any, Any], writes: Any) -> None:
    for key, new in writes:
        store.compare_and_set(key, store.snapshot().get(key, MISSING), new)


WAYS = [by_transaction, by_draft, one_by_one, by_update, by_compare_and_set]


def holds_back_what_is_equal(make: Any, start: Any, writes: Any, way: Any) -> None:
    """A store by equality, and one by identity beside it, hold equal records; and no change of
    the first is between equal ones.
    """
    told = make(
        start,
        same="equality",
        indexes={"itself": Index(lambda r: None if r != r else r)},  # noqa: PLR0124
        aggregates={"count": Aggregate.count(lambda r: r == 1)},
    )
    plainly = Store(start)
    commits: list[Any] = []
    told.subscribe(commits.append)
    way(told, writes)
    way(plainly, writes)
    now = told.snapshot()
    assert now.keys() == plainly.snapshot().keys()
    for key, record in plainly.snapshot().items():
        assert now[key] is record or equal(now[key], record) or record != record  # noqa: PLR0124
    for commit in commits:
        assert commit.changes
        for key, (old, new) in commit.changes.items():
            assert old is MISSING or new is MISSING or not equal(old, new)
            assert commit.after.get(key, MISSING) is new
            assert commit.before.get(key, MISSING) is old
        for key, record in commit.before.items():
            if key not in commit.changes:
                assert commit.after[key] is record  # the one that is there stays
    assert now.total("count") == sum(record == 1 for record in now.values())


@pytest.mark.parametrize("way", WAYS)
def test_by_equality_what_is_equal_is_not_written(make_store: MakeStore, way: Any) -> None:
    @given(st.dictionaries(KEYS, VALUES), WRITES)
    def law(start: Any, writes: Any) -> None:
        holds_back_what_is_equal(make_store, start, writes, way)

    law()


class ByIdentity(Store[Any, Any]):
    """What the law is worth: a store that holds nothing back."""

    def __init__(self, *args: Any, same: str, **others: Any) -> None:
        super().__init__(*args, **others)


class OnlyOneKey(ByIdentity):
    """Another one, that holds equal records back in `set` alone."""

    def set(self, key: Any, record: Any) -> Any:
        old = self.snapshot().get(key, MISSING)
        return super().set(key, old if old is not MISSING and equal(old, record) else record)


@pytest.mark.parametrize(("twin", "way"), [(ByIdentity, one_by_one), (OnlyOneKey, by_transaction)])
def test_the_law_sees_a_store_that_does_not(twin: Any, way: Any) -> None:
    @given(st.dictionaries(KEYS, VALUES), WRITES)
    def law(start: Any, writes: Any) -> None:
        holds_back_what_is_equal(twin, start, writes, way)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("".join(["a", "b"]), "".join(["a", "b"]), True),
        (10**30, 10**30 + 0, True),
        (1, 1.0, True),
        (1, True, True),
        (0.0, -0.0, True),
        (Decimal("1.0"), Decimal("1.00"), True),
        (Slot(1, ("a",)), Slot(1, ("a",)), True),
        ((1, "a"), (True, "a"), True),
        (float("nan"), float("nan"), False),
        (Decimal("nan"), Decimal("nan"), False),
        ("1", 1, False),
        (Slot(1), Slot(2), False),
    ],
)
def test_what_equality_says_of_the_values_that_one_stores(old: Any, new: Any, same: bool) -> None:
    store: Store[str, Any] = Store({"a": old}, same="equality", meta=old)
    assert store.set("a", new).version == (0 if same else 1)
    assert store.snapshot()["a"] is (old if same else new)
    with store.transaction() as tx:
        tx.meta = new
    assert store.snapshot().meta is (old if same else new)
    assert (store.compare_and_set("a", new, "next") is None) is False


@pytest.mark.parametrize("value", [float("nan"), Slot(1), "text"])
def test_the_very_object_is_the_same_by_either_rule(value: Any) -> None:
    for rule in ("identity", "equality"):
        store: Store[str, Any] = Store({"a": value}, same=rule)  # type: ignore[arg-type]
        assert store.set("a", value).version == 0


def test_by_identity_an_equal_record_is_another_one() -> None:
    store: Store[str, Any] = Store({"a": Slot(1)})
    assert store.set("a", Slot(1)).version == 1
    assert store.compare_and_set("a", Slot(1), Slot(2)) is None


def test_compare_and_set_expects_by_the_rule_of_the_store() -> None:
    store: Store[str, Any] = Store({"a": Slot(1)}, same="equality")
    assert store.compare_and_set("a", Slot(2), Slot(3)) is None
    unchanged = store.compare_and_set("a", Slot(1), Slot(1))
    assert unchanged is not None
    assert not unchanged.changes
    assert store.compare_and_set("a", Slot(1), Slot(2)) is not None
    assert store.compare_and_set("b", Anything(), Slot(2)) is None
    assert store.compare_and_set("a", MISSING, Slot(2)) is None


def test_conflicts_are_by_identity_in_either() -> None:
    store: Store[str, Any] = Store({"a": Slot(1)}, same="equality")
    draft = store.draft()
    draft["a"] = draft["a"].replace(price=5)
    store.set("a", Slot(2))
    store.set("a", Slot(1))
    with pytest.raises(ConflictError):
        draft.commit()


def test_what_is_equal_to_anything_is_not_equal_to_none_at_all() -> None:
    store: Store[str, Any] = Store(same="equality")
    anything = Anything()
    assert store.set("a", anything).version == 1
    assert store.set("a", 5).version == 1
    assert store.delete("a").version == 2


@pytest.mark.parametrize("make", INCOMPARABLE)
def test_what_cannot_be_compared_is_the_same_as_itself_only(make: Any) -> None:
    one, other = make(), make()
    store: Store[str, Any] = Store({"a": one}, same="equality")
    assert store.set("a", one).version == 0
    assert store.set("a", other).version == 1
    assert store.compare_and_set("a", one, 5) is None
    assert store.compare_and_set("a", other, 5) is not None


@given(st.sampled_from(["bool", "bool_"]), st.integers(0, 2), st.integers(0, 2))
def test_a_truth_value_of_numpy_s_says_whether_they_are_equal(name: str, a: int, b: int) -> None:
    store: Store[str, Any] = Store({"a": Scalar(a, name)}, same="equality")
    assert store.set("a", Scalar(b, name)).version == (0 if a == b else 1)


@given(VALUES, VALUES, st.sampled_from(INCOMPARABLE))
def test_of_any_two_it_is_true_or_false_that_they_are_equal(one: Any, other: Any, odd: Any) -> None:
    assert equal(one, other) is (one == other)
    assert equal(odd(), one) is equal(odd(), odd()) is False


class StopError(BaseException):
    """As Ctrl-C."""


def test_what_is_no_exception_passes_through_the_comparison() -> None:
    class Stops:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise StopError

    store: Store[str, Any] = Store({"a": Stops()}, same="equality")
    with pytest.raises(StopError):
        store.set("a", 1)
    assert store.delete("a").version == 1


def test_what_is_known_to_nobody_is_an_error() -> None:
    with pytest.raises(ArgumentValueError, match="'equal'"):
        Store(same="equal")  # type: ignore[arg-type]


# Comparison of snapshots and change sets


@pytest.mark.parametrize("make", INCOMPARABLE)
def test_snapshots_of_what_cannot_be_compared_are_compared_by_identity(
    make_store: MakeStore, make: Any
) -> None:
    one = make()
    first, second = make_store({"a": one, "b": 1}), make_store({"b": 1, "a": one})
    third = make_store({"a": make(), "b": 1})
    assert first.snapshot() == second.snapshot() == dict(first.snapshot())
    assert first.snapshot() != third.snapshot()
    assert first.snapshot() != dict(third.snapshot())
    assert first.snapshot() != {"a": one}
    first.set("a", 2)
    second.set("a", 2)
    third.set("a", 2)
    changes = [store.snapshot().diff(store.at(0)) for store in (first, second, third)]
    assert changes[0] == changes[1] == dict(changes[0])
    assert changes[0] != changes[2]


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES))
def test_all_others_are_compared_as_dicts_are(first: Any, second: Any) -> None:
    one, other = Store(first).snapshot(), Store(second).snapshot()
    assert (one == other) is (first == second)
    assert (one == second) is (first == second)
    assert one == Store(copy.copy(first)).snapshot()
    changes = [
        ChangeSet({key: (MISSING, record) for key, record in records.items()})
        for records in (first, second)
    ]
    assert (changes[0] == changes[1]) is (first == second)
    assert (changes[0] == dict(changes[1])) is (first == second)
    assert changes[0] != 5


def test_a_total_that_does_not_equal_itself_is_no_conflict_by_itself() -> None:
    store: Store[str, Any] = Store(
        {"a": 1},
        aggregates={"odd": Aggregate.fold(float("nan"), lambda s, _: s, lambda s, _: s)},
    )
    draft = store.draft()
    draft.total("odd")
    draft["b"] = 1
    store.set("c", 1)
    assert draft.commit().version == 2


@pytest.mark.parametrize("same", ["identity", "equality"])
def test_real_arrays_and_frames_are_what_they_are_by_identity(same: Any) -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    records = {"array": numpy.arange(3), "frame": pandas.DataFrame({"a": [1]}), "nan": numpy.nan}
    store: Store[str, Any] = Store(records, immutability="trusted", same=same)
    before = store.snapshot()
    for key, record in records.items():
        assert store.set(key, record).after is before
    assert store.set("array", numpy.arange(3)).version == 1
    assert store.set("frame", pandas.DataFrame({"a": [1]})).version == 2
    assert store.snapshot() != before
    assert store.snapshot() == store.snapshot()
    assert store.snapshot().diff(before).keys() == {"array", "frame"}


class Like(Record):
    """Equal to anything."""

    price: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def test_what_is_equal_to_anything_is_not_taken_for_what_is_not_there(
    make_store: MakeStore,
) -> None:
    store = make_store({}, same="equality")
    with store.transaction() as tx:
        tx["a"], tx["b"] = Like(1), Like(2)
    assert set(store.snapshot()) == {"a", "b"}
    with store.transaction() as tx:
        del tx["a"]
    assert set(store.snapshot()) == {"b"}
    draft = store.draft()
    del draft["b"]
    draft["c"] = Like(3)
    draft.commit()
    assert set(store.snapshot()) == {"c"}

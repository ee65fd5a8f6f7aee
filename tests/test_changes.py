"""Change sets: the laws of composition."""

from __future__ import annotations

import copy
import pickle
from collections import UserDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import MISSING, ArgumentTypeError, Change, ChangeSet, ChangeSetMismatchError, Store
from cowstate.changes import Missing, compose_all

Records = dict[str, Any]

# Equal but not identical: changes go by identity.
OBJECTS = [(1, 2), tuple(range(1, 3)), float("nan"), None, "a", MISSING]
states = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(OBJECTS[:-1]))


def between(old: Records, new: Records) -> ChangeSet[str, Any]:
    keys = {*old, *new}
    return ChangeSet({key: (old.get(key, MISSING), new.get(key, MISSING)) for key in keys})


def same(one: ChangeSet[str, Any], other: ChangeSet[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].old is other[key].old and one[key].new is other[key].new for key in one
    )


def is_exactly(mapping: Mapping[str, Any], records: Records) -> bool:
    return mapping.keys() == records.keys() and all(mapping[key] is records[key] for key in records)


@given(states, states, states)
def test_a_change_set_then_the_next_is_the_one_from_end_to_end(
    a: Records, b: Records, c: Records
) -> None:
    assert same(between(a, b).then(between(b, c)), between(a, c))


@given(states, states, states, states)
def test_then_is_associative(a: Records, b: Records, c: Records, d: Records) -> None:
    ab, bc, cd = between(a, b), between(b, c), between(c, d)
    assert same(ab.then(bc).then(cd), ab.then(bc.then(cd)))
    assert same(ChangeSet(compose_all([ab._delta, bc._delta, cd._delta])), ab.then(bc).then(cd))


@given(states, states)
def test_the_empty_change_set_is_neutral_and_the_inverse_undoes(a: Records, b: Records) -> None:
    changes, nothing = between(a, b), ChangeSet[str, Any]()
    assert same(changes.then(nothing), changes)
    assert same(nothing.then(changes), changes)
    assert not changes.then(changes.inverse())
    assert same(changes.inverse().inverse(), changes)
    assert same(changes.inverse(), between(b, a))


@given(states, states)
def test_only_what_differs_by_identity_is_in_it(a: Records, b: Records) -> None:
    changes = between(a, b)
    expected = {k for k in {*a, *b} if a.get(k, MISSING) is not b.get(k, MISSING)}
    assert set(changes) == expected
    assert len(changes) == len(expected)
    assert all(key in changes for key in expected)


@given(states, states, st.sets(st.sampled_from("abcd")))
def test_only_keeps_the_wanted_keys(a: Records, b: Records, wanted: set[str]) -> None:
    changes = between(a, b)
    kept = changes.only(wanted.__contains__)
    assert set(kept) == set(changes) & wanted
    assert all(kept[key] == changes[key] for key in kept)


def test_change_sets_that_do_not_follow_one_upon_the_other_are_refused_with_the_keys() -> None:
    first = ChangeSet({"a": (1, 2), "b": (1, 2)})
    with pytest.raises(ChangeSetMismatchError, match="version order") as caught:
        first.then(ChangeSet({"a": (3, 4), "b": (2, 1)}))
    assert caught.value.keys == ("a",)


def test_composing_changes_neither_of_the_two() -> None:
    first, second = ChangeSet({"a": (1, 2)}), ChangeSet({"a": (2, 1), "b": (MISSING, 1)})
    first.then(second)
    assert dict(first) == {"a": (1, 2)}
    assert dict(second) == {"a": (2, 1), "b": (MISSING, 1)}


@given(states, states)
def test_applied_to_where_it_starts_it_leads_to_where_it_ends(a: Records, b: Records) -> None:
    mapping = dict(a)
    assert between(a, b).apply(mapping) is mapping
    assert is_exactly(mapping, b)


@given(states, states, states)
def test_to_apply_two_is_to_apply_their_composition(a: Records, b: Records, c: Records) -> None:
    first, second = between(a, b), between(b, c)
    assert is_exactly(second.apply(first.apply(dict(a))), c)
    assert is_exactly(first.then(second).apply(dict(a)), c)


@given(states, states)
def test_the_inverse_takes_back_what_was_applied(a: Records, b: Records) -> None:
    changes = between(a, b)
    assert is_exactly(changes.inverse().apply(changes.apply(dict(a))), a)


@given(states, states, states)
def test_applied_to_anything_else_it_names_each_key_and_changes_nothing(
    a: Records, b: Records, other: Records
) -> None:
    changes = between(a, b)
    elsewhere = [
        key
        for key, (old, _) in changes.items()
        if other.get(key, MISSING) is not old and other.get(key, MISSING) != old
    ]
    mapping = dict(other)
    if elsewhere:
        with pytest.raises(ChangeSetMismatchError, match="nothing was changed") as caught:
            changes.apply(mapping)
        assert caught.value.keys == tuple(elsewhere)
        assert is_exactly(mapping, other)
    else:
        changes.apply(mapping)
        assert all(mapping.get(key, MISSING) is new for key, (_, new) in changes.items())


def recreated(record: Any) -> Any:
    return (*[*record],) if isinstance(record, tuple) else record


@given(states, states)
def test_a_record_that_equals_the_one_it_starts_with_will_do(a: Records, b: Records) -> None:
    changes = between(a, b)
    start = {key: recreated(record) for key, record in a.items()}
    after = changes.apply(dict(start))
    assert is_exactly(after, {key: b[key] if key in changes else start[key] for key in b})


@given(states, states)
def test_a_store_follows_another_one_by_applying_its_changes(a: Records, b: Records) -> None:
    changes, store = between(a, b), Store(a, allow_none=True)
    assert is_exactly(dict(store.transact(changes.apply)), b)
    draft = store.draft()
    changes.inverse().apply(draft)
    assert is_exactly(dict(draft.commit().after), a)


class EqualsAnything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class CannotBeCompared:
    def __eq__(self, other: object) -> bool:
        raise ValueError("no truth value")

    __hash__ = None  # type: ignore[assignment]


def test_no_record_is_not_equal_to_any_record() -> None:
    record: Any = EqualsAnything()
    with pytest.raises(ChangeSetMismatchError):
        ChangeSet({"a": (record, 1)}).apply({})
    with pytest.raises(ChangeSetMismatchError):
        ChangeSet({"a": (MISSING, 1)}).apply({"a": record})


def test_a_record_that_cannot_be_compared_starts_at_itself_only() -> None:
    one: Any = CannotBeCompared()
    other: Any = CannotBeCompared()
    assert ChangeSet({"a": (one, 1)}).apply({"a": one}) == {"a": 1}
    with pytest.raises(ChangeSetMismatchError):
        ChangeSet({"a": (one, 1)}).apply({"a": other})


@pytest.mark.parametrize("mapping", [Store({"a": 1}).snapshot(), MappingProxyType({}), [], 5])
def test_what_cannot_be_changed_is_no_mapping_to_apply_to(mapping: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"apply\(dict\(snapshot\)\)"):
        ChangeSet({"a": (1, 2)}).apply(mapping)


def test_what_is_applied_to_need_not_be_a_dict() -> None:
    mapping: UserDict[str, int] = UserDict({"a": 1})
    ChangeSet({"a": (1, 2), "b": (MISSING, 3)}).apply(mapping)
    assert mapping == {"a": 2, "b": 3}


def test_a_change_set_is_an_immutable_mapping() -> None:
    changes = ChangeSet({"a": (MISSING, 1)})
    assert isinstance(changes, Mapping)
    assert changes["a"] == Change(MISSING, 1) == (MISSING, 1)
    assert changes.get("b") is None
    assert changes == ChangeSet({"a": (MISSING, 1)}) == {"a": (MISSING, 1)}
    with pytest.raises(KeyError):
        changes["b"]
    with pytest.raises(TypeError):
        changes["a"] = Change(1, 2)  # type: ignore[index]
    with pytest.raises(TypeError):
        hash(changes)


@given(states, states, states, states)
def test_it_equals_the_mappings_of_the_pairs_that_are_its_own(
    a: Records, b: Records, c: Records, d: Records
) -> None:
    one, other = between(a, b), between(c, d)
    alike = one.keys() == other.keys() and all(
        mine is its or mine == its
        for key in one
        for mine, its in zip(one[key], other[key], strict=True)
    )
    assert (one == other) is (other == one) is (one == dict(other)) is alike
    assert one == {key: tuple(map(recreated, pair)) for key, pair in one.items()}


@pytest.mark.parametrize(
    "other",
    [
        *({}, {"a": (1, 2)}, {"a": (1, 2), "b": (3, 4), "c": (5, 6)}, {"a": (1, 2), "c": (3, 4)}),
        *({"a": (1, 2), "b": (3, 5)}, {"a": (1, 2), "b": (5, 4)}),
        *({"a": (1, 2), "b": [3, 4]}, {"a": (1, 2), "b": (3, 4, 5)}, {"a": (1, 2), "b": (3,)}),
        *({"a": (1, 2), "b": None}, [("a", (1, 2)), ("b", (3, 4))], "ab", 5, None),
    ],
)
def test_it_is_unequal_to_whatever_is_other_than_its_pairs(other: Any) -> None:
    changes = ChangeSet({"a": (1, 2), "b": (3, 4)})
    assert (changes == other) is (other == changes) is False
    assert (changes != other) is (other != changes) is True
    assert (ChangeSet() == other) is (other == {})


def test_what_says_itself_to_equal_it_is_asked() -> None:
    assert ChangeSet({"a": (1, 2)}) == EqualsAnything()


def test_it_does_not_follow_the_dict_that_it_was_made_from() -> None:
    source: dict[str, Any] = {"a": (1, 2)}
    changes = ChangeSet(source)
    source["b"] = (1, 2)
    assert set(changes) == {"a"}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_copies_are_equal_and_missing_stays_missing(copied: Any) -> None:
    changes = ChangeSet({"a": (MISSING, 1), "b": ("x", MISSING)})
    again = copied(changes)
    assert again == changes
    assert again["a"].old is MISSING
    assert again["b"].new is MISSING


def test_missing_is_false_itself_and_short() -> None:
    assert not MISSING
    assert MISSING is Missing.MISSING
    assert repr(MISSING) == "MISSING"
    assert copy.deepcopy(MISSING) is pickle.loads(pickle.dumps(MISSING)) is MISSING


def test_the_repr_stays_short() -> None:
    few = ChangeSet({"a": (1, 2)})
    many = ChangeSet({key: (MISSING, key) for key in range(100_000)})
    assert repr(few) == "ChangeSet({'a': Change(old=1, new=2)})"
    assert "99996 more" in repr(many)
    assert len(repr(many)) < 400


@pytest.mark.parametrize("changes", [{"a": 1}, {"a": (1, 2, 3)}, ["a"], 5])
def test_what_is_no_mapping_to_pairs_is_no_change_set(changes: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="pairs"):
        ChangeSet(changes)


def test_a_repr_shows_four_changes_and_how_many_more_there_are() -> None:
    def shown(count: int) -> str:
        return repr(ChangeSet({number: (MISSING, number) for number in range(count)}))

    four = ", ".join(f"{number}: Change(old=MISSING, new={number})" for number in range(4))
    assert shown(4) == f"ChangeSet({{{four}}})"
    assert shown(5) == f"ChangeSet({{{four}, ... 1 more}})"
    assert shown(9) == f"ChangeSet({{{four}, ... 5 more}})"

"""Who listens, by key: as a plain list of members with their keys would say, only quicker."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import Event
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cowstate import Store
from cowstate.locks import OwnedLock
from cowstate.members import Members, numbers
from tests.steps import steps_of
from tests.worlds.staging import Party, arrive, setting

KEYS = "abc"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.none() | st.frozensets(st.sampled_from(KEYS))),
        st.tuples(st.just("discard"), st.integers(0, 9)),
    ),
    max_size=12,
)


def commit_of(*keys: str) -> Any:
    store: Store[str, int] = Store()
    if len(keys) == 1:
        return store.set(keys[0], 1)
    with store.transaction() as tx:
        tx.update(dict.fromkeys(keys, 1))
        tx.meta = "another one"
    return tx.result


COMMITS = {keys: commit_of(*keys) for keys in ("", "a", "b", "c", "ab", "abc")}


@given(steps=STEPS)
def test_those_are_found_whom_a_change_concerns_in_the_order_of_their_arrival(
    steps: list[tuple[str, Any]],
) -> None:
    members: Members[str, str] = Members()
    model: dict[int, Any] = {}
    gone: list[tuple[int, Any]] = []
    for step, value in steps:
        if step == "add":
            number = next(numbers)
            members.add(number, f"number {number}", value)
            model[number] = value
        elif model:
            number = list(model)[value % len(model)]
            gone.append((number, model.pop(number)))
            members.discard(*gone[-1])
        for late in gone:
            members.discard(*late)
        assert members.all == {number: f"number {number}" for number in model}
        for changed, commit in COMMITS.items():
            expected = [
                f"number {number}"
                for number, keys in model.items()
                if keys is None or keys.intersection(changed)
            ]
            assert members.concerned(commit.changes.keys()) == expected
            # It is said only where it is plain, and then it is so; of one key it is plain.
            nobody = members.concerns_nobody(commit)
            assert nobody == (not expected and len(changed) == 1)


def test_of_a_change_of_several_keys_nothing_is_plain_whatever_they_are() -> None:
    store: Store[int, int] = Store({0: 0, 1: 0, 2: 0})
    versions: list[int] = []
    store.subscribe(lambda commit: versions.append(commit.version), keys=[1])
    for changed in ((0, 1), (1, 2), (0, 1, 2)):
        store.update_all(changed, lambda n: n + 1)
    assert versions == [1, 2, 3]


@given(st.permutations([1, 2, 3, 4]), st.sets(st.integers(1, 4)))
def test_they_are_found_in_the_order_of_their_numbers_whoever_was_first_let_in(
    arrived: list[int], keyed: set[int]
) -> None:
    # Whoever takes its number first may be held up before it is let in.
    members: Members[str, int] = Members()
    for count, number in enumerate(arrived, 1):
        members.add(number, number, {"a"} if number in keyed else None)
        assert members.concerned(["a"]) == sorted(arrived[:count])


class Comparing(str):
    """A key that fails to be compared when told to, and then is as good as any."""

    fails = False

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        if Comparing.fails and other is not self:
            raise RuntimeError("not now")
        return str.__eq__(self, other)


def failing(fn: Callable[[], Any]) -> Any:
    Comparing.fails = True
    try:
        return fn()
    finally:
        Comparing.fails = False


def test_a_key_that_fails_to_be_compared_costs_nobody_what_concerns_it() -> None:
    a, b = Comparing("a"), Comparing("b")
    members: Members[Any, str] = Members()
    members.add(1, "of a", [a])
    # Not to be found by its key, so it is asked every time.
    failing(lambda: members.add(2, "of b", [b]))
    assert members.concerned([b]) == members.concerned([]) == ["of b"]
    assert members.concerned([a]) == ["of a", "of b"]
    members.add(3, "of b, too", [Comparing("b")])
    assert members.concerned([Comparing("b")]) == ["of b", "of b, too"]
    # Where the look itself fails, everybody is.
    assert failing(lambda: members.concerned([Comparing("b")])) == ["of a", "of b", "of b, too"]
    members.discard(2, [b])
    store: Store[Any, int] = Store()
    commit = store.set(Comparing("c"), 1)
    assert members.concerns_nobody(commit)
    assert not failing(lambda: members.concerns_nobody(commit))
    # Who leaves is gone for everybody, at whatever its keys fail.
    failing(lambda: members.discard(3, [Comparing("b")]))
    assert members.concerned([Comparing("b")]) == []
    assert members.all == {1: "of a"}


class Listener:
    """A member that may be looked for."""


def test_who_has_left_is_held_by_nobody() -> None:
    members: Members[str, Listener] = Members()
    for keys in (None, ["a"], ["a", "b"], []):
        listener = Listener()
        gone = weakref.ref(listener)
        members.add(7, listener, keys)
        assert members.concerned(["a"]) == ([listener] if keys != [] else [])
        members.discard(7, keys)
        del listener
        assert gone() is None
        assert members.concerned(["a", "b"]) == []
        assert members.concerns_nobody(COMMITS["a"])


def test_who_cannot_be_taken_out_of_the_index_is_dropped_by_who_finds_it_there() -> None:
    members: Members[str, Listener] = Members()
    listener = Listener()
    members.add(1, listener, ["a"])

    def inside(_: None, __: None) -> None:
        # In the middle of another change of the index, as by a finalizer.
        members.discard(1, ["a"])
        late = Listener()
        members.add(2, late, ["a"])
        assert members.concerned(["a"]) == members.concerned(["b"]) == [late]
        members.discard(2, ["a"])

    members._indexing.attempt(0, inside)
    gone = weakref.ref(listener)
    del listener
    assert members.concerned(["a"]) == []
    assert gone() is None


class Waits:
    """A key that nobody ever writes, and that calls somebody when it is first looked up."""

    def __init__(self, call: Callable[[], object] = lambda: None) -> None:
        self.call = call

    def __hash__(self) -> int:
        call, self.call = self.call, lambda: None
        call()
        return 7


def test_who_goes_while_somebody_changes_the_index_is_let_go_by_the_next_change() -> None:
    # By keys that are never written, so nobody finds it there.
    members: Members[Any, Listener] = Members()
    listener = Listener()
    gone = weakref.ref(listener)
    members.add(1, listener, ["never"])
    members._indexing.attempt(0, lambda _, __: members.discard(1, ["never"]))
    del listener
    members.add(2, Listener(), ["b"])
    assert gone() is None
    members.discard(2, ["b"])
    assert not members._by_key
    assert not members._gone


def test_who_goes_while_it_is_put_into_the_index_does_not_stay_there() -> None:
    members: Members[Any, Listener] = Members()
    key = Waits()
    goes: list[Callable[[], object]] = [
        lambda: members.discard(1, [key]),
        lambda: members.all.pop(1),  # as far as one comes who is struck
    ]
    for key.call in goes:
        members.add(1, Listener(), [key])
        assert not members._by_key
        assert not members._gone


def test_a_key_that_cannot_be_taken_out_of_the_index_keeps_nobody_else_in_it() -> None:
    members: Members[Any, Listener] = Members()
    key = Waits()
    members.add(1, Listener(), [key])
    members.add(2, Listener(), ["b"])
    key.call = lambda: 1 // 0
    members._indexing.attempt(0, lambda _, __: members.discard(1, [key]))
    members.discard(2, ["b"])
    assert [*members._by_key] == [key]
    assert not members._gone


def test_the_index_is_only_tried_and_what_could_not_be_is_right_all_the_same() -> None:
    tried: list[float] = []
    attempt = OwnedLock.attempt

    def noting(self: OwnedLock, seconds: float, *work: Any) -> Any:
        tried.append(seconds)
        return attempt(self, seconds, *work)

    members: Members[str, str] = Members()
    reached, go = Event(), Event()

    def hold(_: None, __: None) -> None:
        reached.set()
        arrive(go)

    members.add(1, "of a", ["a"])
    holder = Party(lambda: members._indexing.attempt(0, hold))
    arrive(reached)
    with setting(OwnedLock, attempt=noting):
        members.add(2, "of b", ["b"])
        assert members.concerned(["b"]) == members.concerned(["c"]) == ["of b"]
        members.discard(1, ["a"])
        assert members.concerned(["a"]) == ["of b"]
    assert tried == [0, 0]
    # In the child of a fork there is nobody who is at it.
    members.after_fork_in_child()
    members.discard(2, ["b"])
    members.add(3, "of c", ["c"])
    assert members.concerns_nobody(COMMITS["b"])
    assert members.concerned(["c"]) == ["of c"]
    go.set()
    try:
        holder.result()
    except RuntimeError:  # in a child it is not there; here it finds that its lock is another one
        pass


def test_a_change_of_many_keys_costs_no_more_than_the_keys_that_somebody_listens_to() -> None:
    members: Members[Any, str] = Members()
    members.add(1, "of 3", [3])
    few, many = dict.fromkeys(range(10)), dict.fromkeys(range(1000))
    costs = []
    for changed in (few, many):
        costs.append(steps_of(lambda changed=changed: members.concerned(changed)))  # type: ignore[misc]
        assert members.concerned(changed) == ["of 3"]
    assert costs[1] < 1.2 * costs[0]

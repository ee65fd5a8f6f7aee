"""What a message shows of an object is bounded, in length and in time, whatever it is."""

from __future__ import annotations

import dataclasses
import pickle
import tracemalloc
from ast import literal_eval
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    Aggregate,
    ChangeSet,
    ConflictError,
    CowstateError,
    Index,
    Record,
    Store,
)
from cowstate.showing import begun, cut, message_of, printable, shown, some

MOST = 900
"""Characters, for a message that shows a few things."""


class Slot(Record):
    price: Any
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Box:
    held: Any
    hidden: Any = dataclasses.field(default=1, repr=False)


@dataclasses.dataclass(frozen=True, repr=False)
class Plain:
    held: Any


@dataclasses.dataclass(frozen=True)
class Named:
    held: Any

    def __repr__(self) -> str:
        return "named"


class Titled(Record):
    held: Any

    def __repr__(self) -> str:
        return "titled"


class One(Record):
    held: Any


class Sparse(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    held: Any
    tag: int = 0


class Pair(NamedTuple):
    left: Any
    right: Any


class Raises:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Megabyte:
    def __repr__(self) -> str:
        return "m" * 2**20


def doubled(wrap: Callable[[Any], Any], times: int = 80, value: Any = "x") -> Any:
    """A value whose repr may take for ever: each level may show the one below it twice."""
    for _ in range(times):
        value = wrap(value)
    return value


def knot() -> list[Any]:
    tied: list[Any] = []
    tied.append(tied)
    return tied


MONSTERS: dict[str, Callable[[], Any]] = {
    "a long text": lambda: "x" * 10**6,
    "long bytes": lambda: b"x" * 10**6,
    "a huge int": lambda: 10**5000,
    "one that raises": Raises,
    "one of a megabyte": Megabyte,
    "many": lambda: list(range(10**6)),
    "many under keys": lambda: dict.fromkeys(range(10**6)),
    "a set of many": lambda: frozenset(range(10**6)),
    "a tree of tuples": lambda: doubled(lambda v: (v, v)),
    "a tree of dicts": lambda: doubled(lambda v: {1: v, 2: v}),
    "a tree of records": lambda: doubled(lambda v: Slot((v, v))),
    "a tree of dataclasses": lambda: doubled(lambda v: Box((v, v))),
    "a deep one": lambda: doubled(lambda v: (v,), 100_000),
    "one that holds itself": knot,
    "one that hides in a record": lambda: Slot(Raises(), ("x" * 10**6,)),
}


@pytest.mark.parametrize("make", MONSTERS.values(), ids=MONSTERS)
@pytest.mark.parametrize("limit", [20, 80, 200])
def test_whatever_it_is_it_is_shown_in_bounded_length(make: Callable[[], Any], limit: int) -> None:
    text = shown(make(), limit)
    assert 0 < len(text) <= limit


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
        | st.frozensets(st.integers(), max_size=3)
        | st.builds(Slot, inner)
        | st.builds(Box, inner)
        | st.builds(Pair, inner, inner)
        | st.sampled_from([Plain, Named, Titled, Sparse]).flatmap(
            lambda kind: st.builds(kind, inner)
        )
    ),
    max_leaves=6,
)


def shows_what_repr_does(show: Callable[[Any], str], value: Any) -> None:
    whole = repr(value)
    text = show(value)
    assert len(text) <= 200
    if len(whole) <= 200:
        assert text == whole
    else:
        start, _, end = text.partition(" ... ")
        assert whole.startswith(start)
        assert len(text) > 150
        assert end


@given(PLAIN)
def test_what_is_small_is_shown_as_its_repr_and_the_rest_by_its_ends(value: Any) -> None:
    shows_what_repr_does(shown, value)


@pytest.mark.parametrize("twin", [repr, str, lambda value: repr(value)[:200]])
def test_the_law_sees_one_that_is_not(twin: Callable[[Any], str]) -> None:
    with pytest.raises(AssertionError):
        shows_what_repr_does(twin, ["x" * 500])


TEXTS = st.tuples(st.text("abc", min_size=1, max_size=3), st.integers(0, 40) | st.just(10**6)).map(
    lambda drawn: drawn[0] * drawn[1]
)
LONG = TEXTS | TEXTS.map(str.encode) | TEXTS.map(str.encode).map(bytearray)


@given(LONG, st.none() | st.integers(20, 80))
def test_as_much_is_shown_as_may_be_and_of_both_ends_alike(value: Any, limit: int | None) -> None:
    whole = repr(value)
    text = shown(value) if limit is None else shown(value, limit)
    most = 200 if limit is None else limit
    if len(whole) <= most:
        assert text == whole
    else:
        start, end = text.split(" ... ")
        assert len(start) == len(end)
        assert most - 1 <= len(text) <= most
        assert whole.startswith(start)
        assert whole.endswith(end)


@given(st.integers(20, 80))
def test_what_just_fits_is_shown_whole(limit: int) -> None:
    assert shown("x" * (limit - 2), limit) == repr("x" * (limit - 2))
    assert " ... " in shown("x" * (limit - 1), limit)


@pytest.mark.parametrize(
    ("bounded", "most", "cut_to"), [(cut, 200, 199), (message_of, 600, 599), (begun, 80, 80)]
)
def test_so_is_a_text_and_a_longer_one_is_cut(bounded: Any, most: int, cut_to: int) -> None:
    assert bounded("x" * most) == "x" * most
    assert [len(bounded("x" * longer)) for longer in (most + 1, 9 * most)] == [cut_to, cut_to]


class Dots:
    def __repr__(self) -> str:
        return "..."


WRAPS: list[Callable[[Any], Any]] = [
    lambda v: (v,),
    lambda v: [v],
    lambda v: {1: v},
    lambda v: frozenset([v]),
    One,
    Box,
]


def nested(value: Any, levels: int, wrap: Callable[[Any], Any], around: Any) -> Any:
    """*value*, wrapped *levels* times: the last time by *around*."""
    return around(doubled(wrap, levels - 1, value))


@pytest.mark.parametrize("wrap", WRAPS)
def test_twelve_levels_are_shown_and_none_below_them(wrap: Callable[[Any], Any]) -> None:
    # A key must be hashable, all the way down.
    for around in [wrap] if wrap(1).__hash__ is None else [wrap, lambda v: {v: 1}]:
        assert shown(nested(0, 12, wrap, around), 900) == repr(nested(0, 12, wrap, around))
        for more in (1, 2, 100):
            deep = nested(0, 12 + more, wrap, around)
            assert shown(deep, 900) == repr(nested(Dots(), 12, wrap, around))


class Looked:
    """Notes each look at one of its kind."""

    looks = 0

    def __repr__(self) -> str:
        Looked.looks += 1
        if Looked.looks > 10**4:
            raise KeyboardInterrupt  # so that a test that fails does end
        return "x"


@pytest.mark.parametrize("wide", [lambda v: [v] * 1000, lambda v: dict.fromkeys(range(1000), v)])
@pytest.mark.parametrize("levels", [1, 2, 10])
def test_of_a_large_value_little_more_is_looked_at_than_is_shown(wide: Any, levels: int) -> None:
    value: Any = Looked()
    for _ in range(levels):
        value = wide(value)
    Looked.looks = 0
    assert len(shown(value, 100)) <= 100
    assert Looked.looks <= 100


@pytest.mark.parametrize(
    "value",
    ["x" * 10**7, b"x" * 10**7, bytearray(10**7), [1] * 10**6, dict.fromkeys(range(10**6))],
    ids=lambda value: type(value).__name__,
)
def test_no_copy_is_made_of_a_large_value(value: Any) -> None:
    tracemalloc.start()
    try:
        shown(value)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10**5


class Careful:
    """Its repr is wrapped, as that of a dataclass is, and it is none."""

    def _say(self) -> str:
        return "careful"

    @wraps(_say)
    def __repr__(self) -> str:
        return self._say()


def test_a_class_that_guards_its_repr_is_shown_by_it() -> None:
    assert shown([Careful()]) == "[careful]"


def test_of_what_lacks_a_field_that_is_told() -> None:
    assert shown(Box.__new__(Box)) == "Box(held='?')"


def test_what_repr_raises_is_told_in_its_place() -> None:
    assert shown([1, Raises()]) == "[1, <Raises whose repr raises RuntimeError>]"


@given(st.lists(st.integers(), max_size=8), st.none() | st.integers(1, 8))
def test_a_few_are_listed_and_the_others_counted(numbers: list[int], limit: int | None) -> None:
    most = 5 if limit is None else limit
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    listed = some(iter(numbers)) if limit is None else some(iter(numbers), limit)
    assert listed == ", ".join(map(repr, numbers[:most])) + more


def test_of_many_a_few_are_shown() -> None:
    assert some(range(10**5)) == "0, 1, 2, 3, 4 and 99995 more"
    assert some([Megabyte()] * 7) == f"{', '.join([shown(Megabyte(), 80)] * 5)} and 2 more"


class Key:
    """A key as bad as it gets."""

    def __repr__(self) -> str:
        return "k" * 2**20


def refused(wrong: Callable[[Any], object], thing: Any) -> BaseException:
    with pytest.raises(Exception) as caught:
        wrong(thing)
    return caught.value


def vetoing(thing: Any) -> object:
    return Store(invariants={"odd": lambda now, _: thing if now.version else None}).set("a", 1)


def conflicting(thing: Any) -> object:
    store: Store[Any, Any] = Store({thing: 1}, indexes={"i": Index(lambda _: thing)})
    draft = store.draft()
    draft.find_all("i", thing)
    draft[thing] = 3
    store.set(thing, 2)
    return draft.commit()


WRONG: dict[str, Callable[[Any], object]] = {
    "history": lambda thing: Store(history=thing),
    "indexes": lambda thing: Store(indexes=thing),
    "an index": lambda thing: Store(indexes={"i": thing}),
    "aggregates": lambda thing: Store(aggregates={"a": thing}),
    "invariants": lambda thing: Store(invariants=thing),
    "an invariant": lambda thing: Store(invariants={"i": thing}),
    "maps": lambda thing: Store(maps=thing),
    "immutability": lambda thing: Store(immutability=thing),
    "same": lambda thing: Store(same=thing),
    "lock_timeout": lambda thing: Store(lock_timeout=thing),
    "an index function": Index,
    "an aggregate": Aggregate.sum,
    "a verdict": vetoing,
    "update": lambda thing: Store({"a": 1}).update("a", thing),
    "a key": lambda thing: Store({"a": 1}).delete(thing),
    "a key of a snapshot": lambda thing: Store({"a": 1}).snapshot()[thing],
    "transact": lambda thing: Store({"a": 1}).transact(thing),
    "retry": lambda thing: Store({"a": 1}).retry(thing),
    "attempts": lambda thing: Store({"a": 1}).retry(print, thing),
    "undo": lambda thing: Store({"a": 1}).undo(thing),
    "subscribe": lambda thing: Store({"a": 1}).subscribe(thing),
    "on_error": lambda thing: Store({"a": 1}).subscribe(print, on_error=thing),
    "via": lambda thing: Store({"a": 1}).subscribe(print, via=thing),
    "feed": lambda thing: Store({"a": 1}).feed(thing),
    "since": lambda thing: Store({"a": 1}).feed(since=thing),
    "wait_for": lambda thing: Store({"a": 1}).wait_for(thing),
    "timeout": lambda thing: Store({"a": 1}).wait_for(bool, thing),
    "at": lambda thing: Store({"a": 1}).at(thing),
    "unpin": lambda thing: Store({"a": 1}).unpin(thing),
    "draft": lambda thing: Store({"a": 1}).draft(thing),
    "find": lambda thing: Store({"a": 1}).snapshot().find(thing, 1),
    "total": lambda thing: Store({"a": 1}).snapshot().total(thing),
    "a conflict": conflicting,
    "two of one value": lambda thing: Store(
        {"a": 1, "b": 2}, indexes={"i": Index(lambda _: thing, unique=True)}
    ),
}
THINGS = [Raises, Megabyte, Key]


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_no_error_embeds_more_of_an_object_than_a_few_hundred_characters(
    wrong: Callable[[Any], object], thing: Callable[[], Any]
) -> None:
    error = refused(wrong, thing())
    assert isinstance(error, CowstateError), error
    assert len(str(error)) < MOST
    if not isinstance(error, ConflictError):
        assert len(pickle.dumps(str(error))) < 2 * MOST


def test_what_a_value_shows_of_itself_is_bounded_too() -> None:
    store: Store[Any, Any] = Store({n: Megabyte() for n in range(10)})
    commit = store.set(Key(), Raises())
    for thing in (store.snapshot(), commit, commit.changes, ChangeSet({1: (2, Megabyte())})):
        assert len(repr(thing)) < MOST


def test_a_note_on_an_error_of_the_user_is_bounded_too() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        Store({Key(): 1}, indexes={"i": Index(lambda _: 1 // 0)})
    assert all(len(note) < MOST for note in caught.value.__notes__)


def test_what_is_no_text_in_an_error_stays_what_it_is() -> None:
    assert CowstateError(7, None, "text").args == (7, None, "text")


@given(st.text())
def test_what_is_printable_stays_and_nothing_else_reaches_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == "".join(map(printable, text))
    for character in text:
        told = printable(character)
        assert (told if character.isprintable() else literal_eval(f"'{told}'")) == character

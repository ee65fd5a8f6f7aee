"""Errors: one base, the built-in class where one is true, and what they carry survives."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import cowstate
from cowstate import ArgumentTypeError, ArgumentValueError, IndexValueError, Store, errors
from cowstate.bench import errors as bench_errors
from cowstate.blame import blame
from cowstate.errors import CowstateError, ScheduleError
from cowstate.journal import errors as journal_errors
from cowstate.positions import errors as positions_errors
from cowstate.web import errors as web_errors

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, BaseException)
]

# What to make each error with whose constructor asks for more than a message.
FACTS: dict[str, tuple[Any, ...]] = {
    "RecordNotFoundError": ("key", 3),
    "MutableRecordError": (list, "because"),
    "UnhashableKeyError": ([],),
    "ConflictError": (["a", "b"], 1, 2),
    "UniqueViolationError": ("index", 7, ["a", "b"]),
    "UnknownIndexError": ("x", ["a", "b"]),
    "UnknownAggregateError": ("x", [], 3),
    "UnknownAttributeError": (int, "x"),
    "InvariantError": ("positive", "it is not"),
    "ChangeSetMismatchError": (["a"],),
    "CompactedError": (1, 5),
    "MissingExtraError": ("this", "fast"),
    "AmountTypeError": ("price", 1.5),
    "AmountValueError": ("price", -1, "negative"),
    "OrderMismatchError": ("oid", "another slot"),
    "RetiredOrderError": ("oid", 1, 2),
    "SlotBusyError": ("oid", "other"),
    "LockTimeoutError": ("the transaction opened at app.py:41", 0.25),
    "LaggedError": (3, Store({"a": 1}).snapshot()),
    "TapeError": ("file.csv", 3, "no price"),
    "ShortfallError": (10, 5),
    "UnknownWorkloadError": (["updates"], ["update", "set"]),
    "WriterActiveError": ("a.db", "process 5"),
    "JournalFileError": ("a.db", "is cut"),
    "JournalNotFoundError": ("a.db", "is not there"),
    "OtherGridError": ("a.db", (("step", 1, 2),), False),
}


def made(cls: type[CowstateError], of: Callable[[Any], Any] = lambda fact: fact) -> CowstateError:
    """An error of the class; one whose constructor asks for nothing is made without.

    Args:
        cls: the class.
        of: what each fact is to be turned into.
    """
    if cls.__name__ in FACTS:
        return cls(*map(of, FACTS[cls.__name__]))
    own = [base for base in cls.__mro__ if base in CLASSES and base is not CowstateError]
    if not any("__init__" in vars(base) for base in own):
        return cls(of("a message"))
    wanted = [
        parameter
        for parameter in inspect.signature(cls.__init__).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    # One sample argument for each that is wanted: none of these errors checks its own facts.
    return cls(*[of("fact") for _ in wanted[1:]])


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_has_the_one_base_a_docstring_and_a_place_in_all(cls: type[CowstateError]) -> None:
    assert issubclass(cls, CowstateError)
    assert cls.__doc__
    assert cls.__name__ in errors.__all__
    assert cls.__name__.endswith("Error")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        *(
            lambda e, p=p: pickle.loads(pickle.dumps(e, p))
            for p in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
)
def test_an_error_round_trips_with_its_attributes_and_notes(
    cls: type[CowstateError], copied: Any
) -> None:
    error = made(cls)
    error.add_note("a note")
    again = copied(error)
    assert type(again) is cls
    assert str(again) == str(error)
    assert str(error)
    assert vars(again) == vars(error)
    assert again.__notes__ == ["a note"]
    assert again.args == error.args


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_shows_its_message_not_the_repr_of_it(cls: type[CowstateError]) -> None:
    assert not str(made(cls)).startswith(("'", '"'))


def test_all_lists_nothing_that_is_not_there() -> None:
    assert sorted(errors.__all__) == sorted({cls.__name__ for cls in CLASSES})


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("RecordNotFoundError", KeyError),
        ("MutableRecordError", TypeError),
        ("UnhashableKeyError", TypeError),
        ("ReentrantWriteError", RuntimeError),
        ("UniqueViolationError", ValueError),
        ("InvariantError", ValueError),
        ("UnknownIndexError", LookupError),
        ("UnknownAggregateError", LookupError),
        ("ClosedError", RuntimeError),
        ("ArgumentTypeError", TypeError),
        ("CodecError", ValueError),
        ("ArgumentValueError", ValueError),
    ],
)
def test_an_error_is_caught_as_the_builtin_that_it_is(name: str, builtin: type) -> None:
    assert issubclass(getattr(cowstate, name), builtin)


def test_a_message_about_many_keys_stays_short() -> None:
    error = errors.ConflictError(range(100_000), 1, 2, entries=[("i", n) for n in range(100)])
    assert len(str(error)) < 500
    assert "99995 more" in str(error)
    assert len(error.keys) == 100_000


def test_an_error_raised_by_a_store_survives_pickling_with_what_it_says() -> None:
    store = Store({"a": 1})
    with pytest.raises(cowstate.RecordNotFoundError) as caught:
        store.snapshot()["b"]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.key, again.version) == ("b", 0)
    assert str(again) == "no record under 'b' in version 0"
    assert str(CowstateError()) == ""


def test_what_is_long_is_cut_in_the_middle_and_only_then() -> None:
    def said(length: int) -> str:
        key = "<" + "x" * (length - len("''") - 2) + ">"
        message = str(errors.RecordNotFoundError(key, 3))
        return message.removeprefix("no record under ").removesuffix(" in version 3")

    assert said(200) == f"'<{'x' * 196}>'"
    assert said(201) == f"'<{'x' * 95} ... {'x' * 95}>'"
    assert len(said(1_000_000)) == 199


def test_of_many_keys_five_are_named_and_each_is_short() -> None:
    def named(keys: list[str]) -> str:
        message = str(errors.ChangeSetMismatchError(keys))
        return message.split(", at ")[1].removesuffix("; compose them in version order")

    assert named([*"abcde"]) == "'a', 'b', 'c', 'd', 'e'"
    assert named([*"abcdef"]) == "'a', 'b', 'c', 'd', 'e' and 1 more"
    assert named([*"abcdefgh"]) == "'a', 'b', 'c', 'd', 'e' and 3 more"
    assert named(["x" * 78]) == f"'{'x' * 78}'"
    assert named(["x" * 79]) == f"'{'x' * 36} ... {'x' * 36}'"


def test_of_many_index_entries_a_conflict_names_five_and_each_is_short() -> None:
    entries = [("i", number) for number in range(7)]
    said = str(errors.ConflictError([], 1, 2, entries=entries))
    assert "i=4; the store" in said
    assert said.count("index entry") == 5
    for length, cut in ((78, "x" * 78), (79, f"{'x' * 36} ... {'x' * 36}")):
        said = str(errors.ConflictError([], 1, 2, entries=[("i", "x" * length)]))
        assert f"index entry i='{cut}';" in said


def enlarged(fact: Any) -> Any:
    """The same kind of fact, as large as may be."""
    match fact:
        case str():
            return "this " + "x" * 100_000 + ", so do that"
        case list():
            return [enlarged("")] * 1_000
        case tuple():
            return tuple(map(enlarged, fact))
        case bool() | type():
            return fact
        case int():
            return 10**3_000
    return fact


OF_ALL_ROOMS = [
    value
    for room in (errors, positions_errors, bench_errors, journal_errors, web_errors)
    for value in vars(room).values()
    if inspect.isclass(value) and issubclass(value, CowstateError) and value is not ScheduleError
]


@pytest.mark.parametrize("cls", dict.fromkeys(OF_ALL_ROOMS), ids=lambda cls: cls.__name__)
def test_a_message_is_of_bounded_length_whatever_went_into_it(cls: type[CowstateError]) -> None:
    error = made(cls, enlarged)
    assert 0 < len(str(error)) <= 600
    assert len(error.args[0]) <= 600
    assert " ... " not in str(made(cls))  # what is short is whole


def test_so_is_one_that_is_told_later_where_it_was() -> None:
    for make in (IndexValueError, ArgumentTypeError, ArgumentValueError):
        error = make(enlarged(""))
        blame(error, "index", enlarged(""), enlarged(""))
        assert len(str(error)) <= 600
        assert "index 'this x" in str(error)
        assert str(error).endswith(", so do that")

"""Errors: one base, the built-in class where one is true, and what they carry survives."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

import cowstate
from cowstate import Store, errors
from cowstate.errors import CowstateError

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
    "UnknownAggregateError": ("x", []),
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
}


def made(cls: type[CowstateError]) -> CowstateError:
    """An error of the class; one whose constructor asks for nothing is made without."""
    if cls.__name__ in FACTS:
        return cls(*FACTS[cls.__name__])
    if not any("__init__" in vars(base) for base in cls.__mro__ if base in CLASSES):
        return cls("a message")
    wanted = [
        parameter
        for parameter in inspect.signature(cls.__init__).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    # One sample argument for each that is wanted: none of these errors checks its own facts.
    return cls(*["fact" for _ in wanted[1:]])


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

"""An object as its own model: what it does if one client uses it, whatever it holds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cowstate import ArgumentTypeError
from cowstate.testing import (
    WAITS,
    Call,
    Model,
    NotLinearizableError,
    Raised,
    Recorder,
    check_linearizable,
)
from tests.testing.sequential import is_linearizable, key_of, register


class Shelf:
    """Holds what cannot be copied, and takes what it is given into its own hands."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.things: list[Any] = []

    def put(self, things: list[int]) -> int:
        with self.lock:
            things.append(0)
            self.things.append(things)
            return len(things)

    def all(self) -> list[Any]:
        return self.things

    def take(self) -> Any:
        return self.things.pop()

    @property
    def size(self) -> int:
        return len(self.things)


def recorded(*steps: tuple[Any, ...]) -> list[Call]:
    recorder = Recorder()
    shelf = recorder.wrap(Shelf())
    for name, *args in steps:
        try:
            found = getattr(shelf, name)
            if callable(found):
                found(*args)
        except IndexError:
            continue
    return list(recorder.calls())


STEPS = [
    ("put", [1]),
    ("size",),
    ("put", [2, 3]),
    ("all",),
    ("take",),
    ("take",),
    ("take",),
    ("size",),
]


def test_an_object_used_by_one_client_agrees_with_itself() -> None:
    calls = recorded(*STEPS)
    assert calls[6].result == Raised.of(IndexError("pop from empty list"))
    for model in (Model.sequential(Shelf), Model.sequential(Shelf, state=state_of)):
        assert is_linearizable(calls, model)


def state_of(shelf: Shelf) -> Any:
    return tuple(map(tuple, shelf.things))


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_and_with_no_other_result(place: int) -> None:
    calls = recorded(*STEPS)
    calls[place] = calls[place].replace(result="another")
    for model in (Model.sequential(Shelf), Model.sequential(Shelf, state=state_of)):
        with pytest.raises(NotLinearizableError) as caught:
            check_linearizable(calls, model)
        assert caught.value.misfit is calls[place]


def test_a_state_that_is_known_again_saves_steps() -> None:
    # Six that commute, all at once, and one who sees what was never there.
    puts = [Call(f"c{n}", "add", (n,), n, 100 + n, None) for n in range(6)]
    wrong = [*puts, Call("r", "__contains__", (9,), 200, 201, True)]
    steps = []
    for state in (None, frozenset):
        model = Model.sequential(set, state=state)
        seen = []
        step = model.step

        def counting(now: Any, name: str, args: Any, step: Any = step, seen: Any = seen) -> Any:
            seen.append(name)
            return step(now, name, args)

        assert not is_linearizable(wrong, model.replace(step=counting))
        steps.append(len(seen))
    assert steps[1] < steps[0] / 5


def test_parts_of_an_object_may_be_checked_apart() -> None:
    model = Model.sequential(dict, key=key_of)
    calls = [
        Call("a", "__setitem__", ("x", 1), 0, 1),
        Call("a", "__setitem__", ("y", 2), 2, 3),
        Call("b", "__getitem__", ("y",), 4, 5, 2),
        Call("b", "__getitem__", ("x",), 6, 7, 2),
    ]
    with pytest.raises(NotLinearizableError, match="of what concerns 'x'"):
        check_linearizable(calls, model)


def test_what_comes_out_bit_by_bit_has_no_model() -> None:
    model = Model.sequential(lambda: [1])
    with pytest.raises(ArgumentTypeError, match="__iter__ is of type list_iterator"):
        check_linearizable([Call("a", "__iter__", (), 0, 1)], model)


def test_what_waits_shows_itself() -> None:
    assert repr(WAITS) == "would wait"
    assert repr(Raised(KeyError)) == "raises KeyError"
    assert repr(Raised.of(KeyError("a"))) == "raises KeyError: 'a'"
    assert repr(Raised.of(KeyError())) == "raises KeyError"


def test_of_calls_under_way_those_that_never_returned_are_tried_last() -> None:
    lost = [Call(f"lost {n}", "write", (n,), n) for n in range(20)]
    writer = Call("w", "write", (99,), 50, 60)
    reader = Call("r", "read", (), 51, 52, 99)
    # The read alone does not fit; the write before it does.
    assert check_linearizable([*lost, writer, reader], Model(0, register)).steps == 3

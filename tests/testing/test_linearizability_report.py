"""What a refuted history is told as: a sentence, and a drawing."""

from __future__ import annotations

import pickle

import pytest

from cowstate.testing import Call, Model, NotLinearizableError, Raised, check_linearizable
from tests.testing.sequential import key_of, register, table

STALE = [
    Call("left", "write", (1,), began=0, ended=3),
    Call("right", "read", (), began=1, ended=2, result=1),
    Call("left", "write", (2,), began=4, ended=7),
    Call("right", "read", (), began=5, ended=6, result=2),
    Call("right", "read", (), began=8, ended=11, result=1),
    Call("left", "write", (3,), began=9),
    Call("left", "read", (), began=12, ended=13, result=99),
]


def refuted(calls: list[Call], model: Model[object]) -> NotLinearizableError:
    with pytest.raises(NotLinearizableError) as caught:
        check_linearizable(calls, model)
    return caught.value


def test_a_stale_read_is_drawn() -> None:
    error = refuted(STALE, Model(0, register))
    assert str(error) == "\n".join(
        [
            "read() -> 1 by right fits nowhere; there it could only have returned 2 or 3",
            "order  client  time -->",
            "    1  left    [==]          write(1) -> None",
            "    2  right    []           read() -> 1",
            "    3  left        [==]      write(2) -> None",
            "    4  right        []       read() -> 2",
            "    !  right           [=]   read() -> 1",
            "       left             [=>  write(3) has not returned",
        ]
    )


def test_what_came_after_the_misfit_is_left_out_of_it() -> None:
    error = refuted(STALE, Model(0, register))
    assert error.misfit is STALE[4]
    assert error.calls == tuple(STALE[:-1])
    assert error.order == tuple(STALE[:4])
    assert sorted(error.fitting) == [2, 3]
    assert error.timeline in str(error)


def test_of_one_key_only_its_calls_are_told() -> None:
    calls = [
        Call("a", "set", ("x", 1), 0, 1),
        Call("a", "set", ("y", 1), 2, 3),
        Call("b", "pop", ("y",), 4, 5, Raised(KeyError, "KeyError: 'y'")),
    ]
    error = refuted(calls, Model(frozenset(), table, key_of))
    assert error.key == "y"
    assert error.calls == tuple(calls[1:])
    assert str(error).splitlines()[0] == (
        "pop('y') -> raises KeyError: 'y' by b fits nowhere, of what concerns 'y'; "
        "there it could only have returned 1"
    )


def test_of_a_long_history_the_last_calls_are_drawn() -> None:
    calls = [Call("w", "write", (n,), 2 * n, 2 * n + 1) for n in range(500)]
    long = Call("long", "write", (-1,), -1)
    calls = [long, *calls, Call("r", "read", (), 1000, 1001, 3)]
    error = refuted(calls, Model(0, register))
    lines = error.timeline.splitlines()
    assert len(lines) == 26
    assert lines[1] == "  ...  478 calls before these"
    assert "write(-1) has not returned" in error.timeline
    assert "  500  w" in error.timeline
    assert lines[-1].startswith("    !  r")
    assert max(map(len, lines)) < 120


def test_however_large_what_was_called_with_a_line_is_of_bounded_length() -> None:
    calls = [
        Call("x" * 500, "write", ("y" * 5000,) * 50, 0, 1),
        Call("a", "read", (), 2, 3, "z" * 5000),
    ]
    model = Model("", lambda state, operation, args: (args[0] if args else state, state))
    error = refuted([call.replace(result="q" * 5000) for call in calls], model)
    assert max(map(len, str(error).splitlines())) < 600


class Tall:
    """Is shown in several lines, as an array is."""

    def __repr__(self) -> str:
        return "[1\n 2]"


def test_whatever_was_called_with_or_said_a_call_is_one_line() -> None:
    calls = [
        Call("a\nb", "write", (Tall(),), 0, 1),
        Call("b", "read", (), 2, 3, Raised.of(ValueError("no\nnever"))),
    ]
    model = Model(0, lambda state, operation, args: (state, None if args else Tall()))
    said, head, *lines = str(refuted(calls, model)).splitlines()
    assert "could have returned [1  2] or" in said
    assert head.startswith("order")
    assert [line.partition("]  ")[2].strip() for line in lines] == [
        "write([1  2]) -> None",
        "read() -> raises ValueError: no never",
    ]


def test_it_can_be_pickled() -> None:
    error = refuted(STALE, Model(0, register))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.misfit == error.misfit
    assert again.fitting == error.fitting

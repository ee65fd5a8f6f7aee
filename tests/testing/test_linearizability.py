"""The checker says what whoever tries every order says, and what its order claims is so."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, Record
from cowstate.testing import (
    Call,
    Model,
    NotLinearizableError,
    Raised,
    Recorder,
    UndecidedError,
    check_linearizable,
    histories,
)
from tests.testing.sequential import (
    KINDS,
    Kind,
    agrees,
    explains,
    has_an_order,
    is_linearizable,
    long_history,
    queue,
    register,
    table,
)

kinds = st.sampled_from(list(KINDS.values()))


@st.composite
def kinds_and_histories(draw: Any, calls: int) -> tuple[Kind, tuple[Call, ...]]:
    kind = draw(kinds)
    return kind, draw(histories(kind.model, kind.operations, calls=calls))


@given(kinds_and_histories(calls=30))
def test_what_took_effect_one_after_the_other_is_accepted(
    given_: tuple[Kind, tuple[Call, ...]],
) -> None:
    kind, calls = given_
    found = check_linearizable(calls, kind.model)
    assert explains(found.order, kind.model)
    assert {id(call) for call in calls if call.ended is not None} <= {id(c) for c in found.order}
    assert len({id(call) for call in found.order}) == len(found.order)


@given(kinds_and_histories(calls=6), st.data())
def test_a_history_with_a_result_changed_is_judged_as_by_trying_every_order(
    given_: tuple[Kind, tuple[Call, ...]], data: st.DataObject
) -> None:
    kind, calls = given_
    returned = [place for place, call in enumerate(calls) if call.ended is not None]
    if not returned:
        return
    changed = list(calls)
    place = data.draw(st.sampled_from(returned))
    changed[place] = changed[place].replace(result=data.draw(st.sampled_from(kind.results)))
    assert is_linearizable(changed, kind.model) == has_an_order(changed, kind.model)


@st.composite
def any_histories(draw: Any, calls: int = 5) -> tuple[Kind, list[Call]]:
    """Calls at any times with any results; few of them have an order."""
    kind = draw(kinds)
    made = []
    for number in range(draw(st.integers(1, calls))):
        name, args = draw(st.sampled_from(list(kind.operations.items())))
        began = draw(st.integers(0, 6))
        ended = draw(st.none() | st.integers(began, 8))
        result = draw(st.sampled_from(kind.results))
        given_ = tuple(draw(arg) for arg in args)
        made.append(Call(f"client {number}", name, given_, began, ended, result))
    return kind, made


@settings(max_examples=300)
@given(any_histories())
def test_any_history_is_judged_as_by_trying_every_order(given_: tuple[Kind, list[Call]]) -> None:
    kind, calls = given_
    assert is_linearizable(calls, kind.model) == has_an_order(calls, kind.model)


def refusal_of(calls: list[Call], model: Model[Any]) -> NotLinearizableError | None:
    try:
        check_linearizable(calls, model)
    except NotLinearizableError as error:
        return error
    return None


@settings(max_examples=300)
@given(any_histories())
def test_what_is_told_of_a_refuted_history_is_so(given_: tuple[Kind, list[Call]]) -> None:
    kind, calls = given_
    error = refusal_of(calls, kind.model)
    if error is None:
        return
    told, misfit = list(error.calls), error.misfit
    part = Model(kind.model.initial, kind.model.step)
    # No order of it; and one as soon as the misfit has not returned, or returned what would fit.
    assert misfit in told
    assert not has_an_order(told, part)
    assert has_an_order([c.replace(ended=None) if c is misfit else c for c in told], part)
    assert explains(error.order, part)
    fits = [
        result
        for result in kind.results
        if has_an_order([c.replace(result=result) if c is misfit else c for c in told], part)
    ]
    assert all(any(agrees(each, result) for each in error.fitting) for result in fits)
    for each in error.fitting:
        assert has_an_order([c.replace(result=each) if c is misfit else c for c in told], part)


@given(kinds_and_histories(calls=8))
def test_a_history_is_judged_alike_by_keys_and_as_a_whole(
    given_: tuple[Kind, tuple[Call, ...]],
) -> None:
    kind, calls = given_
    whole = Model(kind.model.initial, kind.model.step)
    assert is_linearizable(calls, kind.model)
    assert is_linearizable(calls, whole)
    changed = [call.replace(result=1) if call.operation == "get" else call for call in calls]
    assert is_linearizable(changed, kind.model) == is_linearizable(changed, whole)


def one_after_the_other(*steps: tuple[Any, ...]) -> list[Call]:
    """Calls of which none overlaps: ``(operation, args, result)``."""
    now = count(1)
    return [Call("one", name, args, next(now), next(now), result) for name, args, result in steps]


def test_calls_that_do_not_overlap_cost_one_step_of_the_model_each() -> None:
    calls = one_after_the_other(*[("write", (n,), None) for n in range(1000)])
    assert check_linearizable(calls, Model(0, register)).steps == 1000


def test_a_call_that_never_returned_may_have_taken_effect_or_not() -> None:
    lost = Call("a", "write", (7,), began=1)
    model = Model(0, register)
    for seen in (0, 7):
        assert is_linearizable([lost, Call("b", "read", (), 2, 3, seen)], model)
    seven_then_none = [Call("b", "read", (), 2, 3, 7), Call("b", "read", (), 4, 5, 0)]
    assert not is_linearizable([lost, *seven_then_none], model)
    # Before it began, nobody can have seen it.
    assert not is_linearizable([lost.replace(began=4), Call("b", "read", (), 2, 3, 7)], model)


def test_one_that_would_have_had_to_wait_cannot_have_returned() -> None:
    model = Model((), queue)
    get = Call("a", "get", (), 1, 2, 5)
    assert not is_linearizable([get], model)
    with pytest.raises(NotLinearizableError, match="would have had to wait"):
        check_linearizable([get], model)
    # Somebody put it there in time, or had begun to.
    assert is_linearizable([get, Call("b", "put", (5,), 1)], model)


def test_an_error_agrees_with_one_of_a_class_above_it() -> None:
    model = Model(frozenset(), table)
    pop = Call("a", "pop", ("x",), 1, 2, Raised(KeyError, "KeyError: 'x'"))
    assert is_linearizable([pop], model)

    class NoSuchSeatError(KeyError):
        pass

    assert is_linearizable([pop.replace(result=Raised(NoSuchSeatError))], model)
    for other in (Raised(LookupError), None, 0):
        assert not is_linearizable([pop.replace(result=other)], model)


def test_a_result_that_is_the_very_object_agrees_even_if_it_equals_nothing() -> None:
    nan = float("nan")
    model = Model(nan, register)
    assert is_linearizable(one_after_the_other(("read", (), nan)), model)
    assert not is_linearizable(one_after_the_other(("read", (), float("nan"))), model)


def crowd(size: int, seen: int) -> list[Call]:
    """Writers of different values, all at once, and one who then reads what none of them wrote."""
    writers = [Call(f"w{n}", "write", (n,), n, 100 + n, None) for n in range(1, size + 1)]
    return [*writers, Call("r", "read", (), 300, 301, seen)]


def test_a_configuration_is_never_gone_on_from_twice() -> None:
    """12 writes at a time have 479,001,600 orders, and 4,096 sets of which took effect."""
    model = Model(0, register)
    with pytest.raises(NotLinearizableError):
        check_linearizable(crowd(12, seen=99), model)
    assert check_linearizable(crowd(12, seen=5), model).steps <= 2**12 * 12


@pytest.mark.parametrize(
    ("name", "clients", "for_each"),
    [
        ("register", 2, 1.5),
        ("register", 4, 5),
        ("table", 4, 1.5),
        ("table", 8, 2),
        ("queue", 2, 100),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_long_history_costs_so_many_steps_for_each_call(
    name: str, clients: int, for_each: float, seed: int
) -> None:
    calls = long_history(name, clients, 500, seed)
    model = KINDS[name].model
    found = check_linearizable(calls, model)
    assert explains(found.order, Model(model.initial, model.step))
    assert found.steps <= for_each * len(calls)


@pytest.mark.parametrize("name", ["register", "table"])
@pytest.mark.parametrize("seed", range(3))
def test_in_a_long_history_the_call_that_is_wrong_is_named(name: str, seed: int) -> None:
    calls = long_history(name, 4, 300, seed)
    reads = [at for at, call in enumerate(calls) if call.operation in ("read", "get")]
    wrong = reads[-5]
    calls[wrong] = calls[wrong].replace(result="of no state")
    error = refusal_of(calls, KINDS[name].model)
    assert error is not None
    assert error.misfit is calls[wrong]
    assert all(call.began < (calls[wrong].ended or 0) for call in error.calls)


def test_a_search_says_when_it_has_gone_too_far() -> None:
    with pytest.raises(UndecidedError, match=r"after 1000 steps .* `key`") as caught:
        check_linearizable(crowd(12, seen=99), Model(0, register), most_steps=1000)
    assert caught.value.steps == 1000


def test_what_is_refuted_is_so_even_if_it_cannot_all_be_told() -> None:
    calls = [*one_after_the_other(("read", (), 9)), *crowd(12, seen=3)]
    calls = [call.replace(began=call.began + 10, ended=call.ended + 10) for call in calls]
    with pytest.raises(NotLinearizableError):
        check_linearizable(calls, Model(0, register), most_steps=50)


# Slips


class Box:
    """A state that is equal to itself only, and can be changed."""


class Frozen(Record):
    n: int


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Model([], lambda state, operation, args: (state, None)), "must be hashable"),
        (Model(0, lambda state, operation, args: ([], None)), "must be hashable"),
        (Model(Box(), lambda state, operation, args: (state, None)), "equal to itself only"),
        (Model(0, lambda state, operation, args: None), "does it know that operation"),
        (Model(0, lambda state, operation, args: [state, None]), r"and not \(state, result\)"),
    ],
)
def test_a_model_that_cannot_be_one_is_refused(model: Any, said: str) -> None:
    with pytest.raises(ArgumentTypeError, match=said):
        check_linearizable(one_after_the_other(("read", (), None)), model)


@pytest.mark.parametrize("state", [0, None, "a", (1, 2), frozenset(), Frozen(1), int, Raised])
def test_states_that_are_values_are_taken(state: Any) -> None:
    model: Model[Any] = Model(state, lambda state, operation, args: (state, state))
    assert is_linearizable(one_after_the_other(("read", (), state)), model)


def test_what_a_model_raises_comes_through() -> None:
    with pytest.raises(LookupError, match="fly"):
        check_linearizable(one_after_the_other(("fly", (), None)), Model(0, register))


def list_of(operation: str, args: Any) -> Any:
    """A key that cannot be one."""
    return list(args)


@pytest.mark.parametrize(
    ("calls", "model", "options", "error"),
    [
        ([("read", ())], Model(0, register), {}, ArgumentTypeError),
        (Recorder(), Model(0, register), {}, ArgumentTypeError),
        (None, Model(0, register), {}, ArgumentTypeError),
        ([Call("a", "read", (), 1, 2, 0)], Model(0, register, list_of), {}, ArgumentTypeError),
        ([], register, {}, ArgumentTypeError),
        ([], Model(0, register), {"most_steps": 0}, ArgumentValueError),
        ([], Model(0, register), {"most_steps": 1.5}, ArgumentTypeError),
        ([Call("a", "read", (), 5, 4, 0)], Model(0, register), {}, ArgumentValueError),
    ],
)
def test_what_is_no_history_is_refused(
    calls: Any, model: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_linearizable(calls, model, **options)


def test_of_nothing_there_is_an_order() -> None:
    assert check_linearizable([], Model(0, register)) == ((), 0)

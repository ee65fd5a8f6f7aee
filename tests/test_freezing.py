"""Plain nested data into immutable values, and back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrsistent import pmap, pvector

from cowstate import ArgumentValueError, MutableRecordError, Record, Store, freeze, thaw
from cowstate.immutability import check_deeply

ATOMS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
PLAIN = st.recursive(
    ATOMS | st.sets(st.integers(0, 9), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)

Freeze = Callable[[Any], Any]


def freezes(freezer: Freeze, plain: Any) -> None:
    """The laws of `freeze`: immutable all through, back to the same, and nothing changed."""
    before = copy.deepcopy(plain)
    frozen = freezer(plain)
    check_deeply(frozen, "frozen")
    assert thaw(frozen) == plain == before
    assert freezer(frozen) == frozen
    assert Store({"a": frozen}, immutability="deep").snapshot()["a"] is frozen


@given(PLAIN)
def test_what_is_frozen_is_immutable_all_through_and_thaws_to_the_same(plain: Any) -> None:
    freezes(freeze, plain)


def only_the_outside(value: Any) -> Any:
    if isinstance(value, list):
        return pvector(value)
    return pmap(value) if isinstance(value, dict) else freeze(value)


def drops_what_is_empty(value: Any) -> Any:
    return freeze({k: v for k, v in value.items() if v} if isinstance(value, dict) else value)


@pytest.mark.parametrize("twin", [only_the_outside, drops_what_is_empty])
def test_the_law_sees_a_freeze_that_does_less(twin: Freeze) -> None:
    @given(PLAIN)
    def law(plain: Any) -> None:
        freezes(twin, plain)

    with pytest.raises((AssertionError, MutableRecordError, ExceptionGroup)):
        law()


@given(PLAIN)
def test_what_is_thawed_shares_nothing_that_can_be_changed(plain: Any) -> None:
    frozen = freeze(plain)
    thawed = thaw(frozen)
    scribble(thawed)
    assert thaw(frozen) == plain


def scribble(value: Any) -> None:
    if isinstance(value, dict):
        children = list(value.values())
        value["scribbled"] = 1
    elif isinstance(value, list | tuple):
        children = list(value)
        if isinstance(value, list):
            value.append("scribbled")
    else:
        if isinstance(value, set):
            value.add("scribbled")
        children = []
    for child in children:
        scribble(child)


def test_a_document_goes_into_a_store_and_out_again_as_json() -> None:
    text = '{"name": "pod-1", "labels": {"app": "web"}, "ports": [80, [443]]}'
    store: Store[str, Any] = Store({"pod-1": freeze(json.loads(text))})
    store.update("pod-1", lambda pod: pod.set("labels", pod["labels"].set("app", "db")))
    assert json.dumps(thaw(store.snapshot()["pod-1"]), sort_keys=True) == json.dumps(
        {"labels": {"app": "db"}, "name": "pod-1", "ports": [80, [443]]}
    )


class Slot(Record):
    tags: tuple[str, ...] = ()


def test_what_is_no_plain_container_stays_the_very_object() -> None:
    slot = Slot(("a",))
    assert freeze([slot])[0] is slot
    assert thaw(freeze({"s": slot}))["s"] is slot


def test_what_holds_itself_is_an_error_of_ours() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(ArgumentValueError, match="holds itself"):
        freeze(knot)
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    with pytest.raises(ArgumentValueError, match="too deeply"):
        thaw(deep)

"""What a transaction and a draft have in common, against a dict: keys that go and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ClosedError, ForeignSnapshotError, MutableRecordError, Store
from tests.steps import steps_of

KEYS = "abcde"
# Each with a look at the length after it, or without: to count is to remember.
STEPS = st.tuples(st.sampled_from(["set", "delete", "pop"]), st.sampled_from(KEYS), st.booleans())


def take(work: Any, model: dict[str, int], step: tuple[str, str, bool], number: int) -> None:
    what, key, counts = step
    if what == "set":
        work[key] = model[key] = number
    elif what == "delete":
        if key in model:
            del work[key], model[key]
    elif model:
        popped, record = work.popitem()
        assert model.pop(popped) == record
    if counts:
        assert len(work) == len(model)


@given(st.sets(st.sampled_from(KEYS)), st.lists(STEPS, max_size=12))
def test_it_is_a_dict_whatever_goes_and_comes_back(there: set[str], steps: Any) -> None:
    store = Store(dict.fromkeys(sorted(there), -1))
    model: dict[str, int] = dict.fromkeys(sorted(there), -1)
    draft = store.draft()
    for number, step in enumerate(steps):
        take(draft, model, step, number)
    assert len(draft) == len(model)
    assert dict(draft) == model
    assert list(draft) == list(dict.fromkeys(draft))
    assert dict(draft.commit().after) == model


def in_draft(store: Store[str, Any], do: Callable[[Any], None]) -> None:
    do(store.draft())


def in_transaction(store: Store[str, Any], do: Callable[[Any], None]) -> None:
    with store.transaction() as tx:
        do(tx)


@pytest.mark.parametrize("within", [in_draft, in_transaction])
def test_a_meta_value_that_can_be_changed_is_refused_when_it_is_given(within: Any) -> None:
    store: Store[str, Any] = Store({}, meta=("start",))

    def do(work: Any) -> None:
        with pytest.raises(MutableRecordError):
            work.meta = ["start"]
        assert work.meta == ("start",)

    within(store, do)
    assert store.snapshot().meta == ("start",)


def test_the_first_reason_why_it_is_closed_is_the_one_that_is_told() -> None:
    draft = Store({"a": 1}).draft()
    draft.close("the one reason")
    draft.close("another one")
    with pytest.raises(ClosedError, match="the one reason"):
        draft["a"] = 2


@pytest.mark.parametrize("base", [7, "snapshot", {"a": 1}])
def test_a_draft_is_of_a_snapshot(base: Any) -> None:
    with pytest.raises(ForeignSnapshotError, match="no snapshot of this very store"):
        Store({"a": 1}).draft(base)


def test_to_pop_one_after_the_other_costs_the_same_for_each() -> None:
    def cost_of(size: int) -> int:
        draft = Store({n: n for n in range(size)}, maps="dict+tree").draft()

        def pop_all() -> None:
            for _ in range(size):
                draft.popitem()

        return steps_of(pop_all)

    assert cost_of(400) < 5 * cost_of(100)

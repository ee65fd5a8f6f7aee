"""Costs as promised: counted in steps and looks at keys, at two sizes, and never in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cowstate import (
    Aggregate,
    IterationError,
    Store,
    aio,
)
from tests.worlds import bugs_of_cost as bugs
from tests.worlds.staging import (
    AnyStore,
    Counted,
    catches,
    effort,
    least_effort,
)

# Both more than any kind of map holds in a dict.
SMALL, LARGE = 200, 800
GROWTH = LARGE // SMALL


def numbers(size: int) -> dict[Counted, int]:
    return {Counted(n): n for n in range(size)}


# Transactions and drafts

Work = Any


def iterate_and_set(work: Work) -> None:
    for key in work:
        work[key] = work[key] + 1


def iterate_items(work: Work) -> None:
    for key, value in work.items():
        work[key] = value + 1


def iterate_values(work: Work) -> None:
    assert sum(work.values()) >= 0


def count_as_it_grows(work: Work) -> None:
    for n in range(len(work)):
        work[Counted(-n - 1)] = n
        assert len(work)


def count_as_it_shrinks(work: Work) -> None:
    for key in list(work):
        del work[key]
        assert len(work) >= 0


def count_as_it_stays(work: Work) -> None:
    for key in list(work):
        record = work.pop(key)
        work[key] = record
        assert len(work)


def pop_all(work: Work) -> None:
    while work:
        work.popitem()


def pop_and_add(work: Work) -> None:
    for n in range(len(work)):
        work.popitem()
        work[Counted(-n - 1)] = n


def clear(work: Work) -> None:
    work.clear()
    assert not work


def update(work: Work) -> None:
    work.update(dict.fromkeys(list(work), 5))


def iterate_what_was_written(work: Work) -> None:
    iterate_and_set(work)
    for key in list(work)[::2]:
        del work[key]
    iterate_and_set(work)


USES: list[Callable[[Work], None]] = [
    iterate_and_set,
    iterate_items,
    iterate_values,
    count_as_it_grows,
    count_as_it_shrinks,
    count_as_it_stays,
    pop_all,
    pop_and_add,
    clear,
    update,
    iterate_what_was_written,
]


def transact(store: AnyStore, use: Callable[[Work], None]) -> None:
    store.transact(use)


def draft(store: AnyStore, use: Callable[[Work], None]) -> None:
    work = store.draft()
    use(work)
    work.commit()


@catches(bugs.length_is_counted_anew, "times as much")
@catches(bugs.an_item_is_popped_from_the_start, "pop_all .* times as much")
def test_however_k_keys_are_gone_through_it_costs_k_steps_and_not_their_square() -> None:
    for way in (transact, draft):
        for use in USES:
            small, large = (
                effort(partial(way, Store(numbers(size)), use)) for size in (SMALL, LARGE)
            )
            # A square would take 16 times as much; the logarithm grows by less than a half.
            assert large < 1.6 * GROWTH * small, (
                f"{use.__name__} over {GROWTH} times as many took {large / small:.1f} times as much"
            )


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["set", "set", "delete", "popitem", "clear"]), st.integers(0, 7)),
    max_size=3,
)


def do(work: Work, model: dict[int, int], step: Step) -> None:
    """Do the same to both, and compare what comes of it."""
    name, key = step
    if name == "set":
        work[key] = model[key] = len(model) * 10 + key
    elif name == "clear":
        work.clear()
        model.clear()
    elif name == "popitem":
        if not model:
            with pytest.raises(KeyError):
                work.popitem()
            return
        popped, record = work.popitem()
        assert model.pop(popped) == record
    elif key in model:
        assert work.pop(key) == model.pop(key)
    else:
        with pytest.raises(KeyError):
            del work[key]
    assert len(work) == len(model)
    assert list(work.items()) or not model


def go_through(work: Work, model: dict[int, int], each: Iterable[list[Step]]) -> None:
    """Iterate over both, and do something in each step."""
    expected, seen = set(model), list[int]()
    plan = iter(each)
    iterator = iter(work)
    spoiled = False
    while True:
        try:
            key = next(iterator)
        except IterationError:
            assert spoiled, "refused, though the keys are the same"
            return
        except StopIteration:
            break
        assert not spoiled, "keys were added or deleted, and it went on"
        seen.append(key)
        assert work[key] == model[key]
        for step in next(plan, []):
            do(work, model, step)
        if set(model) != expected:
            spoiled = True
    assert not spoiled, "keys were added or deleted, and it went on"
    assert len(seen) == len(set(seen)), f"twice: {seen}"
    assert set(seen) == expected, f"{seen}, not {expected}"


@catches(bugs.iterations_do_not_look, "and it went on")
@catches(bugs.every_write_spoils_an_iteration, "refused|assert")
@settings(phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False)
@given(st.sets(st.integers(0, 5)), steps, st.lists(steps, max_size=6), st.booleans())
def test_an_iteration_is_refused_exactly_when_a_key_was_added_or_deleted(
    start: set[int], before: list[Step], each: list[list[Step]], drafted: bool
) -> None:
    store = Store({key: key for key in start})
    model = dict(store.snapshot())

    def use(work: Work) -> None:
        for step in before:
            do(work, model, step)
        go_through(work, model, each)
        go_through(work, model, [])

    (draft if drafted else transact)(store, use)
    assert dict(store.snapshot()) == model


@catches(bugs.iterations_do_not_look, "DID NOT RAISE")
def test_one_key_for_another_in_one_step_of_an_iteration_is_refused_too() -> None:
    def swap(work: Work) -> None:
        with pytest.raises(IterationError):
            for key in work:
                if key == 1:
                    del work[2]
                    work[7] = 7

    for way in (transact, draft):
        way(Store({1: 1, 2: 2, 3: 3}), swap)


@catches(bugs.a_check_compares_all_keys, "times as much")
def test_the_check_of_a_draft_never_goes_through_all_records_under_the_lock() -> None:
    def check(size: int) -> int:
        store = Store(numbers(size), aggregates={"sum": Aggregate.sum(lambda n: n)})
        one, other = Counted(0), Counted(1)
        work = store.draft()
        assert len(work) == size
        assert sum(1 for _ in work) == size
        work[one] += 1
        store.set(other, 1)
        # The same object, so the total and all that was read are as they were.
        assert store.update(other, lambda n: n + 0).version in (0, 1)
        store.set(other, 1000)
        store.set(other, 1)
        work.total("sum")
        return effort(work.commit)

    small, large = check(200), check(3200)
    assert large < 1.5 * small, f"{large / small:.1f} times as much for 16 times as many"


# What others cost


@catches(bugs.the_index_by_key_is_dropped, "more steps")
def test_a_commit_costs_the_same_beside_ten_thousand_subscribers_of_other_keys() -> None:
    store = Store({"a": 0, "b": 0}, deferred_refcount=False)

    def block() -> None:
        with store.transaction() as tx:
            tx["a"], tx["b"] = tx["a"] + 1, tx["b"] + 1

    writes = (partial(store.update, "a", lambda n: n + 1), block)

    def steps() -> list[int]:
        for write in writes:
            write()
        return [least_effort(write) for write in writes]

    alone = steps()
    handles = [store.subscribe(lambda commit: None, keys=["c"])]
    beside_one = steps()
    handles += [store.subscribe(lambda commit: None, keys=[n]) for n in range(10_000)]
    assert store.statistics().subscriptions == 10_001
    beside_all = steps()
    for none, one, every in zip(alone, beside_one, beside_all, strict=True):
        assert one < none + 600, f"{one - none} more steps"
        assert every < one + 50, f"{every - one} more steps"


@catches(bugs.the_index_by_key_is_dropped, "more steps")
def test_a_commit_costs_the_same_beside_a_thousand_sleepers_of_other_keys() -> None:
    async def main() -> tuple[int, int]:
        store = Store({"a": 0})
        write = partial(store.update, "a", lambda n: n + 1)
        write()
        alone = least_effort(write)
        tasks = [
            asyncio.create_task(aio.wait_for(store, lambda now: False, keys=[n]))
            for n in range(1000)
        ]
        while store.statistics().waiting < len(tasks):
            await asyncio.sleep(0)
        beside = least_effort(write)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert store.statistics().waiting == 0
        return alone, beside

    alone, beside = asyncio.run(main())
    assert beside < alone + 250, f"{beside - alone} more steps"

"""What clients of a store were told, in whatever order they came, is what one after the other
would have been told; see `tests.histories.checker` for what is checked, and why it is enough."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import Store
from tests.histories.checker import (
    NotSerializableError,
    WrongConflictError,
    check,
    check_conflicts,
    check_serializable,
)
from tests.histories.clients import ALONE, OPEN, Client, Step, a_step, run
from tests.histories.model import make_store, state_of
from tests.histories.mutants import MUTANTS, ChecksBeforeTheLock, Mutant
from tests.histories.recording import History

CLIENTS = range(3)
PATIENCE = 600
ATTEMPTS = 2_000
HISTORIES = 1_000


@st.composite
def steps(draw: Any) -> Step:
    return a_step(lambda choices: draw(st.sampled_from(choices)), CLIENTS)


scenarios = st.lists(steps(), min_size=2, max_size=25)


def history_of(scenario: list[Step], kind: type[Store[Any, Any]] = Store) -> History:
    """Let the clients take the steps, all in this thread."""
    store = make_store(kind)
    history = History(state_of(store.snapshot()), count().__next__)
    clients = [Client(number, store, history) for number in CLIENTS]
    ChecksBeforeTheLock.meanwhile = staticmethod(lambda: clients[-1].update("a"))
    run(scenario, clients)
    return history


@given(scenarios)
def test_clients_whose_steps_alternate_are_told_what_one_after_the_other_is(
    scenario: list[Step],
) -> None:
    check_serializable(history_of(scenario))


@given(scenarios)
def test_a_draft_conflicts_if_what_it_relied_on_has_changed_and_only_then(
    scenario: list[Step],
) -> None:
    history = history_of(scenario)
    check_conflicts(history, check_serializable(history))


def random_scenario(seed: int) -> list[Step]:
    choose = random.Random(seed).choice
    return [a_step(choose, CLIENTS) for _ in range(30)]


def test_so_it_is_in_a_thousand_histories_drawn_by_chance() -> None:
    """Evenly drawn, which finds more in less time; what it finds, the ones above make smaller."""
    for seed in range(HISTORIES):
        check(history_of(random_scenario(seed)))


# Threads


@pytest.fixture
def _threads_take_short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def threaded_history(seed: int, threads: int, number_of_steps: int) -> History:
    """Let each client take its steps in a thread of its own, all at once."""
    store = make_store()
    history = History(state_of(store.snapshot()), time.monotonic_ns)
    clients = [Client(number, store, history) for number in range(threads)]
    start = threading.Barrier(threads)
    failed: list[BaseException] = []

    def work(client: Client) -> None:
        choose = random.Random(f"{seed}, {client.number}").choice
        todo = [a_step(choose, [client.number], ALONE + OPEN) for _ in range(number_of_steps)]
        start.wait(PATIENCE)
        try:
            for name, _, *args in todo:
                if name == "retry":
                    client.retry(args[0], args[1])
                else:
                    getattr(client, name)(*args)
            client.drop()
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=[client], daemon=True) for client in clients]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive(), "a client hangs"
    if failed:
        raise failed[0]
    return history


@pytest.mark.usefixtures("_threads_take_short_turns")
@pytest.mark.parametrize("seed", range(4))
def test_clients_in_threads_are_told_what_one_after_the_other_is(seed: int) -> None:
    history = threaded_history(seed, threads=4, number_of_steps=400)
    check(history)
    outcomes = {operation.outcome for operation in history}
    assert {"committed", "looked", "conflict", "refused", "absent", "failed"} <= outcomes


# What the checker is worth


@pytest.mark.parametrize("name", MUTANTS)
def test_each_bug_in_the_check_of_a_commit_is_found(name: str) -> None:
    make_kind = MUTANTS[name]

    for seed in range(ATTEMPTS):
        try:
            check(history_of(random_scenario(seed), make_kind()))
        except (NotSerializableError, WrongConflictError):
            return
    pytest.fail(f"no history shows what is wrong with {name}")


@given(scenarios)
def test_what_the_bugs_are_made_of_is_no_bug_itself(scenario: list[Step]) -> None:
    check(history_of(scenario, Mutant))


def a_history() -> History:
    """Three clients; each step but the look makes a version."""
    return history_of(
        [
            ("set", 0, "a", None, "x", 1),
            ("update", 1, "a"),
            ("look", 2, [("get", "a"), ("total", "amount")]),
            ("set", 0, "b", "bob", "y", 0),
        ]
    )


def test_a_version_that_nobody_made_is_found() -> None:
    history = a_history()
    check(history)
    del history.operations[1]
    with pytest.raises(NotSerializableError, match="no operation made version 2"):
        check(history)


def test_a_version_that_two_made_is_found() -> None:
    history = a_history()
    history.operations.append(history.operations[1])
    with pytest.raises(NotSerializableError, match="no operation made version 3"):
        check(history)


def test_an_answer_of_another_version_is_found() -> None:
    history = a_history()
    look = history.operations[2]
    look.reads[0] = look.reads[0]._replace(answer=history.start.records["a"])
    with pytest.raises(NotSerializableError, match="is wrong"):
        check(history)


def test_a_read_of_what_was_before_a_write_that_had_returned_is_found() -> None:
    history = a_history()
    look, write = history.operations[2:]
    look.began, look.ended = write.ended, write.ended + 2  # at once, as far as anybody can tell
    check(history)
    look.began += 1
    with pytest.raises(NotSerializableError, match="out of real-time order"):
        check(history)


def test_a_failure_that_no_version_in_its_time_explains_is_found() -> None:
    store = make_store()
    history = History(state_of(store.snapshot()), count().__next__)
    client = Client(0, store, history)
    client.compare_and_set("a", "copy", 1)
    check(history)
    operation = history.operations[0]
    assert operation.outcome == "missed"
    operation.reads[0] = operation.reads[0]._replace(answer=history.start.records["a"])
    with pytest.raises(NotSerializableError, match="nothing in its time explains"):
        check(history)

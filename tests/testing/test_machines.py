"""A state machine over a store finds what its functions, records and aggregates do wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from cowstate import Aggregate, ArgumentTypeError, Record, Snapshot, Store
from cowstate.testing import StoreMachine, writes

names = st.sampled_from(["ann", "bob"])
amounts = st.integers(0, 4)
FEW = settings(
    max_examples=30,
    stateful_step_count=10,
    deadline=None,
    database=None,
    phases=[Phase.generate],
)


def run(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(machine, settings=FEW)  # type: ignore[no-untyped-call]


class Account(Record):
    balance: int


class Bank(StoreMachine):
    """Nothing is wrong with it."""

    initial = {"ann": Account(3), "bob": Account(0)}
    totals = ["all"]

    def make_store(self, records: dict[Any, Any]) -> Store[Any, Any]:
        return Store(
            records,
            aggregates={"all": Aggregate.sum(lambda account: account.balance)},
            invariants={"few": lambda now, changes: len(now) < 4},
        )

    @writes(payer=names, payee=names, amount=amounts)
    def pay(self, records: Any, payer: str, payee: str, amount: int) -> int:
        """Move money."""
        if records[payer].balance < amount:
            raise ValueError("not so much")
        records[payer] = Account(records[payer].balance - amount)
        records[payee] = Account(records[payee].balance + amount)
        return amount

    @writes(name=st.sampled_from("xyz"))
    def open(self, records: Any, name: str) -> None:
        records[name] = Account(0)

    @writes(name=st.sampled_from("xyz"))
    def close(self, records: Any, name: str) -> int:
        return records.pop(name).balance

    def check(self, now: Snapshot[Any, Any]) -> None:
        assert sum(account.balance for account in now.values()) == 3


def test_what_is_right_passes_and_every_way_is_taken() -> None:
    ways: set[str] = set()
    ended: set[str] = set()

    class Watched(Bank):
        def write(self, way: str, fn: Any) -> None:
            before = self.store.snapshot().version
            super().write(way, fn)
            ways.add(way)
            ended.add("written" if self.store.snapshot().version > before else "not")

    run(Watched)
    assert ways == set(StoreMachine.ways)
    assert ended == {"written", "not"}


class Spends(Bank):
    """Pays twice what it takes."""

    @writes(payer=names, payee=names)
    def give(self, records: Any, payer: str, payee: str) -> None:
        records[payee] = Account(records[payee].balance + 1)


class Remembers(Bank):
    """Does something else the second time."""

    def __init__(self) -> None:
        self.times = 0
        super().__init__()

    @writes()
    def again(self, records: Any) -> None:
        self.times += 1
        records["ann"] = Account(records["ann"].balance + self.times)


class Answers(Bank):
    """Returns what it should not know."""

    @writes()
    def which(self, records: Any) -> str:
        return type(records).__name__


class Raises(Bank):
    """Raises over the one and not over the other."""

    @writes()
    def sort(self, records: Any) -> None:
        records |= {}


class Forgets(Bank):
    """An aggregate that does not take back what it has added."""

    def make_store(self, records: dict[Any, Any]) -> Store[Any, Any]:
        total = Aggregate.fold(
            0,
            lambda total, account: total + account.balance,
            lambda total, account: total - min(account.balance, 2),
        )
        return Store(records, aggregates={"all": total})


class Mutable:
    """Looks like a record, and is changed in place."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mutable) and self.n == other.n

    def __hash__(self) -> int:
        return hash(self.n)


class InPlace(StoreMachine):
    """Changes a record that others may be looking at."""

    initial = {"a": Mutable(1)}

    @writes()
    def add(self, records: Any) -> None:
        records["a"].n += 1

    def make_store(self, records: dict[Any, Any]) -> Store[Any, Any]:
        return Store(records, immutability="trusted")


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Spends, "assert"),
        (Remembers, "the store does not hold what the dict does"),
        (Answers, "over a dict it returns 'dict', and by"),
        (Raises, "over a dict it returns None, and by"),
        (Forgets, "the aggregate all is .*, and in a new store of the same records"),
        (InPlace, "is not as it was"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_mistake_is_found(machine: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        run(machine)


def test_a_store_that_refuses_too_late_is_found() -> None:
    class Late(Bank):
        def write(self, way: str, fn: Any) -> None:
            super().write(way, fn)
            self.store.set("ann", self.store.snapshot()["bob"])

    with pytest.raises(AssertionError, match="does not hold what the dict does"):
        run(Late)


def test_rules_of_one_s_own_stand_beside_it() -> None:
    seen: list[int] = []

    class Looks(Bank):
        @rule()
        def look(self) -> None:
            seen.append(self.store.snapshot().total("all"))

    run(Looks)
    assert set(seen) == {3}


def test_a_machine_may_take_some_ways_only() -> None:
    taken: set[str] = set()

    class Drafts(Bank):
        ways = ["draft"]

        def write(self, way: str, fn: Any) -> None:
            taken.add(way)
            super().write(way, fn)

    run(Drafts)
    assert taken == {"draft"}


@pytest.mark.parametrize("name", ["way", "target", "targets"])
def test_an_argument_that_would_mean_something_else_is_refused(name: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"cannot be called {name}: rename it"):
        writes(**{name: names})


def test_a_machine_without_a_store_is_refused() -> None:
    class Nothing(StoreMachine):
        def make_store(self, records: dict[Any, Any]) -> Any:
            return records

        @rule()
        def nothing(self) -> None:
            """It never comes to it."""

    with pytest.raises(ArgumentTypeError, match="make_store must return a Store"):
        Nothing()


def test_an_exception_that_is_returned_is_a_result_as_any() -> None:
    class Returning(Bank):
        def judge(self, records: Any) -> Exception:
            """Return what is wrong; raise nothing."""
            records["ann"] = Account(records["ann"].balance)
            return ValueError("not so much")

    machine = Returning()
    for way in machine.ways:
        before = machine.store.snapshot().version
        machine.write(way, machine.judge)
        # What was returned was not refused: it was written.
        assert machine.store.snapshot().version == before + 1


def test_what_is_raised_over_one_and_returned_over_the_other_is_found() -> None:
    class Wavering(Bank):
        def judge(self, records: Any) -> Exception:
            if isinstance(records, dict):
                raise ValueError("not so much")
            return ValueError("not so much")

    machine = Wavering()
    with pytest.raises(AssertionError, match=r"over a dict it raises .* it returns "):
        machine.write("draft", machine.judge)

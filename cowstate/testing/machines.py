"""A state machine to subclass: your functions over a store, against a plain dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast

from ..commit import Commit
from ..errors import (
    ArgumentTypeError,
    InvariantError,
    MissingExtraError,
    UniqueViolationError,
)
from ..showing import shown
from ..snapshot import Snapshot
from ..store import Store

try:
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
    from hypothesis.strategies import SearchStrategy
except ImportError as error:
    raise MissingExtraError("cowstate.testing.machines", "testing") from error

__all__ = ["StoreMachine", "writes"]

F = TypeVar("F", bound=Callable[..., Any])

_KEPT_AT_MOST: Final = 50
_VETOES: Final = (InvariantError, UniqueViolationError)


def _in_transaction(store: Store[Any, Any], fn: Callable[[Any], Any]) -> Any:
    with store.transaction() as tx:
        return fn(tx)


def _in_draft(store: Store[Any, Any], fn: Callable[[Any], Any]) -> Any:
    draft = store.draft()
    result = fn(draft)
    draft.commit()
    return result


_WAYS: Final[dict[str, Callable[[Store[Any, Any], Callable[[Any], Any]], Any]]] = {
    "transact": lambda store, fn: store.transact(fn),
    "transaction": _in_transaction,
    "draft": _in_draft,
    "retry": lambda store, fn: store.retry(fn),
}


def writes(**arguments: SearchStrategy[Any]) -> Callable[[F], F]:
    """Make a method of a `StoreMachine` one of its steps: a function that changes records.

    The method is given what it changes, a mutable mapping, and then its arguments by name. It must
    do the same over a transaction, a draft and a plain dict: return the same, or raise the same.

    Args:
        arguments: a strategy for each argument.

    Raises:
        ArgumentTypeError: an argument is called ``way``, ``target`` or ``targets``, which mean
            something else to the machine and to hypothesis.

    >>> from hypothesis import strategies as st
    >>> class Counters(StoreMachine):
    ...     initial = {"a": 0}
    ...     @writes(by=st.integers(1, 9))
    ...     def count(self, records, by):
    ...         records["a"] += by
    """
    for name in ("way", "target", "targets"):
        if name in arguments:
            raise ArgumentTypeError(f"an argument of a step cannot be called {name}: rename it")

    def decorate(fn: F) -> F:
        def run(self: StoreMachine, way: str, **given: Any) -> None:
            self.write(way, lambda records: fn(self, records, **given))

        run.__name__, run.__doc__ = fn.__name__, fn.__doc__
        way = st.runner().flatmap(lambda machine: st.sampled_from(list(machine.ways)))
        as_a_rule: Any = rule
        return cast("F", as_a_rule(way=way, **arguments)(run))

    return decorate


class StoreMachine(RuleBasedStateMachine):
    """A hypothesis state machine for what you do to a store, which looks after each step.

    Subclass it, say what a store holds at first, and mark the functions that change records with
    `writes`. They run in the ways that a store offers, a transaction, a draft, `retry`, at random,
    and each also over `records`, a plain dict. After each step

    - the function has returned the same over both, or raised an error of the same class;
    - the store holds what the dict holds, or, where the function raised or an invariant or unique
      index refused what it did, nothing was written at all;
    - what was seen before is as it was: no record has been changed in place;
    - each aggregate named in `totals` is what it is in a new store of the same records: a fold of
      your own takes back what it has added;
    - subscribers have been told of each version once, in order, and the changes, one applied
      after the other, lead to what is there;
    - `check` finds nothing wrong.

    Run it with ``TestThings = Things.TestCase``, or with hypothesis's
    ``run_state_machine_as_test``. Its rules, bundles and invariants may stand beside.

    Attributes:
        initial: what the store holds at first.
        totals: the names of aggregates to be compared with those of a new store.
        ways: how a function may be run; a subclass may name fewer.
        store: the store.
        records: the dict that it is compared with.

    >>> from hypothesis import settings, strategies as st
    >>> from hypothesis.stateful import run_state_machine_as_test
    >>> class Shelf(StoreMachine):
    ...     initial = {"a": 3, "b": 0}
    ...     @writes(n=st.integers(0, 5))
    ...     def move(self, records, n):
    ...         if n > records["a"]:
    ...             raise ValueError("so many there are not")
    ...         records["a"] -= n
    ...         records["b"] += n
    ...     def check(self, now):
    ...         assert sum(now.values()) == 3
    >>> run_state_machine_as_test(
    ...     Shelf, settings=settings(max_examples=5, deadline=None, database=None)
    ... )
    """

    initial: ClassVar[Mapping[Any, Any]] = {}
    totals: ClassVar[Sequence[str]] = ()
    ways: ClassVar[Sequence[str]] = tuple(_WAYS)

    def __init__(self) -> None:
        super().__init__()
        store = self.make_store(dict(self.initial))
        if not isinstance(store, Store):
            raise ArgumentTypeError(f"make_store must return a Store, not {shown(store)}")
        self.store: Store[Any, Any] = store
        first = store.snapshot()
        self.records: dict[Any, Any] = dict(first)
        self._first = first
        self._seen: list[tuple[Snapshot[Any, Any], dict[Any, Any]]] = []
        self._commits: list[Commit[Any, Any]] = []
        self._subscription = store.subscribe(self._commits.append)
        self._keep(first)

    def make_store(self, records: dict[Any, Any]) -> Store[Any, Any]:
        """Override to give it more than records: return a store that holds *records*.

        >>> class Totalled(StoreMachine):
        ...     initial = {"a": 1}
        ...     totals = ["sum"]
        ...     def make_store(self, records):
        ...         return Store(records, aggregates={"sum": Aggregate.sum(int)})
        ...     @writes()
        ...     def double(self, records):
        ...         records["a"] *= 2
        >>> from cowstate import Aggregate
        >>> Totalled().store.snapshot().total("sum")
        1
        """
        return Store(records, immutability="deep")

    def check(self, now: Snapshot[Any, Any]) -> None:
        """Override: raise if something is wrong with what is there after a step.

        >>> class Positive(StoreMachine):
        ...     initial = {"a": 1}
        ...     def check(self, now):
        ...         assert all(n > 0 for n in now.values())
        """

    def write(self, way: str, fn: Callable[[Any], Any]) -> None:
        """Run *fn* over the store, in one of `ways`, and over a copy of the dict, and compare.

        For rules that `writes` does not fit.

        >>> from hypothesis.stateful import rule
        >>> class Cells(StoreMachine):
        ...     initial = {"a": 1}
        ...     @rule()
        ...     def empty(self):
        ...         self.write("draft", lambda records: records.clear())
        >>> cells = Cells()
        >>> cells.empty()
        >>> cells.records, len(cells.store.snapshot())
        ({}, 0)
        """
        before = self.store.snapshot()
        copy = dict(self.records)
        expected = _outcome_of(lambda: fn(copy))
        outcome = _outcome_of(lambda: _WAYS[way](self.store, fn))
        if isinstance(outcome.error, _VETOES) and expected.error is None:
            assert self.store.snapshot() is before, "what was refused was written all the same"
            return
        _compare(expected, outcome, way)
        if outcome.error is not None:
            assert self.store.snapshot() is before, f"it was written, and raised {outcome.error!r}"
            return
        self.records = copy
        self._keep(self.store.snapshot())

    def _keep(self, now: Snapshot[Any, Any]) -> None:
        if len(self._seen) < _KEPT_AT_MOST:
            # A copy of each record, since one that is changed in place is changed everywhere.
            copy = deepcopy(dict(now))
            if copy == dict(now):
                self._seen.append((now, copy))

    @invariant()
    def _all_is_well(self) -> None:
        now = self.store.snapshot()
        assert dict(now) == self.records, "the store does not hold what the dict does"
        for then, records in self._seen:
            assert dict(then) == records, f"version {then.version} is not as it was"
        if self.totals:
            self._totals_are_right(now)
        self.check(now)

    def _totals_are_right(self, now: Snapshot[Any, Any]) -> None:
        new = self.make_store(dict(now)).snapshot()
        for name in self.totals:
            assert now.total(name) == new.total(name), (
                f"the aggregate {name} is {shown(now.total(name))}, and in a new store of the same "
                f"records {shown(new.total(name))}"
            )

    @invariant()
    def _followers_come_to_the_same(self) -> None:
        self.store.flush(timeout=60)
        now = self.store.snapshot()
        told = [commit.version for commit in self._commits]
        assert told == list(range(self._first.version + 1, now.version + 1)), told
        followed = dict(self._first)
        for commit in self._commits:
            commit.changes.apply(followed)
        assert followed == dict(now), "the changes do not lead to what is there"

    def teardown(self) -> None:
        """Close what the machine opened; hypothesis calls it.

        >>> class Cells(StoreMachine):
        ...     initial = {"a": 1}
        ...     @writes()
        ...     def double(self, records):
        ...         records["a"] = 2
        >>> Cells().teardown()
        """
        self._subscription.close()


class _Outcome(NamedTuple):
    """What came of a function: what it returned, or the error that it raised, which is no result.

    A function may return an exception, as any other object.
    """

    result: Any
    error: Exception | None = None


def _outcome_of(fn: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(fn())
    except Exception as error:
        return _Outcome(None, error)


def _compare(expected: _Outcome, outcome: _Outcome, way: str) -> None:
    if expected.error is None and outcome.error is None:
        assert _is_the_same(expected.result, outcome.result), (
            f"over a dict it returns {shown(expected.result)}, and by {way} {shown(outcome.result)}"
        )
    elif expected.error is None or not isinstance(outcome.error, type(expected.error)):
        problem = AssertionError(
            f"over a dict it {_told(expected)}, and by {way} it {_told(outcome)}"
        )
        raise problem from (outcome.error or expected.error)


def _is_the_same(expected: Any, result: Any) -> bool:
    if isinstance(expected, BaseException) and type(expected) is type(result):
        # Of two that were made, none is equal to the other.
        return bool(expected.args == result.args)
    return bool(result == expected)


def _told(outcome: _Outcome) -> str:
    if outcome.error is None:
        return f"returns {shown(outcome.result)}"
    return f"raises {shown(outcome.error)}"

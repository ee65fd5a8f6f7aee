"""Generated programs of a few calls, each run in every order of its threads, and judged.

What Lincheck does for the JVM: one names the operations of an object; hypothesis makes up which
thread calls which with what; `explore` runs that in every schedule within a bound, and
`check_linearizable` judges each; what fails is shrunk to the smallest program that does.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeAlias

from ..errors import (
    ArgumentTypeError,
    ArgumentValueError,
    DeadlockError,
    MissingExtraError,
    ScheduleError,
    UnscheduledError,
)
from ..records import Record
from ..showing import shown
from .bounds import check_bound
from .calls import NotKeptError
from .errors import NotLinearizableError, ScenarioError, UndecidedError
from .linearizability import check_linearizable
from .models import Model, checked
from .points import listed
from .recorder import Recorder
from .schedules import Granularity, Program, explore

try:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ImportError as error:
    raise MissingExtraError("cowstate.testing.scenario", "testing") from error

# What an order of the threads can be refuted by; all else is no answer.
_VERDICTS: Final = (NotLinearizableError, DeadlockError, UnscheduledError)

__all__ = ["Operations", "Scenario", "ScenarioTally", "explore_object", "scenarios"]

Operations: TypeAlias = Mapping[str, Sequence[SearchStrategy[Any]]]
"""The operations of an object by name, each with a strategy for each of its arguments."""

Step: TypeAlias = tuple[str, tuple[Any, ...]]


class Scenario(Record):
    """A small program: calls that come first, and those of each thread. Its ``str`` is for reading.

    Attributes:
        before: ``(operation, args)`` of the calls before any thread begins.
        threads: the calls of each thread, one after the other.

    >>> print(Scenario(before=(("add", (1,)),), threads=((("pop", ()),), (("pop", ()),))))
    before  add(1)
    A       pop()
    B       pop()
    """

    before: tuple[Step, ...]
    threads: tuple[tuple[Step, ...], ...]

    def program(self, make: Callable[[], Any], model: Model[Any] | None = None) -> Program:
        """Return the program for `explore` and `replay`, whose check is that of linearizability.

        Explore it with ``reduction=False``, for the check looks at which call was over before which
        began, and that is nothing to the reduction.

        Args:
            make: makes the object that is called.
            model: what it does if one client uses it; None for what it itself does then.

        Raises:
            ArgumentTypeError: *model* is none. When run: of a call nothing can be recorded, for it
                is a coroutine function's, or returns an iterator.

        >>> from cowstate.testing.schedules import explore
        >>> scenario = Scenario(before=(), threads=((("append", (1,)),), (("pop", ()),)))
        >>> explore(scenario.program(list), modules=["cowstate.committer"]).schedules
        2
        """
        expected = Model.sequential(make) if model is None else checked(model)

        def program() -> tuple[list[Callable[[], None]], Callable[[], None]]:
            recorder = Recorder()
            thing = make()
            _caller("before", self.before, recorder, thing)()
            bodies = [
                _caller(name, steps, recorder, thing)
                for name, steps in zip(_names(self.threads), self.threads, strict=True)
            ]

            def check() -> None:
                check_linearizable(recorder.calls(), expected)

            return bodies, check

        return program

    def __str__(self) -> str:
        rows = [("before", self.before), *zip(_names(self.threads), self.threads, strict=True)]
        return "\n".join(
            f"{name:<8}" + "; ".join(f"{called}({_listed(args)})" for called, args in steps)
            for name, steps in rows
            if steps
        )


def _names(threads: Sequence[object]) -> list[str]:
    return [chr(ord("A") + number) for number in range(len(threads))]


def _listed(args: tuple[Any, ...]) -> str:
    return ", ".join(shown(arg, 60) for arg in args)


def _caller(name: str, steps: Sequence[Step], recorder: Recorder, thing: Any) -> Callable[[], None]:
    recorded = recorder.wrap(thing, operations={called for called, _ in steps}, client=name)

    def call() -> None:
        for operation, args in steps:
            try:
                found = getattr(recorded, operation)
                result = found(*args) if callable(found) else found
            except NotKeptError:
                # Else whatever it does would pass, as one that has not returned.
                raise
            except Exception:
                # It is recorded, as what came of the call.
                continue
            if inspect.iscoroutine(result):
                result.close()
                raise NotKeptError(
                    f"{operation} is a coroutine function, which threads cannot call: name a "
                    "method of your own that runs it, `asyncio.run(...)`"
                )

    call.__name__ = name
    return call


class ScenarioTally(NamedTuple):
    """What `explore_object` has run where nothing failed.

    Attributes:
        scenarios: how many programs.
        schedules: how many orders of threads, in all of them.
        complete: of how many programs these were all orders within the bound.

    >>> ScenarioTally(scenarios=50, schedules=1_200, complete=50).complete
    50
    """

    scenarios: int
    schedules: int
    complete: int


def scenarios(
    operations: Operations, *, threads: int = 2, calls: int = 3, before: int = 2
) -> SearchStrategy[Scenario]:
    """Return a strategy for scenarios: for tests of your own that do something else with them.

    Args:
        operations: what may be called, and with what.
        threads: at most how many threads; at least two.
        calls: at most how many calls in each.
        before: at most how many before they begin.

    Raises:
        ArgumentTypeError: an argument of an operation has no strategy.

    >>> from hypothesis import find, strategies as st
    >>> find(scenarios({"add": [st.integers(0, 9)]}), lambda scenario: True)
    Scenario(before=(), threads=((('add', (0,)),), (('add', (0,)),)))
    """
    _check_mapping(operations)
    check_bound("threads", threads, 2)
    check_bound("calls", calls, 1)
    check_bound("before", before, 0)
    if not operations:
        raise ArgumentValueError("name at least one operation that threads may call")
    step = st.one_of([_step(name, args) for name, args in operations.items()])
    thread = st.lists(step, min_size=1, max_size=calls).map(tuple)
    return st.builds(
        Scenario,
        before=st.lists(step, max_size=before).map(tuple),
        threads=st.lists(thread, min_size=2, max_size=threads).map(tuple),
    )


def _check_mapping(operations: object) -> None:
    if not isinstance(operations, Mapping):
        raise ArgumentTypeError(
            "operations must be a mapping from names of methods to lists of strategies, one for "
            f"each argument, not {shown(operations)}"
        )


def _step(name: str, args: Sequence[SearchStrategy[Any]]) -> SearchStrategy[Any]:
    if isinstance(args, SearchStrategy) or not all(isinstance(a, SearchStrategy) for a in args):
        raise ArgumentTypeError(
            f"the operation {name} needs a list with a hypothesis strategy for each argument, not "
            f"{shown(args)}; for one that is always the same, st.just(...)"
        )
    return st.tuples(st.just(name), st.tuples(*args))


def explore_object(
    make: Callable[[], Any],
    operations: Operations,
    *,
    model: Model[Any] | None = None,
    modules: Iterable[str | ModuleType] | None = None,
    threads: int = 2,
    calls: int = 3,
    before: int = 2,
    examples: int = 50,
    preemptions: int | None = 2,
    max_schedules: int | None = 300,
    every: Granularity = "line",
) -> ScenarioTally:
    """Run generated programs of an object in every order of their threads; raise at one that fails.

    An order fails if no order of whole calls, one after the other, explains what they returned
    (see `check_linearizable`), or if its threads wait for each other for ever. An error that a call
    raises is what came of it, and must be what the model says.

    Schedules that come to the same state are all run, for they differ in which call was over before
    which began. Programs and their schedules are the same each time if hypothesis is derandomized,
    and differ from run to run if it is not, as its profile says. What fails is made as small as it
    can be. Costs *examples* times what `explore` costs, and again about as much where something
    fails. The object must do the same in the same schedule, as for `explore`.

    Args:
        make: makes a new object for each schedule: its class, often.
        operations: the names of its methods, each with a strategy for each of its arguments.
        model: what it does if one client uses it; None for what it itself does then, which finds
            all that goes wrong because there are several.
        modules: the modules whose lines are switch points, as for `explore`; None for the one that
            the object's class is from.
        threads: at most how many threads.
        calls: at most how many calls in each of them.
        before: at most how many calls before they begin.
        examples: how many programs.
        preemptions: how often, in one schedule, a thread is left that could have gone on.
        max_schedules: how many schedules of one program are run at most, those with few
            preemptions first; None for all.
        every: "line", or "instruction" to make each one a switch point.

    Raises:
        ScenarioError: a program fails. It shows the program, its calls over time, what ran line by
            line, and how to run it again.
        ArgumentTypeError: an operation is none of the object's, or an argument has no strategy, or
            of an operation nothing can be recorded: it is a coroutine function, or returns an
            iterator; *model* is none.
        Exception: what the model itself raises, which is a mistake in it, with a note that says so.
        UndecidedError: see `check_linearizable`.
        ArgumentValueError: without *modules*: the object's class is not made of Python lines.
        NondeterminismError, UnscheduledError: see `explore`.

    >>> from hypothesis import strategies as st
    >>> from queue import LifoQueue
    >>> tally = explore_object(
    ...     LifoQueue, {"put": [st.integers(0, 9)], "get_nowait": [], "qsize": []}, examples=5
    ... )
    >>> tally.scenarios
    5
    """
    if not callable(make):
        raise ArgumentTypeError(f"a function that makes the object is needed, not {shown(make)}")
    check_bound("examples", examples, 1)
    _check_mapping(operations)
    if model is not None:
        checked(model)
    _check_operations(make(), operations)
    territory = listed(_home_of(make(), operations) if modules is None else modules)
    ran = _Ran()
    every_check: Any = HealthCheck

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        # To explain takes a trace function of its own.
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(every_check),
    )
    @given(scenarios(operations, threads=threads, calls=calls, before=before))
    def run(scenario: Scenario) -> None:
        ran.failed = None
        try:
            found = explore(
                scenario.program(make, model),
                modules=territory,
                preemptions=preemptions,
                max_schedules=max_schedules,
                every=every,
                # It leaves out what differs in time alone: which call was over before which began.
                reduction=False,
            )
        except ScheduleError as failure:
            ran.failed = (scenario, failure)
            raise
        ran.count(found.schedules, found.complete)

    try:
        run()
    except ScheduleError:
        # Hypothesis ends with the smallest.
        assert ran.failed is not None
        scenario, failure = ran.failed
        if isinstance(failure.error, Exception) and not isinstance(failure.error, _VERDICTS):
            # No verdict on the object.
            raise _not_judged(failure.error, scenario) from None
        # By names, so that it can be pasted, and pickled by whoever collects the tests' errors.
        schedule: Any = failure.schedule
        schedule = schedule._replace(modules=tuple(map(_named, schedule.modules)))
        raise ScenarioError(scenario, failure.error, schedule, failure.trace) from None
    return ScenarioTally(ran.scenarios, ran.schedules, ran.complete)


def _named(module: str | ModuleType) -> str | ModuleType:
    if isinstance(module, str) or sys.modules.get(module.__name__) is not module:
        return module
    return module.__name__


def _not_judged(error: Exception, scenario: Scenario) -> Exception:
    """Return *error*, which comes from the model or from the recording, told as that."""
    if not isinstance(error, NotKeptError | UndecidedError):
        # One whose class is frozen takes no notes, and is worth more than they are.
        with suppress(Exception):
            error.add_note(
                "The model raised this, not the object; what an operation must raise is returned "
                f"by the model's step, as Raised(KeyError). It was asked about\n{scenario}"
            )
    return error


class _Ran:
    """What has been run so far."""

    def __init__(self) -> None:
        self.scenarios = self.schedules = self.complete = 0
        self.failed: tuple[Scenario, ScheduleError] | None = None

    def count(self, schedules: int, complete: bool) -> None:
        self.scenarios += 1
        self.schedules += schedules
        self.complete += complete


def _check_operations(thing: object, operations: Operations) -> None:
    for name in operations:
        if inspect.getattr_static(thing, name, None) is None and not hasattr(thing, name):
            # Else every call of it would fail, and the object's own model agree.
            raise ArgumentTypeError(
                f"{type(thing).__name__} has no operation {name!r}: give the names of its methods"
            )


def _home_of(thing: object, operations: Operations) -> list[str]:
    """The module that the class is from, if any operation is made of its lines."""
    kind = type(thing)
    module = inspect.getmodule(kind)
    file = getattr(module, "__file__", None)
    codes = [
        getattr(inspect.unwrap(getattr(kind, name, None) or print), "__code__", None)
        for name in operations
    ]
    if not any(code is not None and code.co_filename == file for code in codes):
        raise ArgumentValueError(
            f"no operation of {kind.__name__} is made of lines of {kind.__module__}, so there is "
            "nowhere to switch; name the `modules` whose lines are"
        )
    return [kind.__module__]

"""The search finds exactly the outcomes there are: against an enumeration of its own.

Tiny programs come in two forms: source text that runs, and a model whose every path is walked.
The model knows nothing of threads, lines or the search under test. A program is a few shared
variables and locks, and for each thread a list of steps, each of which is one atomic step of the
model and one line of the source.
"""

from __future__ import annotations

import linecache
from collections import deque
from collections.abc import Sequence
from itertools import count
from types import ModuleType
from typing import NamedTuple

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cowstate.errors import DeadlockError, ScheduleError
from cowstate.testing.schedules import explore

_numbers = count()


class Step(NamedTuple):
    """`kind` is one of read, write, acquire, release, attempt, give_up, wait, notify."""

    kind: str
    name: str = ""


class Toy(NamedTuple):
    threads: tuple[tuple[Step, ...], ...]
    reentrant: bool = False

    def source(self) -> str:
        lines = [
            "from threading import Condition, Lock, RLock",
            "class Shared: pass",
            "def program():",
            "    s, ends = Shared(), {}",
            "    s.x = s.y = 0",
            f"    a, b = {'RLock(), RLock()' if self.reentrant else 'Lock(), Lock()'}",
            "    c = Condition(a)",
        ]
        for number, steps in enumerate(self.threads):
            lines += [f"    def t{number}():", "        r, had = 0, []"]
            lines += [f"        {_line(step, number)}" for step in steps]
            lines += [f"        ends[{number}] = r"]
        names = ", ".join(f"t{number}" for number in range(len(self.threads)))
        lines += [
            f"    return [{names}], lambda: (s.x, s.y, tuple(sorted(ends.items())))",
        ]
        return "\n".join(lines) + "\n"

    def module(self) -> ModuleType:
        return module_of(self.source())


def module_of(source: str) -> ModuleType:
    """Return a module of that source, which tracebacks and traces can show."""
    module = ModuleType("toy")
    module.__file__ = f"<toy {next(_numbers)}>"
    linecache.cache[module.__file__] = (len(source), None, source.splitlines(True), "")
    exec(compile(source, module.__file__, "exec"), vars(module))
    return module


def _line(step: Step, number: int) -> str:
    return {
        "read": f"r = r * 2 + s.{step.name}",
        "write": f"s.{step.name} = r * 5 + {number + 1}",
        "acquire": f"{step.name}.acquire()",
        "release": f"{step.name}.release()",
        "attempt": f"had.append({step.name}.acquire(blocking=False))",
        "give_up": f"if had.pop(): {step.name}.release()",
        "wait": "r = r * 2 + c.wait(timeout=60)",
        "notify": "c.notify()",
    }[step.kind]


class Thread(NamedTuple):
    at: int = 0
    r: int = 0
    had: tuple[bool, ...] = ()
    asleep: bool = False
    woken: bool | None = None
    depth: int = 0


class State(NamedTuple):
    threads: tuple[Thread, ...]
    x: int = 0
    y: int = 0
    owners: tuple[tuple[int, int], tuple[int, int]] = ((-1, 0), (-1, 0))
    sleepers: tuple[int, ...] = ()


def outcomes(
    toy: Toy, preemptions: int | None = None, timeouts: bool = False
) -> tuple[set[object], bool]:
    """Return all outcomes, and whether a deadlock can be reached, by walking every state."""
    start = State(tuple(Thread() for _ in toy.threads))
    found: set[object] = set()
    stuck = False
    todo = deque([(start, -1, 0)])
    seen = set(todo)
    while todo:
        state, last, spent = todo.popleft()
        able = {n: after for n in range(len(toy.threads)) if (after := _step(toy, state, n))}
        late = {n: _expire(state, n) for n in state.sleepers}
        if not able:
            able, late = late, {}
        if not able:
            if any(thread.at < len(toy.threads[n]) for n, thread in enumerate(state.threads)):
                stuck = True
            else:
                ends = tuple((n, thread.r) for n, thread in enumerate(state.threads))
                found.add((state.x, state.y, ends))
        moves = [(n, after, int(last in able and n != last)) for n, after in able.items()]
        if timeouts:
            moves += [(n, after, 1) for n, after in late.items()]
        for n, after, cost in moves:
            total = 0 if preemptions is None else spent + cost
            node = (after, n if preemptions is not None else -1, total)
            if node not in seen and (preemptions is None or total <= preemptions):
                seen.add(node)
                todo.append(node)
    return found, stuck


def _expire(state: State, n: int) -> State:
    thread = state.threads[n]._replace(asleep=False, woken=False)
    sleepers = tuple(other for other in state.sleepers if other != n)
    return _with(state, n, thread)._replace(sleepers=sleepers)


def _with(state: State, n: int, thread: Thread) -> State:
    return state._replace(threads=(*state.threads[:n], thread, *state.threads[n + 1 :]))


def _locked(state: State, name: str, owner: int, depth: int) -> State:
    place = "ab".index(name)
    owners = list(state.owners)
    owners[place] = (owner, depth) if depth else (-1, 0)
    return state._replace(owners=(owners[0], owners[1]))


def _step(toy: Toy, state: State, n: int) -> State | None:
    """Return the state after thread *n* goes one step, or None if it cannot."""
    thread = state.threads[n]
    if thread.asleep or thread.at >= len(toy.threads[n]):
        return None
    kind, name = toy.threads[n][thread.at]
    if thread.woken is not None:  # takes the lock of the condition again
        if state.owners[0][0] != -1:
            return None
        woken = thread._replace(
            at=thread.at + 1, r=thread.r * 2 + thread.woken, woken=None, depth=0
        )
        return _locked(_with(state, n, woken), "a", n, thread.depth)
    on = thread._replace(at=thread.at + 1)
    if kind == "read":
        return _with(state, n, on._replace(r=thread.r * 2 + getattr(state, name)))
    if kind == "write":
        return _with(state, n, on)._replace(**{name: thread.r * 5 + n + 1})
    if kind == "wait":
        sleeping = thread._replace(asleep=True, depth=state.owners[0][1])
        slept = _locked(_with(state, n, sleeping), "a", -1, 0)
        return slept._replace(sleepers=(*state.sleepers, n))
    if kind == "notify":
        after = _with(state, n, on)
        if state.sleepers:
            first = state.sleepers[0]
            woken = state.threads[first]._replace(asleep=False, woken=True)
            after = _with(after, first, woken)._replace(sleepers=state.sleepers[1:])
        return after
    owner, depth = state.owners["ab".index(name)]
    free = owner == -1 or (toy.reentrant and owner == n)
    if kind == "acquire":
        return _locked(_with(state, n, on), name, n, depth + 1) if free else None
    if kind == "attempt":
        tried = _with(state, n, on._replace(had=(*thread.had, free)))
        return _locked(tried, name, n, depth + 1) if free else tried
    if kind == "give_up":
        had = thread.had[-1]
        state = _with(state, n, on._replace(had=thread.had[:-1]))
        return _locked(state, name, n, depth - 1) if had else state
    return _locked(_with(state, n, on), name, n, depth - 1)


def interleavings(lengths: Sequence[int]) -> int:
    """Return in how many orders threads of so many steps each can run: a multinomial."""
    total, ways = 0, 1
    for length in lengths:
        for k in range(1, length + 1):
            total += 1
            ways = ways * total // k
    return ways


accesses = st.builds(Step, st.sampled_from(["read", "write"]), st.sampled_from("xy"))


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> list[Step]:
    """A few steps, in which whatever lock is taken is given back."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["access", "access", "lock", "attempt", "wait"]))
        if kind == "access" or depth == 2:
            steps.append(draw(accesses))
        elif kind == "lock":
            name = draw(st.sampled_from("ab"))
            steps += [Step("acquire", name), *draw(blocks(depth + 1)), Step("release", name)]
        elif kind == "attempt":
            name = draw(st.sampled_from("ab"))
            steps += [Step("attempt", name), *draw(blocks(depth + 1)), Step("give_up", name)]
        else:
            inner = [Step(draw(st.sampled_from(["wait", "notify"])))]
            steps += [Step("acquire", "a"), *inner, Step("release", "a")]
    return steps


@st.composite
def toys(draw: st.DrawFn) -> Toy:
    threads = draw(st.lists(blocks(), min_size=2, max_size=3))
    assume(interleavings([len(steps) + 1 for steps in threads]) <= 1000)
    # Another lock than the condition's is deadlock-prone enough; a plain lock taken twice is one.
    return Toy(tuple(tuple(steps) for steps in threads), draw(st.booleans()))


def explored(
    toy: Toy, preemptions: int | None = None, timeouts: bool = False
) -> tuple[set[object], bool]:
    module = toy.module()
    try:
        result = explore(
            module.program, modules=[module], preemptions=preemptions, timeouts=timeouts
        )
    except ScheduleError as failure:
        if not isinstance(failure.error, DeadlockError):
            raise
        return set(), True
    assert result.complete
    return set(result.outcomes), False


def check_same(toy: Toy, preemptions: int | None = None, timeouts: bool = False) -> None:
    found, stuck = explored(toy, preemptions, timeouts)
    expected, can_stick = outcomes(toy, preemptions, timeouts)
    assert stuck == can_stick, toy.source()
    if not stuck:
        assert found == expected, toy.source()


LOST_UPDATE = Toy(((Step("read", "x"), Step("write", "x")),) * 2)
CROSSED = Toy(
    (
        (Step("acquire", "a"), Step("acquire", "b"), Step("release", "b"), Step("release", "a")),
        (Step("acquire", "b"), Step("acquire", "a"), Step("release", "a"), Step("release", "b")),
    )
)


@settings(max_examples=60)
@given(toys())
@example(LOST_UPDATE)
@example(CROSSED)
def test_without_a_bound_the_outcomes_are_those_of_every_interleaving(toy: Toy) -> None:
    check_same(toy)


@settings(max_examples=60)
@given(toys(), st.integers(0, 2))
@example(LOST_UPDATE, 1)
@example(CROSSED, 0)
@example(CROSSED, 1)
def test_within_a_bound_the_outcomes_are_those_of_every_interleaving_in_it(
    toy: Toy, preemptions: int
) -> None:
    check_same(toy, preemptions)


@settings(max_examples=40)
@given(toys())
def test_with_timeouts_tried_out_a_timed_wait_may_end_at_any_moment(toy: Toy) -> None:
    check_same(toy, timeouts=True)


@pytest.mark.parametrize("lengths", [(1, 1), (3, 3), (4, 2), (2, 2, 2), (3, 1, 2), (5, 5)])
def test_every_interleaving_is_run_exactly_once(lengths: tuple[int, ...]) -> None:
    source = ["def program():", "    log = []"]
    for number, steps in enumerate(lengths):
        source += [f"    def t{number}():"] + [f"        log.append({number})"] * steps
    names = ", ".join(f"t{number}" for number in range(len(lengths)))
    source += [f"    return [{names}], lambda: tuple(log)"]
    module = module_of("\n".join(source) + "\n")
    result = explore(module.program, modules=[module], preemptions=None)
    assert result.schedules == len(result.outcomes) == interleavings(lengths)

"""The reduction loses nothing: against the plain search, on generated programs, and on twins."""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cowstate.errors import DeadlockError, ScheduleError
from cowstate.testing import reading, reduction
from cowstate.testing.footprints import ANYTHING, NOTHING, Footprint
from cowstate.testing.schedules import Program, explore
from tests.testing.test_schedules_complete import module_of

# Each is one line, or a few, of a thread; `r` is a local, the rest is shared.
ACCESSES = [
    "r = r * 2 + s.x",
    "s.x = r + 1",
    "s.y += 1",
    "r = r * 3 + s.y",
    "r = box[0]",
    "box[0] = r + 2",
    "log.append(r)",
    "r = len(log)",
    "r = r * 2 + table.get('k', 5)",
    "table['k'] = r",
    "r = r + n",
    "add_to_n(r)",
    "s.bump()",
    "r = r * 2 + s.seen",
    "s.other.x = r + 3",
    "r = r + s.other.x",
    "s.other = spare",
    "Shared.total = r + 1",
    "r = r + s.total",
    "r = r + sum(log)",
    "log.sort(key=s.key)",
    "kept = s.other.push(s.value())",
    "r = r * 2 + s.value() + s.x",
    "s.y = s.value() + 1",
    "if a.acquire(False): a.release()",
    "s.x = few.acquire(False)",
    "n_is(a.locked())",
    "q.put(r)",
    "r = r * 2 + (q.get() if q.qsize() else 0)",
    "event.set()",
    "event.clear()",
    "r = r * 2 + event.is_set()",
    "event.wait()",
    "with c: c.notify()",
    "with c: c.wait(1)",
    "m = Shared()",
    "r = isinstance(s.other, Shared)",
    "for k in range(2): s.x = s.x + k",
    "s.y = table.get('k', r) + 1",
    "order['a'] = r; order.move_to_end('b')",
    "r = r * 2 + len(order.popitem(last=False))",
    "if 'a' in order: s.x = r",
    "del table['k']; table['k'] = r",
    "r = s.x if s.y else box[0]",
    "global_is(r)",
    "r = r + TOTAL",
    "s.lock = Lock()",
    "Thread(target=late, daemon=True).start()",
    "store.update('n', up)",
    "store.set('n', s.x + 1)",
    "r = r * 2 + store.snapshot()['n']",
]
GUARDS = ["a", "b", "s.lock", "c", "few"]

HEAD = """
from collections import OrderedDict
from queue import Queue
from threading import Condition, Event, Lock, RLock, Semaphore, Thread
from cowstate import Store
TOTAL = 0
class Shared:
    total = 0
    def __init__(self):
        self.x = self.y = 0
        self.lock = Lock()
        self.pushed = []
    def bump(self):
        old = self.x
        self.x = old + 1
    def value(self):
        return self.y
    @property
    def seen(self):
        return self.x + self.y
    def key(self, n):
        return -n
    def push(self, n):
        self.pushed.append(n)
def global_is(m):
    global TOTAL
    TOTAL = m
def program():
    s, spare, box, log, table, n, ends = Shared(), Shared(), [0], [3, 1], {"k": 1}, 0, {}
    first = s.other = Shared()
    Shared.total = 0
    order = OrderedDict(b=1, a=2, c=3)
    a, b, c, few, q, event = Lock(), RLock(), Condition(), Semaphore(1), Queue(), Event()
    global_is(0)
    def add_to_n(m):
        nonlocal n
        n = n + m
    def n_is(m):
        nonlocal n
        n = m
    store = Store({"n": 0})
    def up(k):
        s.x = k
        return k + 1
    def late():
        seen = s.x
        event.wait()
        s.y = seen + 10
"""
TAIL = """
    def check():
        places = [each.__dict__.get(k) for each in (s, spare, first) for k in ("x", "y")]
        pushed = [tuple(each.pushed) for each in (s, spare, first)]
        return (tuple(places), tuple(pushed), box[0], tuple(log), table.get("k"), n,
                Shared.total, TOTAL,
                tuple(order.items()),
                tuple(q.queue), event.is_set(), few._value,
                s.other is spare, store.snapshot()["n"], tuple(sorted(ends.items())))
"""


@st.composite
def lines(draw: st.DrawFn, depth: int = 0) -> list[str]:
    kind = draw(st.sampled_from(["access", "access", "guard", "branch"]))
    if kind == "access" or depth == 2:
        return draw(st.lists(st.sampled_from(ACCESSES), min_size=1, max_size=2))
    inner = ["    " + line for line in draw(lines(depth + 1))]
    if kind == "guard":
        guards = draw(st.lists(st.sampled_from(GUARDS), min_size=1, max_size=2, unique=True))
        return [f"with {', '.join(guards)}:", *inner]
    return [f"if {draw(st.sampled_from(['s.x', 'box[0]', 'n', 'r', 'log']))}:", *inner]


@st.composite
def sources(draw: st.DrawFn) -> str:
    bodies = draw(st.lists(lines(), min_size=2, max_size=3))
    text = HEAD
    for number, body in enumerate(bodies):
        text += f"    def t{number}():\n        r = {number}\n"
        text += "".join(f"        {line}\n" for line in body)
        text += f"        ends[{number}] = r\n"
    names = ", ".join(f"t{number}" for number in range(len(bodies)))
    return f"{text}{TAIL}    return [{names}], check\n"


MOST = 500


def found(source: str, **options: Any) -> tuple[set[Any], bool, int] | None:
    """The outcomes, whether a schedule failed, and how many were run; None for too many."""
    module = module_of(source)
    try:
        result = explore(module.program, modules=[module], max_schedules=MOST, **options)
    except ScheduleError as failure:
        # A deadlock, a list that is changed while it is sorted, a key that was popped.
        assert isinstance(failure.error, DeadlockError | ValueError | KeyError)  # noqa: PT017
        return set(), True, failure.schedules
    return (set(result.outcomes), False, result.schedules) if result.complete else None


def check_same(source: str, preemptions: int | None, timeouts: bool = False) -> None:
    options: dict[str, Any] = {"preemptions": preemptions, "timeouts": timeouts}
    plain = found(source, **options, reduction=False)
    if plain is None:
        return
    reduced = found(source, **options, reduction=True)
    assert reduced is not None, "it must not be more"
    assert reduced[:2] == plain[:2], source
    assert plain[1] or reduced[2] <= plain[2]


def of_lines(*bodies: list[str]) -> str:
    text = HEAD
    for number, body in enumerate(bodies):
        text += f"    def t{number}():\n        r = {number}\n"
        text += "".join(f"        {line}\n" for line in body)
        text += f"        ends[{number}] = r\n"
    names = ", ".join(f"t{number}" for number in range(len(bodies)))
    return f"{text}{TAIL}    return [{names}], check\n"


@settings(max_examples=60, deadline=None)
@given(sources(), st.sampled_from([0, 1, 2, None]), st.integers(0, 3).map(lambda n: n == 0))
@example(of_lines(["log.sort(key=s.key)"], ["log.append(r)"]), 2, False)
@example(of_lines(["kept = s.other.push(s.value())"], ["s.other = spare"]), 2, False)
@example(of_lines(["kept = s.other.push(s.value())"], ["s.other = spare"]), 2, True)
@example(of_lines(["with a, b:", "    s.bump()"], ["with b, a:", "    s.bump()"]), 1, False)
@example(of_lines(["with few:", "    s.y += 1"], ["with few:", "    s.x = r + 1"]), None, False)
@example(of_lines(*[["if not s.x:", "    r = 5", "    s.x = r + 1"]] * 2), 2, False)
@example(of_lines(["with c: c.wait(1)"], ["with c: c.notify()"]), 1, True)
def test_the_outcomes_are_those_of_the_plain_search(
    source: str, preemptions: int | None, timeouts: bool
) -> None:
    check_same(source, preemptions, timeouts)


class Counter:
    def __init__(self) -> None:
        self.n = 0
        self.lock = Lock()

    def add(self) -> None:
        with self.lock:
            n = self.n
            self.n = n + 1

    def add_unlocked(self) -> None:
        n = self.n
        self.n = n + 1


def adding(*methods: str, counters: int = 1) -> Program:
    def program() -> Any:
        made = [Counter() for _ in range(counters)]
        bodies = [getattr(made[k % counters], name) for k, name in enumerate(methods)]
        return bodies, lambda: tuple(each.n for each in made)

    return program


def schedules(program: Program, reduced: bool, preemptions: int | None = None) -> int:
    here = [sys.modules[__name__]]
    return explore(program, modules=here, preemptions=preemptions, reduction=reduced).schedules


def test_a_locked_update_takes_as_many_schedules_as_there_are_orders_of_the_lock() -> None:
    assert schedules(adding("add", "add"), reduced=True) == 2
    assert schedules(adding("add", "add", "add"), reduced=True) == 6


def test_threads_that_share_nothing_take_fewer() -> None:
    program = adding("add_unlocked", "add_unlocked", counters=2)
    assert schedules(program, reduced=True) < schedules(program, reduced=False)


class NothingIsWritten(reading.Reading):
    """A twin with a bug: it takes every step for a mere reader."""

    def of(self, nodes: Any) -> Footprint:
        return super().of(nodes)._replace(writes=frozenset())


def test_a_reduction_that_overlooks_writes_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What takes two preemptions: redundant runs count, too, and show what takes one.
    lost = of_lines(*[["r = r * 2 + s.x", "s.x = r + 1"] * 2] * 2)
    check_same(lost, None)
    monkeypatch.setattr(reduction, "Reading", NothingIsWritten)
    for timeouts in (False, True):
        with pytest.raises(AssertionError):
            check_same(lost, None, timeouts)


def test_what_meets_what() -> None:
    read, write = Footprint(reads=frozenset("x")), Footprint(writes=frozenset("x"))
    assert write.meets(read)
    assert read.meets(write)
    assert write.meets(write)
    assert not read.meets(read)
    assert not write.meets(Footprint(writes=frozenset("y")))
    assert ANYTHING.meets(read)
    assert read.meets(ANYTHING)
    assert ANYTHING.meets(ANYTHING)
    assert not ANYTHING.meets(NOTHING)
    assert not NOTHING.meets(ANYTHING)

"""What a line is read to touch: lines that have nothing in common commute."""

from __future__ import annotations

import ast
from collections import OrderedDict, deque
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from cowstate import Store
from cowstate.journal import open_store
from cowstate.testing.footprints import Footprint
from cowstate.testing.known import NotUnderstoodError
from cowstate.testing.lines import SourceLines
from cowstate.testing.primitives import Lock
from cowstate.testing.reading import Reading, View
from cowstate.testing.scheduler import Scheduler
from cowstate.testing.taking import may_take, taken_first
from tests.testing.test_schedules_complete import module_of

FILE = "<the lines>"


class Shared:
    kind = 1

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class Slotted:
    __slots__ = ("x",)

    def __init__(self) -> None:
        self.x = 1


def world() -> dict[str, Any]:
    """What the lines share, made anew."""
    return {
        "s": Shared(1, 0),
        "other": Shared(2, 2),
        "slotted": Slotted(),
        "box": [1, 2],
        "d": {"a": 1, "b": 2, "c": 3},
        "st": {1, 2},
        "dq": deque([1, 2]),
        "od": OrderedDict(a=1, b=2),
        "Of": type("Of", (Shared,), {"kind": 1}),
        "n": None,
    }


def state_of(shared: dict[str, Any]) -> list[Any]:
    return [
        vars(shared["s"]),
        vars(shared["other"]),
        shared["slotted"].x,
        *(shared[name] for name in ("box", "d", "st", "dq")),
        list(shared["od"].items()),
        shared["Of"].kind,
    ]


UNDERSTOOD = [
    *("od['a'] = 5", "n = od['b']", "n = od.get('a', 0) + 1", "od.move_to_end('a')"),
    *("od.popitem(last=False)", "del od['b']", "n = len(od)", "n = d.get('a', 0) + 1"),
    *("s.x = 7", "s.x += 1", "n = s.x", "n = s.y", "s.y = 7", "other.x = 7", "n = other.x"),
    *("slotted.x = 5", "n = slotted.x", "del other.y", "n = s.kind", "n = Of.kind", "Of.kind = 7"),
    *("box[0] = 7", "n = box[0]", "box.append(7)", "n = len(box)", "box.pop()", "n = not box"),
    *("box.insert(0, s.x)", "n = box.index(1)", "n = 1 in box", "del box[0]", "n = box.copy()"),
    *("d['a'] = 7", "n = d['a']", "d['b'] = 7", "n = d.get('b')", "n = 'a' in d", "del d['c']"),
    *("n = d.setdefault('z', 7)", "n = d.pop('a')", "d.clear()", "n = d.copy()", "d['a'] += 1"),
    *("st.add(7)", "n = 7 in st", "st.discard(1)", "n = st.copy()", "n = len(st)"),
    *("dq.appendleft(7)", "n = dq[0]", "n = dq.pop()", "n = len(dq)", "dq[0] = 7"),
    *("n = f'{s.x:>3}'", "n = s.x if s.y else 7", "n = s.x and s.y", "n = (s.x, s.y)"),
    *("n = [s.x]", "n = {'k': s.x}", "n = min(s.x, 7)", "n = str(s.x)", "n = s.x == 7"),
    *("n = s is other", "n = -s.x", "n = (m := s.x)", "assert s.x < 5", "n = 'a b'.split()"),
    *(
        "n = isinstance(s.x, int)",
        "n = Exception(s.x)",
        "n = list()",
        "n = id(s)",
        "pass",
        "n = len()",
    ),
    *("n = lambda: s.x", "m: int = s.x", "n = (s.x, 1)[0]", "n = 1 < s.x < 3", "m, n = (1, s.x)"),
]
NOT_UNDERSTOOD = [
    *("n = s.nothing", "n = s.__dict__", "s.__class__ = Slotted", "n = unknown.x", "n = s < other"),
    *("n = sorted(box)", "box.sort()", "n = [each for each in box]", "n = len(s)"),
    *("isinstance(s)", "n = d.get(s)", "d[s] = 1", "n = print(s.x)", "box.extend(dq)"),
    *("n = s.x[0]",),
    *("n = isinstance(unknown, int)", "n = max(box, key=len)", "n = s + other", "import os"),
    *("m, n = box", "n = {**d}", "n = print(*box)", "box[:] = []", "with s: pass", "n = bool(s)"),
    *("raise s.x from other", "class C: pass", "n = box.__len__()", "n = f'{s}'", "n = s in box"),
]


def code_of(line: str) -> tuple[Any, str]:
    names = ", ".join(name for name in world() if name != "n")
    source = f"def line({names}):\n    n = None\n    {line}\n    return n\n"
    module = module_of(source)
    return module.line, source


def touched(line: str, shared: dict[str, Any], *, rest: bool = False) -> Footprint:
    function, source = code_of(line)
    lines = SourceLines(source)
    scope = lines.scope(function.__code__)
    assert scope is not None
    nodes = scope.at(3)
    assert nodes is not None
    view = View(function.__code__, shared, function.__globals__, rest)
    files = frozenset({FILE})
    reading = Reading(view, scope, files, lines.stored, lines.nonlocals, frozenset())
    return reading.of(nodes)


def run(lines: list[str], shared: dict[str, Any]) -> dict[str, Any]:
    """What each line gives, in this order, and what there is afterwards."""
    given = {name: value for name, value in shared.items() if name != "n"}
    told: dict[str, Any] = {}
    for line in lines:
        function, _ = code_of(line)
        try:
            result = function(**given)
        except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
            result = repr(error)
        told[line] = repr(result) if "lambda" not in line and "id(" not in line else None
    return told | {"after": state_of(shared)}


def test_lines_of_which_nothing_meets_come_to_the_same_in_either_order() -> None:
    shared = world()
    read = {line: touched(line, shared) for line in UNDERSTOOD}
    apart = [pair for pair in combinations(read, 2) if not read[pair[0]].meets(read[pair[1]])]
    assert len(apart) > 1_000
    for one, other in apart:
        there, back = run([one, other], world()), run([other, one], world())
        assert there == back, (one, other)


@pytest.mark.parametrize("line", UNDERSTOOD)
def test_what_a_line_changes_it_is_read_to_write(line: str) -> None:
    shared = world()
    before, found = str(state_of(shared)), touched(line, shared)
    run([line], shared)
    assert found.writes or str(state_of(shared)) == before
    assert not found.anything


@pytest.mark.parametrize("line", NOT_UNDERSTOOD)
def test_a_line_that_may_run_anything_is_not_understood(line: str) -> None:
    with pytest.raises(NotUnderstoodError):
        touched(line, world())


def test_amid_a_line_an_object_that_was_reached_by_another_is_not_known() -> None:
    shared = world() | {"s": Shared(1, 0)}
    shared["s"].other = shared["other"]
    assert touched("n = s.other.x", shared).reads
    with pytest.raises(NotUnderstoodError):
        touched("n = s.other.x", shared, rest=True)


def taken_by(line: str, shared: dict[str, Any]) -> object:
    function, source = code_of(line)
    scope = SourceLines(source).scope(function.__code__)
    assert scope is not None
    view = View(function.__code__, shared, {}, False)
    reading = Reading(view, scope, frozenset(), frozenset(), frozenset(), frozenset())
    try:
        return taken_first(reading, ast.parse(line).body)
    except NotUnderstoodError:
        return None


def test_what_a_line_takes_first_is_told_of_locks_and_stores_alone() -> None:
    lock, store = Lock(Scheduler.__new__(Scheduler)), Store({"n": 0})
    shared = world() | {"s": lock, "box": store}
    for line, taken, takes in (
        ("with s: pass", lock, True),
        ("s.acquire()", lock, True),
        ("with other: pass", None, True),
        ("n = s.acquire()", None, False),
        ("box.update('n', abs)", store, True),
        ("n = box.set('n', s)", store, True),
        # What they are given is looked at before the lock is asked for.
        ("box.update_all(n, abs)", None, False),
        ("box.replace_all(n)", None, False),
        ("other.update(n)", None, True),
    ):
        assert taken_by(line, shared) is taken, line
        assert may_take(ast.parse(line).body[0]) == takes, line


def test_a_store_with_a_journal_asks_that_first(tmp_path: Path) -> None:
    with open_store(tmp_path / "kept", key=str, record=int) as kept:
        assert taken_by("s.update('n', abs)", {"s": kept}) is None

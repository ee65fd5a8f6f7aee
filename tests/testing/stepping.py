"""Tiny programs as lists of steps, and every run of them: a scheduler without threads.

What a search of schedules asks of a run, who could have gone on where, and what each step
touched, is told of these in the form in which `cowstate.testing.scheduler` tells it of real
threads. So a search can be tried out on thousands of programs in the time that a few real ones
take.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from cowstate.testing.footprints import ANYTHING, NOTHING, Footprint, Looked
from cowstate.testing.plans import Decision
from cowstate.testing.races import Move

LOCKS = "ab"


class Step(NamedTuple):
    """*kind* is one of read, write, skip, mix, take, give, try, end, enter, fetch.

    ``skip`` leaves out the *over* steps that follow if the variable is not 0, ``mix`` may touch
    anything, ``enter`` takes a lock and may touch anything after that, ``fetch`` reads x and then
    takes a lock, ``try`` takes it if it can, and ``end`` gives that back.
    """

    kind: str
    name: str = ""
    over: int = 0


Program = Sequence[Sequence[Step]]


def touched(step: Step) -> Footprint:
    match step.kind:
        case "read" | "skip":
            return Footprint(reads=frozenset([step.name]))
        case "write" | "take" | "give" | "try" | "end":
            return NOTHING.writing(step.name)
        case "fetch":
            return Footprint(frozenset("x"), frozenset([step.name]))
        case "mix" | "enter":
            return ANYTHING
        case _:
            return NOTHING


class Run:
    """One run by a plan, with what a `Scheduler` and a `Chronicle` tell of one."""

    def __init__(self, program: Program, plan: Sequence[tuple[int, int]], budget: int = 1) -> None:
        self._program = program
        self._upcoming = dict(plan)
        self._at = [0] * len(program)
        self._seen = [0] * len(program)
        self._waits: list[str] = [""] * len(program)
        self._had: list[list[bool]] = [[] for _ in program]
        self._values = {"x": 0, "y": 0}
        self._owners: dict[str, int] = {}
        self._begun: set[int] = set()
        self.switches: list[tuple[int, int]] = []
        self.preempting: list[bool] = []
        self.decisions: list[Decision] = []
        self.moves: list[Move] = []
        current = -1
        while able := [n for n in range(len(program)) if self._is_able(n)]:
            current = self._choose(current, able, budget)
            self._go(current)
        self.stuck = any(at < len(steps) for at, steps in zip(self._at, program, strict=True))

    @property
    def outcome(self) -> Hashable:
        return "stuck" if self.stuck else (*self._values.values(), *self._seen)

    def _next(self, number: int) -> Step | None:
        steps = self._program[number]
        return steps[self._at[number]] if self._at[number] < len(steps) else None

    def _is_able(self, number: int) -> bool:
        return self._next(number) is not None and self._waits[number] not in self._owners

    def _choose(self, current: int, able: list[int], budget: int) -> int:
        at = len(self.moves)
        running = current if current in able and not self._waits[current] else -1
        default = running if running >= 0 else able[0]
        others = [n for n in able if n != default]
        if others and (running < 0 or budget):
            free, costly = ((), tuple(others)) if running >= 0 else (tuple(others), ())
            self.decisions.append(Decision(at, 0, len(self.switches), free, costly, running))
        chosen = self._upcoming.get(at, default)
        assert chosen in able
        if chosen != running:
            self.switches.append((at, chosen))
            self.preempting.append(running >= 0)
        return chosen

    def _go(self, number: int) -> None:
        step = self._next(number)
        assert step is not None
        kind, name, over = step
        held = frozenset(LOCKS.index(lock) for lock, n in self._owners.items() if n == number)
        move = Move(len(self.moves), number, touched(step), held)
        if kind in ("take", "enter", "fetch"):
            move.looked, move.taken = Looked(NOTHING), LOCKS.index(name)
        self.moves.append(move)
        values = self._values
        if kind == "fetch":
            if self._waits[number]:
                move.touched = NOTHING.writing(name)
            else:
                move.looked = Looked(Footprint(frozenset("x")))
                self._seen[number] = self._seen[number] * 2 + values["x"]
        if kind in ("take", "enter", "fetch"):
            if name in self._owners:
                self._waits[number] = name
                return
            self._owners[name], self._waits[number] = number, ""
        if kind in ("read", "skip"):
            self._seen[number] = self._seen[number] * 2 + values[name]
            self._at[number] += over if values[name] else 0
        elif kind == "write":
            values[name] = self._seen[number] * 5 + number + 1
        elif kind in ("mix", "enter"):
            values["x"] = values["x"] * 3 + number + 1
        elif kind == "try":
            self._had[number].append(name not in self._owners)
            self._seen[number] = self._seen[number] * 2 + self._had[number][-1]
            self._owners.setdefault(name, number)
        elif kind == "give" or (kind == "end" and self._had[number].pop()):
            del self._owners[name]
        self._at[number] += 1

"""Tiny programs as lists of steps: every run of them, and every state that they can come to.

What a search of schedules asks of a run, who could have gone on where, and what each step
touched, is told of these in the form in which `cowstate.testing.scheduler` tells it of real
threads. So a search can be tried out on thousands of programs in the time that a few real ones
take. `outcomes` knows nothing of searches, runs or what is touched: it walks through all states.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from cowstate.testing.footprints import ANYTHING, NOTHING, Footprint
from cowstate.testing.plans import Decision
from cowstate.testing.races import Move

LOCKS = "ab"
WORLD = {"x": 0, "y": 0, "a": -1, "b": -1, "s": 1, "e": 0, "p": 0}
NAMES = "".join(WORLD)


class Step(NamedTuple):
    """What a thread does next, by its *kind*.

    ``read``, ``write`` a variable; ``skip`` leaves out the *over* steps that follow if the variable
    is not 0; ``mix`` may touch anything, ``pass`` touches nothing. ``take`` and ``give`` a lock,
    ``enter`` takes it and may touch anything after that, ``try`` takes it if it can, and ``end``
    gives that back; ``free`` gives back what somebody has. ``fetch`` reads x and then takes a
    lock. ``via`` takes the lock that p names, ``back`` gives that back, ``turn`` has p name the
    other. ``down`` and ``up`` are a semaphore's, ``set``, ``clear`` and ``wait`` an event's.
    """

    kind: str
    name: str = ""
    over: int = 0


Program = Sequence[Sequence[Step]]

TAKING = ("take", "enter", "down")
"""What can do nothing at all until it has what it takes."""


class Thread(NamedTuple):
    at: int = 0
    seen: int = 0
    waits: str = ""
    had: tuple[str, ...] = ()


class State(NamedTuple):
    threads: tuple[Thread, ...]
    world: tuple[int, ...] = tuple(WORLD.values())

    def __getitem__(self, name: str) -> int:  # type: ignore[override]
        return self.world[NAMES.index(name)]

    def put(self, name: str, value: int) -> State:
        place = NAMES.index(name)
        return State(self.threads, (*self.world[:place], value, *self.world[place + 1 :]))

    def be(self, number: int, thread: Thread) -> State:
        before, after = self.threads[:number], self.threads[number + 1 :]
        return State((*before, thread, *after), self.world)

    @property
    def outcome(self) -> Hashable:
        return self.world, tuple((thread.at, thread.seen) for thread in self.threads)


def is_there(state: State, name: str) -> bool:
    """Whether nobody needs to wait for that."""
    return state[name] == -1 if name in LOCKS else state[name] > 0


def is_able(program: Program, state: State, number: int) -> bool:
    thread = state.threads[number]
    return thread.at < len(program[number]) and not (
        thread.waits and not is_there(state, thread.waits)
    )


def wanted(state: State, number: int, step: Step) -> str:
    """What must be there for the step."""
    if waits := state.threads[number].waits:
        return waits
    if step.kind == "via":
        return LOCKS[state["p"]]
    return step.name if step.kind in (*TAKING, "fetch", "wait") else ""


def after(program: Program, state: State, number: int) -> State:
    """Return what comes of the next step of that thread."""
    step, thread = program[number][state.threads[number].at], state.threads[number]
    if step.kind in ("read", "skip") or (step.kind == "fetch" and not thread.waits):
        name = "x" if step.kind == "fetch" else step.name
        thread = thread._replace(seen=thread.seen * 2 + state[name])
    need = wanted(state, number, step)
    if need and not is_there(state, need):
        return state.be(number, thread._replace(waits=need))
    if need in LOCKS and need:
        state = state.put(need, number)
    thread = thread._replace(waits="", at=thread.at + 1)
    match step:
        case Step("skip", name, over) if state[name]:
            thread = thread._replace(at=thread.at + over)
        case Step("write", name):
            state = state.put(name, thread.seen * 5 + number + 1)
        case Step("mix" | "enter"):
            state = state.put("x", state["x"] * 3 + number + 1)
        case Step("give" | "free", name):
            state = state.put(name, -1)
        case Step("try", name):
            got = is_there(state, name)
            thread = thread._replace(seen=thread.seen * 2 + got)
            thread = thread._replace(had=(*thread.had, name if got else ""))
            state = state.put(name, number if got else state[name])
        case Step("via"):
            thread = thread._replace(had=(*thread.had, need))
        case Step("end" | "back"):
            state = state.put(thread.had[-1], -1) if thread.had[-1] else state
            thread = thread._replace(had=thread.had[:-1])
        case Step("turn"):
            state = state.put("p", 1 - state["p"])
        case Step("down"):
            state = state.put("s", state["s"] - 1)
        case Step("up"):
            state = state.put("s", state["s"] + 1)
        case Step("set" | "clear"):
            state = state.put("e", step.kind == "set")
    return state.be(number, thread)


def outcomes(program: Program, bound: int | None, most: int) -> set[Hashable] | None:
    """Return what can come of all schedules within the bound; None for more than *most* states."""
    start = (State(tuple(Thread() for _ in program)), -1, 0)
    found: set[Hashable] = set()
    todo, known = [start], {start}
    while todo:
        state, last, spent = todo.pop()
        able = [number for number in range(len(program)) if is_able(program, state, number)]
        if not able:
            found.add(state.outcome)
        for number in able:
            cost = spent + (last in able and number != last and bound is not None)
            then = (after(program, state, number), number, cost)
            if then not in known and (bound is None or cost <= bound):
                known.add(then)
                todo.append(then)
        if len(known) > most:
            return None
    return found


def touched(state: State, number: int, step: Step) -> Footprint:
    """What the step touches, in the words of the search."""
    thread = state.threads[number]
    used = wanted(state, number, step)
    match step.kind:
        case "read" | "skip":
            return Footprint(reads=frozenset([step.name]))
        case "mix" | "enter":
            return ANYTHING
        case "fetch" if not thread.waits:
            return Footprint(frozenset("x"), frozenset([used]))
        case "via" if not thread.waits:
            return Footprint(frozenset("p"), frozenset([used]))
        case "end" | "back":
            return NOTHING.writing(*thread.had[-1])
        case "pass":
            return NOTHING
        case "set" | "clear":
            return NOTHING.writing("e")
        case "up":
            return NOTHING.writing("s")
        case "turn":
            return NOTHING.writing("p")
        case _:
            return NOTHING.writing(used or step.name)


class Run:
    """One run by a plan, with what a `Scheduler` and a `Chronicle` tell of one."""

    def __init__(self, program: Program, plan: Sequence[tuple[int, int]], budget: int = 1) -> None:
        self._program = program
        self._state = State(tuple(Thread() for _ in program))
        self._upcoming = dict(plan)
        self._takers: dict[int, Move] = {}
        self.switches: list[tuple[int, int]] = []
        self.preempting: list[bool] = []
        self.decisions: list[Decision] = []
        self.moves: list[Move] = []
        self.left: list[Move] = []
        current = -1
        numbers = range(len(program))
        while able := [n for n in numbers if is_able(program, self._state, n)]:
            current = self._choose(current, able, budget)
            self._go(current)
        self.outcome = self._state.outcome
        for number, thread in enumerate(self._state.threads):
            if thread.waits:
                self._note_wait(number)
                self.left.append(Move(-1, number, NOTHING.writing(thread.waits)))

    def _choose(self, current: int, able: list[int], budget: int) -> int:
        at = len(self.moves)
        running = current if current in able and not self._state.threads[current].waits else -1
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
        state = self._state
        thread = state.threads[number]
        step = self._program[number][thread.at]
        owners = {NAMES.index(lock): state[lock] for lock in LOCKS}
        held = frozenset(lock for lock, owner in owners.items() if owner == number)
        busy = frozenset(NAMES.index(each) for each in (*LOCKS, "s") if not is_there(state, each))
        move = Move(len(self.moves), number, touched(state, number, step), held, busy)
        used = NAMES.index(wanted(state, number, step) or step.name or "x")
        if owners.get(used, -1) not in (-1, number):
            move.seized = frozenset([used])
        if thread.waits:
            self._note_wait(number)
            move.taken = used
        elif step.kind in TAKING:
            move.taken, self._takers[number] = used, move
        else:
            self._takers.pop(number, None)
        self.moves.append(move)
        self._state = after(self._program, state, number)

    def _note_wait(self, number: int) -> None:
        if (move := self._takers.pop(number, None)) is not None:
            move.touched, move.seized, move.waited = NOTHING, frozenset(), True

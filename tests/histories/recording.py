"""What is recorded of an operation: when, what it read and wrote, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from cowstate import MISSING, Commit, CowstateError
from tests.histories.model import Item, Note, Question, State

Deed = tuple[Any, ...]
"""A question, or one of ``("put", key, owner, team, amount)``, ``("copy", key)``, ``("add", key)``,
``("delete", key)`` and ``("note", text)``."""

Outcome = Literal[
    "open",  # it has not ended
    "committed",  # with a version of its own, or without one if it changed nothing
    "looked",  # it only read, from one snapshot
    "conflict",  # a draft that was refused for what others had done
    "refused",  # by the unique index
    "missed",  # the key did not hold what was expected
    "absent",  # there was no such record
    "failed",  # the body of a transaction raised
    "dropped",  # a draft that nobody committed
]

UNCHANGED: Final[Any] = object()
"""Stands for a meta value that an operation did not assign."""


class Read(NamedTuple):
    """An answer, and what the operation itself had written before it asked."""

    question: Question
    answer: Any
    writes: dict[str, Any]
    meta: Any


@dataclass
class Relied:
    """What a draft relies on, by the docstrings: what it read or wrote, of each kind."""

    keys: set[str] = field(default_factory=set)
    entries: set[tuple[str, Any]] = field(default_factory=set)
    totals: set[str] = field(default_factory=set)
    teams: set[str] = field(default_factory=set)
    ranges: list[tuple[int | None, int | None]] = field(default_factory=list)
    key_set: bool = False
    meta: bool = False


@dataclass
class Operation:
    """One operation of one client."""

    client: int
    what: str
    began: int
    ended: int = 0
    outcome: Outcome = "open"
    reads: list[Read] = field(default_factory=list)
    writes: dict[str, Any] = field(default_factory=dict)
    meta: Any = UNCHANGED
    relied: Relied = field(default_factory=Relied)
    base: int | None = None
    """The version that its reads come from, where something tells it."""
    commit: Commit[Any, Any] | None = None
    expected: int | None = None
    """The version that a draft demanded."""
    error: CowstateError | None = None

    @property
    def made_a_version(self) -> bool:
        """Whether there is a version that is its doing."""
        return self.commit is not None and self.commit.before is not self.commit.after

    def __str__(self) -> str:
        told = [f"{' '.join(map(str, read.question))} = {read.answer!r}" for read in self.reads]
        written = [f"{key} := {item!r}" for key, item in self.writes.items()]
        at = f" as {self.commit.version}" if self.commit else ""
        return (
            f"client {self.client}, {self.began} to {self.ended}, {self.what}, over {self.base}: "
            f"{self.outcome}{at}; {'; '.join(told + written)}"
        )


class History:
    """All operations of all clients on one store, and the clock that they are timed by."""

    def __init__(self, start: State, clock: Callable[[], int]) -> None:
        self.start = start
        self.clock = clock
        self.operations: list[Operation] = []

    def begin(self, client: int, what: str) -> Operation:
        """Note that an operation begins. From any thread."""
        operation = Operation(client, what, self.clock())
        self.operations.append(operation)
        return operation

    def end(self, operation: Operation, outcome: Outcome) -> None:
        """Note that it has ended."""
        operation.ended = self.clock()
        operation.outcome = outcome

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __str__(self) -> str:
        return "\n".join(map(str, self.operations))


class Work:
    """A transaction, a draft or a snapshot, through which every deed is recorded."""

    def __init__(self, target: Any, operation: Operation) -> None:
        self.target = target
        self.operation = operation

    def do(self, deed: Deed) -> None:
        """Do one deed, and note what was read and written."""
        name, *args = deed
        if name in ("put", "copy", "add", "delete", "note"):
            getattr(self, name)(*args)
        else:
            self.ask(name, *args)

    def ask(self, name: str, *args: Any) -> Any:
        """Ask, note the answer and what is relied on for it, and return the answer."""
        operation, target = self.operation, self.target
        relied = operation.relied
        answer: Any
        if name == "get":
            relied.keys.add(args[0])
            answer = target.get(args[0], MISSING)
        elif name == "has":
            relied.keys.add(args[0])
            answer = args[0] in target
        elif name == "keys":
            relied.key_set = True
            answer = set(target)
        elif name == "len":
            relied.key_set = True
            answer = len(target)
        elif name == "all":
            relied.key_set = True
            answer = dict(target.items())
            relied.keys.update(answer)
        elif name == "total":
            relied.totals.add(args[0])
            answer = target.total(args[0])
        elif name == "team_total":
            relied.teams.add(args[0])
            answer = target.total("by team", args[0])
        elif name == "range":
            low, high, limit = args
            answer = target.range("price", low, high, limit=limit)
            if len(answer) == limit:
                # It need not have looked any further.
                high = list(answer.values())[-1].amount
            relied.ranges.append((low, high))
            relied.keys.update(answer)
        elif name == "meta":
            relied.meta = True
            answer = target.meta
        elif name == "find_all":
            relied.entries.add((args[0], args[1]))
            answer = target.find_all(*args)
            relied.keys.update(answer)
        elif name == "find_key":
            relied.entries.add(("owner", args[0]))
            answer = target.find_key("owner", args[0])
        else:
            relied.entries.add(("owner", args[0]))
            answer = target.find("owner", args[0])
            written = [key for key, item in operation.writes.items() if item is answer]
            found = written or [getattr(target, "base", target).find_key("owner", args[0])]
            relied.keys.update(key for key in found if key is not None)
        writes = dict(operation.writes)
        operation.reads.append(Read((name, *args), answer, writes, operation.meta))
        return answer

    def put(self, key: str, owner: str | None, team: str, amount: int) -> None:
        """Store a new record, unseen."""
        self._write(key, Item(owner, team, amount))

    def copy(self, key: str) -> None:
        """Replace a record by one that is equal."""
        item = self.ask("get", key)
        if item is not MISSING:
            self._write(key, item.replace())

    def add(self, key: str) -> None:
        """Replace a record by one that is derived from it."""
        item = self.ask("get", key)
        if item is not MISSING:
            self._write(key, item.replace(amount=item.amount + 1))

    def delete(self, key: str) -> None:
        """Delete a record if there is one."""
        if self.ask("has", key):
            del self.target[key]
            self.operation.writes[key] = MISSING

    def note(self, text: str) -> None:
        """Assign the meta value."""
        self.operation.relied.meta = True
        self.target.meta = self.operation.meta = Note(text)

    def _write(self, key: str, item: Item) -> None:
        self.target[key] = item
        self.operation.relied.keys.add(key)
        self.operation.writes[key] = item

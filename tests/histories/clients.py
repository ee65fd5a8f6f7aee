"""The clients of a store: what each may do, step by step, and how it is recorded.

A *step* is a tuple: the name of a method of `Client`, the number of the client, and arguments.
The vocabulary is drawn with a function that chooses one of a sequence, so that hypothesis and a
seeded generator of random numbers speak the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from cowstate import (
    MISSING,
    Commit,
    ConflictError,
    RecordNotFoundError,
    Snapshot,
    Store,
    UniqueViolationError,
)
from tests.histories.model import KEYS, LOOKUPS, OWNERS, TEAMS, TOTALS, Item
from tests.histories.recording import (
    UNCHANGED,
    Deed,
    History,
    Operation,
    Outcome,
    Read,
    Work,
)

T = TypeVar("T")
Step = tuple[Any, ...]
Choose = Callable[[Sequence[Any]], Any]

READS = ("get", "has", "keys", "len", "all", "total", "meta", "find", "find_key", "find_all")
READS += ("team_total", "range", "range")
WRITES = ("put", "put", "copy", "add", "add", "delete", "note")
ALONE = ("set", "update", "delete", "compare_and_set", "tx", "transact", "look", "retry")
OPEN = ("open", "do", "do", "do", "commit", "commit", "drop")
AMOUNTS = (0, 1, 2)


class BodyError(Exception):
    """What the body of a transaction raises."""


def a_deed(choose: Choose, kinds: Sequence[str] = READS + WRITES) -> Deed:
    """Choose one deed."""
    kind = choose(kinds)
    if kind in ("get", "has", "copy", "add", "delete"):
        return kind, choose(KEYS)
    if kind == "put":
        return kind, choose(KEYS), choose(OWNERS), choose(TEAMS), choose(AMOUNTS)
    if kind in ("find", "find_key"):
        return kind, choose(OWNERS[1:])
    if kind == "find_all":
        return kind, *choose(LOOKUPS)
    if kind == "total":
        return kind, choose(TOTALS)
    if kind == "team_total":
        return kind, choose(TEAMS)
    if kind == "range":
        return kind, choose((None, 0, 1, 2)), choose((None, 1, 2, 3)), choose((None, 1, 1, 2))
    if kind == "note":
        return kind, choose(("one", "two"))
    return (kind,)


def some_deeds(choose: Choose, kinds: Sequence[str] = READS + WRITES) -> list[Deed]:
    """Choose one to four deeds."""
    return [a_deed(choose, kinds) for _ in range(choose((1, 2, 2, 3, 4)))]


def a_step(choose: Choose, clients: Sequence[int], kinds: Sequence[str] = ALONE + OPEN * 2) -> Step:
    """Choose one step of one client."""
    name, client = choose(kinds), choose(clients)
    if name == "open":
        return name, client, choose((0, 0, 0, 1, 2))
    if name == "do":
        return name, client, some_deeds(choose)
    if name == "commit":
        return name, client, choose(("any", "any", "any", "now", "then"))
    if name in ("tx", "transact"):
        return name, client, some_deeds(choose), choose((False, False, False, True))
    if name == "look":
        return name, client, some_deeds(choose, READS)
    if name == "set":
        return name, client, choose(KEYS), choose(OWNERS), choose(TEAMS), choose(AMOUNTS)
    if name in ("update", "delete"):
        return name, client, choose(KEYS)
    if name == "compare_and_set":
        return name, client, choose(KEYS), choose(("same", "same", "copy")), choose(AMOUNTS)
    if name == "retry":
        others = [other for other in clients if other != client]
        kinds = ("set", "update", "delete", "tx")
        clashes = [a_step(choose, others, kinds) for _ in range(choose((0, 1, 2)) if others else 0)]
        return name, client, some_deeds(choose), choose((1, 2, 3)), clashes
    return name, client


class Client:
    """Somebody who uses a store, one step after the other, and records each operation."""

    def __init__(self, number: int, store: Store[str, Item], history: History) -> None:
        self.number = number
        self.store = store
        self.history = history
        self._held: tuple[Any, Work] | None = None

    # A draft that stays open between steps

    def open(self, back: int = 0) -> None:
        """Open a draft, over a version that is *back* versions old."""
        self.drop()
        operation = self.history.begin(self.number, "draft")
        base: Snapshot[str, Item] | None = None
        if back:
            base = self.store.at(max(self.store.snapshot().version - back, 0))
        draft = self.store.draft(base)
        operation.base = draft.base.version
        self._held = draft, Work(draft, operation)

    def do(self, deeds: Iterable[Deed]) -> None:
        """Read and write in the open draft, or in a new one."""
        if self._held is None:
            self.open()
        assert self._held is not None
        for deed in deeds:
            self._held[1].do(deed)

    def commit(self, expects: str = "any") -> None:
        """Commit the open draft, if there is one."""
        if self._held is None:
            return
        draft, work = self._held
        self._held = None
        operation = work.operation
        # It takes effect within its commit, so what returned before that must be before it.
        operation.began = self.history.clock()
        if expects == "now":
            operation.expected = self.store.snapshot().version
        elif expects == "then":
            operation.expected = operation.base
        self._finish(operation, lambda: draft.commit(expected_version=operation.expected))

    def drop(self) -> None:
        """Leave the open draft as it is."""
        if self._held is not None:
            operation, self._held = self._held[1].operation, None
            self.history.end(operation, "dropped")

    # What begins and ends in one step

    def set(self, key: str, owner: str | None, team: str, amount: int) -> None:
        """`Store.set` a new record."""
        operation = self.history.begin(self.number, f"set {key}")
        operation.writes[key] = item = Item(owner, team, amount)
        self._finish(operation, lambda: self.store.set(key, item))

    def update(self, key: str) -> None:
        """`Store.update` a record by one that is derived from it."""
        operation = self.history.begin(self.number, f"update {key}")
        work = Work({}, operation)

        def more(item: Item) -> Item:
            work.target = {key: item}
            work.add(key)
            return operation.writes[key]  # type: ignore[no-any-return]

        self._finish(operation, lambda: self.store.update(key, more))

    def delete(self, key: str) -> None:
        """`Store.delete` a record."""
        operation = self.history.begin(self.number, f"delete {key}")
        operation.writes[key] = MISSING
        self._finish(operation, lambda: self.store.delete(key))
        if operation.commit is not None:
            operation.reads.append(_held(key, True))

    def compare_and_set(self, key: str, how: str, amount: int) -> None:
        """`Store.compare_and_set`, where *expected* is what was there a moment ago, or equal."""
        operation = self.history.begin(self.number, f"compare_and_set {key}")
        now = self.store.snapshot().get(key, MISSING)
        expected = now.replace() if how == "copy" and isinstance(now, Item) else now
        operation.writes[key] = item = Item(None, "x", amount) if amount else MISSING
        operation.reads.append(_held(key, expected, "get"))
        self._finish(operation, lambda: self.store.compare_and_set(key, expected, item))

    def tx(self, deeds: Iterable[Deed], fails: bool = False) -> None:
        """A `Store.transaction`."""
        operation = self.history.begin(self.number, "transaction")

        def write() -> Commit[str, Item]:
            with self.store.transaction() as tx:
                self._body(tx, operation, deeds, fails)
            return tx.result

        self._finish(operation, write)

    def transact(self, deeds: Iterable[Deed], fails: bool = False) -> None:
        """A `Store.transact`."""
        operation = self.history.begin(self.number, "transact")

        def write() -> Commit[str, Item]:
            tx = self.store.transact(lambda tx: self._body(tx, operation, deeds, fails))
            return tx.result

        self._finish(operation, write)

    def look(self, deeds: Iterable[Deed]) -> None:
        """Read from the current snapshot."""
        operation = self.history.begin(self.number, "look")
        snapshot = self.store.snapshot()
        operation.base = snapshot.version
        work = Work(snapshot, operation)
        for deed in deeds:
            work.do(deed)
        self.history.end(operation, "looked")

    def retry(
        self, deeds: Sequence[Deed], attempts: int, clash: Callable[[], object] = lambda: None
    ) -> None:
        """`Store.retry`: each try is an operation of its own; all but the last came to nothing."""
        tries: list[Operation] = []

        def fn(draft: Any) -> Any:
            if tries:
                self.history.end(tries[-1], "dropped")
            tries.append(self.history.begin(self.number, f"try {len(tries) + 1} of {attempts}"))
            self._body(draft, tries[-1], deeds, False)
            if len(tries) < attempts:
                clash()
            return draft

        try:
            commit: Any = self.store.retry(fn, attempts=attempts).result
        except UniqueViolationError as error:
            commit, tries[-1].error = None, error
        tries[-1].commit = commit
        self.history.end(tries[-1], "refused" if commit is None else "committed")

    def _body(self, target: Any, operation: Operation, deeds: Iterable[Deed], fails: bool) -> Any:
        operation.base = target.base.version
        work = Work(target, operation)
        for deed in deeds:
            work.do(deed)
        if fails:
            raise BodyError
        return target

    def _finish(self, operation: Operation, write: Callable[[], Commit[str, Item] | None]) -> None:
        outcome: Outcome = "committed"
        try:
            operation.commit = write()
            if operation.commit is None:
                outcome = "missed"
        except ConflictError as error:
            outcome, operation.error = "conflict", error
        except UniqueViolationError as error:
            outcome, operation.error = "refused", error
        except RecordNotFoundError as error:
            outcome, operation.error, operation.base = "absent", error, error.version
            operation.reads.append(_held(error.key, False))
        except BodyError:
            outcome = "failed"
        self.history.end(operation, outcome)


def _held(key: Any, answer: Any, question: str = "has") -> Read:
    return Read((question, key), answer, {}, UNCHANGED)


def run(steps: Iterable[Step], clients: Sequence[Client]) -> None:
    """Do all steps in their order; drafts that are open at the end are dropped."""
    for name, number, *args in steps:
        client = clients[number]
        if name == "retry":
            deeds, attempts, clashes = args
            todo = iter(clashes)
            client.retry(deeds, attempts, lambda todo=todo: run_one(next(todo, None), clients))
        else:
            getattr(client, name)(*args)
    for client in clients:
        client.drop()


def run_one(step: Step | None, clients: Sequence[Client]) -> None:
    """Do one step, if there is one."""
    if step is not None:
        name, number, *args = step
        getattr(clients[number], name)(*args)

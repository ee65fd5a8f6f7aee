"""Every error of the library; `positions.errors` and `bench.errors` have those of what uses it.

All have one base, `CowstateError`, and also inherit the built-in class where one is true, so
that ``except KeyError`` keeps working. Each says what was wrong and what to do, carries its
facts as attributes, and survives pickling. Whatever raises one of these has left the store
as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from .raised import CowstateError
from .showing import article, message_of, shown, some

__all__ = [
    "CowstateError",
    "ArgumentTypeError",
    "ArgumentValueError",
    "ChangeSetMismatchError",
    "ClosedError",
    "CodecError",
    "CompactedError",
    "ConflictError",
    "ForeignSnapshotError",
    "IndexValueError",
    "InvariantError",
    "IterationError",
    "LaggedError",
    "LockTimeoutError",
    "MissingExtraError",
    "MutableRecordError",
    "NotAMappingError",
    "ObservationError",
    "RecordNotFoundError",
    "ReentrantWriteError",
    "UnhashableKeyError",
    "UniqueViolationError",
    "UnknownAggregateError",
    "UnknownAttributeError",
    "UnknownIndexError",
    "WaitTimeoutError",
    "ScheduleError",
    "DeadlockError",
    "NondeterminismError",
    "UnscheduledError",
]


class ArgumentTypeError(CowstateError, TypeError):
    """An argument is of a type that makes no sense there."""


class ArgumentValueError(CowstateError, ValueError):
    """An argument has the right type and a value that makes no sense."""


class MissingExtraError(CowstateError, ImportError):
    """Something needs an optional dependency that is not installed.

    Attributes:
        extra: the extra of this package that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs an optional dependency: pip install 'cowstate[{extra}]'")


class RecordNotFoundError(CowstateError, KeyError):
    """No record is stored under the key."""

    def __init__(self, key: object, version: int, problem: str | None = None) -> None:
        super().__init__(problem or f"no record under {shown(key)} in version {version}")
        self.key = key
        self.version = version


class MutableRecordError(CowstateError, TypeError):
    """A record that is known to be mutable was refused.

    Attributes:
        record_type: the type of what can be changed: of the record, or of what it holds.
        reason: why it can be, and what to store instead.
        path: where it was found, for a store that looks into its records; else None.
    """

    def __init__(self, record_type: type, reason: str, path: str | None = None) -> None:
        # Where, what, why.
        super().__init__(
            reason if path is None else f"{path} is of type {record_type.__name__}: {reason}"
        )
        self.record_type = record_type
        self.reason = reason
        self.path = path


class NotAMappingError(CowstateError, TypeError, AttributeError):
    """A store was used like a dict.

    It is also an `AttributeError`, for a store has none of a mapping's methods.
    """

    def __init__(self, instead: str) -> None:
        super().__init__(
            "a store is not a mapping, for two looks at it might see two versions; " + instead
        )
        self.instead = instead


class UnknownAttributeError(CowstateError, AttributeError):
    """An attribute was set that the object does not have, and that nobody would read.

    Attributes:
        attribute: the name of it.
    """

    def __init__(self, cls: type, attribute: str) -> None:
        super().__init__(
            f"{article(cls.__name__)} has no attribute {shown(attribute)}, and nobody would read "
            "it. What the store holds beside the records is set with `tx.meta = ...` in a "
            "transaction; what is yours belongs into a class of yours"
        )
        self.attribute = attribute


class UnhashableKeyError(CowstateError, TypeError):
    """A key cannot be hashed, so nothing can be stored under it."""

    def __init__(self, key: object) -> None:
        super().__init__(
            f"{article(type(key).__name__)} cannot be a key, because it cannot be hashed; "
            "use a str, an int, a tuple or another immutable value"
        )
        self.key_type = type(key)


class ConflictError(CowstateError):
    """What a draft was derived from has changed since; nothing was written.

    Attributes:
        keys: the keys that it read or wrote and that no longer hold what it saw.
        entries: ``(index, value)`` of the index entries that it looked up and that changed.
        reasons: what else it relied on that changed: ``"keys"`` (the set of keys, for a draft
            that iterated), ``"meta"``, ``"version"``, ``"total:<aggregate>"``, that ``[<group>]``.
        drafted_from: the version that the draft was derived from.
        found: the version that the store had reached.
    """

    def __init__(
        self,
        keys: Iterable[object],
        drafted_from: int,
        found: int,
        *,
        entries: Iterable[tuple[str, object]] = (),
        reasons: Iterable[str] = (),
    ) -> None:
        self.keys = tuple(keys)
        self.entries = tuple(entries)
        self.reasons = tuple(reasons)
        self.drafted_from = drafted_from
        self.found = found
        what = [some(self.keys)] if self.keys else []
        what += [f"index entry {index}={shown(value, 80)}" for index, value in self.entries[:5]]
        what += list(self.reasons)
        super().__init__(
            f"changed since version {drafted_from}: {', '.join(what)}; the store is at version "
            f"{found}. Derive the change again from a new snapshot, or use `retry`"
        )


class ReentrantWriteError(CowstateError, RuntimeError):
    """A write to a store from inside a write to the same store.

    Attributes:
        opened: where the write that is open began, as far as that is known.
    """

    def __init__(self, message: str | None = None, opened: str | None = None) -> None:
        self.opened = opened
        super().__init__(
            message
            or "this thread is already writing to this store (it is inside a transaction, an "
            "update function, an index function or an invariant of it"
            + (f", {opened})" if opened else ")")
            + "; use the transaction that is open, or write after it"
        )


class LockTimeoutError(CowstateError, TimeoutError):
    """Another write was in the way for longer than this one may wait; nothing was written.

    Attributes:
        holder: who was in the way, in words.
        waited: for how many seconds.
    """

    def __init__(self, holder: str, waited: float) -> None:
        self.holder = holder
        self.waited = waited
        super().__init__(
            f"waited {waited:.3g} s for {holder}; nothing was written. Keep transactions and "
            "update functions short, or allow a longer timeout"
        )


class UniqueViolationError(CowstateError, ValueError):
    """Two records would have the same value in a unique index."""

    def __init__(self, index: str, value: object, keys: Iterable[object]) -> None:
        self.index = index
        self.value = value
        self.keys = tuple(keys)
        super().__init__(
            f"unique index {shown(index)}: {shown(value)} would belong to {some(self.keys)} at once"
        )


class IndexValueError(CowstateError, TypeError):
    """An index function returned something that cannot be an index value.

    Attributes:
        index: the name of the index, None where it is not known yet.
        key: the key of the record.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.index: str | None = None
        self.key: object = None

    def within(self, index: str, key: object) -> Self:
        """Say which index and record it was, and return the error."""
        self.index = index
        self.key = key
        where = f"index {shown(index)}, record under {shown(key)}"
        self.args = (message_of(f"{where}: {self.problem}"),)
        return self


class UnknownIndexError(CowstateError, LookupError):
    """The store has no index of that name, or not of that kind."""

    def __init__(self, name: object, known: Iterable[str], problem: str = "there is none") -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(
            f"index {shown(name)}: {problem}; the indexes are: {some(self.known) or 'none'}"
        )


class UnknownAggregateError(CowstateError, LookupError):
    """The store has no such aggregate; `name` is None where it was asked for by itself."""

    def __init__(self, name: object, known: Iterable[str], version: int, problem: str = "") -> None:
        self.name = name
        self.known = tuple(known)
        what = problem or f"no aggregate {shown(name)} in version {version}"
        super().__init__(f"{what}; the aggregates are: {some(self.known) or 'none'}")


class InvariantError(CowstateError, ValueError):
    """An invariant vetoed the commit; nothing was written."""

    def __init__(self, invariant: str, reason: str) -> None:
        self.invariant = invariant
        self.reason = reason
        super().__init__(f"invariant {shown(invariant)} vetoed the commit: {reason}")


class CompactedError(CowstateError, LookupError):
    """A version was asked for that is no longer retained.

    Attributes:
        version: the one that was asked for.
        oldest: the oldest that can still be had.
    """

    def __init__(self, version: int, oldest: int) -> None:
        self.version = version
        self.oldest = oldest
        super().__init__(
            f"version {version} is no longer retained; the oldest is {oldest}. Keep the snapshot, "
            "pin the version, or give the store a longer history"
        )


class WaitTimeoutError(CowstateError, TimeoutError):
    """What was waited for did not come in time."""


class LaggedError(CowstateError, RuntimeError):
    """A subscriber fell behind by more than the backlog and missed commits.

    Attributes:
        missed_from: the first version whose commit was missed.
        snapshot: where it goes on from: everything up to its version is in it.
    """

    def __init__(self, missed_from: int, snapshot: Any) -> None:
        self.missed_from = missed_from
        self.snapshot = snapshot
        super().__init__(
            f"a subscriber missed the commits from version {missed_from} to {snapshot.version}: "
            "it takes longer for each than they take to come. Give it `on_lagged`, to start again "
            "from the snapshot; follow a feed instead; or do less in the callback"
        )


class ForeignSnapshotError(CowstateError, ValueError):
    """A snapshot of another store (or one that was unpickled) was given as a base."""


class ClosedError(CowstateError, RuntimeError):
    """A transaction, draft, subscription or feed was used after its end."""


class IterationError(CowstateError, RuntimeError):
    """Keys were added to or deleted from a transaction or draft while it was iterated."""

    def __init__(self) -> None:
        super().__init__("keys were added or deleted during the iteration; iterate over a list")


class ObservationError(CowstateError, RuntimeError):
    """An observation was asked for what it knows only once its window has closed."""


class ChangeSetMismatchError(CowstateError, ValueError):
    """Two change sets do not follow one upon the other, or one does not start at a mapping."""

    def __init__(self, keys: Iterable[object], start: str | None = None) -> None:
        self.keys = tuple(keys)
        at = f", at {some(self.keys)}" if self.keys else ""
        super().__init__(
            f"the second change set does not start where the first one ends{at}; compose them in "
            "version order"
            if start is None
            else f"the change set does not start at {start}{at}; nothing was changed. Apply each "
            "once, in version order; if one is lost, begin again with a snapshot"
        )


class CodecError(CowstateError, ValueError):
    """Something cannot be encoded, or bytes do not stand for what they are read as.

    Attributes:
        path: where in it, such as ``records['a'].price``.
        problem: what is wrong there.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class ScheduleError(CowstateError, AssertionError):
    """A program fails if its threads run in one certain order.

    Attributes:
        error: what it failed with: what a thread or the check raised, or a `DeadlockError`.
        schedules: how many schedules had been run, this one included.
        schedule: the order, for ``cowstate.testing.schedules.replay``.
        trace: what happened in it, line by line; its ``str`` is made for reading.
    """

    def __init__(
        self, error: BaseException, schedules: int, schedule: object, trace: object
    ) -> None:
        self.error = error
        self.schedules = schedules
        self.schedule = schedule
        self.trace = trace
        fails = f"schedule {schedules} fails with {type(error).__name__}: {error}"
        # Whole: it is there to be read, and to be pasted.
        how = getattr(schedule, "how", f"replay(program, {schedule!r})")
        self.args = (f"{fails}\n{trace}\nTo run it again: {how}",)


class DeadlockError(CowstateError, RuntimeError):
    """Threads wait for one another, in a ring, and would for ever.

    Raised in one of those that wait for each other's writes, which has then written nothing; and
    by the schedule explorer, when every thread of a program waits.
    """


class NondeterminismError(CowstateError, RuntimeError):
    """A program did not do the same again, although its threads ran in the same order."""


class UnscheduledError(CowstateError, RuntimeError):
    """A thread that runs by a schedule waits where the scheduler cannot see it, or never ends."""

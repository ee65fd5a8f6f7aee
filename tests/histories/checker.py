"""Whether a recorded history is that of one client after the other, in real-time order.

The argument. Every commit has a version, and every snapshot too, so nobody need search for an
order of the operations: the history itself names one, and it remains to check that it is right.

1. An operation that made version v is given *place* 2v. One that made none, and saw the store at
   version v (a reader's snapshot; a commit that changed nothing; a refusal that tells the
   version), is given place 2v + 1: after the writer of v, before that of v + 1.
2. Each version from 1 to the last was made by exactly one operation (`_writers`). So no two
   writers share a place. Operations that share one have changed nothing, and commute.
3. By places, then: the model does the writers one after the other, and comes to the very objects
   that the commits hold. Every answer that an operation was given is the model's at its place,
   with its own writes over it (`_replay`). What an operation that ended otherwise wrote is then
   in no version: each value that is written is an object of its own.
4. If *a* had returned before *b* began, the place of *a* is not after that of *b* (`_real_time`).
   So the order by place, and within one place by the time of beginning, keeps the order of real
   time as well. By 3 it is a history of one client after the other with the same answers: the
   recorded one is strictly serializable.
5. Of an operation that failed in a way that tells no version, nothing is known but that it saw
   some version, between those of the operations before and after it, at which it had to fail so.
   Going through these by the time of beginning, each is given the earliest place that is
   possible. Of two of them, one before the other, the first to begin is the first here, so the
   earliest is the one that leaves the most to those after it, and if none fits, none ever did.

A draft takes effect within ``commit``, and so that call is the time of the operation. The reads of
one that came to nothing are checked against its base: even it never saw a mixture.

`check_conflicts` is about something else, the words of the docstrings: a draft is refused if, and
only if, something that it read or wrote has changed since. That a blind write conflicts, for
instance, no serialization would ask for. What a draft relied on is as `Relied` recorded it, and
whether that changed is asked of the model's states.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from cowstate import ConflictError
from tests.histories.model import State, state_of
from tests.histories.recording import UNCHANGED, History, Operation, Read


class NotSerializableError(AssertionError):
    """No order of the operations explains what they were told, or not the one of their versions."""


class WrongConflictError(AssertionError):
    """A draft was refused although nothing had changed, or was not although something had."""


def check(history: History) -> None:
    """Raise unless the history is serializable in real-time order, and its conflicts are right."""
    states = check_serializable(history)
    check_conflicts(history, states)


def check_serializable(history: History) -> list[State]:
    """Raise `NotSerializableError`, or return the states that the store went through."""
    writers = _writers(history)
    states = _replay(history, writers)
    _real_time(history, states)
    return states


def _writers(history: History) -> list[Operation]:
    made = sorted(
        ((op.commit.version, op) for op in history if op.commit and op.made_a_version),
        key=lambda pair: pair[0],
    )
    for expected, (version, operation) in enumerate(made, 1):
        if version != expected:
            raise NotSerializableError(f"no operation made version {expected}\n{operation}")
    return [operation for _, operation in made]


def _replay(history: History, writers: list[Operation]) -> list[State]:
    states = [history.start]
    for operation in writers:
        before = states[-1]
        meta = before.meta if operation.meta is UNCHANGED else operation.meta
        after = before.after(operation.writes, meta)
        commit = operation.commit
        assert commit is not None
        if not state_of(commit.before).is_same(before) or not state_of(commit.after).is_same(after):
            raise NotSerializableError(f"the version is not what the model comes to\n{operation}")
        if after.refuses():
            raise NotSerializableError(f"two records share a unique value\n{operation}")
        states.append(after)
    for operation in history:
        if (place := _place(operation)) is not None:
            version = (place - 1) // 2
            if version >= len(states):
                raise NotSerializableError(f"no operation made version {version}\n{operation}")
            _expect(operation, states[version])
        elif operation.base is not None:
            _expect(operation, states[operation.base])
    return states


def _expect(operation: Operation, state: State) -> None:
    for read in operation.reads:
        if not _holds(read, state):
            raise NotSerializableError(f"{read.question} = {read.answer!r} is wrong\n{operation}")
    refused_here = operation.outcome == "refused" and _place(operation) is not None
    if refused_here and not state.after(operation.writes, state.meta).refuses():
        raise NotSerializableError(f"it was refused for nothing\n{operation}")


def _holds(read: Read, state: State) -> bool:
    meta = state.meta if read.meta is UNCHANGED else read.meta
    return state.after(read.writes, meta).agrees(read.question, read.answer)


def _place(operation: Operation) -> int | None:
    if operation.commit is not None:
        return 2 * operation.commit.version + (not operation.made_a_version)
    # Inside a transaction, nobody else writes: its base is what was current.
    if operation.outcome in ("looked", "absent") or operation.what in ("transaction", "transact"):
        assert operation.base is not None
        return 2 * operation.base + 1
    return None


def _seen(operation: Operation) -> int | None:
    """The place of an operation in the order of time, where its reads may be of an older one."""
    if isinstance(operation.error, ConflictError):
        return 2 * operation.error.found + 1
    return _place(operation)


def _real_time(history: History, states: list[State]) -> None:
    placed = [(seen, op) for op in history if (seen := _seen(op)) is not None]
    floating = sorted(
        (op for op in history if op.outcome in ("refused", "missed") and _seen(op) is None),
        key=lambda operation: operation.began,
    )
    _ensure_order(placed)
    for operation in floating:
        earliest = max((at for at, op in placed if op.ended < operation.began), default=1)
        latest = min((at for at, op in placed if op.began > operation.ended), default=None)
        latest = 2 * len(states) - 1 if latest is None else latest
        for place in range(earliest | 1, latest + 1, 2):
            if _fails_so(operation, states[place // 2]):
                placed.append((place, operation))
                break
        else:
            raise NotSerializableError(f"nothing in its time explains that it failed\n{operation}")


def _ensure_order(placed: list[tuple[int, Operation]]) -> None:
    # The latest place of all that had returned before, carried along in the order of beginning.
    returned = sorted(placed, key=lambda pair: pair[1].ended)
    done, last = 0, None
    for place, operation in sorted(placed, key=lambda pair: pair[1].began):
        while done < len(returned) and returned[done][1].ended < operation.began:
            if last is None or returned[done][0] > last[0]:
                last = returned[done]
            done += 1
        if last is not None and last[0] > place:
            raise NotSerializableError(f"out of real-time order\n{last[1]}\n{operation}")


def _fails_so(operation: Operation, state: State) -> bool:
    """Whether the operation would fail as it did, done to *state*."""
    reads_hold = all(_holds(read, state) for read in operation.reads)
    if operation.outcome == "missed":
        return not reads_hold
    return reads_hold and state.after(operation.writes, state.meta).refuses()


def check_conflicts(history: History, states: list[State]) -> None:
    """Raise `WrongConflictError` unless drafts were refused when they had to be, and only then."""
    for operation in history:
        error, base = operation.error, operation.base
        if isinstance(error, ConflictError):
            _check_told(operation, error, states)
        elif operation.commit is not None and base is not None:
            upto = operation.commit.version - operation.made_a_version
            if any(_changed(operation, states[base : upto + 1], upto, sure=True)):
                raise WrongConflictError(f"a conflict was missed\n{operation}")


def _check_told(operation: Operation, error: ConflictError, states: list[State]) -> None:
    base = operation.base
    assert base is not None
    changed = set(_changed(operation, states[base : error.found + 1], error.found))
    if error.drafted_from != base:
        raise WrongConflictError(f"{error} names a wrong version\n{operation}")
    told = {*error.keys, *error.entries, *error.reasons}
    if not told <= changed or not told:
        raise WrongConflictError(f"{told - changed} had not changed\n{operation}")


def _changed(
    operation: Operation, since: list[State], upto: int, *, sure: bool = False
) -> Iterator[object]:
    """Yield what the operation relied on that is another in the last state than in the first.

    An index entry that several records share, and the set of keys, are objects of their own in
    each version that changed them, so if one was changed and changed back, both to see that and
    not to see it is right: it is yielded unless only what is *sure* is asked for.
    """
    relied, then, now = operation.relied, since[0], since[-1]
    for key in relied.keys:
        if then.records.get(key) is not now.records.get(key):
            yield key
    steps = [(then, now)] if sure else list(pairwise(since))
    for index, value in relied.entries:
        ends = [(then, now)] if index == "owner" else steps
        if any(one.holders(index, value) != two.holders(index, value) for one, two in ends):
            yield index, value
    for low, high in relied.ranges:
        for one, two in steps:
            for amount in one.amounts(low, high) | two.amounts(low, high):
                if one.holders("amount", amount) != two.holders("amount", amount):
                    yield "price", amount
    for team in relied.teams:
        if then.total("amount", team) != now.total("amount", team):
            yield f"total:by team[{team!r}]"
    for name in relied.totals:
        if then.total(name) != now.total(name):
            yield f"total:{name}"
    if relied.key_set and any(one.records.keys() != two.records.keys() for one, two in steps):
        yield "keys"
    if relied.meta and then.meta is not now.meta:
        yield "meta"
    if operation.expected is not None and operation.expected != upto:
        yield "version"

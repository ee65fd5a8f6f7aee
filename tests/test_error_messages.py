"""Errors: what each says was wrong, to the letter, and the facts that it carries."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate import Store, errors
from cowstate.bench.errors import UnknownWorkloadError
from cowstate.errors import CowstateError

ERROR, SCHEDULE = ValueError("boom"), [0, 1]
# What each is made with, what it says, and the facts that it carries.
TOLD: list[tuple[CowstateError, str, dict[str, Any]]] = [
    (
        errors.MissingExtraError("this", "fast"),
        "this needs an optional dependency: pip install 'cowstate[fast]'",
        {"extra": "fast"},
    ),
    (
        errors.RecordNotFoundError("a", 3),
        "no record under 'a' in version 3",
        {"key": "a", "version": 3},
    ),
    (errors.RecordNotFoundError("a", 3, "it is gone"), "it is gone", {"key": "a", "version": 3}),
    (
        errors.MutableRecordError(list, "store a tuple"),
        "store a tuple",
        {"record_type": list, "reason": "store a tuple", "path": None},
    ),
    (
        errors.MutableRecordError(list, "store a tuple", "records['a'].tags"),
        "records['a'].tags is of type list: store a tuple",
        {"record_type": list, "reason": "store a tuple", "path": "records['a'].tags"},
    ),
    (
        errors.NotAMappingError("ask its snapshot"),
        "a store is not a mapping, for two looks at it might see two versions; ask its snapshot",
        {"instead": "ask its snapshot"},
    ),
    (
        errors.UnknownAttributeError(Store, "metta"),
        (
            "a Store has no attribute 'metta', and nobody would read it. What the store holds "
            "beside the records is set with `tx.meta = ...` in a transaction; what is yours "
            "belongs into a class of yours"
        ),
        {"attribute": "metta"},
    ),
    (
        errors.UnhashableKeyError([]),
        (
            "a list cannot be a key, because it cannot be hashed; "
            "use a str, an int, a tuple or another immutable value"
        ),
        {"key_type": list},
    ),
    (
        errors.ConflictError(["a", "b"], 1, 2, entries=[("i", 7)], reasons=["meta", "total:s"]),
        (
            "changed since version 1: 'a', 'b', index entry i=7, meta, total:s; the store is at "
            "version 2. Derive the change again from a new snapshot, or use `retry`"
        ),
        {
            "keys": ("a", "b"),
            "entries": (("i", 7),),
            "reasons": ("meta", "total:s"),
            "drafted_from": 1,
            "found": 2,
        },
    ),
    (
        errors.ConflictError([], 1, 2, reasons=["version"]),
        (
            "changed since version 1: version; the store is at version 2. Derive the change again "
            "from a new snapshot, or use `retry`"
        ),
        {"keys": (), "entries": (), "reasons": ("version",), "drafted_from": 1, "found": 2},
    ),
    (
        errors.ReentrantWriteError(),
        (
            "this thread is already writing to this store (it is inside a transaction, an update "
            "function, an index function or an invariant of it); use the transaction that is open, "
            "or write after it"
        ),
        {"opened": None},
    ),
    (
        errors.ReentrantWriteError(opened="opened at app.py:1"),
        (
            "this thread is already writing to this store (it is inside a transaction, an update "
            "function, an index function or an invariant of it, opened at app.py:1); use the "
            "transaction that is open, or write after it"
        ),
        {"opened": "opened at app.py:1"},
    ),
    (errors.ReentrantWriteError("not here", "above"), "not here", {"opened": "above"}),
    (
        errors.LockTimeoutError("the other", 0.25),
        (
            "waited 0.25 s for the other; nothing was written. Keep transactions and update "
            "functions short, or allow a longer timeout"
        ),
        {"holder": "the other", "waited": 0.25},
    ),
    (
        errors.UniqueViolationError("i", 7, ["a", "b"]),
        "unique index 'i': 7 would belong to 'a', 'b' at once",
        {"index": "i", "value": 7, "keys": ("a", "b")},
    ),
    (
        errors.IndexValueError("[] cannot be indexed"),
        "[] cannot be indexed",
        {"problem": "[] cannot be indexed", "index": None, "key": None},
    ),
    (
        errors.IndexValueError("[] cannot be indexed").within("i", "a"),
        "index 'i', record under 'a': [] cannot be indexed",
        {"problem": "[] cannot be indexed", "index": "i", "key": "a"},
    ),
    (
        errors.UnknownIndexError("x", ["a", "b"]),
        "index 'x': there is none; the indexes are: 'a', 'b'",
        {"name": "x", "known": ("a", "b")},
    ),
    (
        errors.UnknownIndexError("x", [], "it is not unique"),
        "index 'x': it is not unique; the indexes are: none",
        {"name": "x", "known": ()},
    ),
    (
        errors.UnknownAggregateError("x", ["a"], 3),
        "no aggregate 'x' in version 3; the aggregates are: 'a'",
        {"name": "x", "known": ("a",)},
    ),
    (
        errors.UnknownAggregateError("x", [], 3),
        "no aggregate 'x' in version 3; the aggregates are: none",
        {"name": "x", "known": ()},
    ),
    (
        errors.UnknownAggregateError(None, ["a"], 3, "it was removed"),
        "it was removed; the aggregates are: 'a'",
        {"name": None, "known": ("a",)},
    ),
    (
        errors.InvariantError("positive", "it is not"),
        "invariant 'positive' vetoed the commit: it is not",
        {"invariant": "positive", "reason": "it is not"},
    ),
    (
        errors.CompactedError(1, 5),
        (
            "version 1 is no longer retained; the oldest is 5. Keep the snapshot, pin the version, "
            "or give the store a longer history"
        ),
        {"version": 1, "oldest": 5},
    ),
    (
        errors.IterationError(),
        "keys were added or deleted during the iteration; iterate over a list",
        {},
    ),
    (
        errors.ChangeSetMismatchError(["a"]),
        (
            "the second change set does not start where the first one ends, at 'a'; "
            "compose them in version order"
        ),
        {"keys": ("a",)},
    ),
    (
        errors.ChangeSetMismatchError([]),
        (
            "the second change set does not start where the first one ends; "
            "compose them in version order"
        ),
        {"keys": ()},
    ),
    (
        errors.ChangeSetMismatchError(["a"], "what the mapping holds"),
        (
            "the change set does not start at what the mapping holds, at 'a'; nothing was changed. "
            "Apply each once, in version order; if one is lost, begin again with a snapshot"
        ),
        {"keys": ("a",)},
    ),
    (
        errors.CodecError("records['a'].price", "expected `int`, got `str`"),
        "records['a'].price: expected `int`, got `str`",
        {"path": "records['a'].price", "problem": "expected `int`, got `str`"},
    ),
    (
        errors.ScheduleError(ERROR, 3, SCHEDULE, "the trace"),
        (
            "schedule 3 fails with ValueError: boom\nthe trace\n"
            "To run it again: replay(program, [0, 1])"
        ),
        {"error": ERROR, "schedules": 3, "schedule": SCHEDULE, "trace": "the trace"},
    ),
    (
        UnknownWorkloadError(["x", "y"], ["read", "write"]),
        "no workload 'x', 'y'; there are read, write",
        {"names": ("x", "y"), "known": ("read", "write")},
    ),
]


@pytest.mark.parametrize(
    ("error", "message", "facts"), TOLD, ids=[type(error).__name__ for error, _, _ in TOLD]
)
def test_an_error_says_what_was_wrong_and_carries_its_facts(
    error: CowstateError, message: str, facts: dict[str, Any]
) -> None:
    assert str(error) == message
    assert vars(error) == facts


def test_a_subscriber_that_lagged_is_told_from_where_to_where() -> None:
    store = Store({"a": 1})
    now = store.set("a", 2).after
    error = errors.LaggedError(1, now)
    assert (error.missed_from, error.snapshot) == (1, now)
    assert str(error).startswith("a subscriber missed the commits from version 1 to 1: ")

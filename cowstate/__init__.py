"""Copy-on-write immutable state for concurrent Python.

A `Store` holds one atomic reference to a persistent map of immutable records. Writers build the
next version and swap it in under one lock; a reader takes the current `Snapshot` for the price
of an attribute read.
"""

from .changes import MISSING, Change, ChangeSet
from .derived import Aggregate, Index
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ChangeSetMismatchError,
    ClosedError,
    ConflictError,
    CowstateError,
    ForeignSnapshotError,
    IndexValueError,
    InvariantError,
    IterationError,
    MutableRecordError,
    ObservationError,
    RecordFieldError,
    RecordNotFoundError,
    ReentrantWriteError,
    UnhashableKeyError,
    UniqueViolationError,
    UnknownAggregateError,
    UnknownIndexError,
)
from .invariants import Invariant
from .observation import Observation
from .records import Record
from .snapshot import Commit, Snapshot
from .store import Statistics, Store
from .transaction import Draft, Transaction

__version__ = "0.1.0"

__all__ = [
    # the store
    "Store",
    "Record",
    "Index",
    "Aggregate",
    "Invariant",
    # what it gives
    "Snapshot",
    "Commit",
    "Change",
    "ChangeSet",
    "MISSING",
    "Transaction",
    "Draft",
    "Observation",
    "Statistics",
    # what it raises
    "CowstateError",
    "ArgumentTypeError",
    "ArgumentValueError",
    "ChangeSetMismatchError",
    "ClosedError",
    "ConflictError",
    "ForeignSnapshotError",
    "IndexValueError",
    "InvariantError",
    "IterationError",
    "MutableRecordError",
    "ObservationError",
    "RecordFieldError",
    "RecordNotFoundError",
    "ReentrantWriteError",
    "UnhashableKeyError",
    "UniqueViolationError",
    "UnknownAggregateError",
    "UnknownIndexError",
    "__version__",
]

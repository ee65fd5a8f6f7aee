"""Copy-on-write immutable state for concurrent Python.

A `Store` holds one atomic reference to a persistent map of immutable records. Writers build the
next version and swap it in under one lock; a reader takes the current `Snapshot` for the price
of an attribute read.
"""

from .aggregate import Aggregate
from .changes import MISSING, Change, ChangeSet
from .codec import Codec
from .commit import Commit
from .draft import Draft
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ChangeSetMismatchError,
    ClosedError,
    CodecError,
    CompactedError,
    ConflictError,
    CowstateError,
    DeadlockError,
    ForeignSnapshotError,
    IndexValueError,
    InvariantError,
    IterationError,
    LaggedError,
    LockTimeoutError,
    MissingExtraError,
    MutableRecordError,
    NotAMappingError,
    ObservationError,
    RecordNotFoundError,
    ReentrantWriteError,
    UnhashableKeyError,
    UniqueViolationError,
    UnknownAggregateError,
    UnknownAttributeError,
    UnknownIndexError,
    WaitTimeoutError,
)
from .feeds import Feed
from .freezing import freeze, thaw
from .index import Index
from .invariants import Invariant
from .items import Lagged
from .meter import Measures, Meter, Timing
from .observation import Observation
from .records import Record
from .snapshot import Snapshot
from .statistics import Statistics
from .store import Store, transaction
from .subscribers import Subscription
from .timeline import History, Pin
from .transactions import Transaction

__version__ = "0.2.0"

__all__ = [
    # the store
    "Store",
    "transaction",
    "Record",
    "freeze",
    "thaw",
    "Index",
    "Aggregate",
    "Invariant",
    "History",
    "Meter",
    # what it gives
    "Snapshot",
    "Commit",
    "Change",
    "ChangeSet",
    "MISSING",
    "Transaction",
    "Draft",
    "Observation",
    "Subscription",
    "Feed",
    "Lagged",
    "Pin",
    "Statistics",
    "Measures",
    "Timing",
    # what goes over a wire
    "Codec",
    # what it raises
    "CowstateError",
    "ArgumentTypeError",
    "ArgumentValueError",
    "ChangeSetMismatchError",
    "ClosedError",
    "CodecError",
    "CompactedError",
    "ConflictError",
    "DeadlockError",
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
    "__version__",
]

"""One server for all tests of a session, and a name of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.journal.postgres.servers import CURRENT, ONCE, Cluster, missing
from tests.journal.stracing import SWEEP

_numbers = count(1)


# What cannot be run, or need not be, is left out as a whole: `test_whether` says so, in one line.
collect_ignore_glob = (
    ["test_[!w]*.py", "test_writing.py"] if missing() else ONCE * (SWEEP == "none")
)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        made.start()
        CURRENT.append(made)
        yield made
    finally:
        CURRENT.clear()
        made.remove()


@pytest.fixture
def name() -> str:
    """Of a store that nobody has used."""
    return f"slots_{next(_numbers)}"


@pytest.fixture
def own() -> Iterator[Cluster]:
    """One of a test's own, which it may do anything to."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.remove()

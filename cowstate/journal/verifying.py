"""Whether the file of a store is what its log says: `faults_of`."""

from __future__ import annotations

from collections.abc import Iterator

from .log import Encoded
from .reading import Committed, Reader

__all__ = ["faults_of"]


def faults_of(reader: Reader) -> Iterator[str]:
    """Yield what is wrong with a file, in words; nothing, if all is well.

    Everything is gone through: from the records that are there back to the oldest version in the
    log, each commit is taken back, and must find what it says that it left. If the log goes back to
    the beginning, nothing must be left then. O(records + log).
    """
    yield from reader.integrity()
    reach = reader.reach()
    records = {key: value for key, value, _ in reader.records()}
    yield from _late(reader, reach.newest)
    meta = reader.meta()
    expected = reach.newest
    times: list[float] = []
    for commit in reader.backward():
        if commit.version != expected:
            yield f"the versions from {commit.version + 1} to {expected} are missing from the log"
        expected = commit.version - 1
        if times and commit.time > times[-1]:
            yield f"version {commit.version} was written after the one that follows it"
        times[:] = [commit.time]
        yield from _taken_back(reader, commit, records)
        if commit.new_meta is not None:
            if meta != commit.new_meta:
                yield f"version {commit.version} left another meta value than there was after it"
            meta = commit.old_meta
    if reach.oldest == 0:
        if records:
            yield f"{len(records)} records are there that no commit in the log wrote"
        if meta is not None:
            yield "there is a meta value that no commit in the log wrote"
    for version in reader.strays():
        yield f"there are changes of version {version}, and no such version is in the log"


def _late(reader: Reader, newest: int) -> Iterator[str]:
    for key, _, version in reader.records():
        if version > newest:
            yield f"the record under {key!r} is of version {version}, and the newest is {newest}"


def _taken_back(
    reader: Reader, commit: Committed, records: dict[Encoded, Encoded]
) -> Iterator[str]:
    for key, old, new in reader.changes(commit.version):
        if records.get(key) != new:
            yield f"version {commit.version} left under {key!r} what was not there after it"
        if old is None:
            records.pop(key, None)
        else:
            records[key] = old

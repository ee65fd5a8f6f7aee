"""Whether a store is what its log says: `faults_of`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cowstate.errors import CodecError
from cowstate.showing import shown

from .reading import as_text
from .view import Committed, Encoded, View

__all__ = ["faults_of"]


def faults_of(view: View) -> Iterator[str]:
    """Yield what is wrong with a store, in words; nothing, if all is well.

    Everything is gone through: from the records that are there back to the oldest version in the
    log, each commit is taken back, and must find what it says that it left. If the log goes back to
    the beginning, nothing must be left then. O(records + log).
    """
    yield from view.integrity()
    reach = view.reach()
    records: dict[Encoded, Encoded] = {}
    versions: dict[Encoded, int] = {}
    for key, value, at in view.records():
        version: Any = at  # SQLite keeps whatever somebody puts there
        records[key], versions[key] = value, version
        if not isinstance(version, int) or version > reach.newest:
            yield (
                f"the record under {shown(key)} is of version {shown(version)}, and the newest is "
                f"{reach.newest}"
            )
        yield from _unreadable(f"the record under {shown(key)}", key, value)
    meta = view.meta()
    if meta is not None:
        yield from _unreadable("the meta value", meta)
    expected = reach.newest
    times: list[float] = []
    for commit in view.backward():
        if commit.version != expected:
            yield f"the versions from {commit.version + 1} to {expected} are missing from the log"
        expected = commit.version - 1
        when: Any = commit.time  # likewise
        if not isinstance(when, int | float):
            yield f"version {commit.version} was written at {shown(when)}, which is no time"
        else:
            if times and when > times[-1]:
                yield f"version {commit.version} was written after the one that follows it"
            times[:] = [when]
        yield from _taken_back(view, commit, records, versions)
        if commit.new_meta is not None:
            if meta != commit.new_meta:
                yield f"version {commit.version} left another meta value than there was after it"
            meta = commit.old_meta
    if reach.oldest == 0:
        if records:
            yield f"{len(records)} records are there that no commit in the log wrote"
        if meta is not None:
            yield "there is a meta value that no commit in the log wrote"
    for version in view.strays():
        yield f"there are changes of version {version}, and no such version is in the log"


def _unreadable(what: str, *values: Encoded) -> Iterator[str]:
    try:
        for value in values:
            as_text(value)
    except CodecError as error:
        yield f"{what} cannot be read: {error}"


def _taken_back(
    view: View,
    commit: Committed,
    records: dict[Encoded, Encoded],
    versions: dict[Encoded, int],
) -> Iterator[str]:
    for key, old, new in view.changes(commit.version):
        # Of a record that is there, the last commit that touched it is met first.
        found = versions.pop(key, commit.version)
        if found != commit.version:
            yield (
                f"the record under {shown(key)} is of version {shown(found)}, and "
                f"{commit.version} was the last that changed it"
            )
        if records.get(key) != new:
            yield f"version {commit.version} left under {shown(key)} what was not there after it"
        if old is None:
            records.pop(key, None)
        else:
            records[key] = old

"""A remote collection as a test tells it: a past with revisions, and a watch that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cowstate import MISSING
from cowstate.mirror import Changes, Listed, Pause, RevisionGoneError

Step = Callable[["Remote"], "Any"]


class CutError(OSError):
    """The line to the source broke."""


class Remote:
    """What is there, and how it came to be; a source whose watch runs a script.

    Each ``next`` of a watch tells what it has not told yet, and then does the next step of the
    script; where that has ended, `done` is called once all has been told.
    """

    def __init__(self, script: list[Step], done: Callable[[], object] = lambda: None) -> None:
        self.records: dict[str, Any] = {}
        self.log: list[Changes[str, Any]] = []
        self.states: list[dict[str, Any]] = [{}]
        self.forgotten = 0
        self.script = list(script)
        self.done = done
        self.failing: list[BaseException] = []
        self.lists = self.watches = 0

    @property
    def revision(self) -> int:
        return len(self.log)

    def put(self, key: str, value: Any) -> None:
        self.records = {**self.records, key: value}
        self._note(Changes({key: value}, (), self.revision + 1))

    def remove(self, key: str) -> None:
        if key in self.records:
            self.records = {k: v for k, v in self.records.items() if k != key}
            self._note(Changes({}, (key,), self.revision + 1))

    def _note(self, change: Changes[str, Any]) -> None:
        self.log.append(change)
        self.states.append(self.records)

    def list(self) -> Listed[str, Any]:
        self.lists += 1
        if self.failing:
            raise self.failing.pop(0)
        return Listed(dict(self.records), self.revision)

    def watch(self, revision: Any, /) -> Iterator[Any]:
        self.watches += 1
        told = revision
        if told < self.forgotten:
            raise RevisionGoneError(revision)
        yield Changes()  # it can be reached
        while True:
            while told < self.revision:
                told += 1
                yield self.log[told - 1]
            if not self.script:
                self.done()
                yield Pause(1)
                continue
            answer = self.script.pop(0)(self)
            if answer == "end":
                return
            if answer is not None:
                yield answer


def put(key: str, value: Any) -> Step:
    return lambda remote: remote.put(key, value)


def remove(key: str) -> Step:
    return lambda remote: remote.remove(key)


def cut(remote: Remote) -> None:
    raise CutError("the line broke")


def end(remote: Remote) -> str:
    return "end"


def compact(remote: Remote) -> None:
    """All revisions are gone, and the line is cut, so the next watch is told so."""
    remote.forgotten = remote.revision
    raise CutError("the line broke")


def gone(remote: Remote) -> None:
    """Something happens that is forgotten before anybody could be told."""
    remote.put("x", remote.revision)
    remote.forgotten = remote.revision
    raise CutError("the line broke")


def repeat(remote: Remote) -> Any:
    """What was told first is told once more."""
    return remote.log[0] if remote.log else None


def bookmark(remote: Remote) -> Any:
    return Changes(revision=remote.revision)


def list_fails(remote: Remote) -> None:
    remote.failing = [CutError("no list"), CutError("no list")]
    remote.forgotten = remote.revision + 1
    remote.put("y", remote.revision)
    raise CutError("the line broke")


def all_anew(remote: Remote) -> Any:
    return Listed(dict(remote.records), remote.revision)


def told_by(changes: Any) -> dict[str, Any]:
    return {key: new for key, (_, new) in changes.items() if new is not MISSING}

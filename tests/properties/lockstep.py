"""A store and its model, side by side: what a write must come to, and what a read must give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from cowstate import Snapshot, Store
from tests.properties.model import INDEXES, KINDS, LOOKUPS, Version, make_store, same


class Lockstep(RuleBasedStateMachine):
    """Both, without rules: what is done is in the machines that are made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.store = self.build({})
        self.history = [Version({}, None)]
        self.taken: list[tuple[Snapshot[Any, Any], int]] = [(self.store.snapshot(), 0)]

    def build(self, records: dict[Any, Any]) -> Store[Any, Any]:
        return make_store(records)

    @property
    def model(self) -> Version:
        return self.history[-1]

    def expect(self, later: Version, write: Callable[[], Any]) -> None:
        """Do the write; it must come to what the model says."""
        before = self.store.snapshot()
        refusal = self.model.refusal_of(later)
        unchanged = not self.model.to(later) and later.meta is self.model.meta
        if unchanged:
            commit = write()
            assert commit.before is commit.after is before is self.store.snapshot()
            assert not commit.changes
        elif refusal is not None:
            with pytest.raises(refusal):
                write()
            assert self.store.snapshot() is before
        else:
            commit = write()
            assert commit.before is before
            assert commit.after is self.store.snapshot()
            assert commit.version == before.version + 1
            assert {k: tuple(c) for k, c in commit.changes.items()}.keys() == self.model.to(
                later
            ).keys()
            for key, (old, new) in self.model.to(later).items():
                assert commit.changes[key].old is old
                assert commit.changes[key].new is new
            self.history.append(later)
        self.taken.append((self.store.snapshot(), len(self.history) - 1))

    @staticmethod
    def agree(work: Any, version: Version) -> None:
        """A transaction or snapshot reads as the model does."""
        assert same(dict(work.items()), version.records)
        assert len(work) == len(version.records)
        assert work.meta is version.meta
        for index, value in LOOKUPS:
            expected = version.entry(index, value)
            assert same(work.find_all(index, value), {k: version.records[k] for k in expected})
            if INDEXES[index][1] and len(expected) < 2:
                key = next(iter(expected), None)
                assert work.find_key(index, value) is key
                assert work.find(index, value) is (version.records[key] if expected else None)
        for name, total in version.totals().items():
            assert work.total(name) == total
        for kind in KINDS:
            assert work.total("by kind", kind) == version.total("by kind", kind)
        Lockstep.read_in_order(work, version, None, None, False, None)

    @staticmethod
    def read_in_order(
        work: Any, version: Version, low: Any, high: Any, reverse: bool, limit: int | None
    ) -> dict[Any, Any]:
        """Read a range; within one price the keys, which have no order, may come in any."""
        found: dict[Any, Any] = work.range("price", low, high, reverse=reverse, limit=limit)
        left = list(found)
        groups = version.range(low, high, reverse, limit)
        for group in groups[:-1]:
            assert {left.pop(0) for _ in group} == group
        last = groups[-1] if groups else set()
        assert set(left) <= last
        assert len(found) == min(sum(map(len, groups)), 1_000 if limit is None else limit)
        for key, record in found.items():
            assert record is version.records[key]
        return found

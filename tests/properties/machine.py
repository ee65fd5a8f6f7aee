"""The state machine: every operation of a store, done to the store and to the model."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.properties.drafting import Drafting
from tests.properties.model import INDEXES, LOOKUPS, same
from tests.properties.writing import Writing


class StoreMachine(Writing, Drafting):
    # What must hold at all times

    @rule(data=st.data())
    def diff(self, data: Any) -> None:
        older, newer = (data.draw(st.sampled_from(self.taken)) for _ in range(2))
        expected = self.history[older[1]].to(self.history[newer[1]])
        found = newer[0].diff(older[0])
        assert found.keys() == expected.keys()
        for key, (old, new) in expected.items():
            assert found[key].old is old
            assert found[key].new is new
        middle = data.draw(st.sampled_from(self.taken))
        assert middle[0].diff(older[0]).then(newer[0].diff(middle[0])) == found
        assert found.inverse() == older[0].diff(newer[0])

    @rule()
    def observe(self) -> None:
        with self.store.observe() as window:
            pass
        assert window.stable == frozenset(self.model.records)

    @invariant()
    def the_store_is_as_the_model(self) -> None:
        current = self.store.snapshot()
        assert current.version == len(self.history) - 1
        self.agree(current, self.model)
        statistics = self.store.statistics()
        assert statistics.version == current.version
        assert statistics.records == len(self.model.records)
        entries = dict.fromkeys(INDEXES, 0)
        for index, value in LOOKUPS:
            entries[index] += bool(self.model.entry(index, value))
        entries["price"] = len(self.model.prices())
        assert dict(statistics.index_entries) == entries

    @invariant()
    def every_snapshot_is_as_it_was(self) -> None:
        for snapshot, version in self.taken[-20:]:
            assert snapshot.version == version
            assert same(dict(snapshot.items()), self.history[version].records)

    def teardown(self) -> None:
        for snapshot, version in self.taken:
            self.agree(snapshot, self.history[version])

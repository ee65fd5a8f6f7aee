"""Drafts over any version, that read and write, and commit or conflict as the model does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, rule

from cowstate import MISSING, ClosedError, ConflictError, RecordNotFoundError
from tests.properties.lockstep import Lockstep
from tests.properties.model import INDEXES, KINDS, LOOKUPS, DraftModel, keys, metas, same, values


class Drafting(Lockstep):
    drafts = Bundle("drafts")

    @rule(target=drafts, data=st.data())
    def draft(self, data: Any) -> DraftModel:
        snapshot, version = data.draw(st.sampled_from(self.taken[-8:]))
        return DraftModel(self.store.draft(snapshot), version, self.history[version])

    @rule(work=drafts, key=keys, how=st.sampled_from(["[]", "get", "in"]))
    def draft_reads(self, work: DraftModel, key: Any, how: str) -> None:
        work.keys.add(key)
        record = work.now.records.get(key, MISSING)
        if how == "get":
            assert work.draft.get(key, MISSING) is record
        elif how == "in":
            assert (key in work.draft) is (record is not MISSING)
        elif record is not MISSING:
            assert work.draft[key] is record
        else:
            with pytest.raises(RecordNotFoundError):
                work.draft[key]

    @rule(work=drafts, key=keys, value=values)
    def draft_sets(self, work: DraftModel, key: Any, value: Any) -> None:
        work.draft[key] = value
        work.writes[key] = value
        work.keys.add(key)

    @rule(work=drafts, key=keys)
    def draft_deletes(self, work: DraftModel, key: Any) -> None:
        work.keys.add(key)
        if key in work.now.records:
            del work.draft[key]
            work.writes[key] = MISSING
        else:
            with pytest.raises(RecordNotFoundError):
                del work.draft[key]

    @rule(work=drafts, lookup=st.sampled_from(LOOKUPS), only_keys=st.booleans())
    def draft_looks_up(self, work: DraftModel, lookup: tuple[str, Any], only_keys: bool) -> None:
        index, value = lookup
        work.entries.add(lookup)
        expected = work.now.entry(index, value)
        if only_keys and INDEXES[index][1] and len(expected) < 2:
            assert work.draft.find_key(index, value) is next(iter(expected), None)
            return
        found = work.draft.find_all(index, value)
        assert same(found, {key: work.now.records[key] for key in expected})
        work.keys |= expected

    @rule(work=drafts)
    def draft_counts(self, work: DraftModel) -> None:
        work.key_set = True
        assert len(work.draft) == len(work.now.records)

    @rule(work=drafts)
    def draft_iterates(self, work: DraftModel) -> None:
        work.key_set = True
        assert set(work.draft) == set(work.now.records)

    @rule(work=drafts, name=st.sampled_from(["amount", "count", "items", "least", "greatest"]))
    def draft_totals(self, work: DraftModel, name: str) -> None:
        work.totals.add((name, MISSING))
        assert work.draft.total(name) == work.now.totals()[name]

    @rule(work=drafts, kind=st.sampled_from(KINDS))
    def draft_totals_of_a_group(self, work: DraftModel, kind: str) -> None:
        work.totals.add(("by kind", kind))
        assert work.draft.total("by kind", kind) == work.now.total("by kind", kind)

    @rule(
        work=drafts,
        low=st.none() | st.integers(-99, 99),
        high=st.none() | st.integers(-99, 99),
        reverse=st.booleans(),
        limit=st.none() | st.integers(1, 3),
    )
    def draft_reads_in_order(
        self, work: DraftModel, low: Any, high: Any, reverse: bool, limit: int | None
    ) -> None:
        found = self.read_in_order(work.draft, work.now, low, high, reverse, limit)
        work.keys.update(found)
        if len(found) == limit:
            last = list(found.values())[-1].amount
            low, high = (last, high) if reverse else (low, last)
        work.ranges.append((low, high))

    @rule(work=drafts, meta=metas, assigns=st.booleans())
    def draft_meta(self, work: DraftModel, meta: Any, assigns: bool) -> None:
        work.meta_used = True
        if assigns:
            work.draft.meta = work.meta = meta
        else:
            assert work.draft.meta is work.meta

    @rule(work=consumes(drafts), expects=st.sampled_from(["nothing", "nothing", "now", "then"]))
    def draft_commits(self, work: DraftModel, expects: str) -> None:
        expected = {"now": len(self.history) - 1, "then": work.base, "nothing": None}[expects]
        before = self.store.snapshot()
        if work.conflicts(self.history, expected):
            with pytest.raises(ConflictError) as caught:
                work.draft.commit(expected_version=expected)
            assert self.store.snapshot() is before
            assert caught.value.drafted_from == work.base
            assert caught.value.found == before.version
            changed = work.seen.to(self.model)
            assert set(caught.value.keys) == {key for key in work.keys if key in changed}
            return
        meta = self.model.meta if work.meta is work.seen.meta else work.meta
        later = self.model.after(work.writes, meta)
        refused = (self.model.to(later) or meta is not self.model.meta) and self.model.refusal_of(
            later
        )
        self.expect(later, lambda: work.draft.commit(expected_version=expected))
        if not refused:
            with pytest.raises(ClosedError):
                work.draft.commit()

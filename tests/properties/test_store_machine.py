"""The store and a plain dict in lockstep: whatever is done to both, they stay the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec import structs

from cowstate import MISSING, Commit, CowstateError, Store
from cowstate.committer import Committer
from cowstate.schema import Schema
from tests.properties.machine import StoreMachine
from tests.properties.model import Item, make_store
from tests.seeded import seeded

LOCKSTEP = settings(
    max_examples=settings.default.max_examples // 2,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_the_store_and_a_plain_dict_stay_in_lockstep(map_choice: str) -> None:
    options = {} if map_choice == "default" else {"maps": map_choice}

    class Machine(StoreMachine):
        def build(self, records: dict[Any, Any]) -> Store[Any, Any]:
            return make_store(records, **options)

    run_state_machine_as_test(Machine, settings=LOCKSTEP)


# What the machine is worth: each of these parts has one bug, and it finds it in a store of them.


class MakesVersionsOfNothing(Schema[Any, Any]):
    def unchanged(self, current: Any) -> Any:
        return Commit(current, structs.replace(current, version=current.version + 1), {})


class SkipsAVersion(Schema[Any, Any]):
    def advance_one(self, before: Any, key: Any, old: Any, new: Any) -> Any:
        if before.version == 3:
            before = structs.replace(before, version=4)
        return super().advance_one(before, key, old, new)


class ForgetsToDeriveFromDeletions(Schema[Any, Any]):
    def advance_one(self, before: Any, key: Any, old: Any, new: Any) -> Any:
        commit = super().advance_one(before, key, old, new)
        if new is not MISSING:
            return commit
        after = structs.replace(commit.after, _indexes=before._indexes, _totals=before._totals)
        return structs.replace(commit, after=after)


class CommitsDraftsUnchecked(Committer[Any, Any]):
    def commit_draft(self, draft: Any, expected_version: Any) -> Any:
        draft._base = self.timeline.current
        return super().commit_draft(draft, expected_version)


class ComparesByEquality(Committer[Any, Any]):
    def compare_and_set(self, key: Any, change: Any) -> Any:
        expected, record = change
        old = self.timeline.current.get(key, MISSING)
        if isinstance(old, Item) and old == expected:
            expected = old
        return super().compare_and_set(key, (expected, record))


class WritesInPlace(Schema[Any, Any]):
    def advance_one(self, before: Any, key: Any, old: Any, new: Any) -> Any:
        commit = super().advance_one(before, key, old, new)
        if new is not MISSING:
            before._map[key] = new
        return commit


class PublishesBeforeItAsks(Committer[Any, Any]):
    def _store(self, before: Any, key: Any, old: Any, record: Any) -> Any:
        records = self._put(before._map, key, record)
        self.timeline.current = structs.replace(before, version=before.version + 1, _map=records)
        return super()._store(before, key, old, record)


@pytest.mark.parametrize(
    "wrong",
    [
        MakesVersionsOfNothing,
        SkipsAVersion,
        ForgetsToDeriveFromDeletions,
        CommitsDraftsUnchecked,
        ComparesByEquality,
        WritesInPlace,
        PublishesBeforeItAsks,
    ],
)
def test_the_machine_finds_the_seeded_bug(wrong: type[Any]) -> None:
    class Machine(StoreMachine):
        def build(self, records: dict[Any, Any]) -> Store[Any, Any]:
            # In a plain dict, which can be written in place.
            return make_store(records, kind=seeded(wrong), maps="dict+pyrsistent")

    search = settings(
        LOCKSTEP,
        max_examples=400,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    # A KeyError is found too: an index that names a record that is gone.
    with pytest.raises((AssertionError, KeyError, CowstateError)):
        run_state_machine_as_test(Machine, settings=search)

"""The store and a plain dict in lockstep: whatever is done to both, they stay the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec import structs

from cowstate import MISSING, CowstateError, Store
from tests.properties.machine import StoreMachine
from tests.properties.model import make_store

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


# What the machine is worth: each of these stores has one bug, and it finds it.


class MakesVersionsOfNothing(Store[Any, Any]):
    def _unchanged(self) -> Any:
        return self._publish(self._current, self._current._map, self._current.meta, {})


class SkipsAVersion(Store[Any, Any]):
    def _publish(self, before: Any, records: Any, meta: Any, delta: Any) -> Any:
        if before.version == 3:
            before = structs.replace(before, version=4)
        return super()._publish(before, records, meta, delta)


class ForgetsToDeriveFromDeletions(Store[Any, Any]):
    def _publish(self, before: Any, records: Any, meta: Any, delta: Any) -> Any:
        commit = super()._publish(before, records, meta, delta)
        if all(change.new is not MISSING for change in commit.changes.values()):
            return commit
        self._current = structs.replace(
            commit.after, _indexes=before._indexes, _totals=before._totals
        )
        return structs.replace(commit, after=self._current)


class CommitsDraftsUnchecked(Store[Any, Any]):
    def _write_draft(self, draft: Any, expected_version: Any) -> Any:
        draft._base = self._current
        return super()._write_draft(draft, expected_version)


class ComparesByEquality(Store[Any, Any]):
    def _set_if(self, key: Any, expected: Any, record: Any) -> Any:
        if self._old(key) == expected:
            expected = self._old(key)
        return super()._set_if(key, expected, record)


class WritesInPlace(Store[Any, Any]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, maps="dict+pyrsistent")
        self._put = self._put_in_place

    @staticmethod
    def _put_in_place(records: Any, key: Any, record: Any) -> Any:
        records[key] = record
        return records


class PublishesBeforeItAsks(Store[Any, Any]):
    def _publish(self, before: Any, records: Any, meta: Any, delta: Any) -> Any:
        self._current = structs.replace(before, version=before.version + 1, _map=records)
        return super()._publish(before, records, meta, delta)


@pytest.mark.parametrize(
    "broken",
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
def test_the_machine_finds_the_seeded_bug(broken: type[Store[Any, Any]]) -> None:
    class Machine(StoreMachine):
        def build(self, records: dict[Any, Any]) -> Store[Any, Any]:
            return make_store(records, kind=broken)

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

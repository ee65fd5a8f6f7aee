"""Every variant does what its workload says: a benchmark must not measure nothing."""

from __future__ import annotations

from timeit import Timer
from typing import Any

import pytest

from cowstate.bench.levels import records_of, ten_keys
from cowstate.bench.measure import Operation, Settings
from cowstate.bench.mixed import bytes_per_version, run_against_each_other
from cowstate.bench.orders import manager_operations, order_stream
from cowstate.bench.variants import DEFAULT, LOCKED, WORKLOADS, Variant, chosen, variants
from cowstate.maps import available_maps

SIZE = 50
NAMES = tuple(variants())
STORES = tuple(name for name in NAMES if name != "locked, read in place")

stores = pytest.mark.parametrize("name", STORES)


def execute(operation: Operation | None, runs: int = 1) -> None:
    assert operation is not None
    Timer(operation.statement, globals=dict(operation.names)).timeit(runs)


def quantities(variant: Variant) -> list[int]:
    return [record.quantity for record in variant.store.snapshot().values()]


@pytest.fixture
def variant(name: str) -> Any:
    made = variants()[name](SIZE)
    yield made
    made.close()


@stores
def test_an_update_adds_one_to_each_of_ten_records(variant: Variant) -> None:
    operation = variant.operation("update")
    execute(operation, runs=3)
    now = variant.store.snapshot()
    assert [now[key].quantity for key in variant.keys] == [3] * 10
    assert sum(quantities(variant)) == 30
    assert operation is not None
    assert operation.per == 10


@stores
def test_a_transaction_adds_one_to_each_of_ten_records(variant: Variant) -> None:
    execute(variant.operation("transaction"), runs=3)
    assert sum(quantities(variant)) == 30


@stores
def test_ten_at_once_by_one_function_adds_one_to_each(variant: Variant) -> None:
    execute(variant.operation("update_all"), runs=3)
    assert sum(quantities(variant)) == 30


@stores
def test_a_set_puts_another_record_in_the_place_of_each_of_ten(variant: Variant) -> None:
    before = variant.store.snapshot()
    operation = variant.operation("set")
    execute(operation)
    now = variant.store.snapshot()
    assert [now[key].quantity for key in variant.keys] == [1] * 10
    assert all(now[key] is not before[key] for key in variant.keys)
    assert operation is not None
    first, second = operation.names["pairs"]
    assert all(first[key] is not second[key] for key in variant.keys)


@stores
def test_a_read_is_of_each_of_ten_records(variant: Variant) -> None:
    operation = variant.operation("read")
    assert operation is not None
    assert operation.per == len(operation.names["keys"]) == 10
    execute(operation)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("cowstate")])
def test_what_only_the_store_has_changes_what_it_says(variant: Variant) -> None:
    for workload, versions in (("transact", 1), ("draft", 10), ("draft_of_ten", 1)):
        before = variant.store.snapshot()
        execute(variant.operation(workload))
        now = variant.store.snapshot()
        assert now.version == before.version + versions
        totals = [sum(record.quantity for record in each.values()) for each in (before, now)]
        assert totals[1] == totals[0] + 10
    operation = variant.operation("update_derived")
    execute(operation)
    assert operation is not None
    store = operation.names["update"].__self__
    assert len(store.statistics().index_entries) == 2
    assert store.snapshot().total("levels") == SIZE
    assert sum(record.quantity for record in store.snapshot().values()) == 10


def test_only_what_the_settings_name_is_measured() -> None:
    assert dict(chosen(Settings())) == dict(variants())
    assert list(chosen(Settings(variants=frozenset({LOCKED, "nobody"})))) == [LOCKED]


@stores
def test_a_conditional_update_takes_place_where_nothing_came_between(variant: Variant) -> None:
    execute(variant.operation("conditional"), runs=3)
    assert sum(quantities(variant)) == 30
    key = variant.keys[0]
    expected, other = variant.store.snapshot()[key], records_of(SIZE)[variant.keys[1]]
    assert not variant.store.compare_and_set(key, other, expected)


@stores
def test_everything_is_read_and_nothing_of_it_is_old(variant: Variant) -> None:
    read = variant.reader()
    assert read() == 0
    variant.writer()()
    assert read() == 1
    execute(variant.operation("read_all"))
    execute(variant.operation("iterate"))
    assert len(variant.store.snapshot()) == SIZE


@stores
def test_a_difference_names_the_one_key_that_changed(variant: Variant) -> None:
    operation = variant.operation("diff")
    assert operation is not None
    changes = eval(operation.statement, dict(operation.names))
    assert list(changes) == [variant.keys[0]]


@pytest.mark.parametrize("name", [name for name in NAMES if "cowstate" in name or name == LOCKED])
def test_indexed_updates_deliveries_and_feeds_change_what_they_say(variant: Variant) -> None:
    for workload in ("update_indexed", "delivery", "feed"):
        operation = variant.operation(workload)
        assert operation is not None
        execute(operation, runs=2)
        store = operation.names["update"].__self__
        now = store.snapshot()
        if workload == "update_indexed":
            ids = [now[key].order_id for key in variant.keys]
            assert ids == list(range(11, 21))
            assert [now.find_key("order_id", one) for one in ids] == list(variant.keys)
        else:
            assert [now[key].quantity for key in variant.keys] == [2] * 10


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_has_no_operation_for_what_it_cannot_do(variant: Variant) -> None:
    found = {workload for workload in WORKLOADS if variant.operation(workload) is not None}
    if variant.name == "locked, read in place":
        assert found == {"read_all"}
    else:
        assert found >= {"snapshot", "read_all", "update", "transaction", "build"}


def test_the_default_is_among_the_variants_and_every_map_is() -> None:
    assert DEFAULT in NAMES
    assert {f"cowstate/{maps}" for maps in available_maps()} <= set(NAMES)


def test_keys_are_ten_different_ones_where_there_are_as_many() -> None:
    assert len(set(ten_keys(20))) == 10


@pytest.mark.parametrize("workload", ["on_order_update", "on_order_update_history"])
def test_both_managers_end_in_the_same_position_after_the_stream(workload: str) -> None:
    ends = []
    for operation in manager_operations(workload, 20).values():
        assert operation.fresh is not None
        names = {**operation.names, **operation.fresh()}
        Timer(operation.statement, globals=names).timeit(1)
        manager = names["tell"].__self__
        now = manager.snapshot()
        ends.append((dict(now), now.total("realized_profit"), manager.get_fills()))
    assert ends[0] == ends[1]
    assert ends[0][1] > 0
    assert len(order_stream(20)) == 160


def test_both_reconcile_passes_find_agreement() -> None:
    operations = manager_operations("reconcile", 30)
    report = operations["cowstate"].names["reconcile"]()
    plan = operations[LOCKED].names["reconcile"]()
    assert report.verdict.kind.value == plan.verdict.kind.value == "AGREES"
    assert report.standing == plan.standing
    assert report.corrections == ()


def test_readers_and_writers_are_counted_and_no_write_goes_missing() -> None:
    variant = variants()[DEFAULT](SIZE)
    outcome = run_against_each_other(variant.writer, variant.reader, 2, 2, 0.02)
    assert outcome["writes"] > 0
    assert 0 < outcome["p50"] <= outcome["p99"] <= outcome["p99.9"] <= outcome["worst"]
    assert sum(quantities(variant)) == variant.store.snapshot().version


def test_a_version_costs_a_path_where_structure_is_shared_and_a_copy_where_not() -> None:
    shared = bytes_per_version(variants()[DEFAULT](1_000).retain(), 50)
    copied = bytes_per_version(variants()[LOCKED](1_000).retain(), 10)
    assert 100 < shared < 3_000
    assert copied > 40_000

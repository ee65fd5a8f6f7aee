"""What pages say of instructions is what was counted, and what they say of memory is so."""

from __future__ import annotations

import gc
import re
import tracemalloc
from importlib.resources import files
from pathlib import Path

import pytest

from cowstate import Meter, Record, Store
from cowstate.bench import instructions
from cowstate.maps import available_maps

ROOT = Path(__file__).resolve().parents[2]
STORED = instructions.load(Path(str(files("cowstate.bench") / "instructions.json")))
COUNTED = STORED["3.11"]
PERFORMANCE = (ROOT / "docs/explanation/performance.md").read_text(encoding="utf-8")
ROWS = {
    "snapshot": "snapshot",
    "iterate": "iterate",
    "set, C map": "set",
    "update, C map": "update/immutables",
    "update, default over the C map": "update/dict+immutables",
    "update, tree": "update/tree",
    "update, pyrsistent": "update/pyrsistent",
    "compare_and_set": "compare_and_set",
    "update_indexed (against the locked twin's)": "update_indexed",
    "update with 2 indexes and 3 totals, none moves": "update beside what is derived",
    "transaction of ten, C map": "transaction/immutables",
    "transaction of ten, tree": "transaction/tree",
    "`transact` of one": "transact",
    "block of one": "block",
    "draft of one": "draft",
    "beside one subscriber": "delivery",
    "diff": "diff",
    "on_order_update (against the locked manager's)": "on_order_update",
}


def number(text: str) -> float:
    return float(text.replace(",", ""))


def near(counted: float) -> object:
    # As near as `instructions --check` wants it: what it lets pass need not be written anew.
    return pytest.approx(counted, rel=instructions.MARGIN)


@pytest.mark.parametrize(("row", "name"), ROWS.items(), ids=ROWS.values())
def test_a_row_of_the_page_is_what_is_stored(row: str, name: str) -> None:
    cell = r"([\d.,]+)"
    found = re.search(rf"^\| {re.escape(row)} \| {cell} \| {cell} \| {cell} \|$", PERFORMANCE, re.M)
    assert found
    path, baseline, ratio = map(number, found.groups())
    assert (path, baseline, ratio) == (
        near(COUNTED[name].path),
        near(COUNTED[name].baseline),
        near(COUNTED[name].ratio),
    )


def test_every_row_of_the_table_is_looked_at() -> None:
    table = PERFORMANCE.split("## Where the time of a write goes")[1].split("##")[0]
    rows = re.findall(r"^\| ([^|]+) \| [\d,]+ \|", table, re.MULTILINE)
    assert set(rows) == set(ROWS)


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/performance.md"])
def test_an_update_takes_what_the_pages_say(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    said = re.search(
        r"([\d,]+) instructions(?: over the tree)?, .{0,30}?([\d,]+) (with|over the C)", text
    )
    assert said
    tree, c_map = number(said[1]), said[2]
    assert tree == near(COUNTED["update/tree"].path)
    if page == "README.md":
        assert number(c_map) == near(COUNTED["update/immutables"].path)


def test_ten_in_a_transaction_take_what_the_page_says() -> None:
    said = re.search(r"ten in a transaction\n([\d,]+), ([\d,]+) and ([\d,]+)\.", PERFORMANCE)
    assert said
    assert [number(each) for each in said.groups()] == [
        near(COUNTED[f"transaction/{maps}"].path) for maps in ("tree", "pyrsistent", "immutables")
    ]


def test_a_changed_copy_of_a_dataclass_takes_as_many_instructions_as_the_page_says() -> None:
    page = (ROOT / "docs/how-to/choose-records.md").read_text(encoding="utf-8")
    said = re.search(
        r"takes (\d+) times the instructions on CPython (\S+), and (\d+) times on (\S+) \(", page
    )
    assert said
    times = {said[2]: int(said[1]), said[4]: int(said[3])}
    assert times == {
        version: pytest.approx(1 / counts["replace"].ratio, rel=0.1)
        for version, counts in STORED.items()
    }


def test_an_update_that_is_measured_takes_as_many_as_its_docstring_says() -> None:
    text = " ".join((Meter.__doc__ or "").split())
    said = re.search(r"an update takes ([\d.]+) times the instructions", text)
    assert said
    decided = (ROOT / "docs/explanation/decisions.md").read_text(encoding="utf-8")
    more = re.search(r"take ([\d.]+) times what an update takes \(instructions", decided)
    assert more
    for counts in STORED.values():
        times = counts["update, measured"].ratio
        assert float(said[1]) == near(times)
        assert 1 + float(more[1]) == near(times)


class Slot(Record):
    price: int
    order_id: int | None = None
    quantity: int = 0


def kept(size: int, maps: str) -> float:
    """How many MiB the past takes after 1,024 changes of one record each."""
    store = Store({f"key-{n}": Slot(n, n, n) for n in range(size)}, maps=maps)
    keys = list(store.snapshot())
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for n in range(1024):
            store.update(keys[n * 7919 % size], lambda slot: slot.replace(quantity=n))  # noqa: B023
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("maps", ["dict+tree", "dict+immutables"])  # what "auto" takes
@pytest.mark.parametrize("size", [30, 100_000])
def test_the_past_takes_as_much_memory_as_the_pages_say(size: int, maps: str) -> None:
    if maps not in available_maps():
        pytest.skip(f"{maps} is not to be had here")
    took = kept(size, maps)
    for page in ("README.md", "docs/how-to/history.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        said = re.search(r"1,024 .{0,70}([\d.]+) to ([\d.]+) MiB", text)
        assert said
        least, most = map(float, said.groups())
        assert least * 0.9 <= took <= most * 1.1

"""What pages say of instructions is what was counted."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from cowstate.bench import instructions

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

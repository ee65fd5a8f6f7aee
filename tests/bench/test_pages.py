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


def number(text: str) -> float:
    return float(text.replace(",", ""))


def near(counted: float) -> object:
    # As near as `instructions --check` wants it: what it lets pass need not be written anew.
    return pytest.approx(counted, rel=instructions.MARGIN)


def test_an_update_takes_what_the_readme_says() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    said = re.search(r"takes ([\d,]+) instructions, or ([\d,]+) with the extra", text)
    assert said
    plain, fast = map(number, said.groups())
    assert plain == near(COUNTED["update/dict+tree"].path)  # what "auto" takes
    assert fast == near(COUNTED["update/dict+immutables"].path)
    in_place = re.search(r"a change in place under a lock takes ([\d,]+) \(CPython 3.11;", text)
    assert in_place
    assert number(in_place[1]) == near(COUNTED["update by the twin"].baseline)


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

"""Keys of one hash, which an outsider can choose: what each kind of map does with them, counted."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from cowstate import Index, Store
from tests.commanding import ROOT, environment
from tests.conftest import map_choices

N = 400
PRIME = sys.hash_info.modulus
PAGE = ROOT / "docs" / "explanation" / "hostile-input.md"


class Key:
    """A key that counts how often one of them is compared."""

    compared = 0

    def __init__(self, number: int, hashed: int = 7) -> None:
        self.number = number
        self.hashed = hashed

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        Key.compared += 1
        return isinstance(other, Key) and other.number == self.number


def comparisons(deed: Callable[[], Any]) -> int:
    Key.compared = 0
    deed()
    return Key.compared


def counts(maps: str) -> dict[str, int]:
    """How many comparisons each deed takes in a store of N keys of one hash."""
    made: list[Store[Any, Any]] = []
    records = dict.fromkeys(map(Key, range(N)), 0)
    counted = {"build": comparisons(lambda: made.append(Store(records, maps=maps)))}
    [store] = made
    first = store.snapshot()

    def transact() -> None:
        with store.transaction() as tx:
            for number in range(10):
                tx[Key(2 * N + number)] = 1

    deeds: dict[str, Callable[[], Any]] = {
        "read": lambda: first[Key(N - 1)],
        "miss": lambda: first.get(Key(-1)),
        "set": lambda: store.set(Key(N), 1),
        "update": lambda: store.update(Key(N - 1), lambda n: n + 1),
        "delete": lambda: store.delete(Key(N - 1)),
        "diff": lambda: store.snapshot().diff(first),
        "transaction": transact,
    }
    return counted | {name: comparisons(deed) for name, deed in deeds.items()}


# Of n keys of one hash, in comparisons: what the page says.
BOUNDS: dict[str, Callable[[int], float]] = {
    "build": lambda n: 1.6 * n * n,
    "read": lambda n: n,
    "miss": lambda n: n,
    "set": lambda n: 3 * n + 5,
    "update": lambda n: 3 * n + 5,
    "delete": lambda n: 3 * n + 5,
    "diff": lambda n: 20,
    "transaction": lambda n: 10 * (3 * n + 50),
}


@pytest.mark.parametrize("maps", map_choices())
def test_a_flood_costs_what_it_costs_a_dict_and_no_power_more(maps: str) -> None:
    counted = counts(maps)
    over = {
        name: (count, BOUNDS[name](N)) for name, count in counted.items() if count > BOUNDS[name](N)
    }
    assert over == {}
    # It is a flood: else nothing was shown.
    assert counted["miss"] == N


@pytest.mark.parametrize("maps", map_choices())
@pytest.mark.parametrize("shift", [0, 5, 20, 32, 40], ids="low {}".format)
def test_hashes_that_agree_in_their_low_bits_alone_are_no_flood(maps: str, shift: int) -> None:
    records = dict.fromkeys((Key(number, number << shift) for number in range(N)), 0)
    snapshot = Store(records, maps=maps).snapshot()
    total = comparisons(lambda: [snapshot[key] for key in records])
    asked = comparisons(lambda: [snapshot[Key(n, n << shift)] for n in range(N)])
    assert total <= 16 * N
    assert asked <= 16 * N


@pytest.mark.parametrize("maps", map_choices())
@pytest.mark.parametrize(
    "keys",
    [
        [number * PRIME for number in range(N)],
        [(number * PRIME, "x") for number in range(N)],
        [float(2**60 * k) for k in range(N)],
    ],
    ids=["ints", "tuples of ints", "floats"],
)
def test_a_store_of_ints_of_one_hash_is_whole(maps: str, keys: list[Any]) -> None:
    store = Store(dict.fromkeys(keys, 0), indexes={"of": Index(lambda n: n)}, maps=maps)
    for key in keys[::2]:
        store.delete(key)
    store.transact(lambda tx: tx.update(dict.fromkeys(keys[1::4], 1)))
    kept = dict(store.snapshot())
    assert kept == {key: int(key in keys[1::4]) for key in keys[1::2]}
    assert {*store.snapshot().find_all("of", 1)} == {*keys[1::4]}


@pytest.mark.parametrize("hashed", [0, -1, -2, 2**61 - 2, -(2**61), 1 << 62])
@pytest.mark.parametrize("maps", map_choices())
def test_no_hash_is_too_much(maps: str, hashed: int) -> None:
    keys = [Key(number, hashed) for number in range(200)]
    store = Store(dict.fromkeys(keys, 0), maps=maps)
    for key in keys[:150]:
        store.delete(key)
    assert len(store.snapshot()) == 50


def test_the_page_says_the_bounds_that_are_held() -> None:
    rows = re.findall(r"^\| (\w+) \|.*?\|\s*`([^`]+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == {*BOUNDS}
    for name, formula in rows:
        assert re.fullmatch(r"[n0-9.()+* ]+", formula)
        assert eval(formula, {"n": 1_000}) == BOUNDS[name](1_000), name


def test_of_strings_the_hashes_have_a_secret_unless_somebody_takes_it_away() -> None:
    program = "print(hash('a key'))"

    def said(seed: str) -> str:
        run = [sys.executable, "-c", program]
        env = {**environment(), "PYTHONHASHSEED": seed}
        done = subprocess.run(run, capture_output=True, text=True, env=env, check=True)
        return done.stdout

    assert said("0") == said("0")
    assert said("random") != said("random")

"""What is equal is not unequal: ``!=`` says the contrary of ``==``, whichever side asks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cowstate
from cowstate import Codec, Store
from cowstate.maps import available_maps

RECORDS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 1), max_size=3)


def check_contrary(one: Any, other: Any) -> None:
    equal = one == other
    assert (one != other) is not equal
    assert (other == one) is equal
    assert (other != one) is not equal


@pytest.mark.parametrize("maps", available_maps())
@given(first=RECORDS, second=RECORDS)
def test_snapshots_are_equal_or_unequal_by_their_records(
    maps: Any, first: Mapping[str, int], second: Mapping[str, int]
) -> None:
    one = Store(first, maps=maps).snapshot()
    store = Store(second, maps=maps)
    store.set("d", 1)
    store.delete("d")
    codec = Codec(str, int)
    for other in (store.snapshot(), Store(second).snapshot(), dict(second)):
        check_contrary(one, other)
        assert (one == other) is (first == second)
    check_contrary(one, codec.decode_snapshot(codec.encode(store.snapshot())))
    for other in (5, None, list(second), mock.ANY):
        check_contrary(one, other)


def classes() -> Iterator[type]:
    for found in pkgutil.iter_modules(cowstate.__path__, "cowstate."):
        if found.ispkg or found.name.endswith("__main__"):
            continue
        for each in vars(importlib.import_module(found.name)).values():
            if isinstance(each, type) and each.__module__ == found.name:
                yield each


@pytest.mark.parametrize(
    "kind", [*classes()], ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_who_says_what_is_equal_says_what_is_unequal(kind: type) -> None:
    # A base in C may have both, and its `!=` does not ask a `==` that is written in Python.
    says = [next(each for each in kind.__mro__ if op in vars(each)) for op in ("__eq__", "__ne__")]
    assert says[0] is says[1] or says[1] is object

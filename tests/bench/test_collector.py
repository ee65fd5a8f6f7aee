"""The collector is kept from what is measured, and left as it was."""

from __future__ import annotations

import gc
import weakref

import pytest

from cowstate.bench.collector import collector_off, frozen


class Knot:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_off_inside_and_as_it_was_afterwards(was_on: bool) -> None:
    loose = weakref.ref(Knot())
    if not was_on:
        gc.disable()
    try:
        with pytest.raises(KeyError), collector_off():
            assert loose() is None
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is was_on
    finally:
        gc.enable()


def test_what_is_frozen_is_there_already_and_is_free_again_afterwards() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(KeyError), frozen():
        inside = gc.get_freeze_count()
        raise KeyError
    assert inside > before
    assert gc.get_freeze_count() == 0

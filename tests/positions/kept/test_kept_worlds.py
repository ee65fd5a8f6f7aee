"""Lives that end anywhere and begin from their file, in worlds of every kind; the oracle looks on.

Where a life dies, its file is copied as it is at that instant, and the next one opens the copy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cowstate.positions import GridConfig, PositionManager, ReconcilePolicy, VenuePromises
from cowstate.positions.simulation.chaos.result import WorldResult
from cowstate.positions.simulation.chaos.rules import Line, PresentLife
from cowstate.positions.simulation.chaos.world import live, silenced
from cowstate.positions.simulation.chaos.worlds import WORLDS, spec_of
from tests.positions.kept.desks import copied


class KeptLives:
    """Makes lives in files of *directory*; the last one is to be closed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = 0
        self.last: KeptLife | None = None
        self.begun_from_files = 0

    def new_file(self) -> Path:
        self.files += 1
        return self.directory / f"{self.files}.db"

    def __call__(
        self,
        exchange: Line,
        config: GridConfig,
        time_ms: Callable[[], int],
        _: VenuePromises,
        saved: Any,
    ) -> KeptLife:
        self.close()
        self.last = KeptLife(self, exchange, config, time_ms, saved)
        return self.last

    def close(self) -> None:
        if self.last is not None:
            self.last.manager.close()
            self.last = None


class KeptLife(PresentLife):
    """Our rule, on a manager that keeps its positions in a file."""

    def __init__(
        self,
        lives: KeptLives,
        exchange: Line,
        config: GridConfig,
        time_ms: Callable[[], int],
        saved: Any,
    ) -> None:
        image = isinstance(saved, Path)
        self._lives = lives
        self._path = saved if image else lives.new_file()
        # To the end of a process "normal" promises what "full" does.
        self.manager = PositionManager.open(
            self._path, config, history=0, time_ms=time_ms, sync="normal"
        )
        if image:
            lives.begun_from_files += 1
        else:
            self.manager.restore_state(saved)
        policy = ReconcilePolicy()
        self.bound = policy.small_part
        self._symbol = config.symbol
        self.reconciler = self.make(exchange, policy, time_ms)

    def save(self) -> Path:
        image = self._lives.new_file()
        copied(self._path, image)
        return image


def lived(directory: Path, seed: int, name: str | None, **faults: Any) -> tuple[WorldResult, int]:
    lives = KeptLives(directory)
    try:
        with silenced():
            result = live(spec_of(seed, name, **faults), lives, "kept")
    finally:
        lives.close()
    return result, lives.begun_from_files


def check(result: WorldResult) -> None:
    assert not result.failed, result.failure
    assert not result.profit_wrong
    assert not result.shorts
    assert not result.false_exact


@pytest.mark.parametrize("name", ["crash", "old_save", "purging", "no_ids", "not_found", "fee"])
def test_lives_that_begin_from_their_file_do_no_harm_and_heal(tmp_path: Path, name: str) -> None:
    result, begun = lived(tmp_path, 1, name, crash=6)
    check(result)
    assert begun == result.crashes > 0


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(WORLDS)),
    seed=st.integers(0, 10_000),
    crashes=st.sampled_from([3, 10, 30]),
)
def test_wherever_they_die_in_whatever_world(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, crashes: int
) -> None:
    result, begun = lived(tmp_path_factory.mktemp("kept"), seed, name, crash=crashes)
    check(result)
    assert begun == result.crashes > 0


def test_a_life_that_is_the_same_in_memory_and_in_a_file_ends_the_same(tmp_path: Path) -> None:
    with silenced():
        memory = live(spec_of(2, "crash"), PresentLife, "ours")
    kept, _ = lived(tmp_path, 2, "crash")
    for name in ("passes", "claims", "judgements", "halts", "ending", "crashes", "events"):
        assert getattr(kept, name) == getattr(memory, name)

"""A replay that was killed and resumed ends as one that was not, to the last digit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cowstate import ArgumentValueError
from cowstate.journal import JournaledStore, JournalError, WriterActiveError
from cowstate.positions import (
    Faults,
    GridConfig,
    PaperExchange,
    PositionManager,
    Reconciler,
    Trade,
    synthetic_tape,
)
from cowstate.positions.book.kept import close_book
from cowstate.positions.simulation.replay import ReplayOptions, ReplayReport, replay
from cowstate.positions.simulation.suspending import Suspension
from tests.positions.tapes import ALL, TapeFile, first_of

GRID = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 5, "grid")
TROUBLE = Faults(
    lose_event=0.1, double_event=0.1, delay_event=0.2, lose_answer=0.05, lose_request=0.02, seed=3
)


class StoppedError(Exception):
    """The run was to end there."""


def whole(options: ReplayOptions, tape: Iterator[Trade]) -> ReplayReport:
    return replay(tape, options).replace(wall_seconds=0)


def resumed(
    path: Path,
    options: ReplayOptions,
    tape: Callable[[], Iterator[Trade]],
    stops: list[int],
    every: int = 50,
) -> tuple[ReplayReport, list[int]]:
    """Run until it is stopped at each of *stops*, then to the end; and where each run began."""
    began: list[int] = []
    for stop in [*stops, None]:

        def progress(count: int, stop: int | None = stop) -> None:
            if count == stop:
                raise StoppedError

        resume = Path(f"{path}-replay").exists()
        with Suspension(path, options, resume=resume, every=every) as suspension:
            began.append(0 if suspension.world is None else suspension.world.trades)
            try:
                report = replay(tape(), options, progress, suspension=suspension)
            except StoppedError:
                continue
    return report.replace(wall_seconds=0), began


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 50),
    stops=st.lists(st.integers(1, 900), max_size=4),
    step=st.sampled_from([5, 10, 20]),
    faults=st.sampled_from([Faults(), TROUBLE]),
)
def test_it_ends_the_same_wherever_and_however_often_it_is_stopped(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    stops: list[int],
    step: int,
    faults: Faults,
) -> None:
    options = ReplayOptions(GRID.replace(price_step=Decimal(step)), faults=faults)
    path = tmp_path_factory.mktemp("resumed") / "run.db"
    report, began = resumed(path, options, lambda: synthetic_tape(seed=seed, count=900), stops)
    assert report == whole(options, synthetic_tape(seed=seed, count=900))
    assert len(began) == len(stops) + 1


def test_it_goes_on_from_where_it_was_and_not_from_the_start(tmp_path: Path) -> None:
    options = ReplayOptions(GRID)

    def tape() -> Iterator[Trade]:
        return synthetic_tape(seed=1, count=1_500)

    report, began = resumed(tmp_path / "run.db", options, tape, [400, 1_000, 1_499])
    assert report == whole(options, tape())
    assert began[0] == 0
    for stop, start in zip([400, 1_000, 1_499], began[1:], strict=True):
        assert stop - 350 < start < stop


@pytest.mark.parametrize("options", [["--step", "5"], ["--lose", "0.1", "--no-answer", "0.05"]])
def test_it_is_killed_at_a_dozen_writes_and_resumed(tmp_path: Path, options: list[str]) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("lives are forked")
    program = [sys.executable, "-m", "tests.positions.kept.resumed", str(tmp_path), "1", "12"]
    told = subprocess.run(
        [*program, "--count", "2500", *options], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert len(json.loads(told.stdout)) >= 6


@pytest.mark.parametrize("tape_file", ALL, indirect=True)
def test_a_long_tape_ends_the_same(tmp_path: Path, tape_file: TapeFile) -> None:
    options = ReplayOptions(GRID)

    def part() -> Iterator[Trade]:
        return first_of(tape_file.path, 3_000)

    report, _ = resumed(tmp_path / "run.db", options, part, [700, 2_100], every=200)
    assert report == whole(options, part())


def test_it_is_watched_from_another_terminal_meanwhile(tmp_path: Path) -> None:
    path, watching = tmp_path / "run.db", None

    def tape() -> Iterator[Trade]:
        nonlocal watching
        for trade in synthetic_tape(seed=1, count=1_000_000):
            yield trade
            if trade.trade_id == 200:
                command = ["watch", str(path), "--json", "--every=0.05", "--count=3"]
                watching = subprocess.Popen(
                    [sys.executable, "-m", "cowstate", *command, "--total=position_qty"],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            # For as long as somebody watches, there is something to see.
            if watching is not None and watching.poll() is not None:
                return

    with Suspension(path, ReplayOptions(GRID)) as suspension:
        replay(tape(), ReplayOptions(GRID), suspension=suspension)
    assert watching is not None
    told = [json.loads(line) for line in watching.communicate()[0].splitlines()]
    assert watching.returncode == 0
    versions = [each["version"] for each in told]
    assert versions == sorted(versions)
    assert versions[-1] > versions[0] > 0
    assert all("position_qty" in json.dumps(each) for each in told)


def dropping_messages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PaperExchange, "deliver_at", lambda *_: None)


def begun_too_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "go_on", lambda *_: None)


def not_gone_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JournaledStore, "at", lambda self, _: self.snapshot())


@pytest.mark.parametrize("bug", [dropping_messages, begun_too_late, not_gone_back])
def test_what_is_not_the_very_world_is_seen(
    tmp_path: Path, bug: Callable[[pytest.MonkeyPatch], None]
) -> None:
    options = ReplayOptions(GRID.replace(price_step=Decimal(5)), faults=TROUBLE)

    def tape() -> Iterator[Trade]:
        return synthetic_tape(seed=1, count=1_000)

    right = whole(options, tape())
    stops = [250, 500, 700, 900]
    assert resumed(tmp_path / "right.db", options, tape, stops)[0] == right
    with pytest.MonkeyPatch.context() as patch:
        bug(patch)
        assert resumed(tmp_path / "wrong.db", options, tape, stops)[0] != right


def test_a_run_that_came_to_nothing_is_begun_anew_or_resumed(tmp_path: Path) -> None:
    path, options = tmp_path / "run.db", ReplayOptions(GRID)
    for resume in (False, False, True):
        with (
            Suspension(path, options, resume=resume) as suspension,
            pytest.raises(ArgumentValueError, match="no trades"),
        ):
            replay([], options, suspension=suspension)
    assert resumed(path, options, lambda: synthetic_tape(seed=1, count=200), [])[0] == whole(
        options, synthetic_tape(seed=1, count=200)
    )


def test_both_files_are_free_when_the_positions_could_not_be_closed(tmp_path: Path) -> None:
    path, options = tmp_path / "run.db", ReplayOptions(GRID)

    def full(manager: PositionManager) -> None:
        close_book(manager.store)
        raise JournalError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PositionManager, "close", full)
        with pytest.raises(JournalError, match="is full"), Suspension(path, options) as suspension:
            replay(synthetic_tape(seed=1, count=100), options, suspension=suspension)
    with Suspension(path, options, resume=True) as suspension:
        replay(synthetic_tape(seed=1, count=100), options, suspension=suspension)


def test_what_cannot_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    path, options = tmp_path / "run.db", ReplayOptions(GRID)

    def tape(count: int = 600, seed: int = 1) -> Iterator[Trade]:
        return synthetic_tape(seed=seed, count=count)

    with pytest.raises(ArgumentValueError, match="no replay that could be resumed"):
        Suspension(path, options, resume=True)
    with pytest.raises(ArgumentValueError, match="with threads"):
        Suspension(path, options.replace(threads=True))
    assert list(tmp_path.iterdir()) == []
    with Suspension(path, options, every=100) as suspension:
        replay(tape(), options, suspension=suspension)
        with pytest.raises(WriterActiveError):
            Suspension(path, options, resume=True)
    with pytest.raises(ArgumentValueError, match="there already"):
        Suspension(path, options)
    with pytest.raises(ArgumentValueError, match="begun with latency_ms 50, not 60"):
        Suspension(path, options.replace(latency_ms=60), resume=True)
    path.rename(tmp_path / "away")
    with pytest.raises(ArgumentValueError, match="the other half"):
        Suspension(path, options)
    (tmp_path / "away").rename(path)
    for other in (tape(seed=2), tape(count=100)):
        with (
            Suspension(path, options, resume=True) as suspension,
            pytest.raises(ArgumentValueError, match="of this tape"),
        ):
            replay(other, options, suspension=suspension)

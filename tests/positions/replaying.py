"""For the tests of replays: a replay of which everything that took part can be looked at."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pytest

from cowstate.positions import GridConfig, PaperExchange, PositionManager
from cowstate.positions.simulation.replay import ReplayOptions, ReplayReport, replay

REPLAY = "cowstate.positions.simulation.replay"
modes = pytest.mark.parametrize("threads", [False, True], ids=["virtual", "threads"])


def grid(**changes):
    return GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 10, "grid").replace(**changes)


def options(*, threads=False, **changes):
    return ReplayOptions(grid(), threads=threads).replace(**changes)


class World(NamedTuple):
    report: ReplayReport
    manager: PositionManager
    exchange: PaperExchange
    commits: list


def run(tape, opts, **parts):
    """Replay, and return what took part as well; *parts* stand in for the parts of those names."""
    made, commits = {}, []

    def kept(name, kind):
        def make(*args, **kwargs):
            made[name] = part = kind(*args, **kwargs)
            if name == "PositionManager":
                part.store.subscribe(commits.append, on_error="stop")
            return part

        return make

    standard = {"PositionManager": PositionManager, "PaperExchange": PaperExchange}
    with pytest.MonkeyPatch.context() as patch:
        for name, kind in (standard | parts).items():
            patch.setattr(f"{REPLAY}.{name}", kept(name, kind))
        report = replay(tape, opts)
    return World(report, made["PositionManager"], made["PaperExchange"], commits)

"""Replays with real threads, each struck by Ctrl-C at another instruction of the main thread.

``python -m tests.positions.simulation.struck SEED COUNT`` strikes that many and says what went
wrong; it ends with 1 then, and by itself if one hangs. A process of its own, for a lock that is
lost holds up the main thread, and there is no way to tell it so.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
from decimal import Decimal
from pathlib import Path
from random import Random
from types import CodeType

import cowstate
from cowstate.positions import GridConfig
from cowstate.positions.simulation.replay import ReplayOptions, replay
from cowstate.positions.simulation.tape import synthetic_tape
from tests.faults.injection import interrupt_at_opcode
from tests.laws.points import count_points

PATIENCE = 300
"""Seconds after which a replay of a moment counts as hung."""

# Where the locks are, and the standard library's conditions, which are written in Python.
POSITIONS = Path(cowstate.__file__).parent / "positions"
THERE = {
    str(POSITIONS / "guard.py"),
    *(str(POSITIONS / "simulation" / f"{name}.py") for name in ("threaded", "paper", "replay")),
    threading.__file__,
}
OPTIONS = ReplayOptions(
    GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 5, "grid"), threads=True
)


def where_locks_are(code: CodeType) -> bool:
    """Whether it is code that holds one, or calls what does."""
    # To start a thread takes a lock of the standard library's, and that can be lost.
    return code.co_filename in THERE and code.co_qualname not in ("Thread.start", "Event.wait")


def run() -> None:
    """Replay a few trades."""
    replay(synthetic_tape(seed=1, count=20), OPTIONS)


def at_work() -> list[str]:
    """Return the participants whose threads have not ended."""
    alive = (thread for thread in threading.enumerate() if thread.is_alive())
    return [thread.name for thread in alive if thread.name in ("strategy", "reconciler")]


def strike(number: int) -> str | None:
    """Replay, with Ctrl-C from the instruction of that *number* on.

    Returns what was wrong, "" for nothing, and None if there is no such instruction.
    """
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        struck = interrupt_at_opcode(run, number, KeyboardInterrupt, where_locks_are)
    except BaseException as error:
        return f"{number}: {error!r} came in its place"
    finally:
        faulthandler.cancel_dump_traceback_later()
    if left := at_work():
        return f"{number}: {', '.join(left)} went on"
    if struck is None:
        return None
    return f"{number}: it was swallowed" if struck == ("caught",) else ""


def main(seed: int, count: int) -> int:
    """Strike at so many points."""
    points, rng = count_points(run, where_locks_are), Random(seed)
    told = [strike(rng.randrange(1, points)) for _ in range(count)]
    wrong = [said for said in told if said]
    print("\n".join(wrong) or f"{len(told) - told.count(None)} strikes at {points} points")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))

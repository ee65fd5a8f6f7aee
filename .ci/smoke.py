"""What must work of the installed wheel, away from the source tree: `smoke.py library|command`."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

TRADES = 3000


def library() -> None:
    """Import it with its core dependencies alone, and use a store."""
    import cowstate
    from cowstate import Aggregate, ConflictError, Index, Record, Store

    home = Path(cowstate.__file__).resolve().parent
    assert home.is_relative_to(sysconfig.get_paths()["purelib"]), f"not the installed one: {home}"
    assert (home / "py.typed").is_file()
    assert (home / "web" / "page" / "index.html").is_file()
    assert version("cowstate") == cowstate.__version__
    assert importlib.util.find_spec("tests") is None, "the wheel brought the tests along"

    class Slot(Record):
        price: int
        order_id: int | None = None

    store = Store(
        {"a": Slot(1), "b": Slot(2)},
        indexes={"order_id": Index(lambda slot: slot.order_id, unique=True)},
        aggregates={"sum": Aggregate.sum(lambda slot: slot.price)},
    )
    before = store.snapshot()
    store.update("a", lambda slot: slot.replace(order_id=7))
    now = store.snapshot()
    assert (before.version, now.version, now.total("sum")) == (0, 1, 3)
    assert now.find_key("order_id", 7) == "a"
    assert list(now.diff(before)) == ["a"]
    draft = store.draft(before)
    draft["a"] = Slot(9)
    try:
        draft.commit()
    except ConflictError as error:
        assert error.keys == ("a",)  # noqa: PT017
    else:
        raise AssertionError("a draft over an old version committed")
    without_hypothesis()
    print(f"cowstate {cowstate.__version__} from {home}: the store works")


def without_hypothesis() -> None:
    """Use of the testing kit what needs nothing else."""
    import cowstate.testing
    from cowstate import MissingExtraError
    from cowstate.testing import Model, Recorder, check_linearizable, run_threads

    recorder = Recorder()
    box = recorder.wrap([])
    run_threads(lambda: box.append(1), lambda: box.append(2))
    assert len(check_linearizable(recorder.calls(), Model.sequential(list)).order) == 2
    try:
        _ = cowstate.testing.explore_object
    except MissingExtraError as error:
        assert error.extra == "testing"  # noqa: PT017
    else:
        raise AssertionError("hypothesis came along")


def command() -> None:
    """Run `cowstate` as installed."""
    program = str(Path(sysconfig.get_path("scripts")) / "cowstate")
    assert "replay" in run(program, "--help")
    tape = Path("tape.csv")
    write_tape(tape)
    result = json.loads(run(program, "replay", "--json", str(tape)))
    assert result["trades"] == TRADES, result
    assert result["orders_placed"] > 0, result
    assert result["agrees"] is True, result
    again = json.loads(run(program, "replay", "--json", str(tape)))
    for figures in (result, again):
        del figures["wall_seconds"]
    assert again == result, "the same tape gave another result"
    print(f"cowstate replay of {TRADES} trades: {result}")


def write_tape(path: Path) -> None:
    """Write a random walk of trades in the layout of the exchange's daily dumps."""
    walk = random.Random(20240808)
    price, time = 500_000, 1_723_075_200_000
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "price", "qty", "quote_qty", "time", "is_buyer_maker"])
        for number in range(1, TRADES + 1):
            price += walk.choice((-20, -10, 0, 10, 20))
            time += walk.randrange(1, 400)
            milli = walk.randrange(1, 200)
            quote = price * milli
            rows.writerow([
                number,
                f"{price // 10}.{price % 10}",
                f"{milli // 1000}.{milli % 1000:03}",
                f"{quote // 10_000}.{quote % 10_000:04}",
                time,
                "true" if walk.random() < 0.5 else "false",
            ])  # fmt: skip


def run(*arguments: str) -> str:
    """Run a command with its warnings as errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout


{"library": library, "command": command}[sys.argv[1]]()

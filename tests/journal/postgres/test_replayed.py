"""A replay that is kept on a server: killed and resumed it ends as one that nobody killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.cli import main
from cowstate.journal import JournalError, JournalFileError
from cowstate.positions import GridConfig, Trade, synthetic_tape
from cowstate.positions.simulation.replay import ReplayOptions, ReplayReport, replay
from cowstate.positions.simulation.suspending import Suspension
from tests.journal.postgres.servers import Cluster, expire, opened

GRID = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 5, "grid")
OPTIONS = ReplayOptions(GRID)
TOLD = ("--count", "2500", "--step", "5", "--lose", "0.1", "--no-answer", "0.05")


def tape(count: int = 900) -> Iterator[Trade]:
    return synthetic_tape(seed=1, count=count)


def whole(count: int = 900) -> ReplayReport:
    return replay(tape(count), OPTIONS).replace(wall_seconds=0)


def schemas(cluster: Cluster, name: str) -> list[str]:
    """Which stores of a name, and of what is beside it, there are."""
    with cluster.connect() as connection:
        found = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY nspname",
            (f"cowstate_{name}",),
        )
        return [schema.removeprefix("cowstate_") for (schema,) in found]


def live(cluster: Cluster, name: str, dies_at: int, when: str, *options: str) -> str | None:
    """Let one process have its run; return what it says, None if it died where it should."""
    place = ("--journal", cluster.url, "--name", name)
    told = subprocess.run(
        [sys.executable, "-m", "tests.journal.postgres.replayed", str(dies_at), when, *TOLD,
         *place, *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if told.returncode == -signal.SIGKILL:
        return None
    assert told.returncode == 0, told.stderr
    return said(told.stdout)


def said(printed: str) -> str:
    told = json.loads(printed)
    del told["wall_seconds"]
    return json.dumps(told)


def test_it_is_killed_at_its_writes_and_resumed(
    cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--json", *TOLD]) == 0
    right = said(capsys.readouterr().out)
    writes, random, deaths = json.loads(right)["versions"], Random(5), 0
    assert writes > 200
    resume: tuple[str, ...] = ()
    for number in range(6):
        dies_at = 1 + number if number < 2 else random.randrange(writes // 8, writes // 4)
        there = live(cluster, name, dies_at, random.choice(["before", "after"]), *resume)
        if there is None:
            deaths += 1
        kept = schemas(cluster, name)
        # The last but one of them waits until the lease of the one before is over.
        if number < 4:
            for each in kept:
                expire(cluster, each)
        resume = ("--resume",) if f"{name}_replay" in kept else ()
    assert deaths >= 4
    for each in schemas(cluster, name):
        expire(cluster, each)
    # Whole, and once more when it is whole.
    assert live(cluster, name, 0, "after", "--resume") == right
    assert live(cluster, name, 0, "after", "--resume") == right
    for each in (name, f"{name}_replay"):
        assert main(["verify", cluster.url, "--name", each]) == 0


@pytest.mark.parametrize("stops", [[1], [60, 350, 351], [899]])
def test_it_ends_the_same_wherever_it_is_stopped(
    stops: list[int], cluster: Cluster, name: str
) -> None:
    class StoppedError(Exception):
        pass

    for stop in [*stops, None]:

        def progress(count: int, stop: int | None = stop) -> None:
            if count == stop:
                raise StoppedError

        resume = schemas(cluster, name) != []
        with Suspension(cluster.url, OPTIONS, resume=resume, every=50, name=name) as suspension:
            began = 0 if suspension.world is None else suspension.world.trades
            if stop is None:
                report = replay(tape(), OPTIONS, suspension=suspension)
            else:
                with pytest.raises(StoppedError):
                    replay(tape(), OPTIONS, progress, suspension=suspension)
    assert report.replace(wall_seconds=0) == whole()
    assert began > 0 or stops == [1]


def test_it_is_watched_from_another_terminal_meanwhile(cluster: Cluster, name: str) -> None:
    watching: Any = None

    def watched() -> Iterator[Trade]:
        nonlocal watching
        for trade in tape(1_000_000):
            yield trade
            if trade.trade_id == 200:
                place = ["watch", cluster.url, "--name", name, "--json"]
                watching = subprocess.Popen(
                    [sys.executable, "-m", "cowstate", *place, "--every=0.05", "--count=3",
                     "--total=position_qty"],
                    stdout=subprocess.PIPE, text=True,
                )  # fmt: skip
            # For as long as somebody watches, there is something to see.
            if watching is not None and watching.poll() is not None:
                return

    with Suspension(cluster.url, OPTIONS, name=name) as suspension:
        replay(watched(), OPTIONS, suspension=suspension)
    told = [json.loads(line) for line in watching.communicate()[0].splitlines()]
    assert watching.returncode == 0
    versions = [each["version"] for each in told]
    assert versions == sorted(versions)
    assert versions[-1] > versions[0] > 0


def test_what_cannot_be_gone_on_with_is_refused_and_makes_nothing(
    cluster: Cluster, name: str, tmp_path: Path
) -> None:
    def suspension(**options: Any) -> Suspension:
        return Suspension(cluster.url, **{"options": OPTIONS, "name": name, **options})

    with pytest.raises(ArgumentValueError, match=f"{name} in that database holds no replay"):
        suspension(resume=True)
    for wrong in (None, "No Name", "n" * 42):
        with pytest.raises((ArgumentTypeError, ArgumentValueError), match="name"):
            suspension(name=wrong)
    with pytest.raises(ArgumentValueError, match="needs no name"):
        Suspension(tmp_path / "run.db", OPTIONS, name=name)
    assert (schemas(cluster, name), list(tmp_path.iterdir())) == ([], [])
    with suspension(every=100) as kept:
        replay(tape(600), OPTIONS, suspension=kept)
    with pytest.raises(ArgumentValueError, match="there already"):
        suspension()
    with pytest.raises(ArgumentValueError, match="begun with latency_ms 50, not 60"):
        suspension(options=OPTIONS.replace(latency_ms=60), resume=True)
    with cluster.connect() as connection:
        connection.execute(f"DROP SCHEMA cowstate_{name} CASCADE")
    for resume in (True, False):
        with pytest.raises(ArgumentValueError, match=f"{name}_replay on .* the other half"):
            suspension(resume=resume)


def test_a_store_of_others_is_left_alone(cluster: Cluster, name: str) -> None:
    opened(cluster, name).close()
    with pytest.raises(JournalFileError, match="schema"):
        Suspension(cluster.url, OPTIONS, name=name)
    assert schemas(cluster, name) == [name]


def test_a_password_is_in_no_error(cluster: Cluster, name: str) -> None:
    url = cluster.url.replace("postgres@", "postgres:hush@")
    with Suspension(url, OPTIONS, name=name) as kept:
        replay(tape(100), OPTIONS, suspension=kept)
    errors = []
    for place, options in (
        (url, {"resume": False}),
        (url, {"resume": True, "name": f"{name}_x"}),
        ("postgresql://u:hush@/tmp?host=/nowhere", {}),
    ):
        with pytest.raises((ArgumentValueError, JournalError)) as caught:
            Suspension(place, OPTIONS, **{"name": name, **options})  # type: ignore[arg-type]
        errors.append(str(caught.value))
    assert "hush" not in "".join(errors)


def test_the_command_says_what_a_place_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["--journal", "postgresql:///x"], "say which by --name NAME"),
        (["--name", "run"], "say in which: --journal"),
    ):
        assert main(["replay", "--count", "100", *words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert message in err

"""What is shown of a file while it is written: each look is of one moment, and none is missed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from cowstate import Record
from cowstate.cli import main
from cowstate.journal import JournalFileError, open_store
from cowstate.journal.watching import drawn, looks
from tests.commanding import INTERRUPTIBLE, interrupt
from tests.journal.files import Slot, opened


class Held(Record):
    amount: Decimal
    count: int
    owner: str = "1e9"


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_each_version_that_is_there_is_told_once(form: str, tmp_path: Path) -> None:
    path = tmp_path / "held.db"
    now = [1.0]
    with open_store(path, key=str, record=Held, form=form) as store:
        writes: list[Callable[[], object]] = [
            bool,  # nothing: nothing is told
            lambda: store.set("a", Held(Decimal("0.1"), 1)),
            lambda: store.transact(lambda tx: tx.update(b=Held(Decimal("0.2"), 2))),
            lambda: (store.set("a", Held(Decimal("-1"), 3)), store.delete("b")),
        ]

        def pause() -> None:
            now[0] += 2
            writes.pop(0)()

        found = looks(str(path), ["amount", "count", "none"], pause, lambda: now[0])
        first = next(found)
        assert (first.version, first.records, first.rate, first.lag) == (0, 0, 0.0, None)
        told = [next(found) for _ in range(3)]
    assert [look.version for look in told] == [1, 2, 4]
    assert [look.records for look in told] == [1, 2, 1]
    assert [look.rate for look in told] == [0.25, 0.5, 1.0]
    assert [look.totals for look in told] == [
        {"amount": "0.1", "count": "1", "none": "0"},
        {"amount": "0.3", "count": "3", "none": "0"},
        {"amount": "-1", "count": "3", "none": "0"},
    ]
    assert all(look.oldest == 0 for look in told)


def test_totals_are_exact_and_leave_out_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "held.db"
    amounts = ["1e30", "1e-30", "-1", "NaN", "Infinity", "1e999999", "1e-999999"]
    with open_store(path, key=str, record=Held) as store:
        store.replace_all({each: Held(Decimal(each), 1) for each in amounts[:3]})
        store.transact(lambda tx: tx.update({each: Held(Decimal(each), 1) for each in amounts[3:]}))
    found = next(looks(str(path), ["amount", "owner"], bool))
    assert found.totals["amount"] == "9" * 30 + "." + "0" * 29 + "1"
    assert found.totals["owner"] == str(7 * 10**9)


def test_a_file_that_goes_away_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    opened(path).close()
    found = looks(str(path), [], path.unlink)
    assert next(found).version == 0
    with pytest.raises(JournalFileError):
        next(found)


def test_the_table_is_drawn_over_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
    look = next(looks(str(path), ["quantity"], bool))
    plain, again = drawn(look, False).splitlines(), drawn(look, True)
    assert plain[0] == "version     1, back to 0"
    assert plain[-1] == "quantity    1"
    assert again == f"\x1b[{len(plain)}A" + "\n".join(f"{line}\x1b[K" for line in plain)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(3))
        assert main(["watch", str(path), "--count", "1", "--total", "quantity"]) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert out.startswith("version     1, back to 0  records     1  rate        0.0 a second")
        assert main(["watch", str(path), "--count", "1", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert {"version": 1, "records": 1, "oldest": 0, "totals": {}}.items() <= told.items()
    for wrong in (["--every", "0"], ["--every", "nan"], ["--count", "0"]):
        assert main(["watch", str(path), *wrong]) == 2
    assert main(["watch", str(tmp_path / "none.db")]) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(3))
        command = [sys.executable, "-c", INTERRUPTIBLE, "watch", str(path), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            try:
                assert watching.stdout is not None
                assert json.loads(watching.stdout.readline())["version"] == 1
                store.set("a", Slot(4))
                assert json.loads(watching.stdout.readline())["version"] == 2
                assert interrupt(watching) == 0
            finally:
                watching.kill()  # where SIGINT is ignored, it fails, and does not hang

"""Records of an older schema become those of now: all, or none; and the log with them."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, Record
from cowstate.cli import main
from cowstate.journal import JournaledStore, JournalFileError, open_store


class Old(Record):
    quantity: int


class New(Record, tag=True):
    amount: Decimal
    note: str = ""


def to_1(old: Any) -> Any:
    return {"amount": str(old["quantity"]), "type": "New"}


def to_2(old: Any) -> Any:
    return New(Decimal(old["amount"]), "moved")


STEPS = {0: to_1, 1: to_2}


def old_file(path: Path, form: Any = "json") -> Path:
    with open_store(path, key=str, record=Old, form=form) as store:
        for n in range(2_500):
            store.set(f"{n % 1_200}", Old(n)) if n < 3 or n > 2_490 else None
        store.replace_all({f"{n}": Old(n) for n in range(1_300)})
        store.delete("7")
    return path


def opened(path: Path, schema: int, **options: Any) -> JournaledStore[str, New]:
    return open_store(path, key=str, record=New, schema=schema, **options)


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_every_record_is_led_up_to_now_and_the_log_with_it(form: Any, tmp_path: Path) -> None:
    path = old_file(tmp_path / "slots.db", form)
    with open_store(path, key=str, record=Old) as store:
        before = {version: dict(store.at(version)) for version in range(store.journal.durable + 1)}
    with opened(path, 2, migrate=STEPS) as store:
        assert store.snapshot().version == len(before) - 1
        for version, records in before.items():
            moved = {key: New(Decimal(old.quantity), "moved") for key, old in records.items()}
            assert dict(store.at(version)) == moved
        store.set("x", New(Decimal(1)))
    assert main(["verify", str(path)]) == 0
    # Once: the next time there is nothing to do.
    with opened(path, 2) as store:
        assert store.snapshot()["x"] == New(Decimal(1))


def test_what_cannot_be_led_up_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = old_file(tmp_path / "slots.db")
    with pytest.raises(JournalFileError, match=r"schema 0, and this program 2; .*migrate=\{1: f"):
        opened(path, 2, migrate={0: to_1})
    with pytest.raises(JournalFileError, match="no record of now"):
        opened(path, 1, migrate={0: lambda old: {"amount": "many", "type": "New"}})
    with pytest.raises(ArgumentTypeError, match="a migration takes a plain function"):
        opened(path, 1, migrate={0: _coroutine})

    def fails_late(old: Any) -> Any:
        return to_1(old) if old["quantity"] < 1_250 else to_1({})

    with pytest.raises(KeyError) as caught:
        opened(path, 1, migrate={0: fails_late})
    assert "from schema 0, of" in caught.value.__notes__[0]
    with open_store(path, key=str, record=Old) as store:
        assert store.snapshot()["5"] == Old(5)
    opened(path, 1, migrate={0: to_1}).close()
    with pytest.raises(JournalFileError, match="of schema 1, and this program knows 0: it is too"):
        open_store(path, key=str, record=Old)


def _coroutine(old: Any) -> Any:
    async def later() -> Any:
        return old

    return later()


def test_who_is_killed_in_it_has_changed_nothing(tmp_path: Path) -> None:
    path = old_file(tmp_path / "slots.db")
    program = (
        "import os, sys\n"
        "from tests.journal.test_migrating import opened, to_1\n"
        "def step(old):\n"
        "    if old['quantity'] == 1200:\n        os.kill(os.getpid(), 9)\n"
        "    return to_1(old)\n"
        "opened(sys.argv[1], 1, migrate={0: step})\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode == -9
    with open_store(path, key=str, record=Old) as store:
        assert store.snapshot()["5"] == Old(5)
    with opened(path, 1, migrate={0: to_1}) as moved:
        assert moved.snapshot()["5"] == New(Decimal(5))
        assert len(moved.snapshot()) == 1_299


def test_what_is_no_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    for schema, migrate, error in (
        ("1", None, ArgumentTypeError),
        (True, None, ArgumentTypeError),
        (-1, None, ArgumentValueError),
        (1, [to_1], ArgumentTypeError),
        (1, {0: 5}, ArgumentTypeError),
    ):
        with pytest.raises(error):
            opened(path, schema, migrate=migrate)  # type: ignore[arg-type]
    assert not path.exists()
    with opened(path, 3) as store:  # a new file is of the schema of now
        store.set("a", New(Decimal(1)))
    opened(path, 3).close()

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
    with open_store(path, key=str, record=Old, form=form, sync="normal") as store:
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


class Shut(Record):
    shut: bool


class Mode(Record):
    open: bool


def with_metas(path: Path, form: Any) -> list[Shut | None]:
    """A file with more meta values in its log than are rewritten at a time; they."""
    metas: list[Shut | None] = [None]
    with open_store(path, key=str, record=Old, meta=Shut, form=form, sync="normal") as store:
        for n in range(1_005):
            store.set_meta(None if n % 400 == 200 else Shut(n % 2 == 0))
            metas.append(store.snapshot().meta)
        store.set("a", Old(1))
    return [*metas, metas[-1]]


def to_mode(old: Any) -> Any:
    return {"open": not old["shut"]}


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_the_meta_value_is_led_up_to_now_and_the_log_with_it(form: Any, tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    metas = with_metas(path, form)
    with open_store(
        path, key=str, record=Old, meta=Mode, schema=1, migrate_meta={0: to_mode}
    ) as store:
        now = store.snapshot()
        assert now.version == len(metas) - 1
        for version in (0, 1, 2, 200, 201, 202, 999, 1_000, 1_001, 1_002, now.version):
            old = metas[version]
            assert store.at(version).meta == (None if old is None else Mode(not old.shut))
        assert now["a"] == Old(1)
    assert main(["verify", str(path)]) == 0
    # What differs next is the records alone, and then both.
    with open_store(
        path,
        key=str,
        record=New,
        meta=Shut,
        schema=3,
        migrate={1: to_1, 2: to_2},
        migrate_meta={2: lambda mode: Shut(not mode["open"])},
    ) as store_of_3:
        assert store_of_3.snapshot()["a"] == New(Decimal(1), "moved")
        assert store_of_3.snapshot().meta == metas[-1]


def test_a_meta_value_that_cannot_be_led_up_leaves_all_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    metas = with_metas(path, "json")
    for wrong, problem in (
        ({0: to_mode, 1: to_mode}, KeyError),  # the second one finds no "shut"
        ({0: lambda _: "open", 1: lambda _: "open"}, JournalFileError),
        ({0: to_mode}, JournalFileError),  # and nothing for schema 1
    ):
        with pytest.raises(problem):
            open_store(path, key=str, record=Old, meta=Mode, schema=2, migrate_meta=wrong)
    with pytest.raises(JournalFileError, match="is no meta of now"):  # without a function for it
        open_store(path, key=str, record=Old, meta=Mode, schema=1, migrate={0: lambda old: old})
    with open_store(path, key=str, record=Old, meta=Shut) as store:
        assert store.snapshot().meta == metas[-1]
        assert store.at(1).meta == metas[1]


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
        if migrate is not None:
            with pytest.raises(error, match="migrate_meta"):
                opened(path, schema, migrate_meta=migrate)
    assert not path.exists()
    with opened(path, 3) as store:  # a new file is of the schema of now
        store.set("a", New(Decimal(1)))
    opened(path, 3).close()

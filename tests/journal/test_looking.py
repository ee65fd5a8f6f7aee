"""The commands that look at a file: what they print, and what they find wrong."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cowstate.cli import main
from cowstate.journal import open_store
from tests.journal.files import Slot, opened


@pytest.fixture(params=["json", "msgpack"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "slots.db"
    with opened(path, form=request.param) as store:
        store.set("a", Slot(1, "ann"))
        store.transact(lambda tx: tx.update({"a": Slot(2), "b": Slot(5)}))
        store.set_meta("open")
        store.delete("a")
    return path


def printed(capsys: pytest.CaptureFixture[str], *argv: object, status: int = 0) -> str:
    assert main([str(each) for each in argv]) == status
    out, err = capsys.readouterr()
    assert err == "" or status == 2
    return out or err


def as_json(capsys: pytest.CaptureFixture[str], *argv: object, status: int = 0) -> list[Any]:
    lines = printed(capsys, *argv, "--json", status=status).splitlines()
    return [json.loads(line) for line in lines]


def test_log(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "log", file)
    assert [each["version"] for each in found] == [1, 2, 3, 4]
    assert found[1]["changes"] == [
        {"key": "a", "old": {"quantity": 1, "owner": "ann"}, "new": {"quantity": 2, "owner": ""}},
        {"key": "b", "new": {"quantity": 5, "owner": ""}},
    ]
    assert found[2]["meta"] == {"new": "open"}
    assert found[3]["changes"] == [{"key": "a", "old": {"quantity": 2, "owner": ""}}]
    assert all(each["who"].startswith("process ") for each in found)
    lines = printed(capsys, "log", file, "--last", 1).splitlines()
    assert lines[0].split() == ["version", "time", "keys", "meta", "who"]
    assert len(lines) == 2
    assert lines[1].startswith("4        20")


@pytest.mark.parametrize(
    ("how", "version", "records"),
    [
        ((), 4, {"b": 5}),
        (("--at", 2), 2, {"a": 2, "b": 5}),
        (("--at", 0), 0, {}),
        (("--as-of", "2000-01-01"), 0, {}),
        (("--as-of", "2100-01-01T00:00:00+02:00"), 4, {"b": 5}),
    ],
)
def test_show_and_export(
    how: Any, version: int, records: Any, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = as_json(capsys, "show", file, *how)
    assert shown["version"] == version
    assert shown["meta"] == ("open" if version == 4 else None)
    assert {row["key"]: row["record"]["quantity"] for row in shown["records"]} == records
    head, *rows = map(json.loads, printed(capsys, "export", file, *how).splitlines())
    assert head == {"version": version, "meta": shown["meta"]}
    assert rows == shown["records"]
    lines = printed(capsys, "show", file, *how).splitlines()
    assert lines[0].startswith(f"version {version}, {len(records)} records")
    assert len(lines) == 2 + len(records)


def test_diff(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(capsys, "diff", file, 1, 4) == [
        {"key": "a", "old": {"quantity": 1, "owner": "ann"}},
        {"key": "b", "new": {"quantity": 5, "owner": ""}},
    ]
    back = as_json(capsys, "diff", file, 4, 1)
    assert [set(row) for row in back] == [{"key", "new"}, {"key", "old"}]
    assert printed(capsys, "diff", file, 2, 2).split() == ["key", "old", "new"]


def test_looking_is_possible_while_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path / "slots.db") as store:
        for n in range(1, 4):
            store.set("a", Slot(n))
            assert as_json(capsys, "verify", store.journal.path) == [
                {"oldest": 0, "newest": n, "faults": []}
            ]
            [shown] = as_json(capsys, "show", store.journal.path)
            assert shown["records"][0]["record"]["quantity"] == n


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("show", "FILE", "--at", "5"), "there is no version 5; the newest is 4"),
        (("show", "FILE", "--as-of", "noon"), "'noon' is no time"),
        (("show", "FILE", "--as-of", "nan"), "'nan' is no time"),
        (("show", "FILE", "--at", "1", "--as-of", "0"), "not allowed with argument --at"),
        (("log", "FILE", "--last", "0"), "'0' is no number of commits"),
        (("log", "FILE", "--last", "-3"), "'-3' is no number of commits"),
        (("show", "nowhere\0"), "cannot be read: "),
        (("log", "MISSING"), "is not there; name the file"),
        (("log", "OTHER"), "is no file of a store that this version knows"),
        (("verify", "TEXT"), "cannot be read: file is not a database"),
    ],
)
def test_what_cannot_be_looked_at_gets_one_line(
    argv: tuple[str, ...], message: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = file.with_name("OTHER")
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    file.with_name("TEXT").write_text("hello " * 300)
    names = {"FILE": str(file), "OTHER": str(other)}
    argv = tuple(
        names.get(each, str(file.with_name(each)) if each.isupper() else each) for each in argv
    )
    said = printed(capsys, *argv, status=2)
    assert message in said
    assert said.count("\n") == 1


BREAKS = {
    "UPDATE records SET value = '{\"quantity\":6}'": "left under",
    "DELETE FROM records": "left under",
    "INSERT INTO records VALUES ('\"z\"', '{}', 4)": "1 records are there that no commit",
    "UPDATE records SET version = 9": "is of version 9, and the newest is 4",
    "DELETE FROM commits WHERE version = 2": "the versions from 2 to 2 are missing",
    "DELETE FROM changes WHERE version = 1": "that no commit in the log wrote",
    "UPDATE changes SET old = '{}' WHERE version = 4": "left under",
    "UPDATE meta SET value = '\"shut\"'": "left another meta value",
    "UPDATE commits SET new_meta = NULL": "a meta value that no commit",
    "UPDATE commits SET time = time + 1e6 WHERE version = 2": "was written after the one",
    "INSERT INTO changes VALUES (7, 'x', NULL, NULL)": "changes of version 7",
    "UPDATE records SET version = 1": "is of version 1, and 2 was the last that changed it",
    "UPDATE records SET value = 17": "cannot be read: ",
    "UPDATE records SET key = '{'": "cannot be read: ",
    "UPDATE records SET value = x'c1'": "cannot be read: ",
    "UPDATE meta SET value = '{'": "the meta value cannot be read: ",
    "UPDATE commits SET time = 'x' WHERE version = 2": "which is no time",
    "DROP TABLE changes": "cannot be read to its end: no such table",
}


@pytest.mark.parametrize("statement", BREAKS)
def test_verify_finds_what_is_wrong(
    statement: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_json(capsys, "verify", file) == [{"oldest": 0, "newest": 4, "faults": []}]
    assert "versions 0 to 4: all is as the log says" in printed(capsys, "verify", file)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(statement)
    connection.close()
    [found] = as_json(capsys, "verify", file, status=1)
    assert any(BREAKS[statement] in fault for fault in found["faults"]), found
    assert printed(capsys, "verify", file, status=1).endswith("faults\n")


def test_keys_of_any_type_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.db"
    with open_store(path, key=tuple[str, int], record=int) as store:
        store.set(("a", 1), 1)
        store.set(("a", 1), 2)
    [shown] = as_json(capsys, "show", path, "--at", 1)
    assert shown["records"] == [{"key": ["a", 1], "record": 1}]
    assert as_json(capsys, "verify", path)[0]["faults"] == []


TAMPERED = {
    "UPDATE records SET value = '{'": ("show", "export"),
    "UPDATE records SET value = 17": ("show", "export"),
    "UPDATE meta SET value = '{'": ("show", "export"),
    "DELETE FROM meta": ("show", "export", "verify"),
    "DELETE FROM about": ("show", "export", "verify", "log", "diff"),
    "DROP TABLE changes": ("show", "export", "log", "diff"),
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_a_file_that_somebody_else_wrote_to_gets_one_line(
    statement: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(statement)
    connection.close()
    for command in TAMPERED[statement]:
        versions = ("1", "2") if command == "diff" else ()
        assert main([command, str(file), *versions, "--json"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"cowstate {command}: error: ")
        assert said.count("\n") == 1


def test_a_time_that_is_none_is_shown_as_it_is(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("UPDATE commits SET time = 1e300 WHERE version = 2")
    connection.close()
    assert "1e+300?" in printed(capsys, "log", file)


def test_a_time_that_is_no_number_is_passed_over(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("UPDATE commits SET time = 'noon'")
    connection.close()
    assert "'noon'?" in printed(capsys, "log", file)
    assert '"lag": null' in printed(capsys, "watch", file, "--count", "1", "--json")
    assert printed(capsys, "show", file, "--as-of", "1e10").startswith("version 0, ")

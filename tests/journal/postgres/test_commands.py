"""The commands that look: over a server they say what they say of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cowstate.cli import main
from cowstate.journal import Bounds, JournalError, open_store
from cowstate.journal.watching import looks
from tests.journal.files import INDEXES, Slot, Slots
from tests.journal.postgres.servers import Cluster, opened


def written(store: Slots) -> None:
    with store:
        store.set("a", Slot(1, "ann"))
        store.transact(lambda tx: tx.update({"a": Slot(2), "b": Slot(5)}))
        store.set_meta("open")
        store.delete("a")
        store.set_meta(None)


@pytest.fixture(params=["json", "msgpack"])
def places(
    request: pytest.FixtureRequest, cluster: Cluster, name: str, tmp_path: Path
) -> tuple[list[str], list[str]]:
    """The same store in a file and on a server, as arguments."""
    path = str(tmp_path / "slots.db")
    kinds: dict[str, Any] = {"key": str, "record": Slot, "meta": str, "indexes": INDEXES}
    written(open_store(path, form=request.param, **kinds))
    written(opened(cluster, name, form=request.param))
    return [path], [cluster.url, "--name", name]


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main([*argv])
    return status, *capsys.readouterr()


LOOKS: list[tuple[str, ...]] = [
    ("show",),
    ("show", "--json"),
    ("show", "--at", "2"),
    ("show", "--at", "0", "--json"),
    ("show", "--at", "4"),
    ("show", "--at", "9"),
    ("show", "--as-of", "2000-01-01"),
    ("show", "--as-of", "2100-01-01"),
    ("export",),
    ("export", "--at", "1"),
    ("verify",),
    ("verify", "--json"),
]


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_server_is_looked_at_as_a_file_is(
    look: tuple[str, ...],
    places: tuple[list[str], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command, *options = look
    file, server = (said(capsys, command, *place, *options) for place in places)
    assert file == server
    assert file[1] or file[0] == 2


def test_log_and_diff(
    places: tuple[list[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    file, server = (
        [json.loads(line) for line in said(capsys, "log", *place, "--json")[1].splitlines()]
        for place in places
    )
    for each in (*file, *server):
        assert each.pop("time") > 1.7e9
        assert each.pop("who").startswith("process ")
    assert file == server
    assert [each["version"] for each in server] == [1, 2, 3, 4, 5]
    status, out, _ = said(capsys, "log", *places[1], "--last", "2")
    assert (status, [line.split()[0] for line in out.splitlines()]) == (0, ["version", "4", "5"])
    for versions in (("1", "4"), ("4", "1"), ("2", "2"), ("0", "7")):
        first, second = (said(capsys, "diff", place[0], *versions, *place[1:]) for place in places)
        assert first == second


def test_what_was_compacted_is_told(
    cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(cluster, name, bounds=Bounds(versions=2)) as store:
        for n in range(20):
            store.set("a", Slot(n))
        oldest = store.journal.compact(versions=2)
    place = (cluster.url, "--name", name)
    assert said(capsys, "verify", *place) == (
        0, f"versions {oldest} to 20: all is as the log says\n", ""
    )  # fmt: skip
    status, out, err = said(capsys, "show", *place, "--at", str(oldest - 1))
    assert (status, out) == (2, "")
    assert f"{oldest}" in err
    assert said(capsys, "show", *place, "--at", str(oldest))[0] == 0


def test_a_long_log_is_gone_through_in_parts(
    cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cowstate.journal.postgres.view.AT_ONCE", 3)
    with opened(cluster, name, sync="normal") as store:
        for n in range(11):
            store.set("ab"[n % 2], Slot(n))
    place = (cluster.url, "--name", name, "--json")
    whole = {"oldest": 0, "newest": 11, "faults": []}
    assert json.loads(said(capsys, "verify", *place)[1]) == whole
    with cluster.connect() as connection:
        for missing in range(4, 9):  # a whole part, and more
            connection.execute(f"DELETE FROM cowstate_{name}.commits WHERE version = {missing}")
    status, out, _ = said(capsys, "verify", *place)
    assert status == 1
    faults = json.loads(out)["faults"]
    assert "the versions from 4 to 8 are missing from the log" in faults
    assert sum("there are changes of version" in fault for fault in faults) == 5


BREAKS = {
    'UPDATE {}.records SET value = \'{{"quantity":6,"owner":""}}\'': "left under",
    "UPDATE {}.records SET version = 9": "is of version 9, and the newest is 5",
    "UPDATE {}.records SET version = 1": "was the last that changed it",
    "DELETE FROM {}.records": "left under",
    "INSERT INTO {}.records VALUES ('\"z\"', '1', 1)": "that no commit in the log wrote",
    "UPDATE {}.changes SET old = '3' WHERE old IS NULL AND version = 1": "no commit in the log",
    "DELETE FROM {}.commits WHERE version = 3": "from 3 to 3 are missing",
    "UPDATE {}.commits SET time = 0 WHERE version = 5": "was written after the one that follows",
    "UPDATE {}.meta SET value = '\"shut\"'": "left another meta value",
    "UPDATE {}.meta SET value = '{{'": "the meta value cannot be read",
    "UPDATE {}.records SET key = '{{'": "cannot be read",
    "UPDATE {}.writer SET version = 4": "in the log is 5, and the writer's was 4",
    "UPDATE {}.writer SET version = 7": "in the log is 5, and the writer's was 7",
}


@pytest.mark.parametrize("statement", BREAKS)
def test_verify_finds_what_is_wrong(
    statement: str, cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(opened(cluster, name))
    with cluster.connect() as connection:
        connection.execute(statement.format(f"cowstate_{name}"))
    status, out, _ = said(capsys, "verify", cluster.url, "--name", name, "--json")
    faults = json.loads(out)["faults"]
    assert status == 1
    assert any(BREAKS[statement] in fault for fault in faults), faults


def test_watch_tells_each_version_once(
    cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(cluster, name) as store:
        writes: list[Callable[[], object]] = [
            bool,  # nothing: nothing is told
            lambda: store.set("a", Slot(3)),
            lambda: store.transact(lambda tx: tx.update(b=Slot(4))),
        ]

        def pause() -> None:
            writes.pop(0)()

        found = looks(cluster.url, ["quantity"], pause, name=name)
        told = [next(found) for _ in range(3)]
        found.close()
    assert [(look.version, look.records) for look in told] == [(0, 0), (1, 1), (2, 2)]
    assert [look.totals for look in told] == [{"quantity": n} for n in ("0", "3", "7")]
    status, out, _ = said(capsys, "watch", cluster.url, "--name", name, "--count", "1", "--json")
    assert (status, json.loads(out)["version"]) == (0, 2)


def test_a_server_that_goes_away_ends_a_watch(own: Cluster, name: str) -> None:
    opened(own, name).close()
    found = looks(own.url, [], own.stop, name=name)
    assert next(found).version == 0
    with pytest.raises(JournalError, match="cannot be had"):
        next(found)


def test_what_is_none_is_refused_in_a_line(
    cluster: Cluster, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ("log", "show", "verify", "watch", "export")
    for command in commands:
        for argv, message in (
            ((cluster.url,), "say which by --name NAME"),
            ((cluster.url, "--name", "No Name"), "is none"),
            ((cluster.url, "--name", name), "is not there: nobody has opened it"),
            ((str(tmp_path / "a.db"), "--name", name), "needs no name"),
            (("postgresql://u:hush@/tmp?host=/nowhere", "--name", name), "cannot be had"),
        ):
            status, out, err = said(capsys, command, *argv)
            assert (status, out) == (2, "")
            assert message in err
            assert err.count("\n") == 1
            assert "hush" not in err

"""What the doors let in once, each by itself."""

from __future__ import annotations

import gzip
import json
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentValueError
from cowstate.cli import main
from cowstate.journal import JournalError, JournalFileError, follow, open_store
from cowstate.positions import read_tape
from cowstate.positions.errors import TapeError
from cowstate.positions.exchange.ccxt.amounts import exact, whole_ms
from cowstate.positions.exchange.ccxt.keys import keys_from_file
from tests.hostile.journals import SCHEMAS, put_in

ROW = b"1,61800.30,0.5,1,1723161256322,true\n"


def slots(path: Path) -> Path:
    with open_store(path, key=str, record=str) as store:
        store.set("a", "one")
    return path


# Journals


SPRINGS = [each for each in SCHEMAS if "VIEW" in each or "TRIGGER" in each]


@pytest.mark.parametrize("script", SPRINGS, ids=["view", "trigger of rows", "trigger"])
@pytest.mark.parametrize("table", ["records", "about", "writer", "commits"])
def test_a_file_that_is_a_program_is_not_run(script: str, table: str, tmp_path: Path) -> None:
    path = slots(tmp_path / "slots.db")
    put_in(path, script.replace("{table}", table))
    before = path.read_bytes()
    looks: list[Callable[[], Any]] = [
        lambda: open_store(path, key=str, record=str),
        lambda: follow(path, key=str, record=str),
    ]
    for look in looks:
        with pytest.raises(JournalFileError, match="is not as a store wrote it"):
            look()
    assert main(["show", str(path)]) == 2
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE records RENAME TO hidden; CREATE VIEW RECORDS AS SELECT * FROM hidden",
        "DROP TABLE records; CREATE TABLE Records (key, value, version)",
        "CREATE TRIGGER spring AFTER UPDATE ON writer BEGIN DELETE FROM commits; END",
    ],
    ids=["view", "table", "trigger"],
)
def test_a_file_that_is_a_program_is_not_run_in_capitals_either(
    script: str, tmp_path: Path
) -> None:
    path = slots(tmp_path / "slots.db")
    put_in(path, script)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET type = upper(type) WHERE type = 'trigger'")
    for look in (open_store, follow):
        with pytest.raises(JournalFileError, match="is not as a store wrote it"):
            look(path, key=str, record=str)


def test_what_somebody_put_beside_the_tables_is_left_alone(tmp_path: Path) -> None:
    path = slots(tmp_path / "slots.db")
    put_in(path, "CREATE VIEW mine AS SELECT * FROM records; CREATE TABLE notes (a); ANALYZE")
    put_in(path, "CREATE INDEX by_version ON records (version)")
    with open_store(path, key=str, record=str) as store:
        store.set("b", "two")
        assert dict(store.snapshot()) == {"a": "one", "b": "two"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchall() == [(2,)]


def test_who_wrote_a_commit_cannot_command_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = slots(tmp_path / "slots.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE writers SET who = ?", ("\x1b]0;x\x07\n2  forged",))
        connection.execute("UPDATE records SET value = ?", ('"\x9b2J"',))
    assert main(["log", str(path)]) == 0
    assert main(["show", str(path)]) == 0
    told = capsys.readouterr().out
    assert "\\x1b]0;x\\x07\\n2  forged" in told
    assert {each for each in told if not each.isprintable()} == {"\n"}


def test_an_error_cannot_command_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(tmp_path / "\x1b[2J.db")]) == 2
    told = capsys.readouterr().err
    assert "\\x1b[2J.db is not there" in told
    assert {each for each in told if not each.isprintable()} == {"\n"}


def test_a_record_of_no_version_is_a_fault_that_verify_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = slots(tmp_path / "slots.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET version = 'x'")
    assert main(["verify", str(path)]) == 1
    assert "is of version 'x', and the newest is 1" in capsys.readouterr().out


# Numbers and rows


@pytest.mark.parametrize("text", ["1e999999999", "-1e999999999", "0e999999999", "1e-999999999"])
def test_a_number_that_fills_the_memory_is_no_amount_and_no_time(text: str) -> None:
    for read in (
        lambda: exact("price", text),
        lambda: whole_ms(text),
        lambda: exact("x", Decimal(text)),
    ):
        with pytest.raises(ArgumentValueError, match="more than 100 digits"):
            read()
    with pytest.raises(ArgumentValueError, match="more than 100 digits"):
        exact("amount", 10**5_000)  # as a text Python would not write


def test_a_row_without_an_end_is_refused_before_it_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(ROW + b"1" * (1 << 24), 1))
    tape = read_tape(path)
    assert next(tape).trade_id == 1
    with pytest.raises(TapeError, match=r"row 2: the row is longer than 65,536 bytes"):
        next(tape)


@pytest.mark.parametrize(
    ("amount", "problem"),
    [
        ("1e-999999999", "has more than 30 decimals"),
        ("0." + "1" * 200, "has more than 100 characters"),
    ],
)
def test_an_amount_that_nobody_trades_is_refused(amount: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    path.write_bytes(ROW.replace(b"0.5", amount.encode()))
    with pytest.raises(TapeError, match=problem):
        list(read_tape(path))


def test_a_file_of_keys_that_is_lists_in_lists_is_none(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.touch(0o600)
    path.write_text("apiKey = " + "[" * 30_000)
    with pytest.raises(ArgumentValueError, match="is no file of keys"):
        keys_from_file(path)


# URLs

URLS = [
    *("POSTGRESQL://u:hunter2@h/db", "mysql://u:hunter2@h/db", "postgresql:/u:hunter2@h/db"),
    *("postgresql://u:x@hunter2@h/db", "postgresql://u:x/hunter2@h/db", "//\0hunter2"),
    *("postgresql://u:hunter2@h:x/db", "postgresql://u%3Ahunter2@h/db", "a://\ud800hunter2"),
    "p\x1b[2J\x9bostgresql:/-0:hunter2@x@h",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_wrong_is_not_repeated(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.chdir(tmp_path)
    name = "slots" if url.startswith("postgresql://") else None
    uses: list[Callable[[], Any]] = [
        lambda: open_store(url, name=name, key=str, record=str),
        lambda: open_store(url if name else Path(url), name=name, key=str, record=str),
        lambda: follow(url, name=name, key=str, record=str),
    ]
    for use in uses:
        with pytest.raises(ArgumentValueError) as caught:
            use()
        assert "hunter2" not in str(caught.value)
    if "\0" not in url:
        assert main(["show", url, "--name", "slots"]) == 2
    assert "hunter2" not in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://u:hunter2@127.0.0.1:1/db", "postgres://:hunter2@[::1]:1/"),
        "postgresql://u:hunter2@.x:1/db",  # whose name nobody can look up
    ],
)
def test_the_errors_of_a_server_that_is_not_there_have_no_password_in_them(url: str) -> None:
    # The driver's own has libpq's connection among its attributes, and that has the password.
    pytest.importorskip("psycopg")
    for use in (open_store, follow):
        with pytest.raises(JournalError) as caught:
            use(url, name="slots", key=str, record=str)
        chain: BaseException | None = caught.value
        while chain is not None:
            assert "hunter2" not in f"{chain!r} {vars(chain)!r}"
            chain = chain.__cause__ or chain.__context__


def test_a_file_whose_name_is_like_a_url_is_named_as_the_error_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ab:").mkdir()
    for url in ("ab:/c.db", "ab://c.db", "./ab://c.db", Path("ab:/c.db")):
        with pytest.raises(ArgumentValueError, match=r"is the str \./a:/b, with one slash"):
            open_store(url, key=str, record=str)
    open_store("./ab:/c.db", key=str, record=str).close()
    assert (tmp_path / "ab:/c.db").is_file()


# Watches and requests


def test_an_event_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    pytest.importorskip("kubernetes")
    from kubernetes.client.exceptions import ApiException

    from cowstate.mirror.kubernetes import KubernetesSource
    from tests.hostile.mirrors import Answer

    answer = Answer(b"x" * (40 << 20), 65_536)
    source: Any = KubernetesSource(lambda **_: answer)
    with pytest.raises(ApiException, match="an event of more than 16,777,216 bytes"):
        list(source.watch("7"))


def test_pages_that_go_round_in_a_ring_are_an_error() -> None:
    pytest.importorskip("kubernetes")
    from kubernetes.client.exceptions import ApiException

    from cowstate.mirror.kubernetes import KubernetesSource
    from tests.hostile.mirrors import Answer

    page = {"metadata": {"resourceVersion": "5", "continue": "on"}, "items": []}
    source: Any = KubernetesSource(lambda **_: Answer(json.dumps(page).encode()))
    with pytest.raises(ApiException, match="go round in a ring"):
        source.list()


def test_a_wait_in_digits_of_another_kind_does_not_hide_the_error() -> None:
    pytest.importorskip("kubernetes")
    from kubernetes.client.exceptions import ApiException

    from cowstate.mirror.kubernetes import KubernetesSource

    def ask(**_: Any) -> Any:
        error = ApiException(status=429, reason="busy")
        error.headers = {"Retry-After": "\u00b2"}
        raise error

    source: Any = KubernetesSource(ask)
    with pytest.raises(ApiException, match="busy"):
        source.list()


@pytest.mark.parametrize("path", ["/", "/events", "/version?version=1"])
def test_a_body_that_is_broken_leaves_no_traceback(
    path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("uvicorn")
    from tests.hostile.requests import answer_to
    from tests.web.serving import client_of, served

    with served(slots(tmp_path / "slots.db")) as server, caplog.at_level(logging.ERROR):
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        broken = f"{head}Transfer-Encoding: chunked\r\n\r\nno chunk\r\n\r\n"
        said = answer_to(server.port, broken.encode())
        assert said[9:12] in (b"400", b"")
        with client_of(server.url) as client:
            assert client.get("/version?version=1").status_code == 200
    assert caplog.records == []

"""A server that cannot be reached, or does not let in: what is said names what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from cowstate.cli import main
from cowstate.journal import JournalError, follow, open_store
from cowstate.journal.postgres.advising import advice
from cowstate.journal.postgres.server import Server
from tests.journal.postgres.guarded import PASSWORD, Guarded
from tests.journal.postgres.servers import SOON

KINDS: dict[str, Any] = {"name": "slots", "key": str, "record": int}


@pytest.fixture(scope="module")
def plain() -> Iterator[Guarded]:
    """A server without TLS."""
    made = Guarded(encrypts=False)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def encrypting() -> Iterator[Guarded]:
    """A server that lets nobody in without TLS; its certificate is signed by nobody else."""
    if shutil.which("openssl") is None:
        pytest.skip("TLS was NOT tested: needs openssl")
    made = Guarded(encrypts=True)
    yield made
    made.remove()


def refused(url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said by whoever opens, follows or looks; all say the same, without a password."""
    said = set()
    for reach in (open_store, follow):
        with pytest.raises(JournalError) as caught:
            reach(url, **KINDS)  # type: ignore[operator]
        error: BaseException | None = caught.value
        said.add(str(error))
        while error is not None:
            assert "hush" not in repr(error)
            error = error.__cause__
    assert main(["show", url, "--name", "slots"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "hush" not in err
    assert len(said) == 1
    return said.pop()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong password": ({"user": "ann:wrong-hush"}, "see to the user in the URL, and to the pass"),
    "a user nobody knows": (
        {"user": "bob:hush"},
        "see to the user in the URL, and to the password",
    ),
    "no password": ({"user": "ann"}, "wants a password: put it into ~/.pgpass"),
    "a user that is let in and is not there": ({"user": "guest"}, "createuser"),
    "a database that is not there": ({"database": "nowhere"}, "createdb -E UTF8"),
}


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("encrypts", [False, True], ids=["plain", "TLS"])
def test_whoever_is_not_let_in_is_told_what_to_do(
    why: str, encrypts: bool, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    server: Guarded = request.getfixturevalue("encrypting" if encrypts else "plain")
    how, message = REFUSED[why]
    text = refused(server.by_network(**how), capsys)
    assert "cannot be had" in text
    assert message in text


def test_tls_where_there_is_none_and_none_where_there_must_be(
    plain: Guarded, encrypting: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "ssl = on" in refused(plain.by_network(sslmode="require"), capsys)
    assert "sslmode there" in refused(encrypting.by_network(sslmode="disable"), capsys)
    # Of a user whom it lets in nowhere it is the same, encrypted.
    local = encrypting.url.replace("postgres@", "ann:hush@")
    assert "see to the user, host and database" in refused(local, capsys)


def test_a_certificate_that_is_not_the_one_is_refused(
    encrypting: Guarded, plain: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    for how in (
        {"sslrootcert": plain.home / "nothing.crt"},
        {"sslrootcert": encrypting.certificate, "host": "127.0.0.1"},
        {"sslrootcert": "system"},
    ):
        text = refused(encrypting.by_network(sslmode="verify-full", **how), capsys)
        assert "sslrootcert= in the URL names the file" in text


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_store_is_written_and_followed_over_tls(mode: str, encrypting: Guarded) -> None:
    url = encrypting.by_network(sslmode=mode, sslrootcert=encrypting.certificate)
    kinds = {**KINDS, "name": mode.replace("-", "_")}
    with open_store(url, **kinds) as store, follow(url, **kinds) as follower:
        commit = store.set("a", 1)
        assert follower.wait_for(version=commit.version, timeout=SOON)["a"] == 1
        with encrypting.connect() as connection:
            found = connection.execute(
                "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                " WHERE usename = 'ann'"
            ).fetchall()
        assert len(found) >= 2  # to write, and to follow; and soon to keep the lease
        assert {encrypted for (encrypted,) in found} == {True}


def test_who_is_let_in_by_a_password_writes(plain: Guarded) -> None:
    with open_store(plain.by_network(), **KINDS) as store:
        assert store.set("a", 1).version > 0
        assert PASSWORD not in store.journal.path


def test_a_server_whose_places_are_taken(
    plain: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    with plain.connect() as connection:
        connection.execute("ALTER ROLE ann CONNECTION LIMIT 0")
    try:
        assert "raise max_connections" in refused(plain.by_network(), capsys)
    finally:
        with plain.connect() as connection:
            connection.execute("ALTER ROLE ann CONNECTION LIMIT -1")


def test_what_is_not_known_has_no_advice_but_that_a_password_is_wanted() -> None:
    class Handle:
        needs_password = True

    assert advice("Verbindung verweigert") is None
    assert advice("kein Passwort angegeben", Handle()) == advice("no password supplied")


def test_what_was_written_is_taken_for_no_reason() -> None:
    import psycopg

    server = Server("postgresql:///trading", "slots")
    text = "invalid value: certificate"
    assert "sslrootcert" in str(server.refused(psycopg.OperationalError(text)))
    assert "sslrootcert" not in str(server.refused(psycopg.DataError(text)))

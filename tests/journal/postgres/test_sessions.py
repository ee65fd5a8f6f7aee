"""What a role, a database or a URL says of a session changes nothing of what a store does."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from cowstate.journal import JournalError, follow, open_store
from tests.journal.files import Slot
from tests.journal.postgres.servers import SOON, Cluster, is_held_up, opened
from tests.standing import eventually

TEXTS = ["a", "ä", "€", "null", "NULL", "{}", '"', "\\", "a,b", "\0", " ", "%s", "'", "$1", "😀"]

SETTINGS = [
    "client_encoding = 'LATIN1'",
    "client_encoding = 'SQL_ASCII'",
    "bytea_output = 'escape'",
    "standard_conforming_strings = off",
    "datestyle = 'german'",
    "search_path = 'nowhere'",
]

Role = Callable[[str], Any]


@pytest.fixture
def role(cluster: Cluster, name: str) -> Role:
    """A user of whom the server says something; its URL, as of a cluster."""

    def made(setting: str) -> Any:
        with cluster.connect() as connection:
            connection.execute(f"CREATE ROLE of_{name} LOGIN SUPERUSER")
            connection.execute(f"ALTER ROLE of_{name} SET {setting}")
        return SimpleNamespace(url=cluster.url.replace("postgres@", f"of_{name}@"))

    return made


def lived(url: str, name: str, form: Any = "json") -> None:
    """A store is written, followed and opened again; all is as it was given."""
    kinds: dict[str, Any] = {"name": name, "key": str, "record": str}
    with open_store(url, form=form, wait=0.0, **kinds) as store, follow(url, **kinds) as follower:
        for text in TEXTS:
            store.set(text, "")
            store.set(text, text)
        now = store.snapshot()
        assert dict(follower.wait_for(version=now.version, timeout=SOON)) == dict(now)
    with open_store(url, wait=0.0, **kinds) as store:
        assert dict(store.snapshot()) == {text: text for text in TEXTS}
        assert dict(store.at(now.version - 1)) == {text: text for text in TEXTS[:-1]} | {"😀": ""}


@pytest.mark.parametrize("setting", SETTINGS)
def test_whatever_a_role_says_texts_are_what_they_were(
    setting: str, cluster: Cluster, name: str, role: Role
) -> None:
    lived(role(setting).url, name)


def test_bytes_are_too(cluster: Cluster, name: str, role: Role) -> None:
    lived(role("bytea_output = 'escape'").url, name, "msgpack")


def test_and_whatever_the_url_says(cluster: Cluster, name: str) -> None:
    lived(f"{cluster.url}&client_encoding=latin1&application_name=ours", name)


def test_what_has_the_name_of_a_function_of_the_servers_is_not_called(
    cluster: Cluster, name: str, role: Role
) -> None:
    with cluster.connect() as connection:
        connection.execute(f"CREATE SCHEMA of_{name}")
        connection.execute(
            f"CREATE FUNCTION of_{name}.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'called'; END $$"
        )
    lived(role(f"search_path = of_{name}, pg_catalog").url, name)


def test_a_sign_of_life_in_the_middle_of_a_write_does_not_make_it_fail(
    cluster: Cluster, name: str, role: Role
) -> None:
    # As serializable it would: "could not serialize access due to concurrent update".
    told: list[int] = []
    with (
        opened(role("default_transaction_isolation = 'serializable'"), name) as store,
        cluster.connect() as other,
        cluster.connect() as looking,
    ):
        other.execute("BEGIN")
        other.execute(f"UPDATE cowstate_{name}.writer SET until = until + interval '1 second'")
        writer = Thread(target=lambda: told.append(store.set("a", Slot(1)).version))
        writer.start()
        eventually(lambda: is_held_up(looking, name), "the write should wait for the row", SOON)
        other.execute("COMMIT")
        writer.join(SOON)
        assert told == [1]


def test_who_may_not_write_is_told_what_to_look_at(cluster: Cluster, name: str, role: Role) -> None:
    opened(cluster, name).close()
    reads = role("default_transaction_read_only = on")
    with pytest.raises(JournalError, match=r"cannot be written.*target_session_attrs=read-write"):
        opened(reads, name)

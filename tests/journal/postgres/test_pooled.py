"""Through a pooler: one that keeps sessions will do, and one that does not is refused."""

from __future__ import annotations

from collections.abc import Iterator
from selectors import DefaultSelector
from typing import Any

import pytest

from cowstate.journal import JournalError, follow, open_store
from tests.journal.postgres.guarded import Guarded, Pool, pooler
from tests.journal.postgres.servers import SOON

KINDS: dict[str, Any] = {"key": str, "record": int}


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    if pooler() is None:
        pytest.skip("poolers were NOT tested: apt-get install pgbouncer")
    made = Guarded(encrypts=False)
    yield made
    made.remove()


@pytest.fixture
def pool(request: pytest.FixtureRequest, server: Guarded) -> Iterator[str]:
    """The URL of the database, by way of a pooler that was asked for by mode and size."""
    made = Pool(server, *request.param)
    yield server.by_network(port=made.port)
    made.close()


@pytest.mark.parametrize("pool", [("transaction", 20), ("transaction", 1)], indirect=True)
def test_one_that_gives_each_transaction_another_session_is_refused(
    pool: str, server: Guarded, name: str
) -> None:
    for reach in (open_store, follow):
        with pytest.raises(JournalError, match=r"behind a pooler .* pool_mode = session") as caught:
            reach(pool, name=name, **KINDS)  # type: ignore[operator]
        assert "hush" not in str(caught.value)
    # Nothing was made, and no session of others' was settled.
    import psycopg

    with server.connect() as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'cowstate%'")
        assert found.fetchall() == []
    with psycopg.connect(pool) as another:
        [(path,)] = another.execute("SHOW search_path").fetchall()
        assert path != "pg_catalog"


@pytest.mark.parametrize("pool", [("transaction", 3)], indirect=True)
def test_it_is_found_out_while_others_use_it(pool: str, name: str) -> None:
    import psycopg

    with psycopg.connect(pool) as first, psycopg.connect(pool) as second:
        for each in (first, second):
            each.execute("SELECT 1")  # and a transaction is open
        with pytest.raises(JournalError, match="behind a pooler"):
            open_store(pool, name=name, **KINDS)


@pytest.mark.parametrize("pool", [("session", 20), ("session", 3)], indirect=True)
def test_one_that_keeps_sessions_will_do(pool: str, name: str) -> None:
    with open_store(pool, name=name, **KINDS) as store, follow(pool, name=name, **KINDS) as seen:
        for n in range(20):
            commit = store.update("a", lambda _, n=n: n) if n else store.set("a", 0)
        assert seen.wait_for(version=commit.version, timeout=SOON)["a"] == 19
    with open_store(pool, name=name, **KINDS) as store:
        assert store.snapshot()["a"] == 19


@pytest.mark.parametrize("pool", [("session", 20)], indirect=True)
def test_one_that_does_not_answer_in_time_is_said_to_be_that(
    pool: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(DefaultSelector):
        def select(self, timeout: float | None = None) -> list[Any]:
            return []

    monkeypatch.setattr("cowstate.journal.postgres.pooling.DefaultSelector", Deaf)
    for reach in (open_store, follow):
        with pytest.raises(JournalError, match=r"cannot be had: .* gave no answer in time"):
            reach(pool, name=name, **KINDS)  # type: ignore[operator]

"""What is measured on a server is what it is said to be: the same rows, by a store or without."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate.bench.followed import run_follow
from cowstate.bench.measure import Settings
from cowstate.bench.places import SERVER, a_name_on
from cowstate.bench.reopening import more
from cowstate.bench.served import BARE, OURS, bare_loop, filled, run_served, served_targets
from tests.journal.postgres.servers import Cluster

QUICK = Settings.quickly(2)


def rows(connection: Any, name: str | None) -> list[Any]:
    schema = f"cowstate_{name}"
    return [
        connection.execute(text).fetchall()
        for text in (
            f"SELECT version, key, old, new FROM {schema}.changes ORDER BY version DESC LIMIT 3",
            f"SELECT count(*), max(version) FROM {schema}.commits",
            f"SELECT key, value, version FROM {schema}.records ORDER BY key",
            f"SELECT version FROM {schema}.writer",
        )
    ]


def test_the_bare_loop_writes_the_same_rows(cluster: Cluster) -> None:
    keys = ["0000003", "0000001", "0000003"]
    found = []
    with cluster.connect() as connection:
        with a_name_on(cluster.url) as place, filled(place) as store:
            for key in keys:
                store.update(key, more)
            found.append(rows(connection, place.name))
        with a_name_on(cluster.url) as place, bare_loop(place) as update:
            for key in keys:
                update(key)
            found.append(rows(connection, place.name))
            connection.execute(f"UPDATE cowstate_{place.name}.writer SET epoch = epoch + 1")
            with pytest.raises(RuntimeError, match="somebody else"):
                update(keys[0])
        assert found[0] == found[1]
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cowstate_bench_%'"
        )
        assert left.fetchall() == []


def test_each_is_measured_where_a_server_is_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER, cluster.url)
    figures = run_served(200, QUICK)
    assert [figure.variant for figure in figures] == [OURS, BARE]
    [target] = served_targets()
    assert target.measure is not None
    assert not isinstance(target.measure(QUICK), str)
    assert {figure.variant for figure in run_follow(200, QUICK)} == {"SQLite", "PostgreSQL"}

"""Six defects of the official client's own informer, each shown there, and that ours has it not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from tests.mirror.apiserver import PATIENCE
from tests.mirror.test_kubernetes import Cluster, client, cluster

informers = pytest.importorskip("kubernetes.informer", reason="this client has no informer")

__all__ = ["cluster"]  # the fixture


class Told:
    """What an informer's handlers were told: ``(kind, name, what the cache had then)``."""

    def __init__(self, informer: Any) -> None:
        self.informer = informer
        self.all: SimpleQueue[tuple[str, str, bool]] = SimpleQueue()
        for kind in ("ADDED", "MODIFIED", "DELETED"):
            informer.add_event_handler(kind, self.handler(kind))

    def handler(self, kind: str) -> Any:
        def handle(pod: Any) -> None:
            name = pod.metadata.name
            there = self.informer.cache.get_by_key(f"shop/{name}") is not None
            self.all.put((kind, name, there))

        return handle

    def next(self) -> tuple[str, str, bool]:
        return self.all.get(timeout=PATIENCE)


@contextmanager
def informed(cluster: Cluster) -> Iterator[tuple[Any, Told]]:
    informer = informers.SharedInformer(cluster.pods.list_namespaced_pod, namespace="shop")
    told = Told(informer)
    informer.start()
    try:
        yield informer, told
    finally:
        # Its own stop() waits for ever if it comes just when a watch is opened; this does not.
        informer._stop_event.set()
        cluster.api.put("farewell")
        informer._thread.join(PATIENCE)
        assert not informer._thread.is_alive()
        cluster.api.delete("farewell")


def test_1_what_was_deleted_is_told_when_it_is_gone(cluster: Cluster) -> None:
    cluster.api.put("goes")
    with informed(cluster) as (_, told):
        assert told.next() == ("ADDED", "goes", True)
        cluster.api.await_watches(1)
        cluster.api.forget("goes")
        # The informer's cache still has it when the handler is told that it has not.
        assert told.next() == ("DELETED", "goes", True)
    cluster.api.put("goes")
    began = len(cluster.api.watches)
    with cluster.mirror() as mirror:
        mirror.wait_synced(PATIENCE)
        cluster.api.await_watches(began + 1)
        there: list[bool] = []
        cluster.store.subscribe(
            lambda commit: there.append("shop/goes" in cluster.store.snapshot())
        )
        cluster.api.forget("goes")
        cluster.await_equal()
        cluster.store.flush()
    assert there == [False]


def test_2_what_has_not_changed_is_not_told(cluster: Cluster) -> None:
    cluster.api.put("same")
    with informed(cluster) as (_, told):
        assert told.next()[:2] == ("ADDED", "same")
        cluster.api.await_watches(1)
        cluster.api.compact()
        assert told.next()[:2] == ("MODIFIED", "same")
    began = len(cluster.api.watches)
    with cluster.mirror() as mirror:
        mirror.wait_synced(PATIENCE)
        cluster.api.await_watches(began + 1)
        cluster.api.compact()
        cluster.api.await_watches(began + 3)
    assert mirror.status().lists == 2
    assert len(cluster.told) == 1


def test_3_one_can_wait_until_all_is_there(cluster: Cluster) -> None:
    assert not [name for name in dir(informers.SharedInformer) if "sync" in name.lower()]
    cluster.api.put("a")
    with cluster.mirror() as mirror:
        assert "shop/a" in mirror.wait_synced(PATIENCE)


def test_4_what_is_held_cannot_be_changed_by_who_reads_it(cluster: Cluster) -> None:
    cluster.api.put("a", app="web")
    with informed(cluster) as (informer, told):
        told.next()
        informer.cache.get_by_key("shop/a").metadata.labels["app"] = "ruined"
        assert informer.cache.get_by_key("shop/a").metadata.labels == {"app": "ruined"}
    with cluster.mirror() as mirror:
        pod = mirror.wait_synced(PATIENCE)["shop/a"]
        with pytest.raises(TypeError):
            pod["metadata"]["labels"]["app"] = "ruined"
        assert cluster.store.snapshot()["shop/a"]["metadata"]["labels"]["app"] == "web"


def test_5_who_comes_late_is_told_what_is_there(cluster: Cluster) -> None:
    cluster.api.put("early")
    with informed(cluster) as (informer, told):
        told.next()
        late = Told(informer)
        cluster.api.await_watches(1)
        cluster.api.put("next")
        # It is told of what comes, and never of what is there.
        assert late.next()[:2] == ("ADDED", "next")
    with cluster.mirror() as mirror:
        mirror.wait_synced(PATIENCE)
        seen: list[str] = []
        cluster.store.subscribe(lambda commit: seen.extend(commit.changes), initial=True)
        assert sorted(seen) == ["shop/early", "shop/next"]


def test_6_two_reads_can_be_of_one_version(cluster: Cluster) -> None:
    cluster.api.put("a", n="1")
    with informed(cluster) as (informer, told):
        told.next()
        keys = informer.cache.list_keys()
        cluster.api.await_watches(1)
        cluster.api.delete("a")
        assert told.next()[0] == "DELETED"
        # What one read listed, the next one has not, and nothing says that they differ.
        assert [informer.cache.get_by_key(key) for key in keys] == [None]
        assert not hasattr(informer.cache, "version")
    cluster.api.put("a", n="2")
    with cluster.mirror() as mirror:
        now = mirror.wait_synced(PATIENCE)
        cluster.api.delete("a")
        cluster.await_equal()
        assert [now[key]["metadata"]["labels"]["n"] for key in now] == ["2"]
        assert cluster.store.snapshot().version > now.version


def test_what_this_is_about_is_the_official_client() -> None:
    assert client.__name__ == "kubernetes.client"

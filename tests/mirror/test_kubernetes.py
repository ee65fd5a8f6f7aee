"""A mirror of Kubernetes, by the official client, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, Store, WaitTimeoutError, thaw
from cowstate.mirror import AsyncMirror, Mirror
from tests.mirror.apiserver import PATIENCE, ApiServer, serving

client = pytest.importorskip("kubernetes.client", reason="the client is not installed here")

from cowstate.mirror.kubernetes import KubernetesSource, key_of, revision_of  # noqa: E402


class Cluster:
    """A server, the official client for it, and a store that mirrors its pods."""

    def __init__(self, api: ApiServer, address: str) -> None:
        self.api = api
        configuration = client.Configuration(host=address)
        configuration.proxy = None
        configuration.retries = False
        self.pods = client.CoreV1Api(client.ApiClient(configuration))
        self.store: Store[str, Any] = Store()
        self.told: list[Any] = []
        self.store.subscribe(self.told.append)

    def source(self, **options: Any) -> KubernetesSource[Any]:
        return KubernetesSource(self.pods.list_namespaced_pod, "shop", **options)

    def mirror(self, **options: Any) -> Mirror[str, Any]:
        return Mirror(self.store, self.source(**options), backoff=lambda failures: 0.0)

    def await_equal(self) -> Any:
        """Return when the store holds what the server does."""
        expected = {f"shop/{name}": pod["metadata"] for name, pod in self.api.pods.items()}

        def equal(now: Any) -> bool:
            return {key: thaw(pod["metadata"]) for key, pod in now.items()} == expected

        return self.store.wait_for(equal, PATIENCE)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with serving() as (api, address):
        yield Cluster(api, address)


def names(changes: Any) -> list[str]:
    return sorted(changes)


def test_it_lists_in_pages_and_watches_with_bookmarks(cluster: Cluster) -> None:
    for n in range(5):
        cluster.api.put(f"web-{n}")
    with cluster.mirror(page=2, label_selector="app=web") as mirror:
        assert len(mirror.wait_synced(PATIENCE)) == 5
        cluster.api.put("web-5", app="web")
        cluster.api.put("web-0", app="web")
        cluster.api.delete("web-1")
        cluster.await_equal()
    assert [names(commit.changes) for commit in cluster.told] == [
        [f"shop/web-{n}" for n in range(5)],
        ["shop/web-5"],
        ["shop/web-0"],
        ["shop/web-1"],
    ]
    assert [asked.get("continue") for asked in cluster.api.lists] == [None, "2", "4"]
    (watched,) = cluster.api.watches
    assert watched["allowWatchBookmarks"].lower() == "true"
    assert {asked["labelSelector"] for asked in [watched, *cluster.api.lists]} == {"app=web"}
    assert mirror.status().revision == cluster.api.revision


def test_an_object_is_the_same_whether_it_was_listed_or_watched(cluster: Cluster) -> None:
    cluster.api.put("web")
    with cluster.mirror() as mirror:
        listed = mirror.wait_synced(PATIENCE)["shop/web"]
        cluster.api.await_watches(1)
        cluster.api.repeat()
        cluster.api.put("other")
        cluster.await_equal()
        assert cluster.store.snapshot()["shop/web"] is listed
    assert (listed["kind"], listed["apiVersion"]) == ("Pod", "v1")
    assert cluster.store.snapshot()["shop/other"]["kind"] == "Pod"


@pytest.mark.parametrize("order", ["cut", "end"])
def test_a_stream_that_is_cut_goes_on_where_it_was(cluster: Cluster, order: str) -> None:
    cluster.api.put("a")
    with cluster.mirror() as mirror:
        mirror.wait_synced(PATIENCE)
        for n in range(1, 4):
            cluster.api.await_watches(n)
            cluster.api.put("a", n=str(n))
            cluster.api.order(order)
            cluster.api.put(f"b-{n}")
            cluster.await_equal()
    assert len(cluster.api.lists) == 1
    assert len(cluster.told) == 7
    assert bool(mirror.status().errors) == (order == "cut")


@pytest.mark.parametrize("by_event", [False, True])
def test_after_410_gone_one_version_has_what_changed_and_what_was_deleted(
    cluster: Cluster, by_event: bool
) -> None:
    cluster.api.tells_gone_by_event = by_event
    for name in ("stays", "goes", "also"):
        cluster.api.put(name)
    with cluster.mirror() as mirror:
        known = mirror.wait_synced(PATIENCE)
        cluster.api.await_watches(1)
        cluster.api.forget("goes", "also")
        now = cluster.await_equal()
    relist = cluster.told[-1]
    assert names(relist.changes) == ["shop/also", "shop/goes"]
    assert relist.changes["shop/goes"].old is known["shop/goes"]
    assert now["shop/stays"] is known["shop/stays"]
    assert mirror.status().gone == 1


@pytest.mark.parametrize("by_event", [False, True])
def test_a_server_that_was_restored_is_listed_again(cluster: Cluster, by_event: bool) -> None:
    cluster.api.tells_gone_by_event = by_event
    for name in "abc":
        cluster.api.put(name)
    mirror = Mirror(cluster.store, cluster.source(), backoff=lambda failures: 0.0, rewind=0)
    with mirror:
        mirror.wait_synced(PATIENCE)
        cluster.api.await_watches(1)
        cluster.api.restore(1, "a")
        cluster.await_equal()
        assert dict(mirror.status().errors)["RevisionGoneError"] == 1
    assert mirror.status().revision == 1


@pytest.mark.parametrize("metadata", [{}, {"resourceVersion": ""}, None])
def test_a_list_without_a_revision_is_an_error_and_not_watched_from_nowhere(
    cluster: Cluster, metadata: Any
) -> None:
    cluster.api.list_metadata = metadata
    with cluster.mirror() as mirror:
        cluster.api.await_lists(2)
        with pytest.raises(WaitTimeoutError, match=r"no resourceVersion.* PollingSource"):
            mirror.wait_synced(0)
    assert cluster.api.watches == []
    assert not mirror.synced


def test_a_bookmark_moves_the_revision_and_nothing_else(cluster: Cluster) -> None:
    cluster.api.put("a")
    with cluster.mirror() as mirror:
        mirror.wait_synced(PATIENCE)
        cluster.api.await_watches(1)
        cluster.api.bookmark()
        cluster.api.order("end")
        cluster.api.await_watches(2)
    assert cluster.api.watches[1]["resourceVersion"] == str(cluster.api.revision)
    assert len(cluster.told) == 1


def test_a_list_whose_pages_are_gone_is_read_in_one_piece(cluster: Cluster) -> None:
    for n in range(3):
        cluster.api.put(f"web-{n}")
    cluster.api.refusals = [(410, {})]
    assert len(dict(cluster.source(page=1).list().items)) == 3
    assert [asked.get("limit") for asked in cluster.api.lists] == ["1", None]


def test_who_answers_busy_is_left_alone_so_long(cluster: Cluster) -> None:
    cluster.api.refusals = [(429, {"Retry-After": "7"}), (500, {})]
    slept: list[float] = []
    mirror = Mirror(cluster.store, cluster.source(), backoff=lambda _: 0.5, sleep=slept.append)
    with mirror:
        mirror.wait_synced(PATIENCE)
    assert slept == [7, 0.5]
    assert sum(count for _, count in mirror.status().errors) == 2


def test_closing_ends_a_watch_that_says_nothing(cluster: Cluster) -> None:
    mirror = cluster.mirror()
    mirror.start()
    mirror.wait_synced(PATIENCE)
    cluster.api.await_watches(1)
    assert mirror.close(PATIENCE)
    assert mirror.status().errors == ()


def test_in_a_task(cluster: Cluster) -> None:
    import asyncio

    async def main() -> None:
        async with AsyncMirror(cluster.store, cluster.source(), backoff=float) as mirror:
            await mirror.wait_synced(PATIENCE)
            cluster.api.put("a")
            await asyncio.to_thread(cluster.await_equal)

    asyncio.run(main())


def test_many_changes_and_cuts_lead_to_what_is_there(cluster: Cluster) -> None:
    def change() -> None:
        for n in range(60):
            name = f"web-{n % 7}"
            if n % 5 == 4 and name in cluster.api.pods:
                cluster.api.delete(name)
            else:
                cluster.api.put(name, n=str(n))
            if n % 11 == 10:
                cluster.api.order("cut")
            if n % 17 == 16:
                cluster.api.repeat()
            if n == 40:
                cluster.api.compact()

    with cluster.mirror() as mirror:
        thread = threading.Thread(target=change)
        thread.start()
        thread.join()
        cluster.await_equal()
    assert mirror.status().published == len(cluster.told)


@pytest.mark.parametrize("options", [{"page": 0}, {"page": True}, {"timeout": 0}])
def test_an_argument_that_makes_no_sense_is_refused(options: Any) -> None:
    with pytest.raises(ArgumentValueError):
        KubernetesSource(print, **options)


@pytest.mark.parametrize("options", [{"watch": True}, {"decode": 5}, {"resource_version": "1"}])
def test_what_is_the_sources_own_is_not_to_be_set(options: Any) -> None:
    with pytest.raises(ArgumentTypeError):
        KubernetesSource(print, **options)


@pytest.mark.parametrize("thing", [5, {}, {"metadata": 3}, {"metadata": {"namespace": "x"}}])
def test_what_is_no_object_has_no_key(thing: Any) -> None:
    with pytest.raises(ArgumentValueError, match="no object of Kubernetes"):
        key_of(thing)


def test_revisions_are_compared_where_they_are_numbers() -> None:
    assert [revision_of(each) for each in ("007", "x7", "²", None)] == [7, "x7", "²", None]

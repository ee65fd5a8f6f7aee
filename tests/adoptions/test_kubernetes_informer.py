"""Seven defects of the published informer: the same scene with it, and with the one on the page."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from tests.adoptions.pinned import adapter, pinned
from tests.mirror.apiserver import PATIENCE, ApiServer, serving
from tests.standing import eventually

informers = pinned("kubernetes", "kubernetes.informer")
client = pinned("kubernetes", "kubernetes.client")

OURS = adapter("kubernetes-informer").SharedInformer
KINDS = ("ADDED", "MODIFIED", "DELETED")


def name_of(pod: Any) -> str:
    """Of an object of either informer: the client's models, or the API's JSON."""
    found: str = pod["metadata"]["name"] if hasattr(pod, "keys") else pod.metadata.name
    return found


class Told:
    """What handlers were told: ``(kind, name, whether the cache had it then)``."""

    def __init__(self, informer: Any) -> None:
        self.cache = informer.cache
        self.all: SimpleQueue[tuple[str, str, bool]] = SimpleQueue()
        for kind in KINDS:
            informer.add_event_handler(kind, self.handler(kind))

    def handler(self, kind: str) -> Callable[[Any], None]:
        def handle(pod: Any) -> None:
            name = name_of(pod)
            self.all.put((kind, name, self.cache.get_by_key(f"shop/{name}") is not None))

        return handle

    def next(self) -> tuple[str, str, bool]:
        return self.all.get(timeout=PATIENCE)

    def until(self, name: str) -> list[tuple[str, str, bool]]:
        """All that is told up to and with what is told of *name*."""
        found = [self.next()]
        while found[-1][1] != name:
            found.append(self.next())
        return found


class Scene:
    """A server, the client for it, and one of the two informers."""

    def __init__(self, api: ApiServer, address: str, published: bool) -> None:
        self.api, self.published = api, published
        configuration = client.Configuration(host=address)
        configuration.proxy = None
        configuration.retries = False
        self.pods = client.CoreV1Api(client.ApiClient(configuration)).list_namespaced_pod

    @contextmanager
    def informer(self) -> Iterator[tuple[Any, Told]]:
        """One that runs, has listed, and watches."""
        make = informers.SharedInformer if self.published else OURS
        informer = make(self.pods, namespace="shop")
        told = Told(informer)
        informer.start()
        self.api.await_watches(1)
        try:
            yield informer, told
        finally:
            if self.published:
                # Its own stop() waits for ever if it comes just when a watch is opened.
                informer._stop_event.set()
                self.api.put("farewell")
                informer._thread.join(PATIENCE)
                assert not informer._thread.is_alive()
            else:
                assert informer.stop(PATIENCE)

    def judge(self, seen: object, *, wrong: object, right: object) -> None:
        assert wrong != right
        assert seen == (wrong if self.published else right)


@pytest.fixture(params=[True, False], ids=["published", "ours"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with serving() as (api, address):
        yield Scene(api, address, request.param)


def test_1_what_was_deleted_is_told_when_it_is_gone(scene: Scene) -> None:
    scene.api.put("goes")
    with scene.informer() as (_, told):
        assert told.next() == ("ADDED", "goes", True)
        scene.api.forget("goes")
        seen = told.next()
    scene.judge(seen, wrong=("DELETED", "goes", True), right=("DELETED", "goes", False))


def test_2_what_has_not_changed_is_not_told(scene: Scene) -> None:
    scene.api.put("same")
    with scene.informer() as (_, told):
        assert told.next() == ("ADDED", "same", True)
        scene.api.compact()
        scene.api.await_lists(2)
        scene.api.await_watches(3)
        scene.api.put("next")
        *before, last = told.until("next")
    assert last == ("ADDED", "next", True)
    scene.judge(before, wrong=[("MODIFIED", "same", True)], right=[])


def test_3_one_can_wait_until_the_first_list_is_in(scene: Scene) -> None:
    scene.api.put("a")
    with scene.informer() as (informer, _):
        ways = [name for name in dir(informer) if "sync" in name.lower() and name[0] != "_"]
        if not scene.published:
            assert list(informer.wait_synced(PATIENCE)) == ["shop/a"]
    scene.judge(ways, wrong=[], right=["wait_synced"])


def test_4_what_is_held_is_not_changed_by_who_reads_it(scene: Scene) -> None:
    scene.api.put("a", app="web")
    with scene.informer() as (informer, told):
        told.next()

        def labels() -> Any:
            pod = informer.cache.get_by_key("shop/a")
            return pod.metadata.labels if scene.published else pod["metadata"]["labels"]

        try:
            labels()["app"] = "ruined"
        except TypeError:
            assert not scene.published
        seen = dict(labels())
    scene.judge(seen, wrong={"app": "ruined"}, right={"app": "web"})


def test_5_who_comes_late_is_told_what_is_there(scene: Scene) -> None:
    scene.api.put("early")
    with scene.informer() as (informer, told):
        told.next()
        late = Told(informer)
        scene.api.put("next")
        before = late.until("next")[:-1]
    scene.judge(before, wrong=[], right=[("ADDED", "early", True)])


def test_6_two_reads_can_be_of_one_version(scene: Scene) -> None:
    scene.api.put("a")
    with scene.informer() as (informer, told):
        assert told.next()[0] == "ADDED"
        cache = informer.cache if scene.published else informer.cache.snapshot()
        keys = informer.cache.list_keys()
        scene.api.delete("a")
        assert told.next()[0] == "DELETED"
        read = cache.get_by_key if scene.published else cache.get
        seen = [read(key) is not None for key in keys]
        assert hasattr(cache, "version") != scene.published
        assert informer.cache.list() == []
    scene.judge(seen, wrong=[False], right=[True])


def test_7_stopping_ends_a_watch_that_is_just_being_opened(scene: Scene) -> None:
    opening, may_open = threading.Event(), threading.Event()

    @functools.wraps(scene.pods)
    def pods(*arguments: Any, **options: Any) -> Any:
        if options.get("watch"):
            opening.set()
            assert may_open.wait(PATIENCE)
        return scene.pods(*arguments, **options)

    informer = (informers.SharedInformer if scene.published else OURS)(pods, namespace="shop")
    informer.start()
    assert opening.wait(PATIENCE)
    if scene.published:
        stopping = threading.Thread(target=informer.stop)
        stopping.start()
        eventually(lambda: informer._watch._stop, "the watch is told to stop")
    else:
        stopping = threading.Thread(target=informer.stop, args=(PATIENCE,))
        assert not informer.stop(0)
        stopping.start()
    may_open.set()
    scene.api.await_watches(scene.published)
    stopping.join(0.5 if scene.published else PATIENCE)
    stands = stopping.is_alive()
    scene.api.put("next")  # whoever waits for an event has one
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    scene.judge(stands, wrong=True, right=False)


# What the two have in common


def test_all_events_reach_handlers_and_the_cache(scene: Scene) -> None:
    scene.api.put("a")
    with scene.informer() as (informer, told):
        scene.api.put("a", n="2")
        scene.api.put("b")
        scene.api.delete("a")
        seen = [told.next() for _ in range(4)]
        (thing,) = informer.cache.list()
        assert informer.cache.get(thing) is thing
        assert informer.cache.list_keys() == ["shop/b"]
    assert [(kind, name) for kind, name, _ in seen] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]


def test_a_handler_that_raises_harms_no_other_and_one_that_was_removed_is_not_called(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.informer() as (informer, told):
        called: SimpleQueue[str] = SimpleQueue()

        def raising(pod: Any) -> None:
            called.put(name_of(pod))
            raise LookupError(name_of(pod))

        informer.add_event_handler("ADDED", raising)
        scene.api.put("a")
        scene.api.put("b")
        assert [called.get(timeout=PATIENCE) for _ in "ab"] == ["a", "b"]
        again = Told(informer)
        informer.remove_event_handler("ADDED", raising)
        informer.remove_event_handler("ADDED", raising)
        scene.api.put("c")
        again.until("c")
    assert [name for _, name, _ in told.until("c")] == ["a", "b", "c"]
    assert called.empty()
    logged = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert logged.count(LookupError) == 2


def test_an_event_that_is_unknown_is_refused(scene: Scene) -> None:
    with scene.informer() as (informer, _), pytest.raises(ValueError, match="CHANGED"):
        informer.add_event_handler("CHANGED", print)

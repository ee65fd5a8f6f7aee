"""Times the informer of the page beside the published one.

``python -m tests.adoptions.informer_figures`` prints the table that stands on the page. Both caches
hold the same objects: the published one the client's models, ours the API's JSON, frozen.
Ratios are of the processor's time, of samples that were taken in turns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

from kubernetes import client
from kubernetes.informer import SharedInformer
from kubernetes.watch import Watch

from cowstate import Store, freeze
from cowstate.bench.measure import Operation, conditions
from cowstate.mirror import Changes, Listed
from cowstate.mirror.kubernetes import key_of
from cowstate.mirror.publisher import Publisher
from tests.adoptions.pinned import RELEASES, adapter
from tests.adoptions.timing import times_of, undisturbed

__all__ = ["compare", "main"]

PUBLISHED, OURS = "published", "ours"


def pod(n: int, revision: int = 1) -> dict[str, Any]:
    """A small pod, as the API has it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{n}",
            "namespace": "shop",
            "resourceVersion": str(revision),
            "labels": {"app": "web", "shard": str(n % 100)},
        },
        "spec": {"nodeName": f"node-{n % 50}", "containers": [{"name": "main", "image": "web:1"}]},
        "status": {"phase": "Running", "podIP": f"10.0.{n // 250 % 250}.{n % 250}"},
    }


class Sides(NamedTuple):
    """The two caches with what feeds them, and the bytes that an API server would send."""

    published: SharedInformer
    watch: Watch
    deserialize: Callable[[str], Any]
    store: Store[str, Any]
    cache: Any
    publish: Callable[[Any], Any]
    body: str


def sides(size: int) -> Sides:
    body = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "PodList",
            "metadata": {"resourceVersion": "1"},
            "items": [pod(n) for n in range(size)],
        }
    )
    api = client.ApiClient(client.Configuration())

    def deserialize(text: str) -> Any:
        return api.deserialize(text, "V1PodList", "application/json")

    published = SharedInformer(lambda: deserialize(body))
    published._initial_list()
    store: Store[str, Any] = Store()
    publish = Publisher(store, None).publish
    publish(listed(body))
    cache = adapter("kubernetes-informer").ObjectCache(store)
    assert sorted(cache.list_keys()) == sorted(published.cache.list_keys())
    return Sides(published, Watch(), deserialize, store, cache, publish, body)


def listed(body: str) -> Listed[str, Any]:
    """As `KubernetesSource` makes it of an answer."""
    return Listed({key_of(each): freeze(each) for each in json.loads(body)["items"]}, 1)


def reads(both: Sides, size: int) -> dict[str, dict[str, Operation]]:
    key = f"shop/web-{size // 2}"
    theirs, ours = {"cache": both.published.cache, "key": key}, {"cache": both.cache, "key": key}
    now = {"now": both.store.snapshot(), "key": key}
    return {
        "get": {
            PUBLISHED: Operation("cache.get_by_key(key)", theirs),
            OURS: Operation("cache.get_by_key(key)", ours),
            "ours, of a snapshot held": Operation("now[key]", now),
        },
        "list": {
            PUBLISHED: Operation("cache.list()", theirs),
            OURS: Operation("cache.list()", ours),
            "ours, a snapshot instead": Operation("cache.snapshot()", ours),
        },
    }


def puts(both: Sides, size: int) -> dict[str, dict[str, Operation]]:
    """A change of one object: into the cache alone, and from the line of the watch on."""
    n = size // 2
    told = [pod(n, 2), pod(n, 3)]
    lines = [json.dumps({"type": "MODIFIED", "object": each}) for each in told]
    models = [both.watch.unmarshal_event(line, "V1Pod")["object"] for line in lines]
    changes = [Changes({key_of(each): freeze(each)}, (), 2) for each in told]

    def published_event(line: str) -> None:
        thing = both.watch.unmarshal_event(line, "V1Pod")["object"]
        both.published.cache._put(thing)
        both.published._fire("MODIFIED", thing)

    def our_event(line: str) -> None:
        thing = json.loads(line)["object"]
        both.publish(Changes({key_of(thing): freeze(thing)}, (), 2))

    def in_turns(do: Callable[[Any], Any], things: list[Any]) -> Operation:
        # Two, so that each of them is a change.
        names = {"do": do, "one": things[0], "other": things[1]}
        return Operation("do(one); do(other)", names, per=2)

    return {
        "put": {
            PUBLISHED: in_turns(both.published.cache._put, models),
            OURS: in_turns(both.publish, changes),
        },
        "put, from the line on": {
            PUBLISHED: in_turns(published_event, lines),
            OURS: in_turns(our_event, lines),
        },
    }


def relists(both: Sides) -> dict[str, dict[str, Operation]]:
    """All objects once more, none of them changed: made objects, and from the answer on."""
    made, again = both.deserialize(both.body), listed(both.body)
    informer = SharedInformer(lambda: made)
    informer._initial_list()
    return {
        "relist": {
            PUBLISHED: Operation("relist()", {"relist": informer._initial_list}),
            OURS: Operation("publish(again)", {"publish": both.publish, "again": again}),
        },
        "relist, from the answer on": {
            PUBLISHED: Operation("relist()", {"relist": both.published._initial_list}),
            OURS: Operation(
                "publish(listed(body))",
                {"publish": both.publish, "listed": listed, "body": both.body},
            ),
        },
    }


def compare(
    size: int, repeats: int, sample_s: float = 0.05
) -> Iterator[tuple[str, str, float, float]]:
    """What each costs by the published one: ``(what, which, least by least, median of rounds)``."""
    both = sides(size)
    for what, operations in {**reads(both, size), **puts(both, size), **relists(both)}.items():
        samples = times_of(operations, repeats, sample_s)
        under = samples.pop(PUBLISHED)
        for name, over in samples.items():
            rounds = [one / two for one, two in zip(over, under, strict=True)]
            yield what, name, min(over) / min(under), median(rounds)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="tests.adoptions.informer_figures")
    parser.add_argument("--size", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args(arguments)
    here = conditions()
    print(f"kubernetes {RELEASES['kubernetes']}, {asked.size:,} objects, {here['python']},")
    print(f"{here['machine']}, load {here['load']}, {here['date']}; ours by the published one:")
    print("| | | least by least | median of the rounds |")
    print("|---|---|---|---|")
    with undisturbed():
        for what, which, least, middle in compare(asked.size, asked.repeats):
            print(f"| {what} | {which} | {least:.2g} | {middle:.2g} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

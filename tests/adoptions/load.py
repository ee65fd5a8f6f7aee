"""What two adoptions lose under load, and what they cost: the figures on their pages.

    python -m tests.adoptions.load sessions
    python -m tests.adoptions.load exporter

Prints two tables: what was lost, over real HTTP; and what each costs alone. Costs are in processor
time, which says the same on a busy machine. What is published and what is ours take turns in one
run, in one process; the programs are those on the pages.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import httpx

from tests.adoptions.asked import programs_of

PRICE_TAKES = 0.002
"""Seconds; what the shop awaits in the middle of a request."""

NAME_LASTS = 4
"""How often each thread counts under a name, before it goes on to a new one."""

Page = dict[str, Any]
Tally = Counter[str]
Costs = dict[str, list[float]]


# Sessions: visitors who fill their carts, each with several requests at once


async def price(item: str) -> int:
    await asyncio.sleep(PRICE_TAKES)
    return len(item)


def shops(page: Page) -> dict[str, tuple[Callable[[], Any], str]]:
    """By name: what makes the application, and the path by which it adds."""
    return {
        "`InMemoryStore`": (lambda: page["shop"](price, store=page["InMemoryStore"]()), "/add"),
        "`Sessions`": (lambda: page["shop"](price, **page["kept"]()), "/add"),
        "`Sessions.update`": (lambda: page["shop_that_adds"](price), "/add-now"),
    }


async def visit(url: httpx.URL, path: str, at_once: int, each: int) -> Tally:
    """One visitor, with *at_once* requests under way; all of them add what nobody else adds."""
    told = Counter[str]()
    async with httpx.AsyncClient(base_url=url, verify=False, timeout=60) as client:
        await client.post("/login/ann")

        async def add(which: int) -> None:
            for n in range(each):
                status = 409
                while status == 409:
                    status = (await client.post(f"{path}/{which}-{n}")).status_code
                    told[str(status)] += 1

        await asyncio.gather(*(add(which) for which in range(at_once)))
        kept = {item for item, _ in (await client.get("/session")).json()["cart"]}
    told["lost"] = told["200"] - len(kept)
    return told


async def fill_carts(
    page: Page, make: Any, path: str, visitors: int, at_once: int, each: int
) -> Tally:
    async with page["browser"](make()) as first:
        began = time.process_time_ns()
        told = await asyncio.gather(
            *(visit(first.base_url, path, at_once, each) for _ in range(visitors))
        )
        spent = time.process_time_ns() - began
    return sum(told, Counter(ns=spent))


def sessions(rounds: int, visitors: int, each: int) -> dict[str, Tally]:
    """By what was run: what its requests were told, what of it was lost, and how long it took."""
    page, found = programs_of("sessions"), dict[str, Tally]()
    for _ in range(rounds):
        for at_once in (4, 1):
            for name, (make, path) in shops(page).items():
                told = asyncio.run(fill_carts(page, make, path, visitors, at_once, each))
                label = f"{name} | {at_once}"
                found[label] = found.get(label, Counter()) + told
    return found


def sessions_lost(found: dict[str, Tally]) -> list[str]:
    lines = [
        "| store | at once | told 200 | lost | told 409 | an answer | beside the original |",
        "|---|---|---|---|---|---|---|",
    ]
    spent = {label: told["ns"] / (told["200"] + told["409"]) / 1e6 for label, told in found.items()}
    for label, told in found.items():
        original = spent[f"`InMemoryStore` | {label.rpartition(' ')[2]}"]
        counts = " | ".join(f"{told[each]:,}" for each in ("200", "lost", "409"))
        lines.append(
            f"| {label} | {counts} | {spent[label]:.2f} ms | {spent[label] / original:.2f} |"
        )
    return lines


async def read_and_write(store: Any, serializer: Any, times: int) -> float:
    """What a store does in one request that changes a session, in microseconds."""
    begun = {"user": "ann", "theme": "dark", "cart": [[f"item {n}", n] for n in range(10)]}
    metadata = {"created": 0.0, "last_access": 0.0, "lifetime": 0}
    await store.write("id", serializer.serialize({**begun, "__metadata__": metadata}), 0, 0)
    began = time.thread_time_ns()
    for n in range(times):
        session = serializer.deserialize(await store.read("id", 0))
        session["cart"] = [*session["cart"][1:], [f"more {n}", n]]
        await store.write("id", serializer.serialize(session), 0, 0)
    return (time.thread_time_ns() - began) / times / 1e3


def sessions_alone(rounds: int, times: int) -> Costs:
    """What a session costs a request, in microseconds, by store."""
    page = programs_of("sessions")
    found: Costs = {"`InMemoryStore`": [], "`Sessions`": []}
    for _ in range(rounds):
        store, ours = page["InMemoryStore"](), page["Sessions"]()
        json = page["SessionMiddleware"](None, store).serializer
        found["`InMemoryStore`"].append(asyncio.run(read_and_write(store, json, times)))
        found["`Sessions`"].append(asyncio.run(read_and_write(ours, ours, times)))
    return found


# The exporter: threads that count, and scrapes one after the other


def registries(page: Page) -> dict[str, Callable[[], tuple[Any, Any]]]:
    def published() -> tuple[Any, Any]:
        registry = page["Registry"]()
        return registry, page["Counter"]("jobs_done", "Jobs.", registry=registry)

    def ours() -> tuple[Any, Any]:
        registry = page["StoredRegistry"]()
        return registry, page["StoredCounter"]("jobs_done", "Jobs.", registry)

    return {"`Registry`": published, "`StoredRegistry`": ours}


async def count_and_scrape(page: Page, make: Any, threads: int, each: int) -> Tally:
    registry, done = make()
    began_counting = threading.Barrier(threads + 1)

    def work() -> None:
        began_counting.wait(60)
        for n in range(each):
            done.inc({"kind": f"job {n // NAME_LASTS}"})

    told = Counter[str]()
    working = [threading.Thread(target=work) for _ in range(threads)]
    async with page["served"](page["service"](registry, None)) as client:
        for thread in working:
            thread.start()
        began_counting.wait(60)
        began = time.perf_counter()
        while any(thread.is_alive() for thread in working):
            told[str((await client.get("/metrics")).status_code)] += 1
        told["ns"] = round((time.perf_counter() - began) * 1e9)
        shown = page["figures"](await client.get("/metrics"))
    told["counted"] = threads * each
    told["lost"] = threads * each - round(sum(float(line.rpartition(" ")[2]) for line in shown))
    return told


def exporter(rounds: int, threads: int, each: int) -> dict[str, Tally]:
    """By what was run: what its scrapes were told, how much was counted, how much was lost."""
    page, found = programs_of("exporter"), dict[str, Tally]()
    for _ in range(rounds):
        for name, make in registries(page).items():
            told = asyncio.run(count_and_scrape(page, make, threads, each))
            found[name] = found.get(name, Counter()) + told
    return found


def exporter_lost(found: dict[str, Tally]) -> list[str]:
    lines = [
        "| registry | scrapes | of these failed | counted | of these lost |",
        "|---|---|---|---|---|",
    ]
    for name, told in found.items():
        counts = (told["200"] + told["500"], told["500"], told["counted"], told["lost"])
        lines.append(f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |")
    return lines


def exporter_alone(rounds: int, times: int) -> tuple[Costs, Costs]:
    """What a count costs, and a scrape of 1,000 series; in microseconds, by registry."""
    from aioprometheus import render

    page = programs_of("exporter")
    counting: Costs = {name: [] for name in registries(page)}
    scraping: Costs = {name: [] for name in registries(page)}
    for _ in range(rounds):
        for name, make in registries(page).items():
            registry, done = make()
            for n in range(1_000):
                done.set({"kind": f"job {n}"}, n)
            began = time.thread_time_ns()
            for n in range(times):
                done.inc({"kind": f"job {n % 1_000}"})
            counting[name].append((time.thread_time_ns() - began) / times / 1e3)
            began = time.thread_time_ns()
            for _ in range(10):
                render(registry, [])
            scraping[name].append((time.thread_time_ns() - began) / 10 / 1e3)
    return counting, scraping


def cost(what: str, found: Costs) -> list[str]:
    """A line for each: the least of the rounds, for what else runs only ever adds to it."""
    first = min(next(iter(found.values())))
    return [
        f"| {what} | {name} | {min(took):,.1f} µs | {min(took) / first:.2f} |"
        for name, took in found.items()
    ]


COSTS = ["", "| what | with | processor time | beside the original |", "|---|---|---|---|"]


def tell_sessions() -> list[str]:
    lost = sessions_lost(sessions(rounds=3, visitors=10, each=20))
    return [*lost, *COSTS, *cost("read, change and write a session", sessions_alone(5, 2_000))]


def tell_exporter() -> list[str]:
    lost = exporter_lost(exporter(rounds=10, threads=2, each=20_000))
    counting, scraping = exporter_alone(rounds=5, times=20_000)
    return [*lost, *COSTS, *cost("a count", counting), *cost("a scrape of 1,000 series", scraping)]


TELL = {"sessions": ("starsessions", tell_sessions), "exporter": ("aioprometheus", tell_exporter)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("which", choices=TELL)
    package, tell = TELL[parser.parse_args().which]
    lines = tell()
    print(f"{package} {version(package)}, Python {platform.python_version()}:\n")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())

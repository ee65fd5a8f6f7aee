"""Counts and times the depth cache of the page beside the published one.

``python -m tests.adoptions.depth_figures`` prints the tables that stand on the page. Counts: one
thread has the package's client follow a stream over a local websocket, the main thread reads the
book all the while. The times are the processor's, of samples that were taken in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from statistics import median
from typing import Any

from cowstate.bench.measure import Operation, conditions
from tests.adoptions.pinned import RELEASES, adapter, pinned
from tests.adoptions.tape import Tape
from tests.adoptions.timing import times_of, undisturbed
from tests.adoptions.venue import SYMBOL, Venue, serving

depthcache = pinned("python-binance", "binance.ws.depthcache")

OURS = adapter("python-binance")

__all__ = ["count_ours", "count_published", "main", "ratios"]


def reading(
    venue: Venue, follow: Callable[[Any, Any], Awaitable[None]], read: Callable[[], str | None]
) -> Counter[str]:
    """What *read* says, called again and again by this thread while another one follows."""
    seen: Counter[str] = Counter()

    async def main() -> None:
        async with venue.connected() as (client, sockets):
            await follow(client, sockets)

    with serving(venue):
        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        while thread.is_alive():
            said = read()
            if said is not None:
                seen[said] += 1
        thread.join()
    return seen


def judged(bids: Any, asks: Any) -> str | None:
    if not bids or not asks:
        return None  # nothing is there yet
    return "crossed" if bids[0][0] >= asks[0][0] else "whole"


def count_published(tape: Tape) -> Counter[str]:
    last = tape.messages[-1]["E"]
    caches: list[Any] = []

    async def follow(client: Any, sockets: Any) -> None:
        manager = depthcache.DepthCacheManager(client, SYMBOL, bm=sockets, limit=1000)
        async with manager as depth:
            while (cache := await depth.recv()).update_time != last:
                caches[:] = [cache]

    def read() -> str | None:
        if not caches:
            return None
        (cache,) = caches
        try:
            return judged(cache.get_bids(), cache.get_asks())
        except RuntimeError:
            return "RuntimeError"

    return reading(Venue([tape.whole], tape.messages), follow, read)


def count_ours(tape: Tape) -> Counter[str]:
    """Reads as much: all levels of both sides, as lists."""
    last = tape.messages[-1]["u"]
    book = OURS.order_book()

    async def follow(client: Any, sockets: Any) -> None:
        followed = asyncio.create_task(OURS.follow(book, client, sockets, SYMBOL))
        await asyncio.to_thread(book.wait_for, lambda now: now.meta == last, 600)
        followed.cancel()
        await asyncio.wait([followed])

    def read() -> str | None:
        now = book.snapshot()
        try:
            return judged(
                [[each.price, each.quantity] for each in now.range("bid", reverse=True).values()],
                [[each.price, each.quantity] for each in now.range("ask").values()],
            )
        except RuntimeError:
            return "RuntimeError"

    return reading(Venue([tape.whole], tape.messages), follow, read)


def ratios(depth: int, repeats: int, sample_s: float = 0.05) -> dict[str, tuple[float, float]]:
    """Ours by the published one, least by least and the median of the rounds."""
    tape = Tape(60, depth)
    cache = depthcache.DepthCache(SYMBOL, conv_type=Decimal)
    book = OURS.order_book()
    OURS.load(book, tape.whole)
    for side, add in (("bids", cache.add_bid), ("asks", cache.add_ask)):
        for level in tape.whole[side]:
            add(level)

    def fold_published(message: Any) -> None:
        for bid in message["b"]:
            cache.add_bid(bid)
        for ask in message["a"]:
            cache.add_ask(ask)

    def fold_ours(message: Any) -> None:
        # Its numbers are counted on, so that it can be folded in again and again.
        at = book.snapshot().meta
        OURS.fold(book, {**message, "U": at + 1, "u": at + 1})

    def folding(fold: Callable[[Any], None]) -> Operation:
        names = {"fold": fold, "messages": tape.messages}
        return Operation("for each in messages: fold(each)", names, per=len(tape.messages))

    sides = {
        "a message": (folding(fold_published), folding(fold_ours)),
        "best bid and ask": (
            Operation("cache.get_bids()[0], cache.get_asks()[0]", {"cache": cache}),
            Operation("best(book.snapshot())", {"best": OURS.best, "book": book}),
        ),
        "all levels": (
            Operation("cache.get_bids(), cache.get_asks()", {"cache": cache}),
            Operation(
                "now = book.snapshot(); list(now.range('bid', reverse=True).values()), "
                "list(now.range('ask').values())",
                {"book": book},
            ),
        ),
    }
    found = {}
    for what, (published, ours) in sides.items():
        samples = times_of({"published": published, "ours": ours}, repeats, sample_s)
        over, under = samples["ours"], samples["published"]
        rounds = [one / two for one, two in zip(over, under, strict=True)]
        found[what] = min(over) / min(under), median(rounds)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="tests.adoptions.depth_figures")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args(arguments)
    here = conditions()
    print(f"python-binance {RELEASES['python-binance']}, {here['python']}, {here['machine']},")
    print(f"load {here['load']}, {here['date']}; {asked.messages:,} messages, ", end="")
    print(f"about {asked.depth} levels a side, switched every {sys.getswitchinterval():g} s")
    print("| | reads | `RuntimeError` | crossed |")
    print("|---|---|---|---|")
    tape = Tape(asked.messages, asked.depth)
    for name, counted in (("published", count_published), ("ours", count_ours)):
        seen = counted(tape)
        error, crossed = seen["RuntimeError"], seen["crossed"]
        print(f"| {name} | {seen.total():,} | {error:,} | {crossed:,} |", flush=True)
    print("\n| ours by the published one | least by least | median of the rounds |")
    print("|---|---|---|")
    with undisturbed():
        found = ratios(asked.depth, asked.repeats)
    for what, (least, middle) in found.items():
        print(f"| {what} | {least:.2g} | {middle:.2g} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

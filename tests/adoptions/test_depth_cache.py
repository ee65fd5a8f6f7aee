"""Four defects of the published depth cache: the same scene with it, and with the page's book."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from tests.adoptions.pinned import adapter, pinned
from tests.adoptions.tape import Tape
from tests.standing import Bystander
from tests.steps import at_each_instruction
from tests.sweeps import step

depthcache = pinned("python-binance", "binance.ws.depthcache")

OURS = adapter("python-binance")
CHANGED_SIZE = "dictionary changed size during iteration"


def driven(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns; nothing that it awaits takes time."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


class Published:
    """The package's manager, with what it asks for and what comes, and no network between."""

    def __init__(self, *wholes: Any) -> None:
        self.wholes = iter(wholes)
        self.manager = depthcache.DepthCacheManager(
            client=self, symbol="BTCUSDT", loop=object(), bm=object(), conv_type=Decimal
        )
        driven(self.manager._init_cache())

    async def get_order_book(self, **_: Any) -> Any:
        return next(self.wholes)

    def fold(self, message: Any) -> None:
        driven(self.manager._depth_event(message))

    def levels(self) -> tuple[list[Any], list[Any]]:
        cache = self.manager.get_depth_cache()
        return cache.get_bids(), cache.get_asks()


class Ours:
    def __init__(self, *wholes: Any) -> None:
        self.wholes = iter(wholes)
        self.book = OURS.order_book()
        OURS.load(self.book, next(self.wholes))

    def fold(self, message: Any) -> None:
        try:
            OURS.fold(self.book, message)
        except OURS.MissedError:  # as `follow` does
            OURS.load(self.book, next(self.wholes))
            OURS.fold(self.book, message)

    def levels(self) -> tuple[list[Any], list[Any]]:
        now = self.book.snapshot()
        found = [
            [[level.price, level.quantity] for level in now.range(side, reverse=down).values()]
            for side, down in (("bid", True), ("ask", False))
        ]
        assert OURS.best(now) == (found[0][0][0], found[1][0][0])
        return found[0], found[1]


@pytest.fixture(params=[Published, Ours], ids=["published", "ours"])
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    made: Callable[..., Any] = request.param
    return made


@pytest.fixture
def bystander() -> Iterator[Bystander]:
    thread = Bystander()
    yield thread
    thread.end()


class Judge:
    """Says what a reader saw, who may have seen the book of any message of *tape*."""

    def __init__(self, tape: Tape) -> None:
        self.books = [book_of(tape.whole_after(n)) for n in range(len(tape.messages) + 1)]

    def __call__(self, book: Any) -> str:
        try:
            bids, asks = book.levels()
        except RuntimeError as error:
            return str(error)
        if bids[0][0] >= asks[0][0]:
            return "crossed"
        return "whole" if (bids, asks) in self.books else "never was"


def book_of(whole: Any) -> tuple[list[Any], list[Any]]:
    bids, asks = (
        sorted([[Decimal(price), Decimal(quantity)] for price, quantity in whole[side]])
        for side in ("bids", "asks")
    )
    return bids[::-1], asks


def test_1_who_reads_is_not_hit_by_what_is_folded_meanwhile(
    make: Callable[..., Any], bystander: Bystander
) -> None:
    tape = Tape(1, depth=4, seed=1)
    # A dict that has as many entries as before tells nobody that they are others.
    assert len(tape.whole_after(1)["bids"]) != len(tape.whole["bids"])
    judge, seen = Judge(tape), Counter[str]()
    for n in count(1, step(2)):
        book = make(tape.whole)
        told: list[str] = []
        steps = at_each_instruction(
            lambda book=book, told=told: told.append(judge(book)),
            lambda book=book: bystander.do(lambda: book.fold(tape.messages[0])),
            only=n,
        )
        if n > steps:
            break
        seen.update(told)
    if make is Published:
        assert seen[CHANGED_SIZE] > 0
    else:
        assert seen.keys() == {"whole"}
        assert seen["whole"] > 100


def test_2_nobody_sees_half_a_message(make: Callable[..., Any], bystander: Bystander) -> None:
    tape = Tape(3, depth=4, seed=1)
    judge, seen, book = Judge(tape), Counter[str](), make(tape.whole)
    for message in tape.messages:
        at_each_instruction(
            lambda message=message: book.fold(message),
            lambda: seen.update([bystander.do(lambda: judge(book))]),
        )
    if make is Published:
        assert seen["crossed"] > 0
        assert seen["never was"] > 0
    else:
        assert seen.keys() == {"whole"}
        assert seen["whole"] > 1_000


def test_3_bids_and_asks_are_of_one_message(make: Callable[..., Any]) -> None:
    tape = Tape(50)
    book, crossed = make(tape.whole), 0
    for message in tape.messages:
        if make is Published:
            cache = book.manager.get_depth_cache()
            bids = cache.get_bids()
            book.fold(message)
            asks = cache.get_asks()
            crossed += bids[0][0] >= asks[0][0]
        else:
            now = book.book.snapshot()
            bid = now.last("bid")[1].price
            book.fold(message)
            crossed += bid >= now.first("ask")[1].price
    assert (crossed > 0) == (make is Published)
    assert book.levels() == book_of(tape.whole_after(50))


def test_4_what_the_book_has_had_is_not_written_over_it(make: Callable[..., Any]) -> None:
    tape = Tape(6)
    book = make(tape.whole, tape.whole_after(5))
    book.fold(tape.messages[0])
    book.fold(tape.messages[2])  # the one before it is missing, so the whole is asked for again
    asked = book_of(tape.whole_after(5))
    assert (book.levels() != asked) == (make is Published)
    if make is Published:
        assert book.manager._last_update_id < tape.whole_after(5)["lastUpdateId"]
    else:
        assert book.book.snapshot().meta == tape.whole_after(5)["lastUpdateId"]


# The rest of the adapter


def test_what_is_loaded_again_is_no_change() -> None:
    tape = Tape(3)
    ours = Ours(tape.whole)
    before = ours.book.snapshot()
    OURS.load(ours.book, tape.whole)
    assert ours.book.snapshot() is before


@pytest.mark.parametrize("how", ["nothing", "missed", "error", "had"])
def test_it_follows_the_stream_of_the_packages_client(how: str) -> None:
    from tests.adoptions.venue import SYMBOL, Venue, serving

    tape = Tape(40)
    messages = list(tape.messages)
    if how == "missed":
        del messages[10:12]
    elif how == "error":
        messages[10:12] = [{"e": "error", "type": "Lost", "m": "connection"}]
    elif how == "had":
        messages[10:10] = messages[5:10]
    venue = Venue([tape.whole, tape.whole_after(20)], messages)
    book = OURS.order_book()

    async def main() -> None:
        async with venue.connected() as (client, sockets):
            following = asyncio.create_task(OURS.follow(book, client, sockets, SYMBOL, pause=0.0))
            last = tape.messages[-1]["u"]
            await asyncio.to_thread(book.wait_for, lambda now: now.meta == last, 30)
            following.cancel()
            await asyncio.wait([following])

    with serving(venue):
        asyncio.run(main())
    assert venue.asked == (2 if how in ("missed", "error") else 1)
    ours = Ours(tape.whole)
    ours.book = book
    assert ours.levels() == book_of(tape.whole_after(40))

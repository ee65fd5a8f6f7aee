"""An order book that moves, made up from a seed, and told as Binance does: whole, and changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, TypeAlias

Side: TypeAlias = dict[int, int]
"""Quantities by price, in ticks."""

FIRST = 1_000
"""The number of the last change that is in the whole."""


class Tape:
    """Of each message the book is whole: no bid reaches an ask.

    Attributes:
        whole: what `get_order_book` answers.
        messages: what the stream tells after that.
    """

    def __init__(self, messages: int, depth: int = 12, seed: int = 0) -> None:
        self._rng = random.Random(seed)
        self._depth = depth
        self._middle = 50_000
        bids, asks = self._drawn({}, {})
        self.whole: dict[str, Any] = {
            "lastUpdateId": FIRST,
            "bids": _told(bids),
            "asks": _told(asks),
        }
        self.messages = list(self._moves(messages, bids, asks))

    def _moves(self, count: int, bids: Side, asks: Side) -> Iterator[dict[str, Any]]:
        last = FIRST
        for _ in range(count):
            self._middle += self._rng.randint(-4, 4)
            new_bids, new_asks = self._drawn(bids, asks)
            changes = [*_changed(bids, new_bids)], [*_changed(asks, new_asks)]
            first, last = last + 1, last + max(1, sum(map(len, changes)))
            yield {
                "e": "depthUpdate",
                "E": 1_700_000_000_000 + last,
                "s": "BTCUSDT",
                "U": first,
                "u": last,
                "b": [_written(*each) for each in changes[0]],
                "a": [_written(*each) for each in changes[1]],
            }
            bids, asks = new_bids, new_asks

    def whole_after(self, number: int) -> dict[str, Any]:
        """What `get_order_book` answers after so many messages."""
        sides = {"bids": dict(self.whole["bids"]), "asks": dict(self.whole["asks"])}
        for message in self.messages[:number]:
            sides["bids"].update(message["b"])
            sides["asks"].update(message["a"])
        told = {
            side: [[price, quantity] for price, quantity in levels.items() if float(quantity)]
            for side, levels in sides.items()
        }
        last = self.messages[number - 1]["u"] if number else FIRST
        return {"lastUpdateId": last, **told}

    def _drawn(self, bids: Side, asks: Side) -> tuple[Side, Side]:
        """About as many levels below and above the middle; most of those that were there stay."""
        down, up = (self._depth + self._rng.randint(-1, 1) for _ in range(2))
        below = range(self._middle - 1, self._middle - 1 - down, -1)
        above = range(self._middle + 1, self._middle + 1 + up)
        return self._kept(bids, below), self._kept(asks, above)

    def _kept(self, side: Side, ticks: range) -> Side:
        rng = self._rng
        return {
            tick: side[tick] if tick in side and rng.random() < 0.8 else rng.randint(1, 10**9)
            for tick in ticks
        }


def _changed(old: Side, new: Side) -> Iterator[tuple[int, int]]:
    yield from ((tick, quantity) for tick, quantity in new.items() if old.get(tick) != quantity)
    yield from ((tick, 0) for tick in old.keys() - new.keys())


def _written(tick: int, quantity: int) -> list[str]:
    return [f"{tick // 100}.{tick % 100:02}000000", f"{quantity // 10**8}.{quantity % 10**8:08}"]


def _told(side: Side) -> list[list[str]]:
    return [_written(*each) for each in side.items()]

"""Traders that are killed with SIGKILL anywhere, and the venue that outlives them.

    python -m tests.positions.kept.killed DIRECTORY SEED LIVES [TWIN]

This process is the venue and the market. Each life is a process that is forked from it, trades a
grid over a pipe, keeps its positions in a file of DIRECTORY, and is killed: at a write to that
file, at a request, or at any moment. The last one is let live until it has nothing to learn. What
must hold is asserted on the way and at the end; what happened is printed as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from cowstate.positions import OrderUpdate, Trade
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.listing import Listing
from cowstate.positions.simulation.matching import MatchingEngine
from tests.positions.kept.trader import CONFIG, LIFETIME, live

KINDS = ("write", "request", "order", "moment")
"""Where a life is killed: at a write, at a request, at one that places orders, at any moment."""


class Venue:
    """The venue: its orders, its market, its time, and what it holds against who trades there."""

    def __init__(self, file: Path, seed: int) -> None:
        self.file = file
        self.random = Random(seed)
        self.engine = MatchingEngine(CONFIG.symbol)
        self.now = 1_000_000
        self.price = 1_000
        self.trades = 0
        self.events: list[OrderUpdate] = []
        self.coming: list[tuple[int, partial[Any]]] = []
        self.counts: Counter[str] = Counter()
        self.acknowledged: tuple[int, str] = (0, "0")
        self.still = False
        self.looked = False

    # Time and the market

    def passes(self, ms: int) -> None:
        """Let time pass, with what happens in it."""
        end = self.now + ms
        while self.now < end:
            self.now = min(end, self.now + self.random.randrange(10, 60))
            for due, request in [each for each in self.coming if each[0] <= self.now]:
                self.coming.remove((due, request))
                self.counts["late"] += 1
                self.done(request)
            if self.still:
                continue
            self.price += self.random.randrange(-7, 8) + (1_000 - self.price) // 60
            self.trades += 1
            quantity = Decimal(self.random.randrange(1, 9)) / 100
            trade = Trade(
                self.now, self.trades, Decimal(self.price), quantity, self.random.random() < 0.5
            )
            self.events += self.engine.match(trade, self.now)

    # Requests

    def done(self, request: partial[Any]) -> Any:
        try:
            answer = request()
        except ExchangeError as error:
            return error
        if isinstance(answer, OrderUpdate):
            self.events.append(answer)
        return answer

    def answer(self, name: str, args: tuple[Any, ...]) -> Any:
        """Carry a request out."""
        self.counts[name] += 1
        match name, args:
            case "begin", (version, position):
                self.looked = False
                acknowledged, held = self.acknowledged
                assert version >= acknowledged, f"{acknowledged} was acknowledged, not {version}"
                assert version > acknowledged or position == held, (position, held)
            case "still", ():
                self.still = True
            case "idle", (ms,):
                self.passes(ms)
            case "create_orders", (requests,):
                return [self.done(each) for each in self.placing(requests)]
            case "cancel_orders", (ids,):
                return [self.done(each) for each in self.cancelling(ids)]
            case "fetch_positions", ():
                self.looked = True
                return self.engine.position, self.now
            case "fetch_open_orders", ():
                return Listing(tuple(self.engine.open_orders()), answered_ms=self.now)
            case "fetch_order", (order_id, client_oid):
                return self.done(partial(self.engine.order, order_id, client_oid))
            case "fetch_my_trades", (since_ms,):
                return Listing(tuple(self.engine.fills(since_ms)), answered_ms=self.now)
            case _:
                raise AssertionError(f"what is {name}?")
        return None

    def placing(self, requests: Sequence[Any]) -> list[partial[Any]]:
        assert self.looked, "an order came before the first look"
        kept = self.kept()
        for each in requests:
            assert kept.get(each.client_oid) is not None, f"{each.client_oid} is not on disk"
        return [partial(self.engine.place, each, self.now) for each in requests]

    def cancelling(self, ids: Sequence[Any]) -> list[partial[Any]]:
        kept = {each.get("order_id"): each for each in self.kept().values()}
        for each in ids:
            assert kept[each]["cancel_requested"], f"cancelling {each} is not on disk"
        return [partial(self.engine.cancel, each, self.now) for each in ids]

    def kept(self) -> dict[str, dict[str, Any]]:
        """The working orders as the file has them, whatever the trader has in memory."""
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            slots = [
                json.loads(value) for (value,) in connection.execute("SELECT value FROM records")
            ]
        finally:
            connection.close()
        return {each["working"]["client_oid"]: each["working"] for each in slots if each["working"]}

    # Lives

    def serve(self, pipe: Connection, child: int, kind: str) -> Any:
        """Answer one life until it ends; return what it came to, None if it was killed."""
        left = self.random.randrange(1, 60 if kind == "request" else 8)
        moment = monotonic() + self.random.random() * 0.15
        while True:
            try:
                due = kind == "moment" and monotonic() > moment
                # Not while it waits for an answer: it is in the middle of something.
                if due and not pipe.poll(self.random.random() * 0.003):
                    self.kill(child)
                    return None
                name, args, version, position = pipe.recv()
            except (EOFError, ConnectionResetError):
                return None
            self.acknowledged = version, position
            if name == "ended":
                return args
            left -= kind == "request" or name == "create_orders"
            if kind in ("request", "order") and left == 0:
                self.strike(child, name, args)
                return None
            self.passes(self.random.randrange(5, 40))
            answer = self.answer(name, args)
            lost = [each for each in self.events if self.still or self.random.random() > 0.1]
            self.events.clear()
            try:
                pipe.send((answer, self.now, Decimal(self.price), lost))
            except (BrokenPipeError, ConnectionResetError):
                return None

    def strike(self, child: int, name: str, args: tuple[Any, ...]) -> None:
        """Kill a life at its request, which is lost, done, or still on its way then."""
        fate = self.random.choice(["lost", "done", "late"])
        self.counts[f"killed while {name} is {fate}"] += 1
        if fate == "done":
            self.answer(name, args)
        self.kill(child)
        if fate == "late" and name == "create_orders":
            due = self.now + self.random.randrange(LIFETIME)
            self.coming += [(due, self.arriving(each)) for each in self.placing(*args)]

    def arriving(self, request: partial[Any]) -> partial[Any]:
        order = request.args[0]
        return partial(lambda: self.engine.place(order, self.now))

    def kill(self, child: int) -> None:
        os.kill(child, signal.SIGKILL)

    def let_live(self, number: int, kind: str, twin: str) -> Any:
        """Have one process live, and end."""
        ours, theirs = Pipe()
        dies_at = self.random.randrange(1, 40) if kind == "write" else 0
        after = self.random.random() < 0.5
        child = os.fork()
        if not child:
            code = 1
            try:
                ours.close()
                live(theirs, self.file, dies_at, after, lasting=kind == "", twin=twin)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        theirs.close()
        try:
            came_to = self.serve(ours, child, kind)
        finally:
            ours.close()
            _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or os.WEXITSTATUS(status) == 0, f"life {number} failed, see above"
        self.counts[f"{kind or 'last'}: {'killed' if killed else 'ended'}"] += 1
        return came_to

    def agree(self, came_to: dict[str, Any]) -> None:
        """What the last life knows is so here, to the last digit."""
        assert came_to["position"] == self.engine.position, (came_to, self.engine.position)
        working = {
            order.client_oid: (
                order.order_id,
                order.side,
                order.price,
                order.quantity,
                order.filled,
            )
            for order in self.engine.open_orders()
        }
        assert came_to["working"] == working, (came_to["working"], working)
        assert came_to["agrees"]
        assert came_to["unattributed"] == 0
        assert came_to["trips"] == 0, "the breaker opened"


def main(directory: str, seed: str, lives: str, twin: str = "") -> None:
    venue = Venue(Path(directory) / "grid.db", int(seed))
    for number in range(int(lives)):
        venue.let_live(number, venue.random.choice(KINDS), twin)
        venue.passes(venue.random.randrange(50, 3_000))
    venue.passes(LIFETIME + 1)
    came_to = None
    while came_to is None:
        came_to = venue.let_live(int(lives), "", twin)
    (ended,) = came_to
    venue.agree(ended)
    orders, fills = len(venue.engine.orders()), len(venue.engine.fills())
    print(json.dumps({**venue.counts, "orders": orders, "fills": fills}))


if __name__ == "__main__":
    main(*sys.argv[1:])

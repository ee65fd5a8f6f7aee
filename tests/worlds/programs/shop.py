"""A shop behind FastAPI: stock and orders in one store, so that they always fit each other.

Written from the documentation alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from cowstate import (
    Aggregate,
    CompactedError,
    ConflictError,
    Draft,
    Index,
    Lagged,
    LockTimeoutError,
    Record,
    RecordNotFoundError,
    Snapshot,
    Store,
    Transaction,
    WaitTimeoutError,
    aio,
)


class Item(Record):
    """What is sold: how many are left, and for how much each."""

    price: Decimal
    left: int


class Order(Record):
    """What somebody bought, and what it cost then."""

    customer: str
    item: str
    number: int
    cost: Decimal


Thing = Item | Order
Shop = Store[str, Thing]


def cost_of(thing: Thing) -> Decimal:
    """What the shop has earned by it."""
    return thing.cost if isinstance(thing, Order) else Decimal(0)


def customer_of(thing: Thing) -> str | None:
    """Whose order it is; None, so in no index, for an item."""
    return thing.customer if isinstance(thing, Order) else None


def open_shop(lock_timeout: float = 5.0) -> Shop:
    """One store for the application: no write waits for longer than that."""
    return Store(
        indexes={"customer": Index(customer_of)},
        aggregates={"earned": Aggregate.sum(cost_of)},
        lock_timeout=lock_timeout,
    )


class Offer(BaseModel):
    """The body of a request that offers an item."""

    price: Decimal
    left: int


class Purchase(BaseModel):
    """The body of a request that buys."""

    customer: str
    item: str
    number: int = 1


def item_of(now: Snapshot[str, Thing] | Transaction[str, Thing], name: str) -> Item:
    """Return the item of that name."""
    thing = now.get(name)
    if not isinstance(thing, Item):
        raise HTTPException(404, f"there is no {name}")
    return thing


def shown(item: Item) -> dict[str, object]:
    """As the answers have it."""
    return {"price": str(item.price), "left": item.left}


def make_app(shop: Shop) -> FastAPI:
    """Make the application over a store, so that a test can give it one of its own."""
    app = FastAPI(title="shop")
    numbers = count(1)

    # What the store says, in HTTP's words.

    @app.exception_handler(RecordNotFoundError)
    async def not_found(_: Request, error: RecordNotFoundError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(ConflictError)
    async def conflict(_: Request, error: ConflictError) -> JSONResponse:
        return JSONResponse({"detail": "changed meanwhile", "version": error.found}, 409)

    @app.exception_handler(CompactedError)
    async def too_old(_: Request, error: CompactedError) -> JSONResponse:
        return JSONResponse({"detail": "seen too long ago", "oldest": error.oldest}, 409)

    @app.exception_handler(LockTimeoutError)
    async def busy(_: Request, error: LockTimeoutError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})

    # Looking

    @app.get("/items/{name}")
    async def look(name: str, response: Response) -> dict[str, object]:
        now = shop.snapshot()
        response.headers["ETag"] = f'"{now.version}"'
        return shown(item_of(now, name))

    @app.get("/customers/{customer}")
    async def orders_of(customer: str) -> dict[str, object]:
        now = shop.snapshot()
        orders = now.find_all("customer", customer)
        return {"version": now.version, "orders": sorted(orders)}

    @app.get("/books")
    async def books() -> dict[str, object]:
        now = shop.snapshot()
        orders = [thing for thing in now.values() if isinstance(thing, Order)]
        return {
            "version": now.version,
            "earned": str(now.total("earned")),
            "added up": str(sum((order.cost for order in orders), Decimal(0))),
            "sold": sum(order.number for order in orders),
        }

    # Changing

    @app.put("/items/{name}")
    def offer(
        name: str, body: Offer, if_match: Annotated[str | None, Header()] = None
    ) -> dict[str, object]:
        item = Item(body.price, body.left)
        if if_match is None:
            return {"version": shop.set(name, item).version}
        # Only if the item is still the one that the client has seen.
        draft = shop.draft(shop.at(int(if_match.strip('"'))))
        draft[name] = item
        return {"version": draft.commit().version}

    @app.post("/orders", status_code=201)
    def buy(body: Purchase) -> dict[str, object]:
        order_id = f"order {next(numbers)}"

        def sell(tx: Transaction[str, Thing]) -> Decimal:
            item = item_of(tx, body.item)
            if item.left < body.number:
                raise HTTPException(409, f"only {item.left} left")
            cost = item.price * body.number
            tx[body.item] = item.replace(left=item.left - body.number)
            tx[order_id] = Order(body.customer, body.item, body.number, cost)
            return cost

        return {"order": order_id, "cost": str(shop.transact(sell))}

    @app.post("/items/{name}/reprice")
    async def reprice(name: str) -> dict[str, object]:
        """Ask somebody slow what it should cost, and hold nobody up meanwhile."""
        draft: Draft[str, Thing] = shop.draft()
        item = draft[name]
        if not isinstance(item, Item):
            raise HTTPException(404, f"there is no {name}")
        price: Decimal = await app.state.ask_for_price(name)
        draft[name] = item.replace(price=price)
        return {"version": draft.commit().version}

    # Following

    @app.get("/events")
    async def events(until: int) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            async with aio.feed(shop) as feed:
                yield tell(feed.snapshot, "at")
                while feed.version < until:
                    try:
                        item = await feed.get(timeout=15)
                    except WaitTimeoutError:
                        yield ": still here\n\n"  # and whoever has gone is noticed
                        continue
                    kind = "again from" if isinstance(item, Lagged) else "at"
                    yield tell(feed.snapshot, kind)

        return StreamingResponse(lines(), media_type="text/event-stream")

    return app


def tell(now: Snapshot[str, Thing], kind: str) -> str:
    """One event of the stream."""
    data = {kind: now.version, "earned": str(now.total("earned"))}
    return f"data: {json.dumps(data)}\n\n"

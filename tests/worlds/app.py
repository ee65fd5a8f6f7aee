"""A web application that counts hits in a store, in each of the ways that FastAPI offers.

Endpoints and dependencies that are plain functions run in threads of a pool, each step of a request
in whichever is free; those that are coroutines run on the event loop, all of them in one thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from cowstate import CowstateError, Store, Transaction

Hits = Store[str, int]
CHUNK = b"." * 65536


class SorryError(Exception):
    """What an endpoint raises that fails after it has written."""


class Gates:
    """Where requests tell the test how far they are, and where they wait to be let on.

    Attributes:
        entering: raised by each request that is about to open a transaction.
        entered: raised by each that has one.
        left: raised by each whose transaction is over, whichever way.
        open: what waiting coroutines wait for.
        free: what waiting threads of the pool wait for.
        threads: who entered the latest transaction and who left it.
    """

    def __init__(self) -> None:
        self.entering = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.open = asyncio.Event()
        self.free = threading.Event()
        self.threads = [0, 0]


def make_app(store: Hits, gates: Gates) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.store, app.state.gates = store, gates
    app.include_router(router)
    app.add_exception_handler(CowstateError, failed)
    app.add_exception_handler(SorryError, failed)
    return app


async def failed(_: Request, error: Exception) -> JSONResponse:
    status = 418 if isinstance(error, SorryError) else 409
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)


# What requests depend on. With the scope "function" a dependency ends before the answer is sent, so
# that what was answered is in the store.


def the_store(request: Request) -> Hits:
    store: Hits = request.app.state.store
    return store


def the_gates(request: Request) -> Gates:
    gates: Gates = request.app.state.gates
    return gates


TheStore = Annotated[Hits, Depends(the_store)]
TheGates = Annotated[Gates, Depends(the_gates)]


def in_the_pool(store: TheStore, gates: TheGates) -> Iterator[Transaction[str, int]]:
    try:
        gates.entering.release()
        with store.transaction() as tx:
            gates.threads[0] = threading.get_ident()
            gates.entered.release()
            yield tx
    finally:
        gates.threads[1] = threading.get_ident()
        gates.left.release()


async def on_the_loop(store: TheStore) -> AsyncIterator[Transaction[str, int]]:
    with store.transaction() as tx:
        yield tx


InThePool = Annotated[Transaction[str, int], Depends(in_the_pool, scope="function")]
OnTheLoop = Annotated[Transaction[str, int], Depends(on_the_loop, scope="function")]


async def gate(_: InThePool, gates: TheGates) -> None:
    await gates.open.wait()


router = APIRouter()


# Writes that nothing holds up.


@router.post("/pool")
def a_block_in_the_pool(tx: InThePool) -> int:
    tx["hits"] += 1
    return tx["hits"]


@router.post("/pool/raises")
def a_block_in_the_pool_that_raises(tx: InThePool) -> int:
    tx["hits"] += 1
    raise SorryError


@router.post("/loop")
async def a_block_on_the_loop(tx: OnTheLoop) -> int:
    tx["hits"] += 1
    return tx["hits"]


@router.post("/loop/raises")
async def a_block_on_the_loop_that_raises(tx: OnTheLoop) -> int:
    tx["hits"] += 1
    raise SorryError


@router.post("/update")
def an_update_in_the_pool(store: TheStore) -> int:
    return store.update("hits", lambda hits: hits + 1).after["hits"]


@router.post("/loop/update")
async def an_update_on_the_loop(store: TheStore) -> int:
    return store.update("hits", lambda hits: hits + 1).after["hits"]


@router.post("/transact")
def a_function_in_the_pool(store: TheStore) -> int:
    def hit(tx: Transaction[str, int]) -> int:
        tx["hits"] += 1
        return tx["hits"]

    return store.transact(hit)


# Writes that wait in the middle.


@router.post("/pool/waits")
async def a_block_in_the_pool_that_waits(tx: InThePool, _: Annotated[None, Depends(gate)]) -> int:
    tx["hits"] += 1
    return tx["hits"]


@router.post("/pool/waits-for-a-thread")
def a_block_that_waits_for_a_thread(tx: InThePool, _: Annotated[None, Depends(gate)]) -> int:
    tx["hits"] += 1
    return tx["hits"]


@router.post("/loop/waits")
async def a_block_that_awaits(store: TheStore, gates: TheGates) -> int:
    with store.transaction() as tx:
        tx["hits"] += 1
        gates.entered.release()
        await gates.open.wait()
    return tx["hits"]


@router.post("/pool/streams")
def a_stream_out_of_a_block(store: TheStore, gates: TheGates) -> StreamingResponse:
    def stream() -> Iterator[bytes]:
        try:
            with store.transaction() as tx:
                tx["hits"] += 1
                while True:
                    yield CHUNK
        finally:
            gates.left.release()

    return StreamingResponse(stream())


@router.post("/loop/streams")
async def a_stream_out_of_a_task(store: TheStore, gates: TheGates) -> StreamingResponse:
    async def stream() -> AsyncIterator[bytes]:
        try:
            with store.transaction() as tx:
                tx["hits"] += 1
                yield CHUNK
                await gates.open.wait()
        finally:
            gates.left.release()

    return StreamingResponse(stream())


# What steers the others.


@router.post("/open")
async def open_the_gate(gates: TheGates) -> None:
    gates.open.set()


@router.post("/occupy")
def occupy_a_thread(gates: TheGates) -> None:
    gates.entered.release()
    gates.free.wait()


@router.post("/pool-of-two")
async def have_a_pool_of_two() -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2

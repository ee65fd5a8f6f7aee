"""What is almost surely a slip is refused with a word, and leaves the store as it was."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import re
import warnings
from collections import abc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    CowstateError,
    InvariantError,
    NotAMappingError,
    Store,
    UnknownAttributeError,
    aio,
    transaction,
)
from cowstate.journal import open_store


@pytest.fixture
def store() -> Iterator[Store[str, Any]]:
    """A store that nobody may have changed by the end, and of which no coroutine is left over."""
    made: Store[str, Any] = Store({"a": 1})
    before = made.snapshot()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield made
        gc.collect()
    assert made.snapshot() is before
    made.set("a", 2)  # and it is writable


# None


def forgets_to_return(record: int) -> Any:
    record + 1


def test_an_update_function_that_returns_none_has_forgotten_something(
    store: Store[str, Any],
) -> None:
    for _ in range(2):
        with pytest.raises(ArgumentTypeError, match=r"returned None.*allow_none=True"):
            store.update("a", forgets_to_return)
    # Nor does it help that None is a record already.
    other = Store[str, Any]({"a": None})
    other.set("b", None)
    with pytest.raises(ArgumentTypeError, match="returned None"):
        other.update("b", lambda record: record)
    assert other.snapshot()["b"] is None


@pytest.mark.parametrize("immutability", ["type", "deep", "trusted"])
def test_it_may_where_the_store_says_so(immutability: Any) -> None:
    store: Store[str, Any] = Store({"a": 1}, allow_none=True, immutability=immutability)
    for version in (1, 3):
        assert store.update("a", lambda _: None).version == version
        assert store.snapshot()["a"] is None
        store.set("a", 1)


# Coroutines


async def coroutine_function(*_: Any) -> Any:
    """A function whose call does nothing yet."""


async def async_generator_function(*_: Any) -> Any:
    yield 1


class AsyncCallable:
    async def __call__(self, *_: Any) -> Any:
        """Likewise."""


ASYNC = [
    coroutine_function,
    async_generator_function,
    functools.partial(coroutine_function, 1),
    AsyncCallable(),
]
HIDDEN = [lambda *_: coroutine_function(), lambda *_: async_generator_function()]
INTO: dict[str, Callable[[Store[str, Any], Any], object]] = {
    "update": lambda store, fn: store.update("a", fn),
    "transact": lambda store, fn: store.transact(fn),
    "retry": lambda store, fn: store.retry(fn),
    "the last attempt of retry": lambda store, fn: store.retry(fn, 1),
    "wait_for": lambda store, fn: store.wait_for(fn, 1),
    "aio.wait_for": lambda store, fn: asyncio.run(aio.wait_for(store, fn, 1)),
}
AT_ONCE: dict[str, Callable[[Store[str, Any], Any], object]] = {
    "subscribe": lambda store, fn: store.subscribe(fn),
    "on_lagged": lambda store, fn: store.subscribe(print, on_lagged=fn),
    "on_error": lambda store, fn: store.subscribe(print, on_error=fn),
    "invariants": lambda _, fn: Store(invariants={"none": fn}),
}


@pytest.mark.parametrize("into", INTO)
@pytest.mark.parametrize("immutability", ["type", "trusted"])
@pytest.mark.parametrize("fn", [*ASYNC, *HIDDEN])
def test_a_coroutine_is_refused_where_nobody_would_await_it(
    into: str, immutability: Any, fn: Any
) -> None:
    store: Store[str, Any] = Store({"a": 1}, immutability=immutability)
    for _ in range(2):
        with pytest.raises(ArgumentTypeError, match="plain"):
            INTO[into](store, fn)
    gc.collect()
    assert store.snapshot().version == 0


@pytest.mark.parametrize("into", AT_ONCE)
@pytest.mark.parametrize("fn", ASYNC)
def test_a_coroutine_function_is_refused_before_it_is_ever_called(
    store: Store[str, Any], into: str, fn: Any
) -> None:
    with pytest.raises(ArgumentTypeError, match="coroutine function"):
        AT_ONCE[into](store, fn)
    assert store.statistics().subscriptions == 0


def test_a_subscriber_that_returns_a_coroutine_has_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store: Store[str, Any] = Store({"a": 1})
    errors: list[Any] = []
    store.subscribe(HIDDEN[0])
    store.subscribe(HIDDEN[0], on_error=lambda error, _: errors.append(error))
    stops = store.subscribe(HIDDEN[0], on_error="stop")
    with caplog.at_level(logging.ERROR, "cowstate"):
        store.set("a", 2)
    assert [type(error) for error in errors] == [ArgumentTypeError]
    assert "a subscriber failed" in caplog.text
    assert stops.closed


def test_an_invariant_that_returns_a_coroutine_vetoes() -> None:
    store = Store[str, Any](
        invariants={"later": lambda now, _: (now.version and HIDDEN[0]()) or None}
    )
    with pytest.raises(ArgumentTypeError, match="plain function"):
        store.set("a", 2)
    assert store.snapshot().version == 0


def test_what_a_plain_function_answers_is_what_counts(store: Store[str, Any]) -> None:
    other = Store[str, Any]({"a": 1}, invariants={"small": lambda now, _: now.get("a", 0) < 9})
    assert other.update("a", lambda record: record + 1).after["a"] == 2
    assert other.wait_for(lambda now: now["a"] == 2, 1).version == 1
    with pytest.raises(InvariantError):
        other.set("a", 9)


@pytest.mark.parametrize("into", AT_ONCE)
@pytest.mark.parametrize("thing", [3, "a function", ()])
def test_what_is_no_function_is_refused_at_once_with_what_is_wanted(
    store: Store[str, Any], into: str, thing: Any
) -> None:
    with pytest.raises(CowstateError, match=rf"function.*{re.escape(repr(thing))}"):
        AT_ONCE[into](store, thing)
    assert store.statistics().subscriptions == 0


@pytest.mark.parametrize("flag", [0, 1, "yes", None])
def test_what_is_neither_true_nor_false_is_no_flag(store: Store[str, Any], flag: Any) -> None:
    for into in (lambda: store.subscribe(print, initial=flag), lambda: store.feed(initial=flag)):
        with pytest.raises(ArgumentTypeError, match=f"True or False, not {flag!r}"):
            into()
    assert store.statistics().subscriptions == 0


# Attributes


def test_an_attribute_that_nobody_would_read_cannot_be_set(store: Store[str, Any]) -> None:
    assert isinstance(UnknownAttributeError(Store, "x"), AttributeError)
    for name in ("meta", "version", "snapshots"):
        with pytest.raises(UnknownAttributeError, match=f"'{name}'") as caught:
            setattr(store, name, 5)
        assert caught.value.attribute == name
        assert not hasattr(store, name)


@pytest.mark.parametrize("name", ["metta", "result_", "key"])
def test_nor_one_of_a_transaction_or_a_draft(store: Store[str, Any], name: str) -> None:
    with store.transaction() as tx, pytest.raises(AttributeError, match=name):
        setattr(tx, name, 5)
    with pytest.raises(AttributeError, match=name):
        setattr(store.draft(), name, 5)


def test_a_subclass_may_have_its_own() -> None:
    class Registry(Store[str, int]):
        def __init__(self) -> None:
            super().__init__({"a": 1})
            self.name = "registry"

    registry = Registry()
    registry.size = 5  # type: ignore[attr-defined]
    assert registry.name == "registry"

    class Sealed(Store[str, int], sealed=True):
        unit: str

    closed = Sealed()
    closed.unit = "kg"
    with pytest.raises(UnknownAttributeError, match="Sealed"):
        closed.size = 5  # type: ignore[attr-defined]


def test_what_the_class_has_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store({"a": 1})
    with monkeypatch.context() as patched:
        patched.setattr(store, "set", lambda *_: "patched")
        assert store.set("a", 2) == "patched"
    assert store.set("a", 2).version == 1


# A store is no mapping

USES: dict[str, Callable[[Any], object]] = {
    "store[key]": lambda store: store["a"],
    "for": lambda store: dict.fromkeys(store, 1),
    "in": lambda store: "a" in store,
    "len": len,
    "list": list,
    "dict": dict,
    "sorted": sorted,
    "**": lambda store: {**store} if isinstance(store, abc.Mapping) else dict(iter(store)),
}


@pytest.mark.parametrize("use", USES)
def test_what_reads_a_store_like_a_mapping_hears_of_snapshots(
    store: Store[str, Any], use: str
) -> None:
    with pytest.raises(NotAMappingError, match=r"not a mapping.*snapshot\(\)"):
        USES[use](store)


def test_what_writes_it_like_one_hears_of_set_and_delete(store: Store[str, Any]) -> None:
    anything: Any = store
    with pytest.raises(TypeError, match=r"set\(key, record\)"):
        anything["a"] = 5
    with pytest.raises(CowstateError, match=r"delete\(key\)"):
        del anything["a"]


def test_it_does_not_look_like_one_either(store: Store[str, Any]) -> None:
    for name in ("__getitem__", "__setitem__", "__delitem__", "__len__", "__iter__", "keys"):
        assert not hasattr(store, name)
        assert not hasattr(Store, name)
    for kind in (abc.Mapping, abc.Iterable, abc.Container, abc.Collection, abc.Sequence):
        assert not isinstance(store, kind)
    assert isinstance(store, abc.Sized)  # or len(store) could not say what to do
    assert store
    assert Store()


@pytest.mark.parametrize("timeout", ["1", dict, float("nan")])
def test_a_timeout_that_is_none_is_refused_whoever_is_in_the_way(
    store: Store[str, Any], timeout: Any
) -> None:
    with pytest.raises(CowstateError, match="timeout must be a number of seconds"):
        store.transact(dict, timeout=timeout)
    with pytest.raises(CowstateError, match="timeout must be a number of seconds"):
        store.transaction(timeout=timeout)
    with pytest.raises(CowstateError, match="timeout must be a number of seconds"):
        transaction(store, timeout=timeout)


@pytest.mark.parametrize("no_store", [{}, None, Store])
def test_a_transaction_over_what_is_no_store_is_refused(
    store: Store[str, Any], no_store: Any
) -> None:
    with pytest.raises(ArgumentTypeError, match="transaction opens stores"):
        transaction(store, no_store)


@pytest.mark.parametrize("place", [0, 1])
def test_a_transaction_over_what_has_a_file_of_its_own_and_another_is_refused(
    store: Store[str, Any], tmp_path: Path, place: int
) -> None:
    with open_store(tmp_path / "it.db", key=str, record=int, meta=int) as journaled:
        stores: list[Any] = [store]
        stores.insert(place, journaled)
        with pytest.raises(ArgumentValueError, match="has a file of its own"):
            transaction(*stores)
        journaled.transact(lambda tx: tx.update(a=1))  # as it is by itself
        assert journaled.snapshot().version == 1


def test_a_transaction_over_the_same_store_twice_is_refused(store: Store[str, Any]) -> None:
    other = Store({"a": 1})
    for stores in ((store, store), (store, other, store), (other, store, store)):
        with pytest.raises(ArgumentValueError, match="same store twice"):
            transaction(*stores)

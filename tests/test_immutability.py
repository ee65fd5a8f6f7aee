"""What a store takes for mutable by its type, and that it trusts whoever says so."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import queue
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cowstate import ArgumentValueError, MutableRecordError, Store
from cowstate.immutability import check_deeply, why_mutable


class Opaque:
    """A class of which nothing is known."""

    def __init__(self, held: Any) -> None:
        self.held = held


# What is known to be mutable, and is not imported


def named(module: str, name: str) -> type:
    """A class as another library has it."""
    return type(name, (), {"__module__": module})


def model(*, frozen: bool, name: str = "model_config") -> type:
    base = named("pydantic.main", "BaseModel")
    config: Any = {"frozen": frozen}
    if name == "__config__":
        config = types.SimpleNamespace(frozen=False, allow_mutation=not frozen)
    return type("Model", (base,), {name: config})


@pytest.mark.parametrize(
    "kind",
    [
        named("numpy", "ndarray"),
        type("matrix", (named("numpy", "ndarray"),), {"__module__": "mine"}),
        named("pandas.core.frame", "DataFrame"),
        named("pandas", "Series"),
        model(frozen=False),
        model(frozen=False, name="__config__"),
        type("Model", (named("pydantic.v1.main", "BaseModel"),), {}),
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_a_mutable_class_of_another_library_is_known_by_its_name(kind: type) -> None:
    assert why_mutable(kind) is not None
    with pytest.raises(MutableRecordError, match=kind.__name__):
        Store({"a": kind()})


@pytest.mark.parametrize(
    "kind",
    [
        named("numpy", "float64"),
        named("mine", "ndarray"),
        named("mine.numpy", "DataFrame"),
        model(frozen=True),
        model(frozen=True, name="__config__"),
        named("mine", "BaseModel"),
        named("pydantic.fields", "FieldInfo"),
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_a_class_that_is_only_called_so_or_is_frozen_is_not(kind: type) -> None:
    assert why_mutable(kind) is None


def test_what_can_be_stored_instead_is_said_of_what_changes_in_place_alone() -> None:
    assert "in place; store a tuple, bytes" in str(why_mutable(named("numpy", "ndarray")))
    assert "does not stay as it is" in str(why_mutable(named("asyncio", "Lock")))


def test_a_class_that_says_nothing_of_its_module_is_trusted() -> None:
    assert why_mutable(type("Odd", (), {"__module__": None})) is None


@pytest.mark.parametrize(
    ("config", "frozen"),
    [
        ({"frozen": True}, True),
        ({"frozen": True, "allow_mutation": True}, True),
        ({"frozen": False, "allow_mutation": True}, False),
        ({"allow_mutation": False}, True),
        ({}, False),
    ],
)
def test_models_of_the_first_pydantic_were_frozen_in_two_ways(config: Any, frozen: bool) -> None:
    base = named("pydantic.main", "BaseModel")
    kind = type("Model", (base,), {"__config__": types.SimpleNamespace(**config)})
    assert (why_mutable(kind) is None) is frozen


@pytest.mark.parametrize(
    "fields", [{"model_fields": {"tags": 1}}, {"__fields__": {"tags": 1}}, {}], ids=list
)
def test_a_deep_look_looks_into_models_of_either_pydantic(fields: dict[str, Any]) -> None:
    kind = type("Model", (model(frozen=True),), fields)
    value: Any = kind()
    check_deeply(value, "root")
    value.tags = []
    if fields:
        with pytest.raises(MutableRecordError, match=r"root\.tags is of type list"):
            check_deeply(value, "root")
    else:
        check_deeply(value, "root")  # whose fields nobody knows


def test_the_real_ones_are_known_where_they_are_installed() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Open(pydantic.BaseModel):  # type: ignore[misc, name-defined, unused-ignore]
        x: int

    class Frozen(Open):
        model_config = pydantic.ConfigDict(frozen=True)
        tags: Any = ()

    with pytest.raises(MutableRecordError, match="ConfigDict"):
        Store({"a": Open(x=1)})
    assert Store({"a": Frozen(x=1)}).snapshot()["a"].x == 1
    with pytest.raises(MutableRecordError, match=r"records\['a'\]\.tags is of type list"):
        Store({"a": Frozen(x=1, tags=[])}, immutability="deep")


def test_numpy_and_pandas_are_known_where_they_are_installed() -> None:
    numpy = pytest.importorskip("numpy")
    assert why_mutable(numpy.ndarray)
    assert why_mutable(numpy.float64) is None
    pandas = pytest.importorskip("pandas")
    assert why_mutable(pandas.DataFrame)
    assert why_mutable(pandas.Series)


def yields() -> Iterator[int]:
    yield 1


async def awaits() -> None:
    """Nothing."""


async def both() -> Any:
    yield 1


@pytest.fixture
def coroutine() -> Iterator[Any]:
    made = awaits()
    yield made
    made.close()


def test_a_coroutine_is_no_record(coroutine: Any) -> None:
    with pytest.raises(MutableRecordError, match="await it"):
        Store({"a": coroutine})


@pytest.mark.parametrize(
    "make",
    [
        yields,
        both,
        lambda: iter([1]),
        lambda: map(str, [1]),
        lambda: io.StringIO("text"),
        lambda: io.BytesIO(b"bytes"),
        threading.Lock,
        threading.RLock,
        threading.Condition,
        threading.Semaphore,
        threading.Event,
        threading.Thread,
        threading.local,
        queue.Queue,
        queue.SimpleQueue,
        asyncio.Lock,
        asyncio.Queue,
        concurrent.futures.Future,
        lambda: Store({"a": 1}).feed(),
    ],
)
def test_what_is_used_up_or_changes_by_itself_is_no_record(make: Callable[[], Any]) -> None:
    with pytest.raises(MutableRecordError, match="does not stay as it is"):
        Store({"a": make()})


def test_an_array_has_its_article() -> None:
    import array

    assert str(why_mutable(array.array)).startswith("an array can be changed")


# Trusted


@pytest.mark.parametrize("value", [[], {}, bytearray(), Opaque([]), io.StringIO()], ids=repr)
def test_a_store_that_trusts_takes_what_it_is_given(value: Any) -> None:
    store: Store[str, Any] = Store({"a": value}, meta=value, immutability="trusted")
    for _ in range(2):
        store.set("b", value)
        store.update("a", lambda _: (value,))
        with store.transaction() as tx:
            tx["c"] = value
        draft = store.draft()
        draft["d"] = value
        draft.meta = [value]
        draft.commit()
    now = store.snapshot()
    assert now["b"] is now["c"] is now["d"] is value
    assert now["a"] == (value,)


def test_what_is_known_to_nobody_is_an_error() -> None:
    with pytest.raises(ArgumentValueError, match="'deep'"):
        Store(immutability="deeply")  # type: ignore[arg-type]

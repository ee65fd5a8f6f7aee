"""The type of ``meta`` at runtime: two arguments or three, on every Python that there is."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cowstate
from cowstate import (
    Codec,
    Commit,
    Draft,
    Feed,
    Lagged,
    Observation,
    Pin,
    Record,
    Snapshot,
    Store,
    Subscription,
    Transaction,
    aio,
)
from cowstate.meta import M, with_default

K = TypeVar("K")
V = TypeVar("V")
N = TypeVar("N")


class Mode(Record):
    open: bool = True


CLASSES: list[Any] = [
    *(Store, Snapshot, Commit, Transaction, Draft, Observation),
    *(Feed, Subscription, Lagged, Pin, Codec, aio.AsyncFeed),
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_third_argument_is_any_where_it_is_not_given(cls: Any) -> None:
    two, three = cls[str, int], cls[str, int, Mode]
    assert two == cls[str, int, Any] != three
    assert get_origin(two) is get_origin(three) is two.__origin__ is cls
    assert (get_args(two), get_args(three)) == ((str, int, Any), (str, int, Mode))
    assert cls[K, V].__parameters__ == (K, V)
    assert cls[K, V, M][str, int, Mode] == three


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_one_argument_or_four_are_refused(cls: Any) -> None:
    for wrong in (str, (str,), (str, int, Mode, Mode)):
        with pytest.raises(TypeError, match="argument"):
            cls[wrong]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_such_a_type_is_a_value_like_any_other(cls: Any) -> None:
    for written in (cls[str, int], cls[str, int, bool]):
        assert pickle.loads(pickle.dumps(written)) == written == copy.copy(written)
        assert hash(written) == hash(pickle.loads(pickle.dumps(written)))
        with pytest.raises(TypeError):
            isinstance(0, written)
        with pytest.raises(TypeError):
            issubclass(int, written)


def test_every_class_that_meta_comes_out_of_is_among_these() -> None:
    exported = [getattr(cowstate, name) for name in cowstate.__all__]
    with_meta = [each for each in exported if M in getattr(each, "__parameters__", ())]
    assert {*with_meta, aio.AsyncFeed} == {*CLASSES}


# Subclasses


class OfTwo(Store[K, V]):
    """As it was written before there was a third parameter."""


class OfThree(Store[K, V, M]):
    pass


class OfSlots(Store[str, int]):
    pass


class OfModes(Store[str, V, Mode]):
    pass


class Bare(Store):  # type: ignore[type-arg]
    pass


class Other(Store[str, int, N], Generic[N]):
    """Its last parameter is not `M`."""


def test_a_subclass_takes_what_it_has() -> None:
    made: Any = OfTwo, OfThree, OfModes, Other
    two, three, modes, other = made
    assert two[str, int].__origin__ is OfTwo
    assert three[str, int] == three[str, int, Any] != three[str, int, Mode]
    assert get_args(modes[int]) == (int,)
    assert get_args(other[Mode]) == (Mode,)
    wrong: list[Any] = [
        *((OfSlots, str), (Bare, (str, int)), (modes, (int, Mode)), (other, (int, Mode))),
        *((two, str), (three, str), (other, ())),
    ]
    for cls, args in wrong:
        with pytest.raises(TypeError):
            cls[args]


@pytest.mark.parametrize("cls", [OfTwo, OfThree, OfSlots, OfModes, Bare])
def test_a_subclass_is_a_store(cls: Any) -> None:
    assert cls({"a": 1}, meta=Mode()).set("a", 2).after.meta == Mode()
    own: Any = type("Own", (cls,), {"more": 5})
    assert (own({"a": 1}).snapshot()["a"], own().more) == (1, 5)


def test_a_type_with_its_arguments_can_be_called() -> None:
    of_two: Any = Store[str, int]
    of_three: Any = Store[str, int, Mode]
    for cls in (of_two, of_three):
        store = cls({"a": 1}, meta=Mode())
        assert type(store) is Store
        assert store.snapshot().meta == Mode()
    assert Lagged[str, int](1, Store({"a": 1}).snapshot()).missed_from == 1


# Who looks at annotations


def taken(store: Store[str, int], gap: Lagged[str, int], now: Snapshot[str, int, Mode]) -> None:
    """To be looked at."""


def test_annotations_can_be_looked_up() -> None:
    hints = get_type_hints(taken)
    assert hints["store"] == Store[str, int, Any]
    assert hints["gap"] == Lagged[str, int, Any]
    assert get_args(hints["now"]) == (str, int, Mode)
    assert get_type_hints(Store.set_meta)["value"] is M
    assert get_type_hints(Store.update_meta)["fn"] == Callable[[M], M]
    returned = get_type_hints(Store.snapshot)["return"]
    assert (get_origin(returned), get_args(returned)[2]) == (Snapshot, M)
    assert get_type_hints(Commit)["after"].__origin__ is Snapshot


PUBLIC = [getattr(module, name) for module in (cowstate, aio) for name in module.__all__]
METHODS = {
    f"{cls.__name__}.{name}": getattr(cls, name)
    for cls in PUBLIC
    if isinstance(cls, type)
    for name in (*(name for name in dir(cls) if not name.startswith("_")), "__init__")
    if isinstance(getattr(cls, name), FunctionType)
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_no_method_is_annotated_with_what_only_type_checkers_know(method: FunctionType) -> None:
    assert get_type_hints(method).keys() == method.__annotations__.keys()


def test_a_subscriber_may_be_called_by_one_of_two_names_or_by_a_loop() -> None:
    assert get_args(get_type_hints(Store.subscribe)["via"]) == (Literal["writer", "thread"], Any)


class Holder(msgspec.Struct):
    store: Store[str, int]
    typed: Store[str, int, Mode] | None = None


def test_msgspec_takes_it_for_a_type_of_ours() -> None:
    store = Store({"a": 1})
    seen = []

    def decoded(kind: Any, value: Any) -> Any:
        seen.append(kind)
        return store

    found = msgspec.json.decode(b'{"store": 1}', type=Holder, dec_hook=decoded)
    assert found.store is store
    assert [get_origin(kind) or kind for kind in seen] == [Store]


def test_pydantic_takes_it_for_a_type_of_ours() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        model_config = {"arbitrary_types_allowed": True}
        two: Store[str, int]
        three: Store[str, int, Mode]

    store = Store({"a": 1})
    assert Model(two=store, three=store).three is store
    with pytest.raises(pydantic.ValidationError):
        Model(two={"a": 1}, three=store)


# What the above stands on


def test_without_it_two_arguments_would_be_too_few() -> None:
    class Plain(Generic[K, V, M]):
        pass

    plain: Any = Plain
    if sys.version_info >= (3, 13):
        assert get_args(plain[str, int]) == (str, int, Any)
    else:
        with pytest.raises(TypeError, match="argument"):
            plain[str, int]


def test_nobody_has_to_install_what_only_type_checkers_need() -> None:
    program = (
        "import sys; sys.modules['typing_extensions'] = None\n"
        "from cowstate import Store\n"
        "assert len(Store[str, int].__args__) == 3\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600)


@given(
    parameters=st.lists(st.sampled_from([K, V, M]), unique=True, max_size=3).map(tuple),
    args=st.lists(st.sampled_from([str, int, Any]), max_size=4).map(tuple),
)
def test_one_is_filled_in_and_no_other(parameters: tuple[Any, ...], args: tuple[Any, ...]) -> None:
    cls = type("Some", (), {"__parameters__": parameters})
    found = with_default(cls, args)
    missing = parameters[len(args) :]
    assert found == ((*args, Any) if missing == (M,) else args)
    if len(args) == 1:
        alone = with_default(cls, args[0])
        assert alone == (found if missing == (M,) else args[0])

"""Keys that collide, raise, cannot be hashed or equal nothing: what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    CowstateError,
    Index,
    Store,
    UnhashableKeyError,
    UnknownAggregateError,
    UnknownIndexError,
)

MakeStore = Callable[..., Store[Any, Any]]


class Awkward:
    """A key that collides with all of its kind and raises when told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.raises: set[str] = set()

    def __hash__(self) -> int:
        if "hash" in self.raises:
            raise LookupError("no hash")
        return 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Awkward):
            return False
        if "eq" in self.raises | other.raises:
            raise LookupError("no eq")
        return other.name == self.name


def writes_of(store: Store[Any, Any], key: Any) -> Iterator[Callable[[], Any]]:
    yield lambda: store.set(key, 1)
    yield lambda: store.update(key, lambda n: n)
    yield lambda: store.update(key, lambda n: n, default=1)
    yield lambda: store.update_all([key], lambda n: n)
    yield lambda: store.delete(key)
    yield lambda: store.compare_and_set(key, MISSING, 1)

    def transact() -> None:
        with store.transaction() as tx:
            tx[key] = 1

    yield transact

    def draft() -> None:
        work = store.draft()
        work[key] = 1
        work.commit()

    yield draft


def reads_of(store: Store[Any, Any], key: Any) -> Iterator[Callable[[], Any]]:
    views: list[Any] = [store.snapshot(), store.draft()]
    for view in views:
        yield partial(view.__getitem__, key)
        yield partial(view.__contains__, key)
        yield partial(view.get, key)
        yield partial(view.get, key, 0)
    for name in ("__getitem__", "__contains__", "get"):
        yield lambda name=name: store.transact(lambda tx: getattr(tx, name)(key))


def test_keys_that_collide_are_kept_apart(make_store: MakeStore) -> None:
    keys = [Awkward(str(number)) for number in range(20)]
    store = make_store(dict.fromkeys(keys, 0))
    for number, key in enumerate(keys):
        store.set(Awkward(key.name), number)
    assert {key.name: n for key, n in store.snapshot().items()} == {str(n): n for n in range(20)}
    for key in keys[::2]:
        store.delete(Awkward(key.name))
    assert len(store.snapshot()) == 10
    assert keys[0] not in store.snapshot()
    assert store.snapshot()[Awkward("1")] == 1


@pytest.mark.parametrize("way", ["hash", "eq"])
def test_what_a_key_raises_comes_through_and_the_store_goes_on(
    make_store: MakeStore, way: str
) -> None:
    store = make_store({Awkward("a"): 1, Awkward("b"): 2}, indexes={"n": Index(lambda n: n)})
    before = store.snapshot()
    bad = Awkward("c")
    bad.raises.add(way)
    for write in writes_of(store, bad):
        with pytest.raises(LookupError, match=f"no {way}"):
            write()
    assert store.snapshot() is before
    bad.raises.clear()
    assert store.set(bad, 3).version == 1
    assert len(store.snapshot()) == 3


@pytest.mark.parametrize("key", [[], {}, set(), ([],), slice(1, [])])
def test_a_key_that_cannot_be_hashed_is_refused(make_store: MakeStore, key: Any) -> None:
    store = make_store({"a": 1})
    for write in writes_of(store, key):
        with pytest.raises(UnhashableKeyError, match=type(key).__name__) as caught:
            write()
        assert caught.value.key_type is type(key)
    assert store.snapshot().version == 0


@pytest.mark.parametrize("key", [[], {}, set(), ([],), slice(1, [])])
def test_a_look_at_what_cannot_be_hashed_is_refused(make_store: MakeStore, key: Any) -> None:
    store = make_store({"a": 1}, indexes={"n": Index(lambda n: n)})
    for look in reads_of(store, key):
        with pytest.raises(UnhashableKeyError, match=type(key).__name__):
            look()
    for view in (store.snapshot(), store.draft()):
        with pytest.raises(ArgumentTypeError, match="index 'n' has no entry for"):
            view.find_all("n", key)
        with pytest.raises(UnknownIndexError, match="'n'"):
            view.find_all(key, 1)
        with pytest.raises(UnknownAggregateError):
            view.total(key)


def test_a_type_error_out_of_a_comparison_is_not_taken_for_an_unhashable_key(
    make_store: MakeStore,
) -> None:
    class Incomparable:
        def __hash__(self) -> int:
            return hash("a")

        def __eq__(self, other: object) -> bool:
            raise TypeError("compare me not")

    store = make_store({"a": 1}, indexes={"it": Index(lambda _: "a")})
    calls = [*writes_of(store, Incomparable()), *reads_of(store, Incomparable())]
    for view in (store.snapshot(), store.draft()):
        calls += [partial(view.find_all, "it", Incomparable())]
    for call in calls:
        with pytest.raises(TypeError, match="compare me not") as caught:
            call()
        assert not isinstance(caught.value, CowstateError)


@pytest.mark.parametrize("nan", [float("nan"), Decimal("nan")])
def test_a_key_that_equals_nothing_is_refused(make_store: MakeStore, nan: Any) -> None:
    """Not every map would find it again."""
    store = make_store({"a": 1})
    with pytest.raises(ArgumentValueError, match="itself"):
        make_store({nan: 1})
    with pytest.raises(ArgumentValueError, match="itself"):
        store.set(nan, 1)
    with pytest.raises(ArgumentValueError, match="itself"):
        store.compare_and_set(nan, MISSING, 1)
    with pytest.raises(ArgumentValueError, match="itself"):
        store.draft()[nan] = 1
    with pytest.raises(ArgumentValueError, match="itself"), store.transaction() as tx:
        tx[nan] = 1
    assert store.snapshot().version == 0

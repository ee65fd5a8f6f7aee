"""What Python promises of mappings: its own tests of them, where the standard library has them."""

from __future__ import annotations

import importlib.util
import unittest
from collections import abc
from collections.abc import Iterator
from typing import Any

import pytest

from cowstate import Change, ChangeSet, Draft, Record, Snapshot, Store, Transaction

if (
    importlib.util.find_spec("test") is None
    or importlib.util.find_spec("test.mapping_tests") is None
):
    pytest.skip("this Python ships no test.mapping_tests", allow_module_level=True)

from test.mapping_tests import BasicTestMappingProtocol, TestMappingProtocol

# Collected here only as bases of the classes below.
BasicTestMappingProtocol.__test__ = False
TestMappingProtocol.__test__ = False


def as_dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    """What ``dict(*args, **kwargs)`` gives, or its error."""
    return dict(*args, **kwargs)


def over_a_tree(*args: Any, **kwargs: Any) -> Store[Any, Any]:
    return Store(as_dict(*args, **kwargs), maps="tree")


def snapshot_of(*args: Any, **kwargs: Any) -> Snapshot[Any, Any]:
    return Store(as_dict(*args, **kwargs)).snapshot()


def draft_of(*args: Any, **kwargs: Any) -> Draft[Any, Any]:
    return Store(as_dict(*args, **kwargs)).draft()


def transaction_of(*args: Any, **kwargs: Any) -> Transaction[Any, Any]:
    """A transaction in the middle of its block, which ends with the test."""
    return entered(Store(as_dict(*args, **kwargs)))


def entered(store: Store[Any, Any]) -> Transaction[Any, Any]:
    block = store.transaction()
    opened.append(block)
    return block.__enter__()


opened: list[Any] = []


@pytest.fixture(autouse=True)
def _no_block_stays_open() -> Iterator[None]:
    """End them, for a thread inside of a block is given nothing by any store."""
    yield
    while opened:
        opened.pop().__exit__(KeyError, None, None)


def written(make: Any) -> Any:
    """The same contents, none of it in the base: all is written over an empty store."""

    def written_of(*args: Any, **kwargs: Any) -> Any:
        work = make()
        work.update(as_dict(*args, **kwargs))
        return work

    return written_of


def leave_out(name: str, why: str) -> Any:
    @unittest.skip(why)
    def skipped(self: Any) -> None: ...

    skipped.__name__ = name
    return skipped


MAKES_ITS_OWN = "makes a mapping by calling the type; a store makes snapshots, drafts, transactions"


class ReadOnly(BasicTestMappingProtocol):
    __test__ = True

    def _reference(self) -> dict[Any, Any]:
        return {"1": "2", "key1": "value1", "key2": (1, 2, 3)}

    def _empty_mapping(self) -> Any:
        return snapshot_of()

    def _full_mapping(self, data: Any) -> Any:
        return snapshot_of(data)

    test_write = leave_out("test_write", "writes; a snapshot is immutable")
    test_update = leave_out("test_update", "writes; a snapshot is immutable")
    test_setdefault = leave_out("test_setdefault", "writes; a snapshot is immutable")
    test_popitem = leave_out("test_popitem", "writes; a snapshot is immutable")
    test_pop = leave_out("test_pop", "writes; a snapshot is immutable")
    test_constructor = leave_out("test_constructor", MAKES_ITS_OWN)


class ReadOnlyPickled(ReadOnly):
    def _full_mapping(self, data: Any) -> Any:
        import pickle

        return pickle.loads(pickle.dumps(snapshot_of(data)))


class ReadOnlyOverATree(ReadOnly):
    def _empty_mapping(self) -> Any:
        return over_a_tree().snapshot()

    def _full_mapping(self, data: Any) -> Any:
        return over_a_tree(data).snapshot()


class Mutable(TestMappingProtocol):
    """The full protocol, but for what only a dict promises."""

    make: Any = None
    __test__ = False

    def type2test(self, *args: Any, **kwargs: Any) -> Any:
        return type(self).make(*args, **kwargs)

    def _reference(self) -> dict[Any, Any]:
        return {"1": "2", "key1": "value1", "key2": (1, 2, 3)}

    def _empty_mapping(self) -> Any:
        return type(self).make()

    def _full_mapping(self, data: Any) -> Any:
        return type(self).make(data)

    test_constructor = leave_out("test_constructor", MAKES_ITS_OWN)
    test_fromkeys = leave_out("test_fromkeys", "fromkeys is the dict type's; " + MAKES_ITS_OWN)
    test_copy = leave_out("test_copy", "copy is the dict type's; a draft is its store's")
    test_popitem = leave_out("test_popitem", "works on copies; see test_popitem_empties_it")
    test_setdefault = leave_out("test_setdefault", "stores a list, which a store refuses")

    def test_popitem_empties_it(self) -> None:
        for size in range(6):
            full = {number: number for number in range(size)}
            work = self._full_mapping(full)
            popped = dict(work.popitem() for _ in range(size))
            assert popped == full
            assert len(work) == 0
            with pytest.raises(KeyError):
                work.popitem()

    def test_setdefault_keeps_what_is_there(self) -> None:
        work = self._empty_mapping()
        assert work.setdefault("key", (3,)) == (3,)
        assert work.setdefault("key", (4,)) == (3,)
        assert dict(work) == {"key": (3,)}


class OfADraft(Mutable):
    __test__ = True
    make = staticmethod(draft_of)


class OfADraftWritten(Mutable):
    __test__ = True
    make = staticmethod(written(draft_of))


class OfADraftOverATree(Mutable):
    __test__ = True
    make = staticmethod(lambda *args, **kwargs: over_a_tree(*args, **kwargs).draft())


class OfATransaction(Mutable):
    __test__ = True
    make = staticmethod(transaction_of)


class OfATransactionWritten(Mutable):
    __test__ = True
    make = staticmethod(written(transaction_of))


class OfATransactionOverATree(Mutable):
    __test__ = True
    make = staticmethod(lambda *args, **kwargs: entered(over_a_tree(*args, **kwargs)))


class Slot(Record):
    n: int = 0


def test_each_is_the_collection_that_it_says_it_is() -> None:
    store = Store({"a": Slot()})
    now, draft = store.snapshot(), store.draft()
    changes = store.set("a", Slot(1)).changes
    with store.transaction() as tx:
        works: list[Any] = [draft, tx]
    for thing in (now, changes, *works):
        for wanted in (abc.Mapping, abc.Collection, abc.Sized, abc.Iterable, abc.Container):
            assert isinstance(thing, wanted)
        assert isinstance(thing.keys(), abc.KeysView)
        assert isinstance(thing.values(), abc.ValuesView)
        assert isinstance(thing.items(), abc.ItemsView)
        assert isinstance(thing.keys(), abc.Set)
        assert isinstance(iter(thing), abc.Iterator)
        assert not isinstance(thing, abc.Hashable)
        with pytest.raises(TypeError):
            reversed(thing)
    for thing in works:
        assert isinstance(thing, abc.MutableMapping)
    for thing in (now, changes):
        assert not isinstance(thing, abc.MutableMapping)
    assert issubclass(Snapshot, abc.Mapping)
    assert issubclass(ChangeSet, abc.Mapping)
    assert isinstance(changes["a"], Change)
    # Two things of a store can only be read together through a snapshot.
    for wanted in (abc.Mapping, abc.Iterable, abc.Collection, abc.Container):
        assert not isinstance(store, wanted)

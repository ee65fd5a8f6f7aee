"""What one would write, or install, instead: small stores behind one interface.

Each holds frozen records and does what its name says, no more. None has versions, changes,
indexes or totals, checks types or reentrancy, or can say what changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from threading import Lock
from typing import Any, Protocol

from cowstate.maps import MapKind, map_kind

__all__ = [
    "AtomReference",
    "AtomicReference",
    "Bare",
    "CopyOnRead",
    "CopyOnWrite",
    "Nimbus",
    "NimbusEngine",
    "Reference",
    "Rival",
    "large_map",
]


class Rival(Protocol):
    """What all of them can do."""

    def snapshot(self) -> Any:
        """Return everything, consistent, as a mapping."""

    def update(self, key: Any, fn: Callable[[Any], Any], /) -> object:
        """Replace one record by ``fn(record)``."""

    def set(self, key: Any, record: Any, /) -> object:
        """Put one record in the place of another."""

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> object:
        """Replace several, at once for every reader."""

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Replace one record if it is *expected* still."""
        ...


def large_map() -> MapKind:
    """Return the kind of tree map that the store would choose here."""
    return map_kind(map_kind("auto").large)


class Bare:
    """An attribute, and a method that returns it: what no snapshot can be cheaper than."""

    def __init__(self) -> None:
        self._value = object()

    def get(self) -> object:
        """Return the attribute."""
        return self._value


class CopyOnRead:
    """One lock and a dict of frozen records; a snapshot is ``dict.copy()`` under the lock."""

    def __init__(self, records: Mapping[Any, Any]) -> None:
        self._lock = Lock()
        self._records = dict(records)

    def snapshot(self) -> dict[Any, Any]:
        """Return a copy of the dict."""
        with self._lock:
            return self._records.copy()

    def get(self, key: Any) -> Any:
        """Return one record."""
        with self._lock:
            return self._records[key]

    def set(self, key: Any, record: Any) -> None:
        """Put one record into the dict."""
        with self._lock:
            self._records[key] = record

    def update(self, key: Any, fn: Callable[[Any], Any]) -> None:
        """Replace one record in the dict."""
        with self._lock:
            self._records[key] = fn(self._records[key])

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> None:
        """Replace several under one lock."""
        with self._lock:
            records = self._records
            records.update({key: fn(records[key]) for key in keys})

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Compare and replace under the lock."""
        with self._lock:
            if self._records[key] is not expected:
                return False
            self._records[key] = record
            return True


class CopyOnWrite:
    """One lock for writers, who copy the whole dict; a snapshot is that dict itself."""

    def __init__(self, records: Mapping[Any, Any]) -> None:
        self._lock = Lock()
        self._records = dict(records)

    def snapshot(self) -> dict[Any, Any]:
        """Return the dict that nobody changes any more."""
        return self._records

    def set(self, key: Any, record: Any) -> None:
        """Put one record into a copy of the dict."""
        with self._lock:
            records = self._records.copy()
            records[key] = record
            self._records = records

    def update(self, key: Any, fn: Callable[[Any], Any]) -> None:
        """Replace one record in a copy of the dict."""
        with self._lock:
            records = self._records.copy()
            records[key] = fn(records[key])
            self._records = records

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> None:
        """Replace several in one copy."""
        with self._lock:
            records = self._records.copy()
            for key in keys:
                records[key] = fn(records[key])
            self._records = records

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Compare, and replace in a copy."""
        with self._lock:
            if self._records[key] is not expected:
                return False
            records = self._records.copy()
            records[key] = record
            self._records = records
            return True


class Reference:
    """A reference and a lock over a persistent map: what `cowstate.Store` is at its heart."""

    def __init__(self, records: Mapping[Any, Any], kind: MapKind) -> None:
        self._lock = Lock()
        self._put, self._apply = kind.put, kind.apply
        self._map = kind.build(records)

    def snapshot(self) -> Any:
        """Return the map."""
        return self._map

    def set(self, key: Any, record: Any) -> None:
        """Swap in the map with that record in it."""
        with self._lock:
            self._map = self._put(self._map, key, record)

    def update(self, key: Any, fn: Callable[[Any], Any]) -> None:
        """Swap in the map with one record replaced."""
        with self._lock:
            records = self._map
            self._map = self._put(records, key, fn(records[key]))

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> None:
        """Swap in the map with several replaced."""
        with self._lock:
            records = self._map
            self._map = self._apply(records, {key: fn(records[key]) for key in keys})

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Compare the record, and swap."""
        with self._lock:
            records = self._map
            if records[key] is not expected:
                return False
            self._map = self._put(records, key, record)
            return True


class AtomicReference:
    """``cereggii.AtomicRef`` to a persistent map: no lock; who loses the race does it again."""

    def __init__(self, records: Mapping[Any, Any]) -> None:
        kind = large_map()
        self._put, self._apply = kind.put, kind.apply
        self._ref = import_module("cereggii").AtomicRef(kind.build(records))
        self.snapshot = self._ref.get

    def set(self, key: Any, record: Any) -> None:
        """Swap until nobody came between."""
        while True:
            records = self._ref.get()
            if self._ref.compare_and_set(records, self._put(records, key, record)):
                return

    def update(self, key: Any, fn: Callable[[Any], Any]) -> None:
        """Swap until nobody came between; *fn* may run several times."""
        while True:
            records = self._ref.get()
            if self._ref.compare_and_set(records, self._put(records, key, fn(records[key]))):
                return

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> None:
        """Swap until nobody came between."""
        keys = tuple(keys)
        while True:
            records = self._ref.get()
            delta = {key: fn(records[key]) for key in keys}
            if self._ref.compare_and_set(records, self._apply(records, delta)):
                return

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Swap until nobody came between, as long as the record is the expected one."""
        while True:
            records = self._ref.get()
            if records[key] is not expected:
                return False
            if self._ref.compare_and_set(records, self._put(records, key, record)):
                return True


class AtomReference:
    """``atomix_stm.Atom`` over a persistent map: ``swap``, again where it lost the race."""

    def __init__(self, records: Mapping[Any, Any]) -> None:
        kind = large_map()
        self._put, self._apply = kind.put, kind.apply
        log = logging.getLogger("atomix_stm.core")
        logging.disable(logging.INFO)  # it announces itself on stderr
        try:
            self._atom = import_module("atomix_stm").Atom(kind.build(records))
        finally:
            logging.disable(logging.NOTSET)
            log.setLevel(logging.WARNING)
        self.snapshot = self._atom.deref

    def set(self, key: Any, record: Any) -> None:
        """Swap in the map with that record in it."""
        put = self._put
        self._atom.swap(lambda records: put(records, key, record))

    def update(self, key: Any, fn: Callable[[Any], Any]) -> None:
        """Swap in the map with one record replaced; *fn* may run several times."""
        put = self._put
        self._atom.swap(lambda records: put(records, key, fn(records[key])))

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> None:
        """Swap in the map with several replaced."""
        apply = self._apply
        self._atom.swap(lambda records: apply(records, {key: fn(records[key]) for key in keys}))

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Swap, if the record is the expected one."""
        done = False

        def write(records: Any) -> Any:
            nonlocal done
            done = records[key] is expected
            return self._put(records, key, record) if done else records

        self._atom.swap(write)
        return done


class _NimbusFace:
    """What the two faces of nimbuskv have in common."""

    def __init__(self, store: Any, records: Mapping[Any, Any]) -> None:
        store.mset(dict(records))
        self.store = store
        self.update = store.atomic
        self.set = store.set

    def update_all(self, keys: Iterable[Any], fn: Callable[[Any], Any]) -> None:
        """Replace several at once, read one by one before: it has no transaction."""
        get = self.store.get
        self.store.mset({key: fn(get(key)) for key in keys})


class Nimbus(_NimbusFace):
    """``nimbuskv.NimbusKV``, in memory; its only consistent read is a list of all items."""

    def __init__(self, records: Mapping[Any, Any]) -> None:
        super().__init__(import_module("nimbuskv").NimbusKV(), records)

    def snapshot(self) -> dict[Any, Any]:
        """Return the items as a dict."""
        return dict(self.store.items())

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Replace one record if it is *expected*: a read-modify-write that may write it back."""
        done = False

        def write(found: Any) -> Any:
            nonlocal done
            done = found is expected
            return record if done else found

        self.store.atomic(key, write)
        return done

    def close(self) -> None:
        """Stop its thread."""
        self.store.stop()


class NimbusEngine(_NimbusFace):
    """The ``ReactiveStore`` inside nimbuskv, which is not exported: no expiry, no backend."""

    def __init__(self, records: Mapping[Any, Any]) -> None:
        super().__init__(import_module("nimbuskv.modules.reactive_core").ReactiveStore(), records)
        self.snapshot = self.store.snapshot

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> bool:
        """Change the map if the record is *expected*; subscribers are not told."""
        done = False

        def write(records: Any) -> Any:
            nonlocal done
            done = records[key] is expected
            return records.set(key, record) if done else records

        self.store.mutate(write)
        return done

"""What else one would write, or install, as variants beside ours and the lock-based twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from cowstate.maps import available_maps, map_kind

from .everyday import (
    FrozenLevel,
    LockedDict,
    PlainLevel,
    ReplacedDict,
    replace_with_one_more,
)
from .levels import Level, add_one_in_place, records_of
from .measure import Operation, gil_enabled
from .rivals import (
    AtomicReference,
    AtomReference,
    CopyOnRead,
    CopyOnWrite,
    Nimbus,
    NimbusEngine,
    Reference,
    Rival,
)
from .variant import UPDATE, Copying, Variant, WithGet

__all__ = ["DATACLASSES", "DEEPCOPY", "peers"]

DEEPCOPY = "plain objects, deepcopy"
"""A dict of plain mutable objects under a lock; ``copy.deepcopy`` is what a snapshot is."""

DATACLASSES = "frozen dataclasses"
"""A dict of frozen dataclasses under a lock, changed by ``dataclasses.replace``."""


def _ignore_event(key: str, event: str, old: object, new: object) -> None:
    """A subscriber that costs nothing but the call, for nimbuskv."""


class _Rival(Variant):
    def __init__(
        self, name: str, note: str, make: Callable[[Mapping[str, Level]], Rival], size: int
    ) -> None:
        self.name = name
        self.note = note
        self._make = make
        super().__init__(size)

    def fresh(self) -> Rival:
        return self._make(records_of(self.size))


class _CopiedToRead(WithGet, _Rival):
    """A snapshot would copy the whole dict, to read one record of it."""


class _Dataclasses(WithGet):
    name = DATACLASSES
    note = "no versions or checks"
    change = staticmethod(replace_with_one_more)

    def fresh(self) -> ReplacedDict:
        return ReplacedDict(FrozenLevel.several(self.size))


class _Deepcopy(Copying):
    name = DEEPCOPY
    note = "no versions or checks; a change that fails may be half done"
    change = staticmethod(add_one_in_place)

    def fresh(self) -> LockedDict:
        return LockedDict(PlainLevel.several(self.size))

    def do_diff(self) -> Operation:
        return self._do(
            "{key: (old, new) for key, new in now.items() if (old := before[key]) != new}",
            note="compares all values",
            **self._one_apart(),
        )

    def do_build(self) -> Operation:
        records = PlainLevel.several(self.size)
        return Operation("make(records)", {"make": LockedDict, "records": records}, note=self.note)


class _Nimbus(_Rival):
    def close(self) -> None:
        if "store" in self.__dict__ and hasattr(self.store, "close"):
            self.store.close()

    def do_read(self) -> Operation:
        return self._do("for key in keys: get(key)", per=10, get=self.store.store.get)

    def do_conditional(self) -> Operation:
        return self._do(
            "for key in keys:\n    old = get(key)\n    compare_and_set(key, old, change(old))",
            per=10,
            get=self.store.store.get,
            compare_and_set=self.store.compare_and_set,
        )

    def do_delivery(self) -> Operation:
        store = self.fresh().store  # type: ignore[attr-defined]
        store.subscribe(_ignore_event)
        return self._do(
            UPDATE,
            per=10,
            note="not in order where several threads write",
            update=store.atomic,
        )


def peers() -> dict[str, Callable[[int], Variant]]:
    """Return what makes each of them that can be had here, by name, for a size."""
    found: dict[str, Callable[[int], Variant]] = {
        DEEPCOPY: _Deepcopy,
        DATACLASSES: _Dataclasses,
        "one lock, copied to read": partial(
            _CopiedToRead, "one lock, copied to read", "no versions or checks", CopyOnRead
        ),
        "one lock, copied to write": partial(
            _Rival, "one lock, copied to write", "no versions or checks", CopyOnWrite
        ),
    }
    for maps in available_maps():
        kind = map_kind(maps)
        if kind.name == kind.large:
            name = f"reference+lock/{maps}"
            make = partial(Reference, kind=kind)
            found[name] = partial(_Rival, name, "no versions or checks", make)
    installed: tuple[tuple[str, str, str, Any, Any], ...] = (
        ("nimbuskv", "nimbuskv", "a consistent read is a list of all", _Nimbus, Nimbus),
        ("nimbuskv", "nimbuskv engine", "not its public face", _Nimbus, NimbusEngine),
        ("atomix_stm", "atomix Atom", "may run the function again", _Rival, AtomReference),
        ("cereggii", "cereggii AtomicRef", "may run the function again", _Rival, AtomicReference),
    )
    for module, name, note, kind_of, store in installed:
        # nimbuskv imports the C map, which would turn the GIL on for the whole process.
        if find_spec(module) is not None and (gil_enabled() or module != "nimbuskv"):
            found[name] = partial(kind_of, name, note, store)
    return found

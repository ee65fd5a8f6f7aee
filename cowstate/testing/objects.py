"""What is touched by a use of an object: of an attribute, an item, a method, a lock."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

from .footprints import Footprint
from .known import (
    CONTAINERS,
    FRESH,
    ITEMS_AT_MOST,
    MAPPINGS,
    PLAIN,
    UNKNOWN,
    VALUES,
    Method,
    NotUnderstoodError,
    Unknown,
    in_class,
    is_plain,
)
from .places import (
    check_keys,
    held_by_classes,
    places_of,
    places_of_attribute,
    places_of_items,
)
from .primitives import Condition, Guard, Primitive
from .queues import Queue, SimpleQueue

__all__ = ["Touched"]

# As they are found in a class that has none of its own.
_GET: Final = vars(object)["__getattribute__"]
_SET: Final = vars(object)["__setattr__"]
_NEW: Final = vars(object)["__new__"]
_CLASS: Final = vars(object)["__class__"]
_INIT: Final = vars(object)["__init__"]

_READING: Final[dict[Any, set[str]]] = {
    list: {"index", "count", "copy"},
    dict: {"get", "copy", "__contains__"},
    set: {"copy"},
    deque: {"copy"},
    OrderedDict: {"get", "copy", "__contains__"},
}
_WRITING: Final[dict[Any, set[str]]] = {
    list: {"append", "insert", "pop", "clear"},
    dict: {"setdefault", "pop", "clear"},
    set: {"add", "discard", "remove", "pop", "clear"},
    deque: {"append", "appendleft", "pop", "popleft", "clear"},
    OrderedDict: {"setdefault", "pop", "popitem", "move_to_end", "clear"},
}
_HASHING: Final = {
    *("get", "setdefault", "pop", "add", "discard", "remove", "index", "count", "move_to_end"),
}
_OF_VALUES: Final = {
    len,
    abs,
    min,
    max,
    int,
    float,
    bool,
    str,
    repr,
    range,
    divmod,
    round,
    ord,
    chr,
}


class Touched:
    """What has been touched, use by use. Nothing is run to find out.

    Each method raises `NotUnderstoodError` where anything might be touched.

    Args:
        files: those whose lines are switch points.

    Attributes:
        reads: the places read.
        writes: the places written.
        callees: the functions called, which are stepped through themselves.
        kinds: what the owners of the places are, by their ``id``.
    """

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self.reads: set[Hashable] = set()
        self.writes: set[Any] = set()
        self.callees: set[CodeType] = set()
        self.kinds: dict[int, str] = {}

    def _note(self, owner: Any) -> None:
        self.kinds[id(owner)] = (owner if isinstance(owner, type) else type(owner)).__name__

    def footprint(self) -> Footprint:
        """Return all of it."""
        return Footprint(frozenset(self.reads), frozenset(self.writes))

    def reads_of_objects(self) -> set[Hashable]:
        """Return the places read that are attributes and items."""
        mere = ("name", "variable")
        return {place for place in self.reads if isinstance(place, tuple) and place[0] not in mere}

    def put_attribute(self, owner: Any, name: str) -> None:
        """Count a store to an attribute, or its deletion."""
        # One of two underscores has another name in the class, or changes what all others mean.
        if isinstance(owner, Unknown) or name.startswith("__"):
            raise NotUnderstoodError
        if isinstance(owner, ModuleType):
            self.writes.add(("name", name))
            return
        if isinstance(owner, Primitive):
            self.writes.update(places_of(owner))
        if isinstance(owner, type):
            if type(owner) is not type:
                raise NotUnderstoodError
            self.writes.add(held_by_classes(name))
        elif in_class(type(owner), "__setattr__") is not _SET or is_plain(owner):
            raise NotUnderstoodError
        else:
            found = in_class(type(owner), name)
            hook = hasattr(type(found), "__set__") or hasattr(type(found), "__delete__")
            if hook and not isinstance(found, MemberDescriptorType):
                raise NotUnderstoodError
            if hook:
                self.writes.update(places_of_attribute(owner, found.__name__))
            self.reads.add(held_by_classes(name))
        self._note(owner)
        self.writes.update(places_of_attribute(owner, name))

    def put_item(self, holder: Any, index: Any) -> None:
        """Count a store to an item, or its deletion."""
        if type(holder) not in (list, deque, *MAPPINGS) or not is_plain(index):
            raise NotUnderstoodError
        check_keys(holder)
        self._note(holder)
        self.writes.update(places_of_items(holder, index))

    def attribute(self, owner: Any, name: str) -> Any:
        """Return an attribute, as far as it is known."""
        kind = type(owner)
        if isinstance(owner, Unknown) or name.startswith("__"):
            raise NotUnderstoodError
        if kind in VALUES or kind in CONTAINERS:
            return Method(owner, name)
        if isinstance(owner, ModuleType):
            if kind is not ModuleType or name not in vars(owner):
                raise NotUnderstoodError
            self.reads.add(("name", name))
            return vars(owner)[name]
        if isinstance(owner, type):
            return self._of_class(owner, name)
        if isinstance(owner, Primitive):
            found = self._of_object(owner, name)
            if not isinstance(found, MethodType):
                self.reads.update(places_of(owner))
            return found
        if in_class(kind, "__getattribute__") is not _GET:
            raise NotUnderstoodError
        return self._of_object(owner, name)

    def _of_class(self, owner: type, name: str) -> Any:
        if type(owner) is not type:
            raise NotUnderstoodError
        for kind in owner.__mro__:
            self._note(kind)
            self.reads.add(("attribute", id(kind), name))
            if name in vars(kind):
                return _bound(vars(kind)[name], owner, owner)
        raise NotUnderstoodError

    def _of_object(self, owner: Any, name: str) -> Any:
        found = in_class(type(owner), name)
        if type(found) is property and not isinstance(owner, Primitive):
            if in_class(type(owner), "__getattr__") is not UNKNOWN:
                raise NotUnderstoodError
            self._read_in_classes(type(owner), name)
            self._own(found.fget)
            return UNKNOWN
        self._note(owner)
        self.reads.update(places_of_attribute(owner, name))
        self.reads.add(held_by_classes(name))
        if in_class(type(owner), "__new__") is not _NEW:
            # It may return an object again, whose ``__init__`` then stores all anew.
            self.reads.add(("again", id(owner)))
        if isinstance(found, MemberDescriptorType):
            self.reads.update(places_of_attribute(owner, found.__name__))
            try:
                return found.__get__(owner, type(owner))
            except AttributeError:
                raise NotUnderstoodError from None
        if hasattr(type(found), "__set__") or hasattr(type(found), "__delete__"):
            raise NotUnderstoodError
        held = getattr(owner, "__dict__", {})
        if name in held:
            return held[name]
        if found is UNKNOWN:
            raise NotUnderstoodError
        self._read_in_classes(type(owner), name)
        return _bound(found, owner, type(owner))

    def _read_in_classes(self, kind: type, name: str) -> None:
        for each in kind.__mro__:
            self.reads.add(("attribute", id(each), name))
            if name in vars(each):
                return

    def item(self, holder: Any, index: Any) -> Any:
        """Return an item, as far as it is known."""
        if not is_plain(index):
            raise NotUnderstoodError
        if isinstance(holder, Unknown):
            if holder.plain:
                return PLAIN
            raise NotUnderstoodError
        if type(holder) in (list, deque, *MAPPINGS):
            check_keys(holder)
            self._note(holder)
            self.reads.update(places_of_items(holder, index))
        elif type(holder) not in (tuple, str, bytes, range):
            raise NotUnderstoodError
        if isinstance(index, Unknown):
            return PLAIN if is_plain(holder) else UNKNOWN
        try:
            return holder[index]
        except (LookupError, TypeError):
            return UNKNOWN

    def look_at(self, holder: Any) -> None:
        """Count a look through all of *holder*, whose items are compared."""
        if type(holder) not in (*CONTAINERS, tuple):
            raise NotUnderstoodError
        if len(holder) > ITEMS_AT_MOST or not all(map(is_plain, list(holder))):
            raise NotUnderstoodError
        if type(holder) is not tuple:
            self.read_all(holder)

    def read_all(self, holder: Any) -> None:
        """Count a read of a built-in container as a whole."""
        self._note(holder)
        self.reads.update(places_of_items(holder, UNKNOWN))

    def call(self, called: Any, given: Sequence[Any], named: Mapping[Any, Any]) -> Any:
        """Return what *called* returns, as far as it is known."""
        match called:
            case MethodType(__self__=Primitive() as primitive):
                return self.use(primitive, called.__func__.__name__)
            case MethodType(__func__=FunctionType() as method):
                return self._own(method)
            case FunctionType():
                return self._own(called)
            case Method():
                return self._use_built_in(called, given, named)
            case type():
                return self._make(called, given, named)
            case BuiltinFunctionType():
                return self._call_built_in(called, given, named)
            case _:
                raise NotUnderstoodError

    def _own(self, function: Any) -> Any:
        """Count a call of a function that is stepped through itself."""
        if not isinstance(function, FunctionType) or not self._has_points(function.__code__):
            raise NotUnderstoodError
        self.callees.add(function.__code__)
        return UNKNOWN

    def _has_points(self, code: CodeType) -> bool:
        return code.co_filename in self._files

    def use(self, primitive: Primitive, method: str = "acquire") -> Any:
        """Count a use of *primitive*; return what comes of it, as far as it is known."""
        if method == "wait_for":
            raise NotUnderstoodError
        if not isinstance(primitive, Guard | Condition | Queue | SimpleQueue) and method not in {
            "set", "clear", "is_set", "wait",
        }:  # fmt: skip
            raise NotUnderstoodError
        self.writes.update(places_of(primitive))
        return UNKNOWN if method in {"get", "get_nowait"} else PLAIN

    def _make(self, kind: type, given: Sequence[Any], named: Mapping[Any, Any]) -> Any:
        values = [*given, *named.values()]
        if kind in _OF_VALUES or (kind.__module__ == "builtins" and issubclass(kind, Exception)):
            if not all(map(is_plain, values)):
                raise NotUnderstoodError
            return PLAIN if kind in VALUES else FRESH
        if kind in (object, list, dict, set, tuple) and not values:
            return FRESH
        if type(kind) is not type or in_class(kind, "__new__") is not _NEW:
            raise NotUnderstoodError
        start = in_class(kind, "__init__")
        if start is _INIT:
            return UNKNOWN
        return self._own(start)

    def _call_built_in(
        self, called: Callable[..., Any], given: Sequence[Any], named: Mapping[Any, Any]
    ) -> Any:
        if named:
            raise NotUnderstoodError
        if called is len and len(given) == 1 and type(given[0]) in CONTAINERS:
            self.read_all(given[0])
            return PLAIN
        if called in (isinstance, issubclass) and len(given) == 2:
            one, kind = given
            # An object that says that it is of another class runs code to say so.
            if type(kind) is not type or in_class(type(one), "__class__") is not _CLASS:
                raise NotUnderstoodError
            if isinstance(one, Unknown) and not one.plain:
                raise NotUnderstoodError
            self.reads.add(("attribute", id(one), "__class__"))
            return PLAIN
        if called is id:
            return PLAIN
        if called in _OF_VALUES and all(map(is_plain, given)):
            return PLAIN
        raise NotUnderstoodError

    def _use_built_in(self, called: Method, given: Sequence[Any], named: Mapping[Any, Any]) -> Any:
        owner, name = called
        kind = type(owner)
        if kind in VALUES:
            if not all(map(is_plain, [*given, *named.values()])):
                raise NotUnderstoodError
            return Unknown(plain=name not in {"split", "splitlines"}, fresh=True)
        writes = name in _WRITING[kind]
        if not (writes or name in _READING[kind]):
            raise NotUnderstoodError
        if named and not (set(named) <= {"last"} and all(map(is_plain, named.values()))):
            raise NotUnderstoodError
        if name in _HASHING:
            if not all(map(is_plain, given[:1])):
                raise NotUnderstoodError
            self.look_at(owner)
        self._note(owner)
        index = given[0] if kind is dict and given else UNKNOWN
        (self.writes if writes else self.reads).update(places_of_items(owner, index))
        if name in {"append", "appendleft", "add", "insert", "clear", "discard", "remove"}:
            return PLAIN
        if name == "get":
            return _found_in(owner, *given)
        return FRESH if name == "copy" else UNKNOWN


def _bound(found: Any, owner: Any, kind: type) -> Any:
    if isinstance(found, FunctionType):
        return found if isinstance(owner, type) else MethodType(found, owner)
    if type(found) is staticmethod:
        return found.__func__
    if type(found) is classmethod:
        return MethodType(found.__func__, kind)
    if hasattr(type(found), "__get__"):
        raise NotUnderstoodError
    return found


def _found_in(mapping: Any, key: Any, default: Any = None) -> Any:
    if not isinstance(key, Unknown):
        return mapping.get(key, default)
    return PLAIN if all(map(is_plain, (*mapping.values(), default))) else UNKNOWN

"""Record what is called on any object, when, and what came of it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Collection
from functools import wraps
from itertools import count
from typing import Any, Final, NoReturn

from ..errors import ArgumentTypeError
from ..showing import shown
from .calls import Call, Raised, kept
from .errors import UnrecordedError

__all__ = ["Recorder"]

_OPERATORS: Final = (
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__contains__",
    "__len__",
    "__call__",
)


class _Entry:
    """A call under way; `ended` is set last, by the thread that made it."""

    __slots__ = ("args", "began", "client", "ended", "operation", "result")

    def __init__(self, client: str, operation: str, args: tuple[Any, ...], began: int) -> None:
        self.client = client
        self.operation = operation
        self.args = args
        self.began = began
        self.ended: int | None = None
        self.result: object = None

    def call(self) -> Call:
        # Read in this order: with an end there is a result.
        ended = self.ended
        result = self.result if ended is not None else None
        return Call(self.client, self.operation, self.args, self.began, ended, result)


class Recorder:
    """Records the calls of any number of threads and tasks, on one object or on several functions.

    Every call is given the next number when it begins and when it has returned; so the numbers
    tell which call was over before which began. Thread-safe, with and without the GIL, and without
    a lock: nobody waits for anybody, and what is recorded is raced as it would be unrecorded. Costs
    a few microseconds for a call, and memory for each until the recorder goes.

    A call that ends with something else than an `Exception` (Ctrl-C, a cancelled task) counts as
    one that has not returned: nobody knows whether it took effect.

    Args:
        unknown: errors that mean the same: ``TimeoutError`` of a request over a network.

    >>> recorder = Recorder()
    >>> numbers = recorder.wrap([], client="me")
    >>> numbers.append(3)
    >>> numbers[1]
    Traceback (most recent call last):
    ...
    IndexError: list index out of range
    >>> for call in recorder.calls():
    ...     print(call.began, call.ended, call)
    0 1 append(3) -> None
    2 3 __getitem__(1) -> raises IndexError: list index out of range
    """

    def __init__(self, *, unknown: Collection[type[BaseException]] = ()) -> None:
        self._unknown = tuple(unknown)
        # One call into C: no two threads are ever given the same number, or one that goes back.
        self._now = count().__next__
        self._entries: list[_Entry] = []

    def calls(self) -> tuple[Call, ...]:
        """Return what has been called so far, by the time of beginning; what is under way, too.

        >>> Recorder().calls()
        ()
        """
        entries = sorted(self._entries, key=lambda entry: entry.began)
        return tuple(entry.call() for entry in entries)

    def wrap(
        self, thing: Any, *, operations: Collection[str] | None = None, client: str | None = None
    ) -> Any:
        """Return an object that passes on what is called on *thing*, and records it.

        Its public methods are operations, and so are indexing, ``in``, ``len`` and the call of the
        object itself; what is no method is recorded as read. One cannot iterate over it or assign
        to its attributes, which would pass by the recording.

        Args:
            thing: any object, or a module.
            operations: the names of what is recorded, private ones and those of other operators
                (``__ior__``) too; None for all of the above. What else is called on it is passed
                on unrecorded.
            client: who calls, in what is recorded; None for the name of the thread that does.

        Raises:
            ArgumentTypeError: *operations* is one name, not a collection of names.

        >>> seats = Recorder().wrap({"a": 1})
        >>> seats["a"], "b" in seats, len(seats)
        (1, False, 1)
        """
        if isinstance(operations, str):
            raise ArgumentTypeError(
                f"operations must be a collection of names, not {shown(operations)}: put it into a "
                "list"
            )
        chosen = None if operations is None else frozenset(operations)
        return _wrapped_class(type(thing), chosen or ())(self, thing, chosen, client)

    def function(
        self, fn: Callable[..., Any], *, operation: str | None = None, client: str | None = None
    ) -> Callable[..., Any]:
        """Return a function that calls *fn* and records it; a coroutine function for one.

        Arguments are recorded by position; those that were given by name as the signature orders
        them, with the defaults of those before.

        Args:
            fn: what is called.
            operation: its name in what is recorded; None for its own.
            client: see `wrap`.

        Raises:
            ArgumentTypeError: when called: an argument or the result cannot be recorded.

        >>> recorder = Recorder()
        >>> half = recorder.function(lambda n: n / 2, operation="half", client="me")
        >>> half(n=3)
        1.5
        >>> print(*recorder.calls())
        half(3) -> 1.5
        """
        name = getattr(fn, "__name__", None) if operation is None else operation
        if not callable(fn) or not isinstance(name, str):
            raise ArgumentTypeError(f"a function with a name is needed, not {shown(fn)}")

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Entry:
            given = args if not kwargs else _by_position(fn, name, args, kwargs)
            who = threading.current_thread().name if client is None else client
            entry = _Entry(who, name, kept(given, f"an argument of {name}"), self._now())
            self._entries.append(entry)
            return entry

        if inspect.iscoroutinefunction(fn):

            @wraps(fn)
            async def recorded_task(*args: Any, **kwargs: Any) -> Any:
                entry = begin(args, kwargs)
                try:
                    result = await fn(*args, **kwargs)
                except Exception as error:
                    self._failed(entry, error)
                    raise
                self._returned(entry, result)
                return result

            return recorded_task

        def recorded(*args: Any, **kwargs: Any) -> Any:
            entry = begin(args, kwargs)
            try:
                result = fn(*args, **kwargs)
            except Exception as error:
                self._failed(entry, error)
                raise
            self._returned(entry, result)
            return result

        return recorded

    def _returned(self, entry: _Entry, result: Any) -> None:
        # Copied within the call's time: what is done to it later is none of its doing.
        entry.result = kept(result, f"what {entry.operation} returned")
        entry.ended = self._now()

    def _failed(self, entry: _Entry, error: Exception) -> None:
        if not isinstance(error, self._unknown):
            entry.result = Raised.of(error)
            entry.ended = self._now()


def _by_position(
    fn: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    try:
        bound = inspect.signature(fn).bind(*args, **kwargs)
    except ValueError as error:
        raise _not_by_position(name, "has no signature") from error
    bound.apply_defaults()
    if bound.kwargs:
        raise _not_by_position(name, f"takes {', '.join(bound.kwargs)} by name only")
    return bound.args


def _not_by_position(name: str, why: str) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"arguments are recorded by position, and {name} {why}: record a function of your own that "
        "calls it, with `Recorder.function`"
    )


class _Wrapped:
    """Stands for an object, and records what is called on it."""

    __slots__ = ("__client", "__methods", "__operations", "__recorder", "__thing")

    def __init__(
        self, recorder: Recorder, thing: Any, operations: frozenset[str] | None, client: str | None
    ) -> None:
        for name, value in (
            ("recorder", recorder),
            ("thing", thing),
            ("operations", operations),
            ("client", client),
            # Of each name, whether it is a method: to tell takes longer than all else.
            ("methods", {}),
        ):
            object.__setattr__(self, f"_Wrapped__{name}", value)

    def __getattr__(self, name: str) -> Any:
        thing, chosen = self.__thing, self.__operations
        passed_by = name.startswith("_") and name not in _OPERATORS
        if passed_by if chosen is None else name not in chosen:
            return getattr(thing, name)
        is_method = self.__methods.get(name)
        if is_method is None:
            is_method = self.__methods[name] = _is_method(thing, name)
        if not is_method:

            def read() -> Any:
                return getattr(thing, name)

            return self.__recorder.function(read, operation=name, client=self.__client)()
        return self.__recorder.function(getattr(thing, name), operation=name, client=self.__client)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise UnrecordedError(self.__refusal(f"assignment to {name}"))

    def __delattr__(self, name: str) -> NoReturn:
        raise UnrecordedError(self.__refusal(f"the deletion of {name}"))

    def __refusal(self, what: str) -> str:
        return f"{what} would not be recorded: assign on {shown(self.__thing, 80)} itself"

    def __repr__(self) -> str:
        return f"<recorded {shown(self.__thing)}>"


def _is_method(thing: Any, name: str) -> bool:
    """Whether it is called, not read; without running a property."""
    found = inspect.getattr_static(thing, name, None)
    if isinstance(found, staticmethod | classmethod):
        return True
    # In an object's own dictionary anything may lie, and of a class only what can be called.
    return found is None or callable(found)


def _wrapped_class(kind: type, chosen: Collection[str]) -> Callable[..., Any]:
    special = [name for name in chosen if name.startswith("__") and name.endswith("__")]
    # Not by hasattr, which finds what is the metaclass's: __call__, of every class.
    found = {name for each in kind.__mro__ for name in vars(each)}
    names = {name: _operator(name) for name in (*_OPERATORS, *special) if name in found}
    # With __getitem__ and no __iter__, Python would take it for a sequence.
    return type(
        f"Recorded{kind.__name__}", (_Wrapped,), {"__slots__": (), "__iter__": None, **names}
    )


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _Wrapped.__getattr__(self, name)(*args, **kwargs)

    return operate

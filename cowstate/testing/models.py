"""What an object does if it is used by one client at a time: the model it is checked against."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum
from types import FunctionType
from typing import Any, Final, Generic, TypeVar

from ..errors import ArgumentTypeError, DeadlockError
from ..records import Record
from ..showing import shown
from .calls import Raised, kept

__all__ = ["WAITS", "Model", "check_state", "checked", "stepped"]

S = TypeVar("S")


class _Waits(Enum):
    WAITS = "would wait"

    def __repr__(self) -> str:
        return self.value


WAITS: Final = _Waits.WAITS
"""A model's result for a call that would have to wait in this state: it cannot take place here."""


class Model(Record, Generic[S]):
    """A sequential model: a first state, and what each operation does to a state and returns.

    A pure function over immutable states, since the search for an order goes back and forth
    between states, and goes nowhere twice because it knows a state again.

    Attributes:
        initial: the first state. States are values: hashable, equal if they are the same, and
            never changed; a `Record`, a tuple, a frozenset, what `cowstate.freeze` makes of a dict.
        step: ``step(state, operation, args)`` returns ``(state, result)``: the state afterwards,
            and what the operation returns. If it must raise, the result is ``Raised(KeyError)``; if
            it would have to wait, `WAITS`. What *step* itself raises is a mistake in it, and comes
            through.
        key: ``key(operation, args)`` returns what part of the object an operation concerns, where
            parts have nothing to do with each other: the key of a mapping. Each part is then
            checked by itself, from *initial*, which makes long histories cheap. None for an
            operation that concerns more than one part: a history with one is checked as a whole.

    >>> def step(state, operation, args):
    ...     match operation, args:
    ...         case "read", ():
    ...             return state, state
    ...         case "add", (n,):
    ...             return state + n, None
    >>> Model(0, step).step(3, "add", (2,))
    (5, None)
    """

    initial: S
    step: Callable[[S, str, tuple[Any, ...]], tuple[S, Any]]
    key: Callable[[str, tuple[Any, ...]], Hashable] | None = None

    @classmethod
    def sequential(
        cls,
        make: Callable[[], Any],
        *,
        state: Callable[[Any], Hashable] | None = None,
        key: Callable[[str, tuple[Any, ...]], Hashable] | None = None,
    ) -> Model[Any]:
        """Return the model that an object is of itself: what it does if one client uses it.

        Nothing need be written, and a mistake that one client sees as well is not found. For short
        histories: each step makes a new object and does again all that came before it, and
        without *state* no two orders come to the same one. The object must not depend on a clock or
        on chance.

        Args:
            make: makes the object, or another one that does the same: ``dict``.
            state: returns all that the object's future depends on, as a hashable value.
            key: see `Model`.

        >>> model = Model.sequential(list, state=tuple)
        >>> one, _ = model.step(model.initial, "append", (3,))
        >>> model.step(one, "pop", ())[1], model.step(one, "pop", (4,))[1]
        (3, raises IndexError: pop index out of range)
        """

        def step(done: _Done, operation: str, args: tuple[Any, ...]) -> tuple[_Done, Any]:
            thing = make()
            for each, with_what in done.steps:
                _result_of(thing, each, with_what)
            result = _result_of(thing, operation, args)
            steps = (*done.steps, (operation, args))
            return _Done(steps, None if state is None else (state(thing),)), result

        return Model(_Done((), None if state is None else (state(make()),)), step, key)


class _Done:
    """The state of an object, as what was done to it; equal by what shows its state, if known."""

    __slots__ = ("state", "steps")

    def __init__(self, steps: tuple[Any, ...], state: tuple[Any] | None) -> None:
        self.steps = steps
        self.state = state

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Done):
            return NotImplemented
        return self.steps == other.steps if self.state is None else self.state == other.state

    def __hash__(self) -> int:
        # Arguments need not be hashable; orders of the same steps differ in most places.
        return hash(tuple(name for name, _ in self.steps) if self.state is None else self.state)

    def __repr__(self) -> str:
        if self.state is not None:
            return shown(self.state[0])
        return "; ".join(f"{name}{args!r}" for name, args in self.steps) or "new"


def _result_of(thing: Any, operation: str, args: tuple[Any, ...]) -> Any:
    given = kept(args, operation)
    try:
        found = getattr(thing, operation)
        # Recorded of what is no method: that it was read.
        result = found(*given) if callable(found) else found
    except DeadlockError:
        return WAITS
    except Exception as error:
        return Raised.of(error)
    return kept(result, operation)


def stepped(model: Model[S], state: S, operation: str, args: tuple[Any, ...]) -> tuple[S, Any]:
    """Return ``model.step(...)``, which is a pair.

    Raises:
        ArgumentTypeError: it is not.
    """
    found: Any = model.step(state, operation, args)
    if type(found) is not tuple or len(found) != 2:
        raise ArgumentTypeError(
            f"the model's step returned {shown(found)} for {operation}{shown(args, 80)}, and not "
            "(state, result): does it know that operation?"
        )
    return found


def checked(model: object) -> Model[Any]:
    """Return *model*; raise `ArgumentTypeError` if it is none."""
    if not isinstance(model, Model):
        raise ArgumentTypeError(f"a model must be a cowstate.testing.Model, not {shown(model)}")
    return model


def check_state(state: object) -> None:
    """Raise `ArgumentTypeError` if *state* cannot be a model's state, for it can change."""
    kind = type(state)
    try:
        hash(state)
    except TypeError as error:
        raise ArgumentTypeError(
            "a state of a model must be hashable, so that it is known again; "
            f"{shown(state)} is not; make it a tuple, a frozenset, a cowstate.Record, or freeze it"
        ) from error
    by_identity = kind.__eq__ is object.__eq__ and hasattr(state, "__dict__")
    if by_identity and not isinstance(state, Enum | type | FunctionType):
        raise ArgumentTypeError(
            f"a state of a model must be equal to another that is the same, and one of type "
            f"{kind.__name__} is equal to itself only; make it a cowstate.Record"
        )

"""What ends with the ``with`` that it stands in, however that is left: `Scoped`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

__all__ = ["Scoped"]


def _leave(
    scoped: Scoped,
    exc_type: type[BaseException] | None = None,
    _exc: BaseException | None = None,
    _traceback: TracebackType | None = None,
) -> None:
    scoped._end(exc_type)


class _Exit(property):
    """The ``__exit__`` of `Scoped`: each look-up on an instance gives a new function.

    A ``with`` looks ``__exit__`` up before it calls ``__enter__``, and keeps what it got on the
    value stack of its frame, where no traceback and no debugger holds on to it. Whatever tears
    the block, an exception before the first instruction of the exit among it, drops that function
    before the first ``except`` clause around the block begins. So its life is the life of the
    block, to the instruction; and a weak reference tells whether it has ended.

    A property, because that is the descriptor which C code calls at once. Contextlib's stacks
    look it up on the class, where a property gives itself: they call it with the object.
    """

    __call__ = staticmethod(_leave)


def _new_exit(scoped: Scoped) -> Callable[..., None]:
    leave = partial(_leave, scoped)
    if not scoped._entered:
        scoped._scope = ref(leave)
    return leave


class Scoped:
    """Base of what can be used in a ``with``: it is over when the block is, whatever tears that.

    No method called at the end of a block can promise this alone: Ctrl-C may come before its
    first instruction. Entered by other means, by hand or through a `contextlib.ExitStack`, it is
    over when its exit has been called.
    """

    _scope: ref[Any] | None = None
    _entered = False

    def __enter__(self) -> Self:
        self._enter_scope()
        return self

    if TYPE_CHECKING:

        def __exit__(
            self,
            exc_type: type[BaseException] | None,
            exc: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...

    else:
        __exit__ = _Exit(_new_exit)

    def _enter_scope(self) -> None:
        scope = self._scope
        if scope is not None and scope() is None:
            self._scope = None  # somebody looked at `__exit__` and did not keep it: no `with`
        self._entered = True

    def close(self) -> None:
        """End it."""
        raise NotImplementedError

    def _end(self, exc_type: type[BaseException] | None) -> None:  # noqa: ARG002
        # What the exit calls; *exc_type* is None if the block ended well.
        self.close()

    def torn(self) -> bool:
        """Whether the ``with`` that it was entered by is gone."""
        scope = self._scope
        return self._entered and scope is not None and scope() is None

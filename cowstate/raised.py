"""What every error of this package is, whatever went wrong: `CowstateError`.

Users import it from `cowstate` or `cowstate.errors`, beside the errors themselves.
"""

from __future__ import annotations

from typing import Any

from .showing import message_of

__all__ = ["CowstateError"]


def _restore(cls: type[CowstateError], message: str, facts: dict[str, Any]) -> CowstateError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(facts)
    return error


class CowstateError(Exception):
    """Base of every error that this package raises on purpose. Its message is of bounded length."""

    def __init__(self, *message: object) -> None:
        super().__init__(*[message_of(each) if isinstance(each, str) else each for each in message])

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), str(self), dict(self.__dict__))

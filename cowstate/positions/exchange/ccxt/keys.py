"""What an account is opened with, from the environment or a file, and never shown: `Keys`."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from cowstate import ArgumentValueError

__all__ = ["VARIABLES", "Keys", "keys_from_environment", "keys_from_file"]

VARIABLES: Final = {
    "COWSTATE_API_KEY": "apiKey",
    "COWSTATE_SECRET": "secret",
    "COWSTATE_PASSWORD": "password",
}
"""The variables of the environment, and what ccxt calls what stands in them."""

_FIELDS: Final = tuple(VARIABLES.values())


class Keys:
    """The keys of an account. Shown by its text and in logs, tells which there are, no more.

    Raises:
        ArgumentValueError: one holds what no key does, as a line break at its end; which one, and
            not what.

    >>> keys = Keys({"apiKey": "k-123456", "secret": "s-654321"})
    >>> keys
    Keys(apiKey=***, secret=***)
    """

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[str, str]) -> None:
        # A header with a line break in it is refused in the depths, with the key in the text.
        wrong = [name for name, text in held.items() if not _is_key(text)]
        if wrong:
            raise ArgumentValueError(
                f"{' and '.join(wrong)}: a blank at an end, a line break or a letter that is none "
                "of ASCII stands in it; copy it again, without what follows it"
            )
        self._held = dict(held)

    def settings(self) -> dict[str, Any]:
        """Return them for the settings of a client of ccxt."""
        return dict(self._held)

    def __repr__(self) -> str:
        return f"Keys({', '.join(f'{name}=***' for name in self._held)})"

    def __reduce__(self) -> Any:
        raise TypeError("keys are not pickled: what is written somewhere is read by somebody")


def _is_key(text: str) -> bool:
    # That of a pair of keys is a text of lines.
    if text.startswith("-----BEGIN "):
        return text.isascii()
    return text == text.strip() and text.isascii() and text.isprintable()


def keys_from_environment(environ: Mapping[str, str]) -> Keys:
    """Return the keys in the variables of `VARIABLES`.

    Raises:
        ArgumentValueError: the key or the secret is missing; it says which variable.

    >>> keys_from_environment({"COWSTATE_API_KEY": "k", "COWSTATE_SECRET": "s"})
    Keys(apiKey=***, secret=***)
    """
    found = {name: environ[each] for each, name in VARIABLES.items() if environ.get(each)}
    missing = [each for each in VARIABLES if VARIABLES[each] not in (*found, "password")]
    if missing:
        raise ArgumentValueError(
            f"{' and '.join(missing)} not set; set them in the environment, or name a file of keys"
        )
    return Keys(found)


def keys_from_file(path: str | os.PathLike[str]) -> Keys:
    """Return the keys in a file of TOML: ``apiKey``, ``secret`` and, where needed, ``password``.

    Nobody else may be able to read the file. Nothing of what stands in it is told.

    Raises:
        ArgumentValueError: it cannot be read, is no such file, or others may read it.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077 and os.name == "posix":
                raise ArgumentValueError(f"others may read {name}: chmod 600 it first")
            text = file.read(65_536)
    except OSError as error:
        raise ArgumentValueError(f"cannot read {name}: {error.strerror or error}") from None
    try:
        held = tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        # What the parser says may quote the line.
        raise ArgumentValueError(
            f'{name} is no file of keys: write apiKey = "..." and secret = "..." in lines of it'
        ) from None
    wrong = [each for each in held if each not in _FIELDS or not isinstance(held[each], str)]
    missing = [each for each in ("apiKey", "secret") if not held.get(each)]
    if wrong or missing:
        raise ArgumentValueError(
            f"{name}: it must hold apiKey and secret as texts, may hold password, and nothing else"
        )
    return Keys(held)

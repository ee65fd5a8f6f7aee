"""All doors, by their names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from random import Random
from typing import Final

from cowstate.errors import MissingExtraError
from tests.hostile.door import Door

__all__ = ["DOORS", "choices"]

# Of the last ones what they stand on is not installed everywhere.
_MODULES: Final = (
    *("encodings", "journals", "tapes", "addresses", "venues", "requests", "mirrors"),
)


def _found() -> Iterator[Door]:
    for name in _MODULES:
        try:
            module = importlib.import_module(f"tests.hostile.{name}")
        except MissingExtraError:
            continue
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in ("cowstate", "tests"):
                raise  # of ours; a door would be shut, and nobody told
            continue  # no ccxt, psycopg, kubernetes or uvicorn here
        yield from module.DOORS


DOORS: Final[dict[str, Door]] = {door.name: door for door in _found()}


def choices(seed: int, number: int) -> Random:
    """The choices that make one input: the same for the same two numbers, on every machine."""
    return Random(f"{seed}:{number}")

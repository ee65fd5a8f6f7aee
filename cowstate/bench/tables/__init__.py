"""The tables of the pages on performance, made of result files. Pure: of the same files, the same.

A table is a function of the `Runs`, which returns Markdown; `BLOCKS` names them all. The pages
say where each stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..survey import FAST, PLAIN, SIZES
from .beside import compared_tables, crossovers_table, managers_table
from .costs import (
    conditions_table,
    costs_table,
    kept_conditions_table,
    million_table,
    minute_table,
    pauses_table,
)
from .demands import (
    first_core_table,
    instructions_table,
    kept_table,
    missed_list,
    skipped_list,
    targets_table,
)
from .growth import followers_table, growth_table, limit_sentence, writers_table
from .markdown import Runs

__all__ = ["BLOCKS", "Runs"]

BLOCKS: Final[Mapping[str, Callable[[Runs], str]]] = {
    "conditions": conditions_table,
    "minute": minute_table,
    **{
        f"{name} {size}": costs_table(variant, size)
        for name, variant in (("plain", PLAIN), ("fast", FAST))
        for size in SIZES
    },
    "million": million_table,
    "pauses": pauses_table,
    "targets": targets_table,
    "kept": kept_table,
    "kept conditions": kept_conditions_table,
    "missed": missed_list,
    "skipped": skipped_list,
    "first core": first_core_table,
    "growth plain": growth_table(PLAIN),
    "growth fast": growth_table(FAST),
    "followers": followers_table,
    "writers": writers_table,
    "limit": limit_sentence,
    "compared": compared_tables,
    "crossovers": crossovers_table,
    "managers": managers_table,
    "instructions": instructions_table,
}
"""All tables, by the names that the pages call them by."""

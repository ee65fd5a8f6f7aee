"""How costs grow, and where the limit of one process is."""

from __future__ import annotations

from collections.abc import Callable

from ..report import amount
from ..survey import PLAIN
from .markdown import NONE, Runs, both, by_place, least, python_of, table

__all__ = ["followers_table", "growth_table", "limit_sentence", "writers_table"]

_GROWING = {
    "build, a record": "build, a record",
    "memory of the map, a record": "its memory, a record",
    "snapshot": "`snapshot()`",
    "read": "read",
    "update": "`update`",
    "transaction of ten": "ten at once",
    "update and diff": "`update`, `diff`",
    "memory of a version": "a version kept",
    "worst write, collector on": "worst write",
    "a full collection": "a full collection",
    "a full collection, records frozen": "the same, frozen",
}


def growth_table(variant: str) -> Callable[[Runs], str]:
    """Return what makes the table of how the costs of *variant* grow with the records."""

    def made(runs: Runs) -> str:
        found = by_place(runs.growth)
        sizes = sorted({size for name, of, size, _ in found if (name, of) == ("scale", variant)})
        rows = [
            [
                f"{size:,}",
                *(least(found.get(("scale", variant, size, quantity))) for quantity in _GROWING),
            ]
            for size in sizes
        ]
        return table(("records", *_GROWING.values()), rows)

    return made


def followers_table(runs: Runs) -> str:
    """Return what an update takes beside so many followers."""
    found = [figure for figure in runs.growth.figures if figure.workload == "followers"]
    kinds = list(dict.fromkeys(figure.variant for figure in found))
    known = {(figure.size, figure.variant): figure for figure in found}
    sizes = sorted({figure.size for figure in found})
    rows = [[f"{size:,}", *(both(known.get((size, kind))) for kind in kinds)] for size in sizes]
    return table(("followers", *kinds), rows)


def writers_table(runs: Runs) -> str:
    """Return what an update of so many threads takes."""
    found = [figure for figure in runs.growth.figures if figure.workload == "writers"]
    quantities = list(dict.fromkeys(figure.quantity for figure in found))
    known = {(figure.size, figure.quantity): figure for figure in found}
    sizes = sorted({figure.size for figure in found})
    rows = [
        [f"{size:,}", *(least(known.get((size, each))) for each in quantities)] for size in sizes
    ]
    return table(("threads", *quantities), rows)


def limit_sentence(runs: Runs) -> str:
    """Say in one sentence what a user can plan with."""
    found = by_place(runs.growth)
    variant = PLAIN
    size = max(size for name, of, size, _ in found if (name, of) == ("scale", variant))

    def of(quantity: str, times: float = 1.0) -> str:
        figure = found.get(("scale", variant, size, quantity))
        return NONE if figure is None else amount(figure.least * times, figure.unit)

    update = found["scale", variant, size, "update"].least
    return (
        f"**On CPython {python_of(runs.growth)} and a plain install, one process keeps {size:,} "
        f"records of three fields, at {of('memory of the map, a record')} a record beside the "
        f"records themselves, and builds them in {of('build, a record', size)}. All its threads "
        f"together write {1e9 / update:,.0f} times a second at most, with a worst pause of "
        f"{of('worst write, collector on')}, and {of('a full collection')} more where a full "
        f"collection falls upon it, or {of('a full collection, records frozen')} after "
        f"`gc.freeze()`; a snapshot still takes {of('snapshot')}. What needs more of any of these "
        f"needs a second process.**"
    )

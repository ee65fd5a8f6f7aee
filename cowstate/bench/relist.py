"""What it costs a mirror to be told again what it knows: a list of unchanged objects."""

from __future__ import annotations

from typing import Final

from cowstate import Record, Store
from cowstate.mirror import Listed
from cowstate.mirror.publisher import Publisher

from .measure import Figure, Operation, Ratio, Settings, ratio_of, time_all

__all__ = ["run_mirror", "unchanged_list"]

_QUICK: Final = 1_000
OURS, BARE = "cowstate/mirror", "two dicts compared"


class _Thing(Record):
    name: str
    phase: str
    number: int


def _things(size: int) -> dict[str, _Thing]:
    """Make them anew: equal to those of another call, and none of them the same object.

    As a list that comes over a line: its strings, too, are no objects that were there before.
    """
    return {
        f"shop/thing-{n}": _Thing(f"thing-{n}", "".join(["Run", "ning"]), n) for n in range(size)
    }


def _operations(size: int) -> dict[str, Operation]:
    store: Store[str, _Thing] = Store()
    publish = Publisher(store, None).publish
    publish(Listed(_things(size), 0))
    held, listed = _things(size), _things(size)
    news = Listed(listed, 1)
    names = {"held": held, "listed": listed, "publish": publish, "store": store, "news": news}
    return {
        OURS: Operation("publish(news)", names),
        BARE: Operation("held == listed", names),
    }


def run_mirror(size: int, settings: Settings) -> list[Figure]:
    """Measure a list of *size* unchanged objects, beside a comparison of two dicts of them."""
    samples = time_all(_operations(size), settings)
    return [Figure("mirror", name, size, "time", "ns", taken) for name, taken in samples.items()]


def unchanged_list(settings: Settings) -> Ratio:
    """Return a list of 50,000 unchanged objects, by the comparison of two dicts."""
    samples = time_all(_operations(_QUICK if settings.quick else 50_000), settings)
    return ratio_of(samples[OURS], samples[BARE])

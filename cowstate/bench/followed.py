"""How soon another process sees what was written, and what it costs to be followed by ten."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from itertools import cycle
from statistics import median, quantiles
from threading import Event, Thread
from time import perf_counter_ns, process_time, sleep
from typing import Any, Final

from cowstate import journal

from .measure import Figure, Ratio, Settings, ratio_of
from .places import NO_SERVER, Place, a_file, a_name_on, server
from .reopening import Position, more, position
from .verdicts import Target

__all__ = ["follow_targets", "run_follow"]

_SIZE: Final = 200
_CROWD: Final = 10
_GAP: Final = 0.04
"""At most so many seconds lie between two writes of which it is asked when they are seen."""

_KEYS: Final = [f"{number:07d}" for number in range(_SIZE)]

_PLACES: Final[dict[str, Callable[[], AbstractContextManager[Place]]]] = {
    "SQLite": a_file,
    "PostgreSQL": lambda: a_name_on(str(server())),
}


@contextmanager
def _opened(place: Place) -> Generator[Any]:
    # Without a sync: it would hide what followers cost.
    sync: Any = "normal"
    with journal.open_store(
        place.where, name=place.name, key=str, record=Position, sync=sync
    ) as store:
        store.replace_all(_records())
        yield store


def _records() -> dict[str, Position]:
    return {key: position(number) for number, key in enumerate(_KEYS)}


class _Other:
    """A process that follows; it answers a line with a line."""

    def __init__(self, place: Place) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, place.where, *([place.name] if place.name else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: str, number: float) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {number}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def _others(place: Place, count: int) -> Generator[list[_Other]]:
    with ExitStack() as stack:
        yield _begun(place, count, stack)


def _begun(place: Place, count: int, stack: ExitStack) -> list[_Other]:
    others = [_Other(place) for _ in range(count)]
    for other in others:
        stack.callback(other.close)
    for other in others:
        other.ask("until", 1)
    return others


def _serve(where: str, name: str | None = None) -> None:
    """Follow, and answer what is asked until nobody asks any more."""
    with journal.follow(where, name=name, key=str, record=Position) as seen:
        _answer(seen)


def _answer(seen: journal.Follower[str, Position]) -> None:
    heard: list[tuple[int, int]] = []
    seen.subscribe(lambda commit: heard.append((commit.version, perf_counter_ns())))
    for line in sys.stdin:
        what, number = line.split()
        if what == "until":
            seen.wait_for(version=int(float(number)))
            answer: Any = [heard.pop(0) for _ in range(len(heard))]
        else:
            began = process_time()
            Event().wait(float(number))
            answer = (process_time() - began) / float(number)
        print(json.dumps(answer), flush=True)


@cache
def _delays(kind: str, settings: Settings) -> tuple[float, ...]:
    """From when a writer has its answer until a follower has the snapshot, in milliseconds.

    By one clock for all processes, as that of `perf_counter` is on Linux, macOS and Windows.
    """
    with _PLACES[kind]() as place, _opened(place) as store, _others(place, 1) as [other]:
        returned = _returned(store, settings)
        heard = dict(other.ask("until", max(returned)))
    return tuple((heard[version] - at) / 1e6 for version, at in returned.items())


def _returned(store: Any, settings: Settings) -> dict[int, int]:
    """When each of some writes had returned, by its version."""
    rng = random.Random(settings.seed)
    returned = {}
    for key, _ in zip(cycle(_KEYS), range(10 * settings.repeats), strict=False):
        sleep(rng.uniform(0, _GAP))
        version = store.update(key, more).version
        returned[version] = perf_counter_ns()
    return returned


@cache
def _idle(kind: str, settings: Settings) -> tuple[float, ...]:
    """What a follower uses of a core while nobody writes, in percent."""
    seconds = 0.1 if settings.quick else 3.0
    with _PLACES[kind]() as place, _opened(place), _others(place, 1) as [other]:
        other.ask("idle", seconds)  # it is not idle at once
        return _used(other, seconds, settings.repeats)


def _used(other: _Other, seconds: float, times: int) -> tuple[float, ...]:
    return tuple(100 * other.ask("idle", seconds) for _ in range(times))


@cache
def _crowded(kind: str, settings: Settings) -> dict[int, tuple[float, ...]]:
    """How long an update takes, in nanoseconds, beside no follower and beside ten, by rounds."""
    with ExitStack() as stack:
        return _rounds(_stores(kind, settings, stack), settings)


def _stores(kind: str, settings: Settings, stack: ExitStack) -> dict[int, Any]:
    """Some stores, by how many follow each."""
    stores = {}
    for count in (0, 2 if settings.quick else _CROWD):
        place = stack.enter_context(_PLACES[kind]())
        stores[count] = stack.enter_context(_opened(place))
        stack.enter_context(_others(place, count))
    return stores


def _rounds(stores: dict[int, Any], settings: Settings) -> dict[int, tuple[float, ...]]:
    taken: dict[int, list[float]] = {count: [] for count in stores}
    for _ in range(settings.repeats):
        for count, store in stores.items():
            taken[count].append(_one_update(store, max(settings.mixed_s, 0.02)))
    return {count: tuple(samples) for count, samples in taken.items()}


def _one_update(store: Any, seconds: float) -> float:
    found: list[float] = []

    def write() -> None:
        began, waited, count = perf_counter_ns(), _waited(), 0
        keys: Iterator[str] = cycle(_KEYS)
        while perf_counter_ns() - began < seconds * 1e9:
            store.update(next(keys), more)
            count += 1
        found.append((perf_counter_ns() - began - (_waited() - waited)) / count)

    thread = Thread(target=write)
    thread.start()
    thread.join()
    return found[0]


def _waited() -> int:
    """How long this thread could have run while others had the cores, in nanoseconds.

    That is the followers' own work, on a machine of few cores. Linux says it; elsewhere it is 0.
    """
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1])
    except OSError:
        return 0


def _kinds() -> list[str]:
    return [kind for kind in _PLACES if kind == "SQLite" or server()]


def run_follow(size: int, settings: Settings) -> list[Figure]:
    """Measure followers in other processes, over a file, and over a server if one is named."""
    figures = []
    for kind in _kinds():
        figures += [
            Figure("follow", kind, size, "from commit to follower", "ms", _delays(kind, settings)),
            Figure("follow", kind, size, "an idle follower", "% of a core", _idle(kind, settings)),
        ]
        for count, taken in _crowded(kind, settings).items():
            beside = f"an update beside {count} followers"
            figures.append(Figure("follow", kind, size, beside, "ns", taken))
    return figures


def _spread(kind: str, samples: Callable[[str, Settings], Any], settings: Settings) -> Ratio | str:
    if kind not in _kinds():
        return NO_SERVER
    found = samples(kind, settings)
    low, _, high = quantiles(found, n=4, method="inclusive")
    return Ratio(median(found), low, high)


def _beside(kind: str, settings: Settings) -> Ratio | str:
    if kind not in _kinds():
        return NO_SERVER
    alone, crowded = _crowded(kind, settings).values()
    return ratio_of(alone, crowded)


def follow_targets() -> list[Target]:
    """Return what is demanded of those who follow."""
    found = []
    for kind, soon in (("SQLite", 8), ("PostgreSQL", 3)):
        found += [
            Target(
                f"from commit to a follower's snapshot, {kind}, ms",
                soon,
                measure=partial(_spread, kind, _delays),
            ),
            Target(
                f"an idle follower, {kind}, % of a core",
                0.5,
                measure=partial(_spread, kind, _idle),
            ),
            Target(
                f"updates beside ten followers, by those beside none, {kind}",
                0.9,
                at_least=True,
                measure=partial(_beside, kind),
            ),
        ]
    return found


if __name__ == "__main__":
    _serve(*sys.argv[1:])

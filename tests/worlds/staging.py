"""What the laws of this folder are staged with: threads in the middle of things, and counts."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from types import CodeType
from typing import Any, Generic, TypeVar

import pytest

from cowstate import Commit, Store, delivery, testing
from cowstate.bench.measure import gil_enabled
from tests import standing
from tests.laws.interrupts import Strike, Struck, place_of
from tests.laws.points import Where, count_points, in_package, undisturbed
from tests.standing import HungError, eventually, stacks

T = TypeVar("T")
F = TypeVar("F", bound=Callable[[], object])
AnyStore = Store[Any, Any]
AnyCommit = Commit[Any, Any]


TESTING_KIT = str(Path(testing.__file__).parent)
GIL = bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def only_with_the_gil() -> None:
    """Skip the law where a thread that goes on cannot be asked where it is."""
    if not GIL:
        pytest.skip("without the GIL only the thread is named, not the place of its call")


class Bug:
    """A seeded bug, and what the law that catches it then says."""

    def __init__(
        self, seed: Callable[[pytest.MonkeyPatch], object], said: str, hangs: bool
    ) -> None:
        self.seed = seed
        self.said = said
        self.hangs = hangs


CAUGHT: dict[Callable[[], object], list[Bug]] = {}
"""The bugs that each law must catch; `test_seeded_bugs` sees to it that it does."""


def catches(
    seed: Callable[[pytest.MonkeyPatch], object], said: str, hangs: bool = False
) -> Callable[[F], F]:
    """Say of a law that it fails, with words that *said* matches, once *seed* has been called.

    Args:
        seed: puts one bug into the package.
        said: a regular expression.
        hangs: whether the bug makes something wait for ever, so that little patience will do.
    """

    def note(law: F) -> F:
        CAUGHT.setdefault(law, []).append(Bug(seed, said, hangs))
        return law

    return note


# Threads


class Party(Generic[T]):
    """Somebody who does one thing in a thread of its own, meanwhile."""

    def __init__(self, fn: Callable[[], T], name: str = "party") -> None:
        self._done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._fn = fn
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)
        self._thread.start()

    def _run(self) -> None:
        try:
            result = self._fn()
        except BaseException as error:
            self._done.put((None, error))
        else:
            self._done.put((result, None))

    @property
    def ident(self) -> int | None:
        return self._thread.ident

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return not self._done.empty()

    def outcome(self) -> tuple[T | None, BaseException | None]:
        """What it returned, and what it raised; fail if it goes on and on."""
        try:
            outcome = self._done.get(timeout=standing.PATIENCE)
        except Empty:
            raise HungError(f"{self._thread.name} is not done\n{stacks()}") from None
        self._thread.join()
        return outcome

    def result(self) -> T:
        result, error = self.outcome()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def error(self) -> BaseException:
        """What it raised; fail if it did not."""
        result, error = self.outcome()
        assert error is not None, f"nothing was raised, and {result!r} returned"
        return error


def arrive(event: threading.Event) -> None:
    """Wait for *event*; fail if it does not come."""
    if not event.wait(standing.PATIENCE):
        raise HungError(f"nobody set the event\n{stacks()}")


def await_writers(store: AnyStore, number: int) -> None:
    """Wait until *number* writes to *store* sleep until they may."""
    queue = store._lock
    eventually(lambda: len(queue._queue) == number, f"{number} writers should wait")


def leave(block: Any, error: BaseException | None = None) -> None:
    """Leave *block* by hand, with *error* or without one."""
    block.__exit__(None if error is None else type(error), error, None)


def line(after: int = 0) -> str:
    """The file and line of the caller, or that of a line further down."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno + after}"


class Held:
    """A callback that is held up in its first call, until it is let go."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.calls: list[tuple[int, int]] = []
        """The version that each call was given, and the thread that it was made in."""

    def __call__(self, commit: AnyCommit) -> None:
        self.calls.append((commit.version, threading.get_ident()))
        if len(self.calls) == 1:
            self.reached.set()
            arrive(self.go)

    @property
    def versions(self) -> list[int]:
        return [version for version, _ in list(self.calls)]

    @property
    def threads(self) -> set[int]:
        return {thread for _, thread in list(self.calls)}


# Looking on


@contextmanager
def setting(thing: Any, **values: Any) -> Iterator[None]:
    """Give attributes of *thing* other values for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(thing, name, value)
        yield


@contextmanager
def calls_of(thing: Any, name: str) -> Iterator[list[Any]]:
    """Note what each call of a method of the class, or function of the module, *thing* returns."""
    real = getattr(thing, name)
    returned: list[Any] = []

    def look_on(*args: Any, **choices: Any) -> Any:
        result = real(*args, **choices)
        returned.append(result)
        return result

    with setting(thing, **{name: look_on}):
        yield returned


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Note what the package logs."""
    records: list[logging.LogRecord] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, notes = logging.getLogger("cowstate"), Notes()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(notes)
    try:
        yield records
    finally:
        logger.removeHandler(notes)
        logger.propagate = propagate


def in_the_library(code: CodeType) -> bool:
    """Whether it is the package's own, and no lock of an exploration, whose stores may live yet.

    Who delivers asks the locks of all living stores, and those of an exploration are in Python.
    """
    return in_package(code) and not code.co_filename.startswith(TESTING_KIT)


def opcodes(act: Callable[[], object]) -> int:
    """How many opcodes of the package *act* takes."""
    # Without the GIL, what another thread let go of ends in the thread that made it, at whichever
    # opcode that is at; a collection has it end now.
    if not gil_enabled():
        gc.collect()
    with undisturbed():
        return count_points(act, in_the_library)


class Counted:
    """A key that counts how often anybody hashes or compares one of its kind, C code included."""

    asked = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        Counted.asked += 1
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        Counted.asked += 1
        return isinstance(other, Counted) and self.number == other.number

    def __repr__(self) -> str:
        return f"Counted({self.number})"


def effort(act: Callable[[], object]) -> int:
    """How many opcodes of the package, and looks at `Counted` keys, *act* takes."""
    before = Counted.asked
    # A collection in between would run finalizers of stores that other tests have dropped.
    gc.disable()
    try:
        taken = opcodes(act)
    finally:
        gc.enable()
    return taken + Counted.asked - before


def least_effort(act: Callable[[], object]) -> int:
    """The least that *act* takes of three times, for one that takes the same each time.

    What another thread let go of may end in this one, also while that is counted.
    """
    return min(effort(act) for _ in range(3))


# Asynchronous exceptions

Scene = tuple[Callable[[], object], Callable[[], object]]


@contextmanager
def no_thread_to_be_had() -> Iterator[None]:
    """Let no store have a thread of its own, as where the system has none left."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with setting(delivery, start_new_thread=refuse):
        yield


def tear(set_up: Callable[[], Scene], where: Where = in_package) -> int:
    """Strike a new scene at each point of its act in turn, and check it afterwards.

    Return how many points there were. *set_up* returns the act, and the check; *where* says which
    code has points.
    """
    # Until 3.11, a thread that was started and has not yet run has the number of the one that
    # started it, and would be struck in its place.
    with no_thread_to_be_had():
        return _tear(set_up, where)


def _tear(set_up: Callable[[], Scene], where: Where) -> int:
    last: object = None
    # Around all of it: on a free-threaded build each collection looks at everything there is.
    with undisturbed():
        for number in count(1):
            act, check = set_up()
            strike = Strike(number, None, where)
            try:
                strike.run(act)
            except Struck as struck:
                place = place_of(struck)
            else:
                place = ()
            if not strike.armed:
                check()
                return number - 1
            if place != last:  # the same place twice in a row leaves the same state twice
                check()
            last = place
            if number % 200 == 0:
                gc.collect()
    raise AssertionError


def versions_of(stores: Mapping[str, AnyStore]) -> dict[str, int]:
    return {name: store.snapshot().version for name, store in stores.items()}

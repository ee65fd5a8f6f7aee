"""What a recorder records: each call once, with times that tell what was over before what began."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise
from typing import Any

import pytest

from cowstate import ArgumentTypeError, CowstateError
from cowstate.testing import Call, Raised, Recorder, UnrecordedError, run_threads


class Till:
    """An object with what objects have: methods, a property, an attribute, operators."""

    kind = "till"

    def __init__(self) -> None:
        self.coins = [1, 2]

    def put(self, coin: int, *, times: int = 1) -> int:
        self.coins.extend([coin] * times)
        return len(self.coins)

    def pay(self, amount: int, tip: int = 0, to: str = "me") -> tuple[int, int, str]:
        return amount, tip, to

    @property
    def total(self) -> int:
        return sum(self.coins)

    @staticmethod
    def currency() -> str:
        return "EUR"

    def each(self) -> Any:
        yield from self.coins

    def __getitem__(self, place: int) -> int:
        return self.coins[place]

    def __contains__(self, coin: int) -> bool:
        return coin in self.coins

    def __len__(self) -> int:
        return len(self.coins)

    def __call__(self) -> str:
        return "ding"

    def _open(self) -> str:
        return "open"


def told(recorder: Recorder) -> list[str]:
    return [str(call) for call in recorder.calls()]


def test_what_is_called_is_passed_on_and_recorded() -> None:
    recorder = Recorder()
    till = recorder.wrap(Till(), client="me")
    assert till.pay(3, to="you") == (3, 0, "you")
    assert (till.total, till.kind, till.currency()) == (3, "till", "EUR")
    assert (till[1], 5 in till, len(till), till()) == (2, False, 2, "ding")
    assert told(recorder) == [
        "pay(3, 0, 'you') -> (3, 0, 'you')",
        "total() -> 3",
        "kind() -> 'till'",
        "currency() -> 'EUR'",
        "__getitem__(1) -> 2",
        "__contains__(5) -> False",
        "__len__() -> 2",
        "__call__() -> 'ding'",
    ]
    assert {call.client for call in recorder.calls()} == {"me"}
    times = [time for call in recorder.calls() for time in (call.began, call.ended)]
    assert times == list(range(16))


def test_only_what_is_named_is_recorded() -> None:
    recorder = Recorder()
    till = recorder.wrap(Till(), operations=["pay"])
    assert (till.total, len(till), till._open()) == (3, 2, "open")
    till.pay(1)
    assert told(recorder) == ["pay(1) -> (1, 0, 'me')"]
    nothing = recorder.wrap(Till(), operations=[])
    nothing.pay(1)
    assert len(recorder.calls()) == 1


def test_what_is_named_is_recorded_private_or_an_operator_too() -> None:
    class Private(Till):
        def __iter__(self) -> Any:
            return [*self.coins]

    recorder = Recorder()
    till = recorder.wrap(Private(), operations=["_open", "__iter__", "__len__"], client="me")
    assert (till._open(), type(till).__iter__(till), len(till), till[0]) == ("open", [1, 2], 2, 1)
    assert told(recorder) == ["_open() -> 'open'", "__iter__() -> [1, 2]", "__len__() -> 2"]
    with pytest.raises(ArgumentTypeError, match="a collection of names, not 'pay'"):
        recorder.wrap(Till(), operations="pay")


def test_it_can_be_called_if_what_it_stands_for_can() -> None:
    assert callable(Recorder().wrap(Till()))
    assert not callable(Recorder().wrap([]))


def test_what_another_thread_changes_meanwhile_is_recorded_all_the_same() -> None:
    seats: dict[int, int] = {}
    names: set[int] = set()
    looks = [
        Recorder().function(look, operation="look")
        for look in (lambda: seats, lambda: names, seats.values)
    ]
    over = threading.Event()

    def change() -> None:
        n = 0
        while not over.is_set():
            n += 1
            seats[n % 1000] = n
            names.add(n % 1000)
            seats.pop(n * 7 % 1000, None)
            names.discard(n * 7 % 1000)

    def look() -> None:
        try:
            for _ in range(300):
                for each in looks:
                    each()
        finally:
            over.set()

    run_threads(change, look, switch_interval=1e-6)


def test_an_error_is_recorded_and_raised() -> None:
    recorder = Recorder()
    till = recorder.wrap(Till())
    with pytest.raises(IndexError):
        till[7]
    (call,) = recorder.calls()
    assert call.result == Raised(IndexError, "IndexError: list index out of range")
    assert call.ended == 1


def test_an_error_that_cannot_say_anything_is_recorded_and_raised() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("in __str__")

    def fail() -> None:
        raise SilentError

    recorder = Recorder()
    with pytest.raises(SilentError):
        recorder.function(fail)()
    assert told(recorder) == ["fail() -> raises SilentError"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TimeoutError()])
def test_a_call_of_which_nobody_knows_what_came_has_not_returned(error: BaseException) -> None:
    recorder = Recorder(unknown=[TimeoutError])

    def send() -> None:
        raise error

    with pytest.raises(type(error)):
        recorder.function(send)()
    (call,) = recorder.calls()
    assert (call.ended, call.result) == (None, None)


def test_what_is_changed_later_is_recorded_as_it_was() -> None:
    recorder = Recorder()
    shelf: list[Any] = [[1], {2: {3}}, (4,)]
    take = recorder.function(lambda things: things, operation="take")
    assert take(shelf) is shelf
    shelf[0].append(9)
    shelf[1].clear()
    shelf.pop()
    (call,) = recorder.calls()
    assert call.args == ([[1], {2: {3}}, (4,)],)
    assert call.result == [[1], {2: {3}}, (4,)]
    seats = {"a": 1}
    view = recorder.function(seats.items, operation="items")()
    seats["b"] = 2
    assert len(view) == 2
    assert recorder.calls()[1].result == [("a", 1)]


def test_of_what_is_not_there_yet_nothing_can_be_recorded() -> None:
    recorder = Recorder()
    till = recorder.wrap(Till())
    with pytest.raises(ArgumentTypeError, match="what each returned is of type generator"):
        till.each()
    with pytest.raises(ArgumentTypeError, match="an argument of pay"):
        till.pay(iter([]))

    async def one_by_one() -> Any:
        yield 1

    with pytest.raises(ArgumentTypeError, match="of type async_generator"):
        Recorder().function(one_by_one)()
    # The one has been called, and nobody knows what came of it; the other has not.
    assert told(recorder) == ["each() has not returned"]


def test_what_is_taken_by_name_only_cannot_be_recorded() -> None:
    recorder = Recorder()
    till = recorder.wrap(Till())
    till.put(3)
    with pytest.raises(ArgumentTypeError, match=r"takes times by name only.*Recorder\.function"):
        till.put(3, times=2)
    assert told(recorder) == ["put(3) -> 3"]
    put_twice = recorder.function(lambda coin: till._open(), operation="put_twice")
    assert put_twice(1) == "open"


def test_what_would_pass_by_the_recording_is_refused() -> None:
    till = Recorder().wrap(Till())
    with pytest.raises(UnrecordedError, match="assignment to coins would not be recorded"):
        till.coins = []
    with pytest.raises(UnrecordedError, match="deletion"):
        del till.coins
    with pytest.raises(TypeError, match="not iterable"):
        iter(till)
    assert issubclass(UnrecordedError, CowstateError)
    assert repr(till).startswith("<recorded <tests.testing.test_recorder.Till object")
    with pytest.raises(AttributeError, match="nothing_like_it"):
        till.nothing_like_it
    with pytest.raises(TypeError, match="not subscriptable"):
        Recorder().wrap(object())[1]


@pytest.mark.parametrize("given", [3, None, object()])
def test_what_is_no_function_is_refused(given: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="a function with a name is needed"):
        Recorder().function(given)


def test_a_task_is_recorded_from_its_call_to_its_end() -> None:
    recorder = Recorder()

    async def main() -> None:
        gate = asyncio.Event()

        async def wait(name: str) -> str:
            await gate.wait()
            return name

        async def fail() -> None:
            raise LookupError("no")

        waiting = recorder.function(wait, client="task")
        first = asyncio.create_task(waiting("first"))
        second = asyncio.create_task(waiting("second"))
        await asyncio.sleep(0)
        second.cancel()
        gate.set()
        with pytest.raises(LookupError):
            await recorder.function(fail)()
        assert await first == "first"
        with pytest.raises(asyncio.CancelledError):
            await second

    asyncio.run(main())
    first, second, fail = recorder.calls()
    assert (first.began, second.began, fail.began) == (0, 1, 2)
    assert first.result == "first"
    assert fail.result == Raised(LookupError, "LookupError: no")
    assert second.ended is None


def test_a_call_under_way_is_there() -> None:
    recorder = Recorder()
    seen: list[tuple[Call, ...]] = []
    recorder.function(lambda: seen.append(recorder.calls()), operation="look", client="me")()
    assert seen == [(Call("me", "look", (), 0),)]


def test_no_two_moments_of_any_threads_are_the_same_and_each_thread_goes_on() -> None:
    recorder = Recorder()
    nothing = recorder.function(lambda: None, operation="nothing")

    def work() -> str:
        for _ in range(2000):
            nothing()
        return threading.current_thread().name

    names = run_threads(*[work] * 4, switch_interval=1e-6)
    calls = recorder.calls()
    times = [time for call in calls for time in (call.began, call.ended)]
    assert sorted(times) == list(range(16_000))
    for name in names:
        mine = [call for call in calls if call.client == name]
        assert len(mine) == 2000
        assert all(one.ended < two.began for one, two in pairwise(mine))

"""Whether recorded calls of any object are those of one client after the other, in real-time order.

The search of Wing and Gong (1993) with the improvements of Lowe (2017) and of Horn and Kroening
(2015): depth first; a call is given its place only when one must have one, since it returns (just
in time); a configuration, which is what has taken effect of the calls under way and the state, is
never gone on from twice; and parts of an object that have nothing to do with each other are
looked at each by itself.

Histories are closed under prefixes: what is refuted stays so, whatever comes after. So of what is
refuted the shortest beginning is found by halving, and its last return is the misfit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from ..errors import ArgumentTypeError, ArgumentValueError
from ..showing import begun, shown
from .bounds import check_bound
from .calls import Call, agree
from .errors import NotLinearizableError, UndecidedError
from .models import WAITS, Model, check_state, checked, stepped
from .timelines import timeline

__all__ = ["Linearization", "check_linearizable"]

_MOST_FITTING: Final = 8


class Linearization(NamedTuple):
    """An order that explains a history.

    Attributes:
        order: the calls that took effect, each within its own time; of those that never returned,
            some may be missing.
        steps: how often the model was asked.

    >>> model = Model(0, lambda state, operation, args: (state + 1, state))
    >>> first, second = Call("a", "next", (), 1, 3, 1), Call("b", "next", (), 2, 4, 0)
    >>> check_linearizable([first, second], model).order == (second, first)
    True
    """

    order: tuple[Call, ...]
    steps: int


def check_linearizable(
    calls: Iterable[Call], model: Model[Any], *, most_steps: int = 1_000_000
) -> Linearization:
    """Return an order of *calls* that explains what they returned; raise if there is none.

    An order explains them if each call is given the result that the model gives it there, and a
    call that had returned before another one began comes before it. One that never returned may
    be left out. This is linearizability, by the words of Herlihy and Wing.

    Costs about as many steps of the model as there are calls, where few of them overlap or most
    orders of those that do are explained alike. At worst it is exponential in the number of calls
    that are under way at a time, above all of those that never returned.

    Args:
        calls: a `Recorder`'s, or your own, in any order.
        model: what the object does if one client uses it.
        most_steps: how often the model is asked at most, in all; to say then that nothing is known.

    Raises:
        NotLinearizableError: no order explains them. It tells the shortest beginning of which that
            is true, the call that fits nowhere there, and what it might have returned.
        UndecidedError: *most_steps* have gone by.
        ArgumentTypeError: something is no `Call`, or the model is none.

    >>> def step(state, operation, args):
    ...     return (args[0], None) if operation == "write" else (state, state)
    >>> calls = [
    ...     Call("a", "write", (1,), began=1, ended=2),
    ...     Call("b", "write", (2,), began=3, ended=6),
    ...     Call("c", "read", (), began=4, ended=5, result=2),
    ...     Call("a", "read", (), began=7, ended=8, result=1),
    ... ]
    >>> check_linearizable(calls[:3], Model(0, step)).steps
    4
    >>> try:
    ...     check_linearizable(calls, Model(0, step))
    ... except NotLinearizableError as error:
    ...     print(error)
    read() -> 1 by a fits nowhere; there it could only have returned 2
    order  client  time -->
        1  a       []        write(1) -> None
        2  b         [==]    write(2) -> None
        3  c          []     read() -> 2
        !  a             []  read() -> 1
    """
    checked(model)
    check_bound("most_steps", most_steps, 1)
    budget = _Budget(most_steps)
    placed: list[tuple[int, Call]] = []
    for key, part in _parts(calls, model):
        search = _Search(part, model, budget)
        found = search.run()
        if found is None:
            raise _refuted(search, key)
        placed += [(time, search.calls[number]) for time, number in found]
    # Each call took effect just before the return that needed it; parts are independent.
    placed.sort(key=lambda pair: pair[0])
    return Linearization(tuple(call for _, call in placed), budget.spent)


def _parts(calls: Iterable[Call], model: Model[Any]) -> list[tuple[Hashable, list[Call]]]:
    """The calls by the part of the object that they are about; all in one if that is not known."""
    if not isinstance(calls, Iterable):
        raise ArgumentTypeError(
            "calls must be a collection of cowstate.testing.Call objects, as a recorder's "
            f"`calls()` returns them, not {shown(calls)}"
        )
    all_ = list(calls)
    for call in all_:
        if not isinstance(call, Call):
            raise ArgumentTypeError(
                f"calls must be cowstate.testing.Call objects, not {shown(call)}"
            )
        if call.ended is not None and call.ended < call.began:
            raise ArgumentValueError(f"{call} ended at {call.ended}, before {call.began}")
    if model.key is None:
        return [(None, all_)]
    parts: dict[Hashable, list[Call]] = {}
    for call in all_:
        key = model.key(call.operation, call.args)
        if key is None:
            return [(None, all_)]
        try:
            parts.setdefault(key, []).append(call)
        except TypeError as error:
            raise ArgumentTypeError(
                f"the model's key of {call} must be hashable, and {shown(key)} is not"
            ) from error
    return list(parts.items())


class _Budget:
    """How many steps of the model are left, in all parts."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.spent = 0


class _Return(NamedTuple):
    """The moment at which a call returns.

    Attributes:
        call: its number.
        bit: what stands for it in a mask as long as it is under way.
        others: the numbers of the calls that are under way, too, those that return soon first.
    """

    call: int
    bit: int
    others: tuple[int, ...]


class _Config(NamedTuple):
    """How far an order has come: what the search must know of it to go on.

    Attributes:
        at: how many returns are behind it.
        mask: which calls under way have taken effect.
        state: the model's.
    """

    at: int
    mask: int
    state: Any


class _Search:
    """The search in one part of a history.

    Attributes:
        calls: the calls of it, by the time of beginning.
        returns: the returns, in the order of time.
        budget: what is left to it.
        reached: how many returns the order that came furthest has behind it, in the latest run that
            found none.
        furthest: the calls of that order, by their numbers.
    """

    def __init__(self, calls: list[Call], model: Model[Any], budget: _Budget) -> None:
        self.calls = sorted(calls, key=lambda call: call.began)
        self.model = model
        self.budget = budget
        self.reached = 0
        self.furthest: list[int] = []
        self._bits: list[int] = []
        self.returns: list[_Return] = []
        self._lay_out()
        check_state(model.initial)
        self._places = {each.call: place for place, each in enumerate(self.returns)}

    def _lay_out(self) -> None:
        # At one time calls begin before others return: what may overlap is taken to.
        calls = self.calls
        begins = [(call.began, 0, number) for number, call in enumerate(calls)]
        ends = [(c.ended, 1, n) for n, c in enumerate(calls) if c.ended is not None]
        self._bits = [0] * len(calls)
        # A bit is free again when its call has returned, so that masks stay small.
        free: list[int] = []
        under_way: set[int] = set()
        bits = 0
        for _, returns, number in sorted(begins + ends):
            if not returns:
                if not free:
                    free.append(1 << bits)
                    bits += 1
                self._bits[number] = free.pop()
                under_way.add(number)
                continue
            under_way.remove(number)
            others = tuple(sorted(under_way, key=self._when_ended))
            self.returns.append(_Return(number, self._bits[number], others))
            free.append(self._bits[number])

    def _when_ended(self, number: int) -> tuple[bool, int]:
        ended = self.calls[number].ended
        return ended is None, ended or 0

    def run(
        self, upto: int | None = None, instead: Callable[[Any], bool] | None = None
    ) -> list[tuple[int, int]] | None:
        """Find an order of all calls up to the return number *upto*; None if there is none.

        Gives their numbers, each with the time at which it is taken to have taken effect. What
        returns later counts as not returned. *instead* says what the last to return may have
        returned, instead of what it did.
        """
        upto = len(self.returns) if upto is None else upto
        start = _Config(0, 0, self.model.initial)
        if not upto:
            return []
        seen = {start}
        self.reached, self.furthest = 0, []
        frames = [(0, self._moves(start, upto, instead))]
        # For each frame but the first, what led to it.
        path: list[tuple[int, int]] = []
        while frames:
            behind, moves = frames[-1]
            move = next(moves, None)
            if move is None:
                if behind > self.reached:
                    self._note(behind, path)
                frames.pop()
                if path:
                    path.pop()
                continue
            number, at, config = move
            if config in seen:
                continue
            seen.add(config)
            path.append((self._time(at), number))
            if config.at == upto:
                return path
            frames.append((config.at, self._moves(config, upto, instead)))
        return None

    def _note(self, behind: int, path: list[tuple[int, int]]) -> None:
        """Keep what took effect for the returns that are behind, and not for the next one."""
        end = self._time(behind - 1)
        self.reached, self.furthest = behind, [number for time, number in path if time <= end]

    def _time(self, at: int) -> int:
        ended = self.calls[self.returns[at].call].ended
        assert ended is not None
        return ended

    def _moves(
        self, config: _Config, upto: int, instead: Callable[[Any], bool] | None
    ) -> Iterator[tuple[int, int, _Config]]:
        """Yield what may take effect next, at which return, and what that leads to."""
        at, mask, state = config
        due = self.returns[at]
        for number in (due.call, *due.others):
            bit = self._bits[number]
            if mask & bit:
                continue
            after, result = self.step(state, number)
            # What a call will return later is known already, where later is within the history.
            place = self._places.get(number, upto)
            if result is WAITS:
                continue
            if place == upto - 1 and instead is not None:
                if not instead(result):
                    continue
            elif place < upto and not agree(result, self.calls[number].result):
                continue
            yield number, at, self._settled(at, mask | bit, after, upto)

    def _settled(self, at: int, mask: int, state: Any, upto: int) -> _Config:
        """Pass all returns of calls that have taken effect."""
        while at < upto and mask & self.returns[at].bit:
            mask ^= self.returns[at].bit
            at += 1
        return _Config(at, mask, state)

    def known(self, upto: int) -> dict[int, Call]:
        """Return what is known when so many have returned: the calls begun by then, by number."""
        if not upto:
            return {}
        end = self._time(upto - 1)
        return {
            number: call
            if self._places.get(number, upto) < upto
            else call.replace(ended=None, result=None)
            for number, call in enumerate(self.calls)
            if call.began <= end
        }

    def result_in(self, order: Iterable[int], sought: int) -> Any:
        """What the model says that a call returns, in this order."""
        state = self.model.initial
        for number in order:
            state, result = self.step(state, number)
            if number == sought:
                return result
        raise AssertionError(f"{self.calls[sought]} is not in its order")

    def step(self, state: Any, number: int) -> tuple[Any, Any]:
        """Ask the model what a call does in *state*."""
        budget = self.budget
        if budget.spent >= budget.most:
            raise UndecidedError(budget.spent, len(self.calls))
        budget.spent += 1
        call = self.calls[number]
        after, result = stepped(self.model, state, call.operation, call.args)
        if after is not state:
            check_state(after)
        return after, result


def _refuted(search: _Search, key: Hashable) -> NotLinearizableError:
    """Return the error for a part that is refuted, about the shortest beginning that is."""
    # That it is refuted is known; to tell how may cost as much again.
    search.budget = _Budget(search.budget.most)
    upto, order = _shortest(search)
    number = search.returns[upto - 1].call
    misfit = search.calls[number]
    told = search.known(upto)
    before = search.known(upto - 1)
    explained = [before[number] for number in order]
    fitting, all_ = _fitting(search, upto)
    if fitting:
        only = "only " if all_ else ""
        results = " or ".join(shown(result, 80) for result in fitting[:3])
        more = f", or one of {len(fitting) - 3} more" if len(fitting) > 3 else ""
        might = f"there it could {only}have returned {results}{more}"
    else:
        might = "there it would have had to wait" if all_ else "nobody knows what would fit"
    about = "" if key is None else f", of what concerns {shown(key, 80)}"
    problem = f"{misfit} by {begun(misfit.client, 20)} fits nowhere{about}; {might}"
    problem = " ".join(problem.splitlines())
    text = timeline(told, {number: place for place, number in enumerate(order, 1)}, number)
    return NotLinearizableError(list(told.values()), misfit, fitting, explained, key, problem, text)


def _shortest(search: _Search) -> tuple[int, list[int]]:
    """How many returns the shortest refuted beginning has, and an order of what is before the last.

    Where the bound on the search comes in between, it is a refuted one, and no order.
    """
    # What returns later only narrows the search; so how far it came, there is an order.
    low, order, high = search.reached, search.furthest, len(search.returns)
    step = 1
    while low < high - 1:
        middle = min(low + step, (low + high) // 2)
        try:
            found = search.run(middle)
        except UndecidedError:
            return high, []
        if found is None:
            high = middle
        else:
            low, order, step = middle, [number for _, number in found], 2 * step
    return high, order


def _fitting(search: _Search, upto: int) -> tuple[list[Any], bool]:
    """What the misfit might have returned instead, nothing twice; and whether that is all."""
    found: list[Any] = []
    misfit = search.returns[upto - 1].call
    try:
        while len(found) < _MOST_FITTING:
            order = search.run(upto, lambda result: not any(agree(each, result) for each in found))
            if order is None:
                return found, True
            found.append(search.result_in([number for _, number in order], misfit))
    except UndecidedError:
        pass
    return found, False

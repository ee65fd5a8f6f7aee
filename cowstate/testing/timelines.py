"""A history drawn as text: one line for each call, from its beginning to its return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..showing import begun
from .calls import Call

__all__ = ["timeline"]

_MOST: Final = 24
_GAP: Final = "  "


def timeline(calls: Mapping[int, Call], places: Mapping[int, int], misfit: int) -> str:
    """Draw the last of *calls*, by their numbers; *misfit* is the one that is marked.

    Time runs to the right, a column for each beginning and each return. What stands before a call
    is its place in the order that explains the others; one without has not taken effect. The misfit
    has one if the others can only be explained with it, whatever it will have returned.
    """
    left_out = max(len(calls) - _MOST, 0)
    # By the time of return, so that all that was under way to the last stays.
    last = sorted(calls, key=lambda number: (number == misfit, _when(calls[number])))
    drawn = {number: calls[number] for number in sorted(last[left_out:])}
    return "\n".join(_lines(drawn, left_out, places, misfit))


def _client(call: Call) -> str:
    return begun(" ".join(call.client.splitlines()), 20)


def _when(call: Call) -> tuple[bool, int]:
    return call.ended is None, call.ended or 0


def _lines(
    calls: Mapping[int, Call], left_out: int, places: Mapping[int, int], misfit: int
) -> Iterator[str]:
    begins = [((False, call.began), 0, number) for number, call in calls.items()]
    ends = [(_when(call), 1, number) for number, call in calls.items()]
    moments = sorted(begins + ends)
    columns = {(kind, number): place for place, (_, kind, number) in enumerate(moments)}
    wide = max(len("client"), *(len(_client(call)) for call in calls.values()))
    yield f"order{_GAP}{'client':<{wide}}{_GAP}time -->"
    if left_out:
        yield f"{'...':>5}{_GAP}{left_out} calls before these"
    for number, call in calls.items():
        first, final = columns[0, number], columns[1, number]
        bar = " " * first + "[" + "=" * (final - first - 1) + (">" if call.ended is None else "]")
        place = f"{places.get(number, '')}{'!' if number == misfit else ''}"
        client = f"{_client(call):<{wide}}"
        yield f"{place:>5}{_GAP}{client}{_GAP}{bar:<{len(moments)}}{_GAP}{call}"

"""How a trader ended, in words: `as_text`."""

from __future__ import annotations

from collections.abc import Iterator

from ..live.trader import Ending

__all__ = ["as_text"]


def as_text(ending: Ending, symbol: str) -> str:
    """Return how it ended, and what it leaves at the venue, in lines."""
    return "\n".join([f"{symbol}: ended by {ending.why}", *_lines(ending)])


def _lines(ending: Ending) -> Iterator[str]:
    unwritten = ending.unwritten
    if unwritten is not None:
        yield f"  NOT WRITTEN: {unwritten.why}"
    last = "" if unwritten is None else ", as it was written last"
    yield f"  position{last}: {ending.position:f}, realized profit: {ending.profit:f}"
    yield f"  passes: {ending.passes:,}, corrections of the position: {ending.corrections:,}"
    if ending.halted:
        yield f"  HALTED: {ending.halted}"
        yield "  to let it go on, once that is put right: --resume with these words"
    if ending.spared:
        yield f"  nothing was cancelled: {ending.spared}"
    if ending.uncancelled:
        yield f"  not cancelled, or not known to be: {ending.uncancelled:,}"
    if ending.unasked:
        yield f"  the venue was not heard: {ending.unasked}"
        yield f"  working, as far as is known here: {len(ending.working):,}"
    else:
        yield f"  still working at the venue: {len(ending.working):,}"
    for each in ending.working:
        filled = f", {each.filled:f} of it filled" if each.filled else ""
        yield f"    {each.side} {each.quantity:f} at {each.price:f} ({each.client_oid}){filled}"
    if ending.uncertain:
        yield f"  sent, and not known whether they work: {', '.join(ending.uncertain)}"
    if unwritten is not None:
        yield f"  now: {unwritten.then}"

"""What the commands share: kinds of options, and a bar that shows how far they are."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation

from ..book.model import check_amount
from ..errors import AmountValueError

__all__ = ["advancing", "amount", "probability", "seconds", "whole"]


def whole(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """Return the type of an option that is a whole number, within limits.

    >>> whole(1)("12")
    12
    """
    limits = "" if least is None else f" of {least} or more"
    if most is not None:
        limits = f" from {least} to {most}"

    def parse(text: str) -> int:
        try:
            number: int | None = int(text)
        except ValueError:
            number = None
        if (
            number is None
            or (least is not None and number < least)
            or (most is not None and number > most)
        ):
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number{limits}")
        return number

    return parse


def probability(text: str) -> float:
    """Return the probability that *text* says; for an option.

    Raises:
        ArgumentTypeError: of argparse: it says none.

    >>> probability("0.25")
    0.25
    """
    return _between(text, 0, 1, "is not a probability, from 0 to 1")


def amount(text: str) -> Decimal:
    """Return the exact number that *text* says, more than zero; for an option.

    Raises:
        ArgumentTypeError: of argparse: it says none.

    >>> amount("0.05")
    Decimal('0.05')
    """
    try:
        return check_amount("the amount", Decimal(text), positive=True)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a decimal number") from None
    except AmountValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> float:
    """Return how many seconds *text* says, from a hundredth to an hour; for an option.

    Raises:
        ArgumentTypeError: of argparse: it says none.

    >>> seconds("0.5")
    0.5
    """
    return _between(text, 0.01, 3_600, "is no number of seconds; write 0.01 to 3600")


def _between(text: str, least: float, most: float, wrong: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} {wrong}")
    return number


@contextmanager
def advancing(
    title: str, total: Callable[[], int | None], *, wanted: bool, every: int = 1
) -> Generator[Callable[[int], object]]:
    """Give a function that shows how many are done; silent if nobody can watch.

    On standard error, if that is a terminal and ``rich`` is installed; never in a pipe.

    Args:
        title: what is going on.
        total: of how many, None if that is not known; asked for only if somebody watches.
        wanted: whether it may be shown at all.
        every: of how many calls one moves the bar, where a call costs less than that.
    """
    watched = wanted and sys.stderr is not None and sys.stderr.isatty()
    if not watched or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
    except ImportError:
        yield lambda _: None
        return
    bar = Progress(
        title,
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total())

        def advance(count: int) -> None:
            if count % every == 0:
                bar.update(task, completed=count)

        yield advance

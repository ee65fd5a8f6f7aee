"""What came out, for reading (a table), for machines (JSON) and for looking at (a plot)."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from cowstate.errors import MissingExtraError

from .measure import Figure, Ratio, ratio_of
from .peers import DATACLASSES, DEEPCOPY
from .scale import GROWING
from .variant import DEFAULT, LOCKED

__all__ = [
    "amount",
    "crossovers",
    "figure_rows",
    "plot",
    "print_table",
    "progress",
    "require_plotting",
    "spread",
]

_PIPE_WIDTH = 150
_FIRST_TO_GO = ("note", "rounds", "median")


def amount(value: float, unit: str) -> str:
    """Return *value* for reading, in three digits.

    >>> amount(1234.0, "ns"), amount(2_500_000.0, "per s"), amount(4096.0, "bytes")
    ('1.23 us', '2.50 M/s', '4.00 KiB')
    """
    if unit == "ns":
        steps = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")]
    elif unit == "bytes":
        steps = [(2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")]
    elif unit == "per s":
        steps = [(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]
    else:
        steps = [(1.0, unit)]
    size, name = next(((size, name) for size, name in steps if value >= size), steps[-1])
    return f"{_digits(value / size)} {name}"


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def spread(ratio: Ratio) -> str:
    """Return how far the rounds were apart: the quartiles of their ratios."""
    return f"{_digits(ratio.low)} to {_digits(ratio.high)}"


def _base(figure: Figure, group: Sequence[Figure]) -> Figure:
    """What *figure* is compared with: the lock-based twin of its size, else the first of that.

    Where everything is ours, and what is shown is how it grows, that is itself at the least size.
    """
    if figure.workload in GROWING:
        return next(each for each in group if each.variant == figure.variant)
    alike = [each for each in group if each.size == figure.size]
    return next((each for each in alike if each.variant == LOCKED), alike[0])


def figure_rows(
    figures: Iterable[Figure],
) -> Iterator[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Yield title, columns and rows of a table for each workload and quantity of *figures*."""
    titled: dict[str, list[Figure]] = {}
    for figure in figures:
        titled.setdefault(f"{figure.workload}: {figure.quantity}", []).append(figure)
    for title, group in titled.items():
        rows = []
        for figure in group:
            ratio = ratio_of(figure.samples, _base(figure, group).samples)
            rows.append(
                [
                    f"{figure.size:,}",
                    figure.variant + (" (default)" if figure.variant == DEFAULT else ""),
                    amount(figure.least, figure.unit),
                    amount(figure.median, figure.unit),
                    _digits(ratio.value),
                    spread(ratio),
                    figure.note,
                ]
            )
        workload = group[0].workload
        by = "x the least" if workload in GROWING else f"x {LOCKED}"
        what = GROWING.get(workload, "records")
        yield title, (what, "variant", "min", "median", by, "rounds", "note"), rows


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO
) -> None:
    """Print one table: by rich where that is installed, else in plain columns.

    On a terminal that is too narrow for it, without notes, rounds and medians, and it says so.
    """
    if find_spec("rich") is None:
        _print_plain(title, columns, rows, out)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, width=None if out.isatty() else _PIPE_WIDTH, highlight=False)
    left_out = _left_out(columns, rows, console.width)
    table = Table(title=Text(title, "bold"), title_justify="left", box=None, header_style="dim")
    for place, name in enumerate(columns):
        if name not in left_out:
            right = name not in {"variant", "note", "what", "verdict"}
            # Figures, and whose they are, stand on one line; what heads them may take more.
            whole = right or name == "variant"
            least = max((len(row[place]) for row in rows), default=0) if whole else None
            table.add_column(
                name, justify="right" if right else "left", min_width=least, overflow="fold"
            )
    for row in rows:
        kept = [cell for name, cell in zip(columns, row, strict=True) if name not in left_out]
        table.add_row(*map(Text, kept))
    console.print(table)
    if left_out:
        console.print(f"left out, for want of width: {', '.join(left_out)}", style="dim")
    console.print()


def _left_out(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the columns without which the others fit, as far as there are such."""
    needed = {
        name: 2 + max([len(word) for word in name.split()] + [len(row[place]) for row in rows])
        for place, name in enumerate(columns)
    }
    left_out: list[str] = []
    for name in _FIRST_TO_GO:
        if name in needed and sum(needed.values()) > width:
            del needed[name]
            left_out.append(name)
    return left_out


def _print_plain(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO
) -> None:
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    print(title, file=out)
    for row in (columns, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip(), file=out)
    print(file=out)


def crossovers(figures: Sequence[Figure], ours: str = DEFAULT) -> list[list[str]]:
    """Return from which share of reads on *ours* costs less than each lock-based variant.

    Of a program that does nothing but read everything and change one record, in all its threads
    together: so it says nothing of who waits for whom. Rows: records, variant, the share for
    consistent reads of everything, and that for snapshots of which next to nothing is read.
    """
    times = {
        (figure.workload, figure.size, figure.variant): figure.least
        for figure in figures
        if figure.quantity == "time"
    }
    rows = []
    sizes = sorted({figure.size for figure in figures if figure.workload == "update"})
    names = dict.fromkeys(figure.variant for figure in figures)
    others = [
        name for name in names if name.startswith((LOCKED, "one lock", DEEPCOPY, DATACLASSES))
    ]
    for size in sizes:
        for variant in others:
            shares = [
                _share(times, size, (ours, variant), reading)
                for reading in ("read_all", "snapshot")
            ]
            if any(shares):
                rows.append([f"{size:,}", variant, *(share or "-" for share in shares)])
    return rows


def _share(
    times: Mapping[tuple[str, int, str], float], size: int, pair: tuple[str, str], reading: str
) -> str:
    found = [times.get((workload, size, name)) for workload in ("update", reading) for name in pair]
    if None in found:
        return ""
    write, other_write, read, other_read = (float(value or 0) for value in found)
    dearer, saved = write - other_write, other_read - read
    if dearer <= 0 and saved >= 0:
        return "always"
    if dearer >= 0 and saved <= 0:
        return "never"
    share = dearer / (dearer + saved)
    return f"from {share:.2%} on" if saved > 0 else f"up to {share:.2%}"


def require_plotting() -> None:
    """Raise `MissingExtraError` if plots cannot be made here."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("a plot", "bench")


def plot(path: Path, conditions: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """Draw each workload and quantity over the number of records, both logarithmic."""
    require_plotting()
    figure_module: Any = import_module("matplotlib.figure")
    titled: dict[tuple[str, str, str], dict[str, dict[int, float]]] = {}
    for figure in figures:
        lines = titled.setdefault((figure.workload, figure.quantity, figure.unit), {})
        lines.setdefault(figure.variant, {})[figure.size] = figure.least
    columns = min(3, len(titled))
    rows = math.ceil(len(titled) / columns)
    canvas = figure_module.Figure(figsize=(6 * columns, 4 * rows + 2), layout="constrained")
    names = list(dict.fromkeys(figure.variant for figure in figures))
    colours: Any = import_module("matplotlib").colormaps["tab20"]
    drawn: dict[str, Any] = {}
    for place, ((workload, quantity, unit), lines) in enumerate(titled.items(), start=1):
        axes = canvas.add_subplot(rows, columns, place)
        for name, points in lines.items():
            (drawn[name],) = axes.plot(
                list(points),
                list(points.values()),
                marker="o",
                markersize=3,
                color=colours(names.index(name) % 20),
                linestyle="-" if name.startswith("cowstate") else "--",
            )
        axes.set(
            xscale="log",
            yscale="log",
            title=f"{workload}: {quantity}",
            xlabel=GROWING.get(workload, "records"),
        )
        axes.set_ylabel(unit)
        axes.grid(visible=True, alpha=0.3)
    canvas.legend(drawn.values(), drawn, loc="outside lower center", ncols=4)
    canvas.suptitle(f"{conditions['python']}, GIL {conditions['gil']}; {conditions['machine']}")
    # Text as text, and nothing that another drawing of the same figures would have otherwise.
    small = {"svg.fonttype": "none", "svg.hashsalt": "cowstate"}
    about = {"Date": None} if path.suffix == ".svg" else {}
    with import_module("matplotlib").rc_context(small):
        canvas.savefig(path, format=path.suffix[1:], metadata=about)


@contextmanager
def progress(total: int) -> Generator[Callable[[str], object]]:
    """Give a function that is told what comes next, ``total`` times; a bar on a terminal."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        done = -1

        def tell(what: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=what, completed=done)

        yield tell

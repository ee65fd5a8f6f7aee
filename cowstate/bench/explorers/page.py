"""The page that shows what came out, with every figure from the stored file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..measure import ratio_of
from ..report import amount
from ..tables.markdown import NONE, filled, table
from .attempts import Attempt
from .explorers import EXPLORERS, OURS
from .programs import TRIALS, Trial
from .rounds import Run, read

__all__ = ["BLOCKS", "DOCS", "FILE", "PAGE", "rendered", "verdict_of", "written"]

DOCS = Path(__file__).resolve().parents[3] / "docs/explanation"
PAGE = "explorers.md"
FILE = "explorers.json"

SEARCHES = (OURS, "frontrun", "interleave-test, lines", "simloom")
"""In the way that each of them shows first for a search of all schedules."""

_BUSY = 2.0
"""Load from which on others had a part in it: an attempt is one process, which runs by turns."""

OTHERS = tuple(name for name in EXPLORERS if name not in SEARCHES)


def written(page: Path, file: Path) -> None:
    """Write the tables of *page* from *file*.

    Raises:
        ArgumentValueError: the file cannot be read, or the page asks for what there is not.
    """
    page.write_text(rendered(page.read_text(encoding="utf-8"), read(file)), encoding="utf-8")


def rendered(text: str, run: Run) -> str:
    """Return the *text* of the page with its tables made from *run*. Pure."""
    return filled(text, {name: partial(make, run) for name, make in BLOCKS.items()})


def verdict_of(trial: Trial, attempts: Sequence[Attempt]) -> str:
    """Say what came of the attempts at *trial*, one for each round; what is not right is bold.

    >>> trial = TRIALS["lock"]
    >>> verdict_of(trial, [Attempt("passed", 2, 0.1, complete=True)])
    'right, all 2'
    >>> verdict_of(trial, [Attempt("failed", 3, 0.1), Attempt("passed", 9, 0.1)])
    '**wrong alarm** in 1 of 2, 3'
    """
    if not attempts:
        return NONE
    first = attempts[0].verdict
    alike = [each for each in attempts if each.verdict == "failed"] or [
        each for each in attempts if each.verdict == first
    ]
    shown = alike[0]
    number = "" if shown.schedules is None else f", {shown.schedules:,}"
    rounds = "" if len(alike) == len(attempts) else f" in {len(alike)} of {len(attempts)}"
    match shown.verdict, trial.wrong:
        case "failed", True:
            return f"found{rounds}{number}"
        case "failed", False:
            return f"**wrong alarm**{rounds}{number}"
        case "passed", wrong:
            word = "**missed**" if wrong else "right"
            whole = ", all" + number.lstrip(",") if shown.complete else number
            return f"{word}{rounds}{whole}"
        case "cannot", _:
            return NONE
        case "hung", _:
            return f"**hangs**{rounds}"
        case _:
            return f"**undecided**{rounds}{number}"


def _verdicts(names: Sequence[str], run: Run) -> str:
    there = [name for name in names if name in run.attempts]
    return table(
        ("program", *there),
        (
            [_said(trial), *(verdict_of(trial, _of(run, name, trial)) for name in there)]
            for trial in TRIALS.values()
        ),
    )


def _said(trial: Trial) -> str:
    return f"{trial.name}{'' if trial.wrong else ', which is right'}"


def _of(run: Run, name: str, trial: Trial) -> list[Attempt]:
    return run.attempts.get(name, {}).get(trial.name, [])


def _seconds(names: Sequence[str], run: Run) -> str:
    there = [name for name in names if name in run.attempts and name != OURS]
    return table(
        ("program", OURS, *there),
        (
            [_said(trial), _least(run, trial), *(_times(run, name, trial) for name in there)]
            for trial in TRIALS.values()
        ),
    )


def _samples(run: Run, name: str, trial: Trial) -> list[float]:
    return [each.seconds for each in _of(run, name, trial) if each.seconds is not None]


def _least(run: Run, trial: Trial) -> str:
    samples = sorted(_samples(run, OURS, trial))
    if not samples:
        return NONE
    median = samples[len(samples) // 2]
    return f"{amount(samples[0] * 1e9, 'ns')} ({amount(median * 1e9, 'ns')})"


def _times(run: Run, name: str, trial: Trial) -> str:
    over, under = _samples(run, name, trial), _samples(run, OURS, trial)
    if not over or not under:
        return NONE
    ratio = ratio_of(over, under)
    if min(len(over), len(under)) < 2:
        return _short(ratio.value)
    return f"{_short(ratio.value)} ({_short(ratio.low)} to {_short(ratio.high)})"


def _short(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _again(run: Run) -> str:
    rows = []
    for name, explorer in EXPLORERS.items():
        firsts = [of[0] for of in run.attempts.get(name, {}).values() if of]
        if not firsts:
            continue
        found = [each for each in firsts if each.verdict == "failed"]
        asked = [each.replayed for each in found if each.replayed is not None]
        texts = sorted(each.text for each in found if each.replayed is not None)
        rows.append(
            [
                name,
                explorer.how,
                f"{sum(asked)} of {len(found)}" if found else NONE,
                f"{texts[0]:,} to {texts[-1]:,}" if texts else NONE,
                _complete([each for each in firsts if each.verdict == "passed"]),
            ]
        )
    columns = ("explorer", "how", "found again from its text", "characters of it")
    return table((*columns, "passed, and says that it was all"), rows)


def _complete(passed: Sequence[Attempt]) -> str:
    if not passed:
        return NONE
    return f"{sum(each.complete is True for each in passed)} of {len(passed)}"


def _conditions(run: Run) -> str:
    where = run.conditions
    packages = ", ".join(f"{name} {release}" for name, release in where["packages"].items())
    loads = [where[when] or [0.0] for when in ("load", "load afterwards")]
    before, after = (", ".join(map(str, load)) for load in loads)
    busy = (
        "\n\n**The machine was busy with other things: the times are no figures to quote.**"
        if max(map(max, loads)) > _BUSY
        else ""
    )
    return (
        f"{where['python']} on {where['machine']}, {where['date']}; {packages}; rounds: "
        f"{where['rounds']}. Load of the machine before and after: {before}; {after}.{busy}"
    )


BLOCKS: Mapping[str, Callable[[Run], str]] = {
    "conditions": _conditions,
    "searches": partial(_verdicts, SEARCHES),
    "others": partial(_verdicts, OTHERS),
    "seconds": partial(_seconds, SEARCHES),
    "seconds of others": partial(_seconds, OTHERS),
    "again": _again,
}
"""What makes each of the tables, by the name on the page."""

"""Result files: what a run found, as ``cowstate bench --json`` writes it, and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cowstate.errors import ArgumentValueError

from .measure import Figure, Ratio
from .verdicts import Target, Verdict

__all__ = ["Results", "read", "write"]

_DIGITS = 6


class Results(NamedTuple):
    """One run.

    Attributes:
        conditions: of machine, interpreter and settings, see `measure.conditions`.
        figures: with all their samples.
        verdicts: of the targets, if they were judged.
    """

    conditions: Mapping[str, Any]
    figures: tuple[Figure, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


class _Figure(msgspec.Struct):
    workload: str
    variant: str
    size: int
    quantity: str
    unit: str
    samples: tuple[float, ...]
    note: str = ""


class _Verdict(msgspec.Struct):
    what: str
    bound: float | None
    at_least: bool = False
    reached: tuple[float, float, float] | None = None
    skipped: str = ""


class _Results(msgspec.Struct):
    conditions: dict[str, Any]
    figures: list[_Figure]
    verdicts: list[_Verdict] = []


def write(
    path: Path,
    conditions: Mapping[str, Any],
    figures: Iterable[Figure] = (),
    verdicts: Iterable[Verdict] = (),
) -> None:
    """Write everything with the raw samples, a line for each figure and verdict."""
    parts = [f'"conditions": {json.dumps(conditions)}']
    for name, lines in (
        ("figures", [figure._asdict() for figure in figures]),
        ("verdicts", [_plain(verdict) for verdict in verdicts]),
    ):
        each = ",\n".join(json.dumps(_rounded(line)) for line in lines)
        parts.append(f'"{name}": [\n{each}\n]' if lines else f'"{name}": []')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _plain(verdict: Verdict) -> dict[str, Any]:
    target = verdict.target
    return {
        "what": target.what,
        "bound": target.bound,
        "at_least": target.at_least,
        "reached": verdict.reached,
        "skipped": verdict.skipped,
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_rounded(each) for each in value]
    return value


def read(path: Path) -> Results:
    """Return what is in a result file.

    Raises:
        ArgumentValueError: it is none, or it cannot be read.
    """
    try:
        run = msgspec.json.decode(path.read_bytes(), type=_Results)
    except (OSError, msgspec.MsgspecError) as error:
        raise ArgumentValueError(
            f"{path} cannot be used: {error}; give a file that cowstate bench --json wrote"
        ) from None
    if not all(figure.samples and min(figure.samples) > 0 for figure in run.figures):
        raise ArgumentValueError(f"{path} cannot be used: a figure has no samples above 0")
    return Results(
        run.conditions,
        tuple(Figure(**msgspec.structs.asdict(figure)) for figure in run.figures),
        tuple(_verdict(each) for each in run.verdicts),
    )


def _verdict(stored: _Verdict) -> Verdict:
    target = Target(stored.what, stored.bound, at_least=stored.at_least)
    return Verdict(
        target, None if stored.reached is None else Ratio(*stored.reached), stored.skipped
    )

"""The command ``cowstate bench``: what it takes and what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cowstate.errors import ArgumentValueError

from . import compare, results
from .measure import Figure, Settings, conditions
from .report import (
    crossovers,
    figure_rows,
    plot,
    print_table,
    progress,
    require_plotting,
)
from .targets import targets
from .verdicts import judge
from .workloads import steps_of, workloads

__all__ = ["add_arguments", "run"]

_PLOTS = (".svg", ".png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``cowstate bench`` takes to its *parser*."""
    parser.description = (
        "Measure the store side by side with lock-based variants and, where they are installed, "
        "with peers: one process, shuffled order, warmed up, repeated."
    )
    parser.add_argument(
        "workloads",
        nargs="*",
        metavar="WORKLOAD",
        help="what to measure (default: all that take no minutes, see --list)",
    )
    parser.add_argument("--list", action="store_true", help="list the workloads and end")
    parser.add_argument(
        "--targets",
        action="store_true",
        help="measure what the targets need, compare, and end with status 1 if one is missed",
    )
    parser.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes; no figures to quote"
    )
    parser.add_argument("--repeats", type=int, metavar="N", help="samples of each (default 7)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all that was measured to FILE"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="show beside what --json wrote to FILE before"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw to FILE, .svg or .png")


def run(args: argparse.Namespace) -> int:
    """Do what *args* say and return the exit status: 1 if a target is missed, else 0.

    Raises:
        UnknownWorkloadError: no such workload.
        ArgumentValueError: another argument is of no use.
        MissingExtraError: a plot is asked for and matplotlib is not installed.
    """
    if args.list:
        for workload in workloads().values():
            print(f"{workload.name:24} {workload.about}")
        return 0
    settings = _settings(args)
    # Looked into before the minutes of measuring, not after them.
    args.before = None if args.compare is None else results.read(args.compare).figures
    return _run_targets(args, settings) if args.targets else _run_workloads(args, settings)


def _settings(args: argparse.Namespace) -> Settings:
    settings = Settings.quickly() if args.quick else Settings()
    if args.repeats is not None:
        if args.repeats < 2:
            raise ArgumentValueError(f"--repeats must be at least 2, not {args.repeats}")
        settings = settings._replace(repeats=args.repeats)
    # Found out before the minutes of measuring, not after them.
    for path in (args.json, args.plot):
        if path is not None and not path.absolute().parent.is_dir():
            raise ArgumentValueError(f"{path} cannot be written: there is no such directory")
    if args.plot is not None:
        if args.plot.suffix not in _PLOTS:
            raise ArgumentValueError(f"--plot must end in {' or '.join(_PLOTS)}, not {args.plot}")
        require_plotting()
    if args.targets and (args.workloads or args.plot or args.compare):
        raise ArgumentValueError("--targets goes with --quick, --repeats and --json only")
    return settings


def _run_workloads(args: argparse.Namespace, settings: Settings) -> int:
    steps = list(steps_of(tuple(args.workloads), settings))
    where = conditions(settings)
    figures: list[Figure] = []
    with progress(len(steps)) as tell:
        for step in steps:
            tell(f"{step.workload.name}, {step.size:,} records")
            figures += step.workload.run(step.size, settings)
    where["load afterwards"] = conditions()["load"]
    _print_conditions(where, settings)
    for title, columns, rows in figure_rows(figures):
        print_table(title, columns, rows, sys.stdout)
    if args.before is not None:
        for title, compared in compare.compare(args.before, figures):
            rows = [each.row() for each in compared]
            print_table(f"{title}, by before", compare.COLUMNS, rows, sys.stdout)
    rows = crossovers(figures)
    if rows:
        columns = ("records", "variant", "reads of everything", "snapshots")
        print_table("the default store pays, by share of reads", columns, rows, sys.stdout)
    if args.json is not None:
        results.write(args.json, where, figures)
    if args.plot is not None:
        plot(args.plot, where, figures)
    return 0


def _run_targets(args: argparse.Namespace, settings: Settings) -> int:
    demanded = targets(settings)
    where = conditions(settings)
    with progress(len(demanded)) as tell:
        verdicts = list(judge(demanded, settings, tell))
    where["load afterwards"] = conditions()["load"]
    _print_conditions(where, settings)
    columns = ("what", "target", "reached", "rounds", "verdict")
    print_table("targets", columns, [verdict.row() for verdict in verdicts], sys.stdout)
    if args.json is not None:
        results.write(args.json, where, verdicts=verdicts)
    missed = sum(not verdict.ok for verdict in verdicts)
    print(f"{missed} of {len(verdicts)} targets missed" if missed else "no target missed")
    return 1 if missed else 0


def _print_conditions(where: dict[str, object], settings: Settings) -> None:
    print(f"{where['python']}, GIL {where['gil']}; {where['machine']}; load {where['load']}")
    packages = where["packages"]
    if isinstance(packages, dict):
        print(", ".join(f"{name} {version}" for name, version in packages.items()))
    if settings.quick:
        print("a quick run: these are no figures to quote")
    print()

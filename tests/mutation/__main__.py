"""How strong the tests are: change the package a little, in every place, and see who notices.

    python -m tests.mutation                              the core and the pure parts of positions
    python -m tests.mutation --module cowstate/maps.py    one module, or several
    python -m tests.mutation --sample 40 --thorough       some mutants of each, and all killers
    python -m tests.mutation --near                       the tests nearest to each module alone
    python -m tests.mutation --kept FILE                  go on where the last such run ended
    python -m tests.mutation --record                     write down what became of each module
    python -m tests.mutation --changed                    those that are not what was written down

README.md beside this file says how to read what it prints. It ends with 0 if enough mutants were
killed; with 1 if not, or if the list of explained mutants is not true; with 2 if it cannot run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import NamedTuple

from tests.mutation.explained import Key, ListError, as_entry, explained, key_of, stale
from tests.mutation.kept import Kept
from tests.mutation.killers import stages_of
from tests.mutation.mutator import Mutant, mutants_of
from tests.mutation.record import README, RECORD, Outcome, changed, digest, filled, load, saved
from tests.mutation.trial import Stage, UnfitError, Workshop

ROOT = Path(__file__).resolve().parents[2]
NOT_THE_CORE = {"__init__", "__main__", "cli"}
# The pure functions of positions.
PURE = ["book/orders", "reconcile/passes", "reconcile/orderfacts", "reconcile/verdicts"]


class Verdict(NamedTuple):
    """What became of one mutant: killed by which stage, or by a limit; or it survived."""

    key: Key
    line: int
    by: str


def core() -> list[str]:
    """The modules that are taken where none is named."""
    found = [path for path in (ROOT / "cowstate").glob("*.py") if path.stem not in NOT_THE_CORE]
    pure = [ROOT / "cowstate" / "positions" / f"{name}.py" for name in PURE]
    return [path.relative_to(ROOT).as_posix() for path in [*sorted(found), *pure]]


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutation", description="See README.md.")
    parser.add_argument("--module", nargs="+", metavar="FILE", help="paths from the project on")
    parser.add_argument("--only", default="", metavar="TEXT", help="functions whose name has it in")
    parser.add_argument("--sample", type=int, metavar="N", help="at most N mutants of a module")
    parser.add_argument("--seed", type=int, default=0, help="which ones, with --sample")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--least", type=float, default=97.0, metavar="PERCENT")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--near", action="store_true", help="ask the nearest tests alone")
    which.add_argument("--thorough", action="store_true", help="ask the tests of faults, too")
    parser.add_argument("--explained", action="store_true", help="try those on the list as well")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="skip those killed before")
    parser.add_argument("--record", action="store_true", help="keep what is found, in README.md")
    parser.add_argument("--changed", action="store_true", help="modules changed since --record")
    parser.add_argument("--list", action="store_true", help="show the mutants and try none")
    options = parser.parse_args(argv)
    if options.record and (options.only or options.sample is not None or options.explained):
        parser.error("what is recorded is of whole modules: --record goes with none of these")
    return options


def modules_of(options: argparse.Namespace) -> list[str]:
    """The modules that are asked for."""
    modules: list[str] = options.module or core()
    if not options.changed:
        return modules
    return changed(load(RECORD), {name: (ROOT / name).read_text("utf-8") for name in modules})


def chosen(module: str, options: argparse.Namespace) -> list[Mutant]:
    """The mutants of *module* that are asked for."""
    all_ = mutants_of((ROOT / module).read_text(encoding="utf-8"))
    wanted = [mutant for mutant in all_ if options.only in mutant.function]
    if options.sample is not None and options.sample < len(wanted):
        picked = Random(options.seed).sample(range(len(wanted)), options.sample)
        wanted = [wanted[place] for place in sorted(picked)]
    return wanted


def tried(
    module: str,
    mutants: Sequence[Mutant],
    workshops: Sequence[Workshop],
    options: argparse.Namespace,
    kept: Kept,
) -> Iterator[Verdict]:
    """Yield the verdict on each of *mutants*, as soon as it is known; those known before first."""
    known = {place: by for place, each in enumerate(mutants) if (by := kept.killer(each))}
    for place, by in known.items():
        yield Verdict(key_of(module, mutants[place]), mutants[place].line, by)
    asked = [each for place, each in enumerate(mutants) if place not in known]
    if not asked:
        return
    files = stages_of(module, ROOT / "tests", thorough=options.thorough)
    if options.near:
        files = files[:1]
    stages = [workshops[0].time(names) for names in files]
    free: SimpleQueue[Workshop] = SimpleQueue()
    for workshop in workshops:
        free.put(workshop)

    def verdict(mutant: Mutant) -> Verdict:
        workshop = free.get()
        try:
            killed = workshop.killer(module, mutant.text, stages)
        finally:
            free.put(workshop)
        return Verdict(key_of(module, mutant), mutant.line, _by(killed, stages))

    with ThreadPoolExecutor(len(workshops)) as pool:
        for mutant, found in zip(asked, pool.map(verdict, asked), strict=True):
            if found.by != "nobody":
                kept.add(mutant, found.by)
            yield found


def _by(killed: tuple[int, bool] | None, stages: Sequence[Stage]) -> str:
    if killed is None:
        return "nobody"
    stage, by_limit = killed
    return "a limit" if by_limit else "those near" if stage == 0 else "the others"


def run(options: argparse.Namespace) -> int:
    modules = modules_of(options)
    if not modules:
        print("nothing was changed since it was recorded")
        return 0
    reasons = explained()
    everything = [
        key_of(module, mutant)
        for module in modules
        for mutant in mutants_of((ROOT / module).read_text(encoding="utf-8"))
    ]
    kept = Kept(options.kept)
    lies = [f"on the list, and no mutant: {key}" for key in stale(reasons, modules, everything)]
    survivors: list[Verdict] = []
    total: Counter[str] = Counter()
    print(f"{'':34}{'mutants':>9}{'near':>6}{'others':>8}{'limit':>7}{'alive':>7}{'score':>9}")
    with ExitStack() as stack:
        workshops = []
        for _ in range(options.jobs):
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="mutation-"))
            workshops.append(stack.enter_context(Workshop(ROOT, Path(scratch))))
            workshops[-1].warm(stages_of(modules[0], ROOT / "tests")[0])
        for module in modules:
            mutants = [
                mutant
                for mutant in chosen(module, options)
                if options.explained or key_of(module, mutant) not in reasons
            ]
            count: Counter[str] = Counter()
            on_the_list = len(chosen(module, options)) - len(mutants)
            for verdict in tried(module, mutants, workshops, options, kept):
                if verdict.key not in reasons:
                    count[verdict.by] += 1
                    if verdict.by == "nobody":
                        survivors.append(verdict)
                        print(f"  {module}:{verdict.line} {verdict.key.change}", flush=True)
                elif verdict.by != "nobody":
                    lies.append(f"on the list, and killed: {verdict.key}")
            print(row(module, count), flush=True)
            if options.record:
                recorded(module, count, on_the_list)
            total += count
    print(row("all", total))
    return concluded(options, survivors, lies, total)


def recorded(module: str, count: Counter[str], on_the_list: int) -> None:
    """Write down what became of the mutants of *module*, in the record and on the page."""
    by = {"near": "those near", "others": "the others", "limit": "a limit", "alive": "nobody"}
    code = digest((ROOT / module).read_text(encoding="utf-8"))
    figures = {name: count[who] for name, who in by.items()}
    outcome = Outcome(code, f"{date.today():%Y-%m-%d}", on_the_list, **figures)
    record = {name: old for name, old in load(RECORD).items() if (ROOT / name).exists()}
    record[module] = outcome
    RECORD.write_text(saved(record), encoding="utf-8")
    README.write_text(filled(README.read_text(encoding="utf-8"), record), encoding="utf-8")


def row(name: str, count: Counter[str]) -> str:
    numbers = (count.total(), count["those near"], count["the others"], count["a limit"])
    shown = "".join(f"{n:>{w}}" for n, w in zip(numbers, (9, 6, 8, 7), strict=True))
    return f"{name:34}{shown}{count['nobody']:>7}{score(count):>7.1f} %"


def score(count: Counter[str]) -> float:
    return 100 * (1 - count["nobody"] / count.total()) if count.total() else 100.0


def concluded(
    options: argparse.Namespace, survivors: list[Verdict], lies: list[str], total: Counter[str]
) -> int:
    """Print what is to be done, and return the exit status."""
    if survivors:
        print("\nKill these by a test, or explain on the list why none can:\n")
        print("\n".join(as_entry(verdict.key) for verdict in survivors))
    for lie in lies:
        print(lie)
    return 1 if lies or score(total) < options.least else 0


def main(argv: Sequence[str] | None = None) -> int:
    options = parsed(argv)
    try:
        if options.list:
            for module in modules_of(options):
                for mutant in chosen(module, options):
                    print(f"{module}:{mutant.line} {mutant.function}: {mutant.change}")
            return 0
        return run(options)
    except (ListError, OSError, UnfitError, ValueError) as error:
        print(f"python -m tests.mutation: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""The command ``cowstate chaos``: worlds in which all goes wrong, and rules that live in them."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from time import perf_counter
from typing import Any

from cowstate import ArgumentValueError

from ..book.reports import FeeAsset
from ..exchange.promises import VenuePromises
from ..simulation.chaos.campaign import RULES, Campaign, Row, run_campaign
from ..simulation.chaos.client import promises_of
from ..simulation.chaos.faults import KINDS
from ..simulation.chaos.oracle import Judgement
from ..simulation.chaos.result import TO_HEAL, TO_PROVE, Ending, Finding, WorldResult
from ..simulation.chaos.script import START_MS
from ..simulation.chaos.shrink import shrunk
from ..simulation.chaos.story import described, story_of
from ..simulation.chaos.worlds import WORLDS, spec_of, specs_of
from .options import advancing, whole

__all__ = ["add_arguments", "as_json", "as_text", "run"]

_DESCRIPTION = """\
Put reconcilers into worlds in which a venue does all that venues do: it lags, forgets, repeats
itself, refuses, and somebody trades by hand. An oracle that knows the truth judges each correction,
each halt and each pass. Ours and the rule that it replaces live through the same.
"""
_EPILOG = """\
The same options give the same report, on every interpreter, apart from the time it took.

exit status: 0 our rule failed in no world; 1 it did, and the report says in
which; 2 bad usage, or output that cannot be written; 130 interrupted by
Ctrl-C; 141 nobody read the output to its end.
"""
_WORLDS = 4 * len(WORLDS)
_OURS = next(iter(RULES))
_SHOWN = 10
_UNAVOIDABLE = (Judgement.UNAVOIDABLE.value, Judgement.UNSEEN.value, Ending.UNDECIDED.value)
_READERS: dict[type, Callable[[str], Any]] = {Decimal: Decimal, FeeAsset: FeeAsset}
_TRUE = VenuePromises.exact()
_PROMISES = [name for name in VenuePromises.__struct_fields__ if name != "unknown"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``cowstate chaos`` to *parser*."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--worlds",
        type=whole(1),
        default=_WORLDS,
        metavar="N",
        help="how many worlds (%(default)s: each kind four times)",
    )
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="S", help="the first of them (%(default)s)"
    )
    parser.add_argument(
        "--world", choices=WORLDS, metavar="NAME", help="only worlds of that kind; see --list"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a fault that each world has, as strong as that; may be given again; see --list",
    )
    parser.add_argument(
        "--promise",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the rules are told that the venue promises, in the place of the truth",
    )
    parser.add_argument(
        "--rule", choices=RULES, metavar="NAME", help=f"only that rule: {', '.join(RULES)}"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--list", action="store_true", help="list the worlds and the faults, and end")
    one.add_argument(
        "--story", type=whole(0), metavar="SEED", help="tell one world, message by message"
    )
    one.add_argument(
        "--shrink",
        type=whole(0),
        metavar="SEED",
        help="make one world in which the rule fails small, and tell it",
    )


def run(args: argparse.Namespace) -> int:
    """Do what *args* say and return 1 if our rule failed in a world, else 0.

    Raises:
        ArgumentValueError: an option is bad.
    """
    faults, told = _faults(args.fault), _promises(args.promise)
    if args.list:
        print("\n".join(_catalogue()))
        return 0
    if args.story is not None or args.shrink is not None:
        return _tell(args, faults, told)
    specs = specs_of(args.worlds, args.seed, args.world, **faults)
    rules = RULES if args.rule is None else {args.rule: RULES[args.rule]}
    started = perf_counter()
    with advancing("living", lambda: args.worlds, wanted=not args.json) as progress:
        campaign = run_campaign(specs, rules, progress, told)
    seconds = perf_counter() - started
    if args.json:
        print(json.dumps(as_json(campaign, seconds)))
    else:
        print(as_text(campaign, seconds))
    return 1 if campaign.row(args.rule or _OURS).failed else 0


def _tell(args: argparse.Namespace, faults: dict[str, float], told: dict[str, Any]) -> int:
    name = args.rule or _OURS
    rule = RULES[name]
    spec = spec_of(args.story if args.story is not None else args.shrink, args.world, **faults)
    if args.shrink is not None:
        small = shrunk(spec, rule, told=told)
        if small is None:
            print(f"{name} does not fail in world {spec.name}, seed {spec.seed}")
            return 0
        was = ", ".join(spec.faults.set()) or "nothing"
        print(f"of {was}, {spec.active_passes} passes: what is left is enough")
        spec = small
    promises = promises_of(spec.faults).knowing(**told)
    for line in story_of(spec, rule, name, promises):
        print(line)
    return 0 if args.story is not None else 1


def _faults(given: Sequence[str]) -> dict[str, float]:
    faults: dict[str, float] = {}
    for text in given:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            equals = ""
            value = 0.0
        if not equals or name not in KINDS:
            raise ArgumentValueError(
                f"--fault {text[:40]!r}: give NAME=NUMBER, such as lose_event=0.2; "
                "cowstate chaos --list tells the names"
            )
        faults[name] = value
    return faults


def _promises(given: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        true = getattr(_TRUE, name, None)
        try:
            if isinstance(true, bool):
                told[name] = {"yes": True, "no": False}[value]
            elif isinstance(true, int):
                told[name] = int(value)
            else:
                told[name] = _READERS[type(true)](value)
        except (ArithmeticError, KeyError, ValueError):
            raise ArgumentValueError(
                f"--promise {text[:40]!r}: give NAME=VALUE, such as positions_lag_ms=0 or "
                f"hedged=no; names are those of VenuePromises: {', '.join(_PROMISES)}"
            ) from None
    return told


def _catalogue() -> Iterator[str]:
    width = max(map(len, (*WORLDS, *KINDS)))
    yield "worlds:"
    for name, world in WORLDS.items():
        if name not in KINDS:
            yield f"  {name:<{width}}  {world.about}"
    yield ""
    yield "faults; for each there is a world with that name, in which it is alone:"
    for name, kind in KINDS.items():
        yield f"  {name:<{width}}  {kind.about} ({kind.unit})"


def as_json(campaign: Campaign, seconds: float) -> dict[str, Any]:
    """Return a campaign as an object for JSON: of each rule all worlds, each kind, the failures."""
    return {
        "rules": {
            rule: {
                "all": _row_as_json(campaign.row(rule)),
                "worlds": {
                    world: _row_as_json(campaign.row(rule, world)) for world in campaign.worlds
                },
                "failures": [_failure_as_json(each) for each in campaign.failures[rule]],
                "unavoidable": [_failure_as_json(each) for each in campaign.unavoidable[rule]],
                "slow": [_failure_as_json(each) for each in campaign.slow[rule]],
            }
            for rule in campaign.rules
        },
        "python": platform.python_version(),
        "wall_seconds": seconds,
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    return {**row._asdict(), "silent_part": row.silent_part}


def _failure_as_json(result: WorldResult) -> dict[str, Any]:
    return {
        "world": result.world,
        "seed": result.seed,
        "ending": result.ending.value,
        "findings": [[each.time_ms - START_MS, each.what, each.detail] for each in result.findings],
    }


def as_text(campaign: Campaign, seconds: float) -> str:
    """Return a campaign as tables: the rules side by side, each by kind of world, the failures."""
    rules = campaign.rules
    rows = {rule: campaign.row(rule) for rule in rules}
    first = rows[rules[0]]
    lines = [
        (
            f"{first.worlds:,} worlds, {first.events:,} order events, {first.passes:,} passes; "
            f"Python {platform.python_version()}, {seconds:.1f} s, "
            f"{first.worlds / seconds * 60:,.0f} worlds a minute"
        ),
        "",
        *_table(["", *rules], [[name, *values] for name, values in _summary(rows)]),
    ]
    for rule in rules:
        lines += ["", f"{rule}, by kind of world", *_by_world(campaign, rule)]
        failures = campaign.failures[rule]
        failed = f"{rule} failed in {rows[rule].failed:,} worlds"
        lines += _first_of(failed, failures, lambda result: _told(result.failure))
        if failures:
            world, seed = failures[0].world, failures[0].seed
            lines.append(f"  see: cowstate chaos --rule {rule} --world {world} --story {seed}")
        unknown = f"{rule} met what no observer could avoid or know"
        lines += _first_of(
            unknown,
            campaign.unavoidable[rule],
            lambda result: _told(next(filter(_is_unavoidable, result.findings), None)),
        )
        lines += _first_of(f"{rule} took longer than it is to", campaign.slow[rule], _delays)
    return "\n".join(lines)


def _first_of(
    title: str, results: Sequence[WorldResult], tell: Callable[[WorldResult], str]
) -> Iterator[str]:
    """Tell of the first of some worlds."""
    if results:
        yield ""
        yield f"{title}; the first:"
    for result in results[:_SHOWN]:
        yield f"  {described(result)}: {tell(result)}"


def _is_unavoidable(finding: Finding) -> bool:
    return finding.what in _UNAVOIDABLE


def _delays(result: WorldResult) -> str:
    """Where it took long, though it could be known."""
    heal, proof = (max(due, default=0) for due in (result.heals_due, result.proofs_due))
    return f"{proof} passes to prove, {heal} to heal"


def _told(finding: Finding | None) -> str:
    return "" if finding is None else f"{finding.what}: {finding.detail[:80]}"


def _summary(rows: dict[str, Row]) -> Iterator[tuple[str, list[str]]]:
    def line(name: str, *fields: str) -> tuple[str, list[str]]:
        return name, [
            " / ".join(_number(getattr(row, field)) for field in fields) for row in rows.values()
        ]

    yield line("worlds in which it failed", "failed")
    yield line("harmful corrections", "harmful")
    yield line("  after the last answer left, unseen", "unavoidable", "unseen")
    yield line("needed / needless corrections", "needed", "needless")
    yield line("halts right / small / wrong", "halts_right", "halts_small", "halts_wrong")
    yield line("needed halts missing", "missing")
    yield line("unhealed after ten passes", "unhealed")
    yield line("  and how much is wrong, nobody knows", "undecided")
    yield line("passes exact / within / diverge", "exact", "within", "diverges")
    yield "passes that say nothing", [f"{row.silent_part:.2%}" for row in rows.values()]
    yield line("  for long, and nobody is told", "untold")
    yield line('passes that say "exact" wrongly', "false_exact")
    for doing, name, slow, most in (
        ("prove", "proof", "late", TO_PROVE),
        ("heal", "heal", "slow", TO_HEAL),
    ):
        parts = ("median", "most", "worst")
        yield line(f"passes to {doing}, median / 99 % / worst", *(f"{name}_{p}" for p in parts))
        yield line("  since it could be known", *(f"{name}_due_{part}" for part in parts))
        yield line(f"  worlds with more than {most} of these", slow)
    yield line("width, median / widest", "width_median", "width_worst")
    yield line("slots made short", "shorts")
    yield line("corrected without bound", "unbounded")
    yield line("profit wrong", "profit_wrong")
    yield line("crashes", "crashes")
    yield line("requests", "requests")


def _by_world(campaign: Campaign, rule: str) -> list[str]:
    columns = (
        ("worlds", "worlds"),
        ("passes", "passes"),
        ("silent", "silent_part"),
        ("harm", "harmful"),
        ("unavoid.", "unavoidable"),
        ("unseen", "unseen"),
        ("right", "halts_right"),
        ("small", "halts_small"),
        ("wrong", "halts_wrong"),
        ("missing", "missing"),
        ("unhealed", "unhealed"),
        ("undec.", "undecided"),
        ("heal", "heal_median"),
        ("99 %", "heal_most"),
        ("worst", "heal_worst"),
        ("known", "heal_due_worst"),
        ("slow", "slow"),
        ("prove", "proof_worst"),
        ("known", "proof_due_worst"),
        ("late", "late"),
    )
    body = []
    for world in campaign.worlds:
        row = campaign.row(rule, world)
        values = [getattr(row, field) for _, field in columns]
        body.append([world, *(_number(value) for value in values)])
    return _table(["world", *(title for title, _ in columns)], body)


def _number(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *body)
    ]

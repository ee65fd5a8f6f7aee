"""The command ``cowstate chaos``: what it prints, for people and for machines, and how it ends."""

from __future__ import annotations

import json
import logging
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate.cli import main
from cowstate.positions.simulation.chaos.campaign import RULES
from cowstate.positions.simulation.chaos.faults import KINDS
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said
from cowstate.positions.simulation.chaos.worlds import WORLDS
from tests.positions.simulation.chaos.twins import BelievesThePosition, SumsLegs


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status = main(["chaos", *argv])
    out, err = capsys.readouterr()
    assert not err or status == 2
    return status, out or err


def test_it_compares_the_rules_and_names_the_worlds_in_which_they_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, text = said(capsys, "--worlds", "6", "--world", "lose_event")
    # Ours failed in none.
    assert status == 0
    assert "ours failed" not in text
    assert re.match(r"6 worlds, [\d,]+ order events, [\d,]+ passes; Python", text)
    for line in ("harmful corrections", "halts right / small / wrong", "passes that say nothing"):
        assert line in text
    for rule in RULES:
        assert f"{rule}, by kind of world" in text
    assert re.search(r"^original failed in \d+ worlds; the first:$", text, re.MULTILINE)
    seed = re.search(r"see: cowstate chaos --rule original --world lose_event --story (\d+)", text)
    assert seed is not None
    of = ("--rule", "original", "--world", "lose_event", "--story", seed[1])
    status, story = said(capsys, *of)
    assert status == 0
    assert "HARMFUL" in story


PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "chaos.md"
SHOWN = re.findall(r"^```console\n\$ cowstate chaos (.*)\n([^`]*)^```$", PAGE.read_text(), re.M)
# How long it took, and where, is another matter each time.
MEASURED = re.compile(r"; Python [\d.]+, [\d.]+ s, [\d,]+ worlds a minute$")


def test_everything_that_the_page_shows_is_looked_at() -> None:
    assert len(SHOWN) == PAGE.read_text().count("$ cowstate chaos") > 0


@pytest.mark.parametrize(("options", "shown"), SHOWN)
def test_what_the_page_shows_is_what_is_printed(
    capsys: pytest.CaptureFixture[str], options: str, shown: str
) -> None:
    _, text = said(capsys, *options.split())
    printed = [MEASURED.sub("", line) for line in text.splitlines()]
    at = -1
    gap = False
    for line in (MEASURED.sub("", line) for line in shown.splitlines()):
        if line == "...":
            gap = True
        else:
            later = [number for number in range(at + 1, len(printed)) if printed[number] == line]
            assert later, line
            assert gap or later[0] == at + 1, line
            at, gap = later[0], False


def test_the_same_options_give_the_same_report_but_for_the_time_it_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports = [said(capsys, "--worlds", "8", "--seed", "3", "--json") for _ in range(2)]
    objects = [json.loads(text) for _, text in reports]
    for each in objects:
        assert each.pop("wall_seconds") > 0
    assert objects[0] == objects[1]
    ours = objects[0]["rules"]["ours"]
    assert ours["all"]["worlds"] == 8
    assert [*ours["worlds"]] == [*WORLDS][3:11]
    assert {*objects[0]["rules"]} == {*RULES}


def test_it_ends_with_0_where_our_rule_did_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(capsys, "--worlds", "2", "--world", "calm", "--rule", "ours")
    assert status == 0
    assert "failed in" not in text.partition("by kind of world")[2]


def test_a_fault_is_set_in_every_world_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = said(capsys, "--world", "calm", "--story", "1", "--fault", "hedge=1")
    assert "hedge = 1" in text
    _, text = said(
        capsys, "--world", "calm", "--story", "1", "--fault", "latency=80", "--fault", "fee=0.001"
    )
    assert "latency = 80" in text
    assert "fee = 0.001" in text


def test_the_rules_are_told_other_promises_than_the_venue_keeps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    class Listens(PresentLife):
        def __init__(self, exchange: Any, *rest: Any) -> None:
            super().__init__(exchange, *rest)
            told.append(exchange.promises)

    monkeypatch.setitem(RULES, "ours", Listens)
    bold = ["positions_lag_ms=7", "hedged=yes", "base_fee=0.01", "fee_asset=OTHER"]
    options = [part for each in bold for part in ("--promise", each)]
    said(capsys, "--rule", "ours", "--world", "calm", "--worlds", "1", *options)
    said(capsys, "--rule", "ours", "--world", "calm", "--story", "1", *options)
    said(capsys, "--rule", "ours", "--world", "calm", "--shrink", "1", *options)
    assert len(told) == 3
    for promises in told:
        assert (promises.positions_lag_ms, promises.hedged) == (7, True)
        assert (promises.base_fee, promises.fee_asset) == (Decimal("0.01"), "OTHER")


def test_harm_that_no_observer_could_avoid_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RULES, "ours", BelievesThePosition)
    faults = ("latency=1500", "manual_large=0", "manual=40", "market=0")
    options = [part for each in faults for part in ("--fault", each)]
    _, text = said(capsys, "--rule", "ours", "--world", "drifting", "--worlds", "12", *options)
    assert "ours met what no observer could avoid or know; the first:" in text
    assert re.search(r"--world drifting --story \d+: UNAVOIDABLE: ", text)


def test_a_divergence_of_which_nobody_knows_how_large_it_is_is_shown_and_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    of = ("--rule", "ours", "--world", "lagging", "--worlds", "1", "--seed", "107185")
    status, text = said(capsys, *of)
    assert status == 0
    assert re.search(r"^  and how much is wrong, nobody knows +1$", text, re.MULTILINE)
    assert "--world lagging --story 107185: UNDECIDED: 0.041 unexplained" in text


def test_worlds_in_which_it_took_long_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waits(PresentLife):
        def reconcile(self) -> Said:
            said = super().reconcile()
            return Said(Claim.EXACT) if said.claim is Claim.DIVERGES else said

    monkeypatch.setitem(RULES, "ours", Waits)
    of = ("--rule", "ours", "--world", "manual", "--worlds", "4")
    _, text = said(capsys, *of, "--json")
    ours = json.loads(text)["rules"]["ours"]
    assert ours["all"]["late"] == len(ours["slow"]) > 0
    assert ours["all"]["proof_due_worst"] > 2
    _, text = said(capsys, *of)
    assert "ours took longer than it is to; the first:" in text
    named = re.search(
        r"^  --world manual --story \d+: (\d+) passes to prove, \d+ to heal$", text, re.M
    )
    assert named is not None
    assert int(named[1]) > 2


def test_a_failing_world_is_made_small_and_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RULES, "ours", SumsLegs)
    of = ("--world", "hedge", "--rule", "ours", "--fault", "double_event=0.2")
    _, text = said(capsys, *of, "--worlds", "6", "--json")
    seed = json.loads(text)["rules"]["ours"]["failures"][0]["seed"]
    status, text = said(capsys, *of, "--shrink", str(seed))
    assert status == 1
    assert text.startswith("of ")
    assert "double_event = " not in text
    assert "hedge = 1" in text
    monkeypatch.setitem(RULES, "ours", PresentLife)
    status, text = said(capsys, "--world", "calm", "--shrink", "1")
    assert (status, text) == (0, "ours does not fail in world calm, seed 1\n")


@pytest.mark.parametrize(
    "argv", [["--worlds", "5"], ["--story", "1"], ["--shrink", "1"]], ids=lambda argv: argv[0]
)
def test_ctrl_c_in_the_midst_of_a_world_ends_it_with_130_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    class Pressed(PresentLife):
        def reconcile(self) -> Said:
            raise KeyboardInterrupt

    monkeypatch.setitem(RULES, "ours", Pressed)
    logger = logging.getLogger("cowstate.positions")
    before = logger.level
    assert main(["chaos", "--world", "calm", *argv]) == 130
    assert capsys.readouterr().err == "cowstate chaos: interrupted; nothing was kept\n"
    assert logger.level == before


def test_it_lists_every_world_and_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(capsys, "--list")
    assert status == 0
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in {*WORLDS, *KINDS})


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--fault", "loose=1"], "NAME=NUMBER"),
        (["--fault", "lose_event"], "NAME=NUMBER"),
        (["--fault", "lose_event=much"], "NAME=NUMBER"),
        (["--fault", "lose_event=nan"], "from 0 to 1"),
        (["--fault", "lose_event=2"], "from 0 to 1"),
        (["--fault", "page=nan"], "not an int"),
        (["--fault", "page=inf"], "not an int"),
        (["--fault", "page=1e30"], "from 0 to 1000"),
        (["--fault", "clock=0.5"], "not an int"),
        (["--promise", "unknown=1"], "names are those of VenuePromises"),
        (["--promise", "hedged=1"], "NAME=VALUE"),
        (["--promise", "order_lag_ms=much"], "NAME=VALUE"),
        (["--promise", "base_fee=much"], "NAME=VALUE"),
        (["--promise", "order_lag_ms=-1"], "0 or more"),
        (["--world", "nowhere"], "invalid choice"),
        (["--worlds", "0"], "of 1 or more"),
        (["--story", "1", "--shrink", "1"], "not allowed with"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], argv: list[str], why: str
) -> None:
    status, text = said(capsys, "--worlds", "1", *argv)
    assert status == 2
    assert why in text
    assert text.count("\n") == 1

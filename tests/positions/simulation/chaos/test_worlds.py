"""A world is the same whenever and wherever it is lived through; it can be told, and made small."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions.simulation.chaos.campaign import RULES, run_campaign
from cowstate.positions.simulation.chaos.client import promises_of
from cowstate.positions.simulation.chaos.faults import WorldFaults
from cowstate.positions.simulation.chaos.result import Ending
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said
from cowstate.positions.simulation.chaos.shrink import shrunk
from cowstate.positions.simulation.chaos.story import story_of
from cowstate.positions.simulation.chaos.world import AFTER_PASSES, WorldSpec, live, silenced
from cowstate.positions.simulation.chaos.worlds import WORLDS, spec_of, specs_of
from tests.positions.seeds import printed_under_hash_seeds
from tests.positions.simulation.chaos.truth import TruthLife
from tests.positions.simulation.chaos.twins import SumsLegs

# A small map keeps its keys in order, so the book has more slots here than one that is small.
TOLD = """
import hashlib
from decimal import Decimal
from cowstate.positions import InventorySlot
from cowstate.positions.simulation.chaos import world
from cowstate.positions.simulation.chaos.campaign import RULES
from cowstate.positions.simulation.chaos.story import story_of
from cowstate.positions.simulation.chaos.worlds import spec_of
first_save = world.first_save
empty = [InventorySlot(Decimal(price)) for price in range(9_000, 9_600, 10)]
world.first_save = lambda price, held: [*first_save(price, held), *empty]
digest = hashlib.sha256()
for name in ("storm", "forgetful", "mute", "deaf"):
    for rule in RULES:
        for line in story_of(spec_of(1, name), RULES[rule], rule):
            digest.update(line.encode() + b"\\n")
print(digest.hexdigest())
"""


def test_every_message_of_a_world_is_the_same_whatever_the_hash_seed() -> None:
    assert len(printed_under_hash_seeds(TOLD)) == 1


def test_the_same_world_twice_is_the_same_to_the_last_message() -> None:
    spec = spec_of(5, "storm")
    once, twice = ([*story_of(spec, RULES["ours"], "ours")] for _ in range(2))
    assert once == twice
    assert len(once) > 100


def test_both_rules_live_through_the_same_market_and_accidents() -> None:
    def of_others(rule: str) -> list[str]:
        return [
            line for line in story_of(spec_of(3, "meddled"), RULES[rule], rule)
            if "  others  " in line
        ]  # fmt: skip

    assert of_others("ours") == of_others("original") != []


@pytest.mark.parametrize("name", WORLDS)
def test_every_kind_of_world_comes_to_an_end(name: str) -> None:
    with silenced():
        for rule in RULES.values():
            result = live(spec_of(1, name).replace(active_passes=5), rule)
    assert result.passes >= AFTER_PASSES // 2
    assert sum(result.claims.values()) == result.passes


def test_a_rule_has_ten_whole_passes_after_the_faults_however_long_one_of_before_lasts() -> None:
    began: list[int] = []

    class Slow(PresentLife):
        """The pass that begins with the last of the faults is long; the sides differ for ever."""

        def __init__(self, exchange: Any, *parts: Any) -> None:
            super().__init__(exchange, *parts)
            self.pause = exchange.pause

        def reconcile(self) -> Said:
            began.append(self._time_ms())
            self.pause(9 if len(began) == 20 else 0.1)
            return Said(Claim.DIVERGES)

    spec = WorldSpec(1, "manual", WorldFaults(manual=60, market=0), interval_ms=1_000)
    with silenced():
        live(spec, Slow)
    assert began[20] - began[19] == 9_000
    assert len(began[20:]) == AFTER_PASSES


def test_a_rule_may_be_told_bolder_promises_than_the_venue_keeps() -> None:
    told: list[Any] = []

    class Bold(PresentLife):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            told.append((parts[3], parts[0].promises))

    bold = promises_of(WorldFaults())
    with silenced():
        live(spec_of(1, "position_lag"), Bold, promises=bold)
    assert told == [(bold, bold)]


def test_a_process_that_dies_starts_again_from_what_it_saved_or_from_something_older() -> None:
    saves: list[Any] = []

    class Noted(TruthLife):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            saves.append(parts[4])

    with silenced():
        result = live(WorldSpec(2, "crash", WorldFaults(market=2, crash=4)), Noted)
        assert result.crashes == len(saves) - 1 > 0
        # From what was last saved nothing is lost that this process had heard of.
        newest = saves[-1].total("position")
        old = WorldSpec(2, "crash", WorldFaults(market=2, crash=4, old_save=60_000))
        saves.clear()
        live(old, Noted)
    assert (
        any(isinstance(each, list) for each in saves[1:]) or saves[-1].total("position") != newest
    )


def test_a_halt_that_was_wrong_is_reset_and_one_that_was_right_stays() -> None:
    resets: list[str] = []

    class Halts(TruthLife):
        def compare(self) -> Any:
            self.open = self.open or "for nothing"
            return super().compare()

        def reset(self) -> None:
            resets.append(self.open)
            super().reset()

    with silenced():
        wrong = live(spec_of(1, "calm"), Halts)
        assert wrong.halts["WRONG"] == len(resets) == wrong.passes > 20
        right = live(spec_of(1, "manual_large"), TruthLife)
    assert right.halts["RIGHT"] == 1
    assert right.ending is Ending.HALTED


# Campaigns


def test_a_campaign_counts_every_world_for_every_rule_and_keeps_what_failed() -> None:
    done: list[int] = []
    campaign = run_campaign(specs_of(4, name="hedge"), progress=done.append)
    assert done == [1, 2, 3, 4]
    assert campaign.rules == [*RULES]
    assert campaign.worlds == ["hedge"]
    row = campaign.row("original", "hedge")
    assert row == campaign.row("original")
    assert row.worlds == 4
    assert row.failed == len(campaign.failures["original"]) > 0
    assert campaign.failures["original"][0].findings
    assert 0 <= row.silent_part <= 1
    assert campaign.row("nobody").silent_part == 0


def test_what_a_pass_said_is_counted_by_its_claim_and_its_width() -> None:
    class Unsure(TruthLife):
        passes = 0

        def compare(self) -> Any:
            said = super().compare()
            self.passes += 1
            return Said(Claim.WITHIN, Decimal(self.passes) / 10) if self.passes % 2 else said

    row = run_campaign(specs_of(2, name="calm"), {"it": Unsure}).row("it")
    assert row.within == row.exact == row.passes // 2
    assert (row.width_median, row.width_worst) == ("1.5", "3.1")
    assert (row.diverges, row.silent, row.silent_part) == (0, 0, 0)


def test_in_which_pass_a_divergence_was_proven_is_counted() -> None:
    class Slow(TruthLife):
        seen = 0

        def compare(self) -> Any:
            self.seen = self.seen + 1 if self.divergence() else 0
            return super().compare() if self.seen == 3 or not self.seen else Said(Claim.EXACT)

    specs = specs_of(6, name="manual", manual=1)
    rows = run_campaign(specs, {"quick": TruthLife, "slow": Slow})
    assert (rows.row("quick").proof_median, rows.row("quick").proof_worst) == (1, 1)
    assert rows.row("slow").proof_median == 3
    assert rows.row("slow").heal_median == 3


# Stories


def test_a_story_tells_every_message_and_ends_with_the_findings() -> None:
    lines = [*story_of(spec_of(3, "hedge"), RULES["original"], "original")]
    assert lines[0].startswith("world hedge, seed 3, rule original")
    who = {line[10:18].strip() for line in lines if line[:8].strip().replace(".", "").isdigit()}
    assert {"process", "venue", "stream", "rule", "oracle"} <= who
    times = [float(line[:8]) for line in lines if line[:8].strip()[:1].isdigit() and "  " in line]
    end = next(i for i, line in enumerate(lines) if "; " in line and " finding" in line)
    assert times[: len(times) // 2] == sorted(times[: len(times) // 2])
    assert any("HALT WRONG" in line for line in lines[end:])


def test_telling_a_story_changes_nothing() -> None:
    spec = spec_of(2, "storm")
    with silenced():
        alone = live(spec, RULES["ours"])
        told = live(spec, RULES["ours"], log=lambda *_: None)
    assert vars(alone) == vars(told)


# Shrinking


def test_a_failing_world_shrinks_to_the_fault_that_does_it() -> None:
    faults = WorldFaults(
        market=0.2, hedge=1, double_event=0.1, clock=2_000, stale=0.1, lose_answer=0.05
    )
    small = shrunk(WorldSpec(7, "hedge", faults), SumsLegs)
    assert small is not None
    assert {*small.faults.set()} - {"market"} == {"hedge"}
    assert small.active_passes < 20


def test_a_world_in_which_nothing_fails_does_not_shrink() -> None:
    assert shrunk(spec_of(1, "calm"), RULES["ours"]) is None


def test_what_is_left_fails_and_with_less_it_does_not() -> None:
    small = shrunk(spec_of(2, "purging", purge=1_000, lose_event=1, cancel=8), RULES["original"])
    assert small is not None
    with silenced():
        assert live(small, RULES["original"]).failed
        for name in small.faults.set():
            assert not live(
                small.replace(faults=small.faults.without(name)), RULES["original"]
            ).failed


def test_loggers_are_quiet_for_as_long_as_worlds_are_lived_through() -> None:
    logger = logging.getLogger("cowstate.positions")
    before = logger.level
    with silenced():
        assert not logger.isEnabledFor(logging.CRITICAL)
    assert logger.level == before

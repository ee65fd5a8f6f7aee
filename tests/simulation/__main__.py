"""Simulations for as long as one likes: ``python -m tests.simulation --seconds 60 --seed 1``."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time

from cowstate import Store
from tests.simulation.simulation import PATIENCE, STEPS, LawBrokenError, simulate
from tests.simulation.twins import TWINS

STILL = 1_000
"""Seconds of one seed after which nobody is believed to be able to tell."""


def main() -> int:
    """Run one seed after the other; 1 for the first that breaks a law, which is told."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, help="how many seeds; as many as there is time for")
    parser.add_argument("--seconds", type=float, help="begin no seed after this time")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of each seed")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each worker in each round")
    parser.add_argument("--patience", type=float, help="what is called stuck")
    parser.add_argument("--twin", choices=TWINS, help="of a store with this bug")
    parser.add_argument("--go-on", action="store_true", help="go on after a law was broken")
    chosen = parser.parse_args()
    twin = TWINS.get(chosen.twin)
    if chosen.patience is None:
        chosen.patience = twin.patience if twin else PATIENCE
    if chosen.seeds is None and chosen.seconds is None:
        chosen.seeds = 1
    began, seed, broken = time.monotonic(), chosen.seed, 0
    while (chosen.seeds is None or seed < chosen.seed + chosen.seeds) and (
        chosen.seconds is None or time.monotonic() < began + chosen.seconds
    ):
        # If the whole process stands still, interpreter and all, nothing else can tell.
        faulthandler.dump_traceback_later(STILL, exit=True)
        try:
            report = simulate(
                seed,
                chosen.rounds,
                kind=twin.make() if twin else Store,
                patience=chosen.patience,
                steps=chosen.steps,
            )
        except LawBrokenError as error:
            print(error, flush=True)
            broken += 1
            if not chosen.go_on:
                return 1
        else:
            print(
                f"seed {seed}: {report.rounds} rounds, {report.operations} operations, "
                f"{report.strikes} strikes, {report.forks} forks, {report.versions} versions",
                flush=True,
            )
        seed += 1
    print(f"{seed - chosen.seed} seeds, {broken} broke a law, {time.monotonic() - began:.0f} s")
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())

"""Whether releases that are pinned have known faults: `audit.py PIP_AUDIT CONSTRAINTS`.

Advisories are asked of a service. Where none can be had, one line says so, and that is all: what
nobody can be asked about is no fault of a change.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SECONDS = 40
# Faults that do not concern us, by their ids, each with the reason.
ACCEPTED: dict[str, str] = {}


def asked(program: str, lines: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Return what the service says of each release, or nothing, and why."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text("\n".join(lines))
        run = [program, "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
        try:
            done = subprocess.run(
                [*run, "--timeout", "10", "-r", str(wanted)],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [], f"no answer within {SECONDS} s"
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError, TypeError):
        return [], (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]


def main(program: str, constraints: Path) -> int:
    """Ask; 1 if a release has a known fault."""
    lines = [each for each in constraints.read_text().splitlines() if each and each[0] != "#"]
    # One first, which tells whether there is anybody to ask.
    for part in (lines[:1], lines):
        found, why = asked(program, part)
        known = [each for each in found if "vulns" in each]
        if not known:
            why = why or next((each.get("skip_reason", "") for each in found), "not a word")
            print(f"-- no advisory service to be had here: nothing was audited ({why})")
            return 0
    faults = [
        f"{each['name']} {each['version']}: {fault['id']}, mended in {fault['fix_versions']}"
        for each in known
        for fault in each["vulns"]
        if fault["id"] not in ACCEPTED
    ]
    print("\n".join(faults) or f"{len(known)} releases, none with a known fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))

"""What a program prints under several hash seeds, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.commanding import ROOT, environment

__all__ = ["printed_under_hash_seeds"]


def printed_under_hash_seeds(program: str, *argv: str) -> set[str]:
    """Return all that *program* printed: one text, if the seed makes no difference."""
    return {
        subprocess.run(
            [sys.executable, "-c", program, *argv],
            env=environment(PYTHONHASHSEED=seed),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2", "77")
    }

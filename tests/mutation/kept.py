"""What became of mutants in earlier runs, in a file: so a long run may be taken in several goes."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from tests.mutation.mutator import Mutant


class Kept:
    """Who killed which mutant. Those that nobody killed are not in it, for they are asked again.

    A mutant is named by a digest of its text, so what was found of a module holds until the module
    is changed. It holds when tests are changed as well: after a test was deleted begin anew.
    """

    def __init__(self, path: Path | None) -> None:
        """Read what is in the file, if there is one. Each verdict is added to it at once.

        Raises:
            OSError: it cannot be read.
        """
        self._path = path
        self._killed: dict[str, str] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
            self._killed[entry["mutant"]] = entry["by"]
        except (ValueError, LookupError, TypeError):
            pass  # a run was killed while it wrote this one

    def killer(self, mutant: Mutant) -> str | None:
        """Return who killed it in an earlier run, in words; None if it is not known."""
        return self._killed.get(_digest(mutant))

    def add(self, mutant: Mutant, by: str) -> None:
        """Keep that it was killed."""
        self._killed[_digest(mutant)] = by
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                # A line of its own, whatever was left of the one before.
                file.write("\n" + json.dumps({"mutant": _digest(mutant), "by": by}) + "\n")


def _digest(mutant: Mutant) -> str:
    return sha256(mutant.text.encode()).hexdigest()

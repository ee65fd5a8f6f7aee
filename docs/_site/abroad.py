"""Whether the links to other sites lead somewhere: ``python docs/_site/abroad.py DOCS READ``.

Sphinx's own builder `linkcheck` asks for each; this judges what it was told. Gone is what a server
says is not there, asked more than once; only that is a fault of ours. Who is slow, busy, or does
not talk to programs is named, for somebody to look. Where hardly anybody answers there is no
network to be had, or one that answers for everybody, and nothing is concluded. READ is where
Sphinx keeps what it has read, of the same DOCS.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

SECONDS: Final = 100
_GONE: Final = re.compile(r"(?:404|410) ")


class Answers(NamedTuple):
    """What became of the links: each with where it stands, and what was said."""

    well: list[str]
    gone: list[str]
    unsure: list[str]

    @property
    def is_a_network(self) -> bool:
        """Whether the answers of servers were had at all: at least half are as they should be."""
        return len(self.well) * 2 >= len(self.well) + len(self.gone) + len(self.unsure)


def judge(results: Iterable[str]) -> Answers:
    """Sort what `linkcheck` wrote, an object of JSON a line, one for each link to another site."""
    answers = Answers([], [], [])
    for line in results:
        result = json.loads(line)
        left_out = (result["status"], result["info"]) == ("ignored", "")
        if left_out or not result["uri"].startswith(("http:", "https:")):
            continue
        told = f"{result['filename']}:{result['lineno']}: {result['uri']}"
        if result["status"] in ("working", "redirected"):
            answers.well.append(told)
        elif _GONE.match(result["info"]):
            answers.gone.append(told)
        else:
            answers.unsure.append(f"{told} ({result['status']}: {result['info'][:200]})")
    return answers


def ask(docs: Path, read: Path, seconds: float = SECONDS) -> Answers:
    """Ask for every link on the pages of *docs*, and judge the answers.

    Raises:
        subprocess.TimeoutExpired: it took longer than *seconds*.
        subprocess.CalledProcessError: the pages could not be read; Sphinx has said why.
    """
    with TemporaryDirectory() as out:
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "sphinx", "-Q", "-b", "linkcheck"),
                *("-d", str(read), str(docs), out),
            ],
            check=False,
            timeout=seconds,
            capture_output=True,
            text=True,
        )
        results = Path(out, "output.json")
        # It ends with 1, too, where a link is not well.
        if ended.returncode > 1 or not results.exists():
            sys.stderr.write(ended.stderr)
            ended.check_returncode()
        with results.open(encoding="utf-8") as lines:
            return judge(lines)


def main(docs: Path, read: Path) -> int:
    """Say what is wrong, and return the exit status: 1 if something is gone."""
    try:
        answers = ask(docs, read)
    except subprocess.TimeoutExpired:
        print(f"-- no end within {SECONDS} s: links to other sites were NOT looked at")
        return 0
    if not answers.is_a_network:
        print("-- no network to be had here: links to other sites were NOT looked at")
        return 0
    for told in answers.unsure:
        print(f"-- not told: {told}")
    for told in answers.gone:
        print(f"gone: {told}")
    print(f"-- {len(answers.well)} links to other sites lead there")
    return 1 if answers.gone else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} DOCS READ")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

"""What a soak left behind, and whether anything of it should not be: pure, of what was said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Change(NamedTuple):
    """A row of the log: which version made which key what."""

    version: int
    key: str
    owner: str
    n: int


class Left(NamedTuple):
    """What is on the server at the end."""

    versions: Sequence[int]
    changes: Sequence[Change]
    records: Mapping[str, tuple[int, str]]


def told(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the words of each line, the first apart. Who was killed may have left half of one."""
    for line in lines:
        if line.endswith("\n"):
            word, *rest = line.split(None, 2 if line.startswith("all ") else -1)
            yield word, rest


def wrongs(left: Left, writers: Sequence[str], followers: Sequence[str]) -> Iterator[str]:
    """Yield what must not be, in words.

    Args:
        left: what is on the server.
        writers: all lines of those who wrote.
        followers: all lines of those who followed, in the order of their times for each.
    """
    if list(left.versions) != list(range(1, len(left.versions) + 1)):
        yield "the versions have a gap"
    made: dict[tuple[str, int], set[int]] = {}
    for change in left.changes:
        made.setdefault((change.owner, change.n), set()).add(change.version)
    yield from _of_writers(left, made, writers)
    yield from _of_orders(made)
    yield from _of_followers(left, followers)


def _of_writers(
    left: Left, made: Mapping[tuple[str, int], set[int]], writers: Sequence[str]
) -> Iterator[str]:
    told_of: Counter[int] = Counter()
    for word, rest in told(writers):
        match word, rest:
            case "done", [owner, n, version]:
                told_of[int(version)] += 1
                if made.get((owner, int(n))) != {int(version)}:
                    yield f"{owner} was told that its {n} is version {version}, and it is not"
            case "refused", [owner, n]:
                if (owner, int(n)) in made:
                    yield f"{owner} was told that its {n} was not written, and it was"
            case "unknown", [owner, n]:
                if len(made.get((owner, int(n)), ())) > 1:
                    yield f"the {n} of {owner} was written twice"
            case "opened", []:
                pass
            case _:
                yield f"a writer said {word} {rest}"
    yield from (f"version {version} was told twice" for version, n in told_of.items() if n > 1)
    halves = Counter((change.version, change.owner, change.n) for change in left.changes)
    yield from (f"half of version {which[0]} is there" for which, n in halves.items() if n != 2)


def _of_orders(made: Mapping[tuple[str, int], set[int]]) -> Iterator[str]:
    newest: dict[str, tuple[int, int]] = {}
    for (owner, n), versions in sorted(made.items()):
        version = min(versions)
        before = newest.get(owner, (0, 0))
        if version <= before[1]:
            yield f"the {n} of {owner} is before its {before[0]}"
        newest[owner] = n, version


def _of_followers(left: Left, followers: Sequence[str]) -> Iterator[str]:
    for word, rest in told(followers):
        match word, rest:
            case "all", [version, text]:
                records: dict[str, Any] = json.loads(text)
                if int(version) != len(left.versions):
                    yield f"a follower ended at version {version}"
                if {key: tuple(each) for key, each in records.items()} != left.records:
                    yield "a follower ended with other records than the server's"
            case (("saw" | "lost"), [_]):
                pass
            case _:
                yield f"a follower said {word} {rest}"

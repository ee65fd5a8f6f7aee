"""A short soak, and whether its judge would see what must not be."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.journal.postgres.judged import Change, Left, wrongs
from tests.journal.postgres.soak import Options, soak


@pytest.mark.parametrize("seed", [1, 2])
def test_what_everybody_was_told_is_what_is_there(seed: int) -> None:
    report = soak(Options(commits=400, seed=seed, writers=2))
    assert report.wrong == []
    assert report.versions >= 400
    assert report.counts["done"] >= 400
    assert report.counts["all"] == 2


LEFT = Left(
    [1, 2, 3],
    [
        *(Change(1, key, "1.0", 1) for key in ("0/first", "0/second")),
        *(Change(2, key, "1.1", 1) for key in ("1/first", "1/second")),
        *(Change(3, key, "1.0", 3) for key in ("0/first", "0/second")),
    ],
    {"0/first": (3, "1.0"), "0/second": (3, "1.0"), "1/first": (1, "1.1"), "1/second": (1, "1.1")},
)
WRITERS = [
    "opened\n",
    "done 1.0 1 1\n",
    "refused 1.0 2\n",
    "unknown 1.1 1\n",
    "done 1.0 3 3\n",
    "do",
]
FOLLOWERS = ["saw 2\n", "lost JournalFileError\n", f"all 3 {json.dumps(LEFT.records)}\n"]


def test_what_is_as_it_was_told_is_not_wrong() -> None:
    assert list(wrongs(LEFT, WRITERS, FOLLOWERS)) == []


SEEDED: dict[str, tuple[str, Callable[[], tuple[Left, list[str], list[str]]]]] = {
    "a version is missing": (
        "have a gap",
        lambda: (LEFT._replace(versions=[1, 3]), WRITERS, []),
    ),
    "half a commit": (
        "half of version 3",
        lambda: (LEFT._replace(changes=LEFT.changes[:-1]), WRITERS, FOLLOWERS),
    ),
    "a commit is lost": (
        "is version 4",
        lambda: (LEFT, [*WRITERS[:-1], "done 1.0 4 4\n"], FOLLOWERS),
    ),
    "it has another version": (
        "is version 2",
        lambda: (LEFT, [*WRITERS[:-1], "done 1.0 3 2\n"], FOLLOWERS),
    ),
    "two were told of one": (
        "told twice",
        lambda: (LEFT, [*WRITERS[:-1], "done 1.0 3 3\n"], FOLLOWERS),
    ),
    "what was refused is there": (
        "was not written",
        lambda: (LEFT, ["refused 1.1 1\n"], FOLLOWERS),
    ),
    "what was unknown is there twice": (
        "written twice",
        lambda: (
            LEFT._replace(changes=[*LEFT.changes, Change(3, "1/first", "1.1", 1)]),
            ["unknown 1.1 1\n"],
            FOLLOWERS,
        ),
    ),
    "the order is another one": (
        "is before its",
        lambda: (
            LEFT._replace(
                changes=[each._replace(version=4 - each.version) for each in LEFT.changes]
            ),
            [],
            FOLLOWERS,
        ),
    ),
    "a follower misses one": ("said gap", lambda: (LEFT, WRITERS, [*FOLLOWERS, "gap 1 3\n"])),
    "a follower saw a half": (
        "said half",
        lambda: (LEFT, WRITERS, [*FOLLOWERS, "half 1 0/first\n"]),
    ),
    "a follower ends early": ("at version 2", lambda: (LEFT, WRITERS, ["all 2 {}\n"])),
    "a follower ends with something else": (
        "other records",
        lambda: (LEFT, WRITERS, ["all 3 {}\n"]),
    ),
    "a writer says something else": ("said what", lambda: (LEFT, ["what\n"], FOLLOWERS)),
}


@pytest.mark.parametrize("what", SEEDED)
def test_what_must_not_be_is_seen(what: str) -> None:
    said, case = SEEDED[what]
    assert any(said in wrong for wrong in wrongs(*case()))

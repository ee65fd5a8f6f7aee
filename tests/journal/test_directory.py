"""Whether names stand for what they did, where time ticks: as a look at each would say."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.journal import JournalFileError, directory
from cowstate.journal.directory import Directory
from cowstate.journal.place import Place

Step: TypeAlias = tuple[float, str | None, str | None, str | None]

WAITS = st.sampled_from([0.0, 0.5, 1.0, 2.5, 3.5])
MOVES = st.sampled_from(["away", "back", "other", "gone", "again"])
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    # How long to wait; what is moved before it is asked, after the directory was, and after the
    # names were looked up.
    st.tuples(WAITS, *[st.none() | MOVES] * 3),
    max_size=12,
)
NOTHING = (None, None, None)


class Moved:
    """A directory of a system whose time ticks, with a file that is there, or not.

    Attributes:
        now: the time, in seconds.
        then: what is moved when the directory was asked next, and when the file was looked for.
        said: what looks for the file would have said since this was emptied.
        looks: how often it was looked for.
    """

    def __init__(self, tick: float) -> None:
        self.now = 1_000.0
        self.then: list[str | None] = [None, None]
        self.said: set[bool] = set()
        self.looks = 0
        self._tick = tick
        self._others = count(2)
        # Which file stands there, 0 for none, and whether the directory stands where it did.
        self._file, self._here = 1, True
        self._noted = 0.0
        self._note()

    def _note(self) -> None:
        self._noted = self.now - self.now % self._tick

    def do(self, move: str | None) -> None:
        """Move something; the directory notes when, but of what is moved above it."""
        before = self._file
        if move == "away":
            self._file = 0
        elif move == "back":
            self._file = 1
        elif move == "other":
            self._file = next(self._others)
        elif move in ("gone", "again"):
            self._here = move == "again"
        if self._file != before:
            self._note()
        self.said.add(self._is_there())

    def mount(self) -> None:
        """Let another file stand there, of which the directory knows nothing."""
        self._file = next(self._others)

    def _is_there(self) -> bool:
        return self._here and self._file == 1

    def stat(self, _: str) -> Any:
        """Say what the system notes of the directory."""
        here, when = self._here, int(self._noted * 1e9)
        self._go_on(0)
        if not here:
            raise FileNotFoundError
        return SimpleNamespace(st_ino=1, st_dev=1, st_ctime_ns=when, st_mtime_ns=when)

    def look(self) -> bool:
        """Whether the file that was there first is there."""
        self.looks += 1
        found = self._is_there()
        self._go_on(1)
        return found

    def _go_on(self, which: int) -> None:
        move, self.then[which] = self.then[which], None
        self.do(move)


def check(tick: float, steps: list[Step], kind: type[Directory] = Directory) -> None:
    """Whatever is moved, and when, it says what a look says at some time of the asking."""
    moved = Moved(tick)
    asked = kind("somewhere", lambda: moved.now, moved.stat)
    for waits, first, second, third in [*steps, (0.0, None, None, None)]:
        moved.now += waits
        moved.do(first)
        moved.then = [second, third]
        moved.said.clear()
        moved.do(None)
        assert asked.still(moved.look) in moved.said
        moved.do(moved.then[0])
        moved.do(moved.then[1])


TOO_SOON: list[Step] = [(0.0, *NOTHING), (1.0, *NOTHING), (0.5, "away", None, None)]
FAILED: list[Step] = [(0.0, "away", None, None), (3.5, *NOTHING), (0.0, *NOTHING)]
WHILE_ASKED: list[Step] = [(0.0, *NOTHING), (3.5, None, None, "away"), (0.0, *NOTHING)]


@given(st.sampled_from([1e-9, 0.004, 1.0, 2.0]), STEPS)
@example(2.0, TOO_SOON)
@example(2.0, FAILED)
@example(2.0, WHILE_ASKED)
def test_it_says_what_a_look_says(tick: float, steps: list[Step]) -> None:
    check(tick, steps)


class RemembersWhatFailed(Directory):
    def still(self, look: Callable[[], bool]) -> bool:
        """Take what was looked up for what is to be there."""
        found: list[bool] = []
        super().still(lambda: found.append(look()) or True)
        return all(found)


class NotesAfterwards(Directory):
    def still(self, look: Callable[[], bool]) -> bool:
        """Ask the directory when the names were looked up."""
        there = super().still(look)
        self._seen = self._state()
        return there


@pytest.mark.parametrize(
    ("kind", "tick", "steps"),
    [
        (Directory, 1.0, TOO_SOON),
        (RemembersWhatFailed, directory.TICK, FAILED),
        (NotesAfterwards, directory.TICK, WHILE_ASKED),
    ],
    ids=["trusts a tick", "remembers what failed", "notes afterwards"],
)
def test_a_broken_twin_is_caught(
    kind: type[Directory], tick: float, steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(2.0, steps)
    monkeypatch.setattr(directory, "TICK", tick)
    with pytest.raises(AssertionError):
        check(2.0, steps, kind)


def test_names_are_looked_up_until_no_tick_can_hide_a_move_and_then_now_and_then() -> None:
    moved = Moved(2.0)
    asked = Directory("somewhere", lambda: moved.now, moved.stat)
    looks = []
    for _ in range(10):
        assert asked.still(moved.look)
        looks.append(moved.looks)
        moved.now += 1.0
    assert looks == [1, 2, 3, 4, 4, 4, 5, 5, 5, 6]
    moved.do("other")
    moved.do("back")
    assert asked.still(moved.look)
    assert moved.looks == 7


def test_what_the_directory_does_not_note_is_found_all_the_same() -> None:
    # Something is mounted over the file, or the clock was set back to when the last move was.
    moved = Moved(1e-9)
    asked = Directory("somewhere", lambda: moved.now, moved.stat)
    for _ in range(2):
        assert asked.still(moved.look)
        moved.now += directory.TICK
    assert asked.still(moved.look)
    moved.mount()
    assert asked.still(moved.look)
    moved.now += directory.TICK
    assert not asked.still(moved.look)
    assert not asked.still(moved.look)


def test_where_others_come_and_go_the_directory_is_hardly_asked() -> None:
    moved = Moved(1e-9)
    asks = []
    asked = Directory("somewhere", lambda: moved.now, lambda p: asks.append(p) or moved.stat(p))
    for _ in range(600):
        moved.now += 0.1
        moved.do("other")
        moved.do("back")
        assert asked.still(moved.look)
    assert len(asks) == pytest.approx(60 / directory.TICK, abs=1)
    assert moved.looks == 600


def test_a_system_that_notes_nothing_is_not_believed() -> None:
    moved = Moved(1e9)
    asked = Directory("somewhere", lambda: moved.now, moved.stat)
    for _ in range(5):
        moved.now += 5.0
        moved.do("away")
        assert not asked.still(moved.look)
        moved.do("back")
        assert asked.still(moved.look)


def settled(place: Place, clock: list[float]) -> None:
    """Have a real file looked for until it is known without a look."""
    for _ in range(2):
        clock[0] += directory.TICK
        place.ensure_there()


def until_later_than(path: Path) -> None:
    """Return when what happens now is noted with another time than the last that *path* notes."""
    other = path.with_name("beside")
    other.mkdir(exist_ok=True)
    while other.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        (other / "file").touch()
        (other / "file").unlink()


@pytest.mark.parametrize("name", ["slots.db", "slots.db-wal"])
@pytest.mark.parametrize("move", ["deleted", "renamed", "replaced", "its directory", "above it"])
def test_what_is_moved_away_is_missed_though_it_was_known(
    name: str, move: str, tmp_path: Path
) -> None:
    above = tmp_path / "above"
    home = above / "home"
    home.mkdir(parents=True)
    for each in ("slots.db", "slots.db-wal"):
        (home / each).touch()
    clock = [0.0]
    place = Place(str(home / "slots.db"), lambda: clock[0])
    until_later_than(home)
    settled(place, clock)
    file = home / name
    if move == "deleted":
        file.unlink()
    elif move == "renamed":
        file.rename(home / "moved")
    elif move == "replaced":
        (tmp_path / "new").touch()
        (tmp_path / "new").rename(file)
    elif move == "its directory":
        home.rename(above / "moved")
        home.mkdir()
    else:
        above.rename(tmp_path / "moved")
    for _ in range(3):
        with pytest.raises(JournalFileError, match="was deleted or replaced"):
            place.ensure_there()
        clock[0] += directory.TICK


def test_of_a_real_file_that_is_known_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("slots.db", "slots.db-wal"):
        (tmp_path / each).touch()
    clock = [0.0]
    place = Place(str(tmp_path / "slots.db"), lambda: clock[0])
    settled(place, clock)
    monkeypatch.setattr(place, "_look", lambda: pytest.fail("was looked for"))
    place.ensure_there()
    os.utime(tmp_path / "slots.db")  # which moves nothing
    place.ensure_there()

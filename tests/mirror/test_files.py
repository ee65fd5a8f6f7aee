"""The files of a directory, as they are, and no half of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError
from cowstate.mirror import Changes, FileSource, Pause, RevisionGoneError

OLD = 1_000_000_000
READ = "cowstate.mirror.files._content_of"


def written(path: Path, content: bytes, at: int = OLD) -> None:
    """Write a file as of *at*, long ago, so that it counts as one that stands still."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))


def looked(source: FileSource[Any], watch: Any) -> Any:
    assert isinstance(next(watch), Pause)
    return next(watch)


NAMES = st.sampled_from(["a.txt", "b.txt", "c.bin"])
ACTS = st.lists(st.tuples(NAMES, st.sampled_from([None, b"1", b"2", b"22"])), max_size=4)


@given(st.lists(ACTS, max_size=5))
def test_what_is_told_leads_to_what_is_there(rounds: Any) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        folder = Path(name)
        source: FileSource[bytes] = FileSource(folder)
        held: dict[str, bytes] = dict(source.list().items)
        watch = source.watch(1)
        for acts in rounds:
            for file, content in acts:
                if content is None:
                    (folder / file).unlink(missing_ok=True)
                else:
                    (folder / file).write_bytes(content)
            change = looked(source, watch)
            assert not set(change.put) & set(change.removed)
            for key in change.removed:
                del held[key]
            for key, value in change.put.items():
                assert held.get(key) != value, "what has not changed was told"
                held[key] = value
            assert held == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_only_what_has_changed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(READ, lambda path: read.append(path.name) or path.read_bytes())
    # Their times of change are of now; what is young is read again.
    monkeypatch.setattr("cowstate.mirror.files.time_ns", lambda: 4_000_000_000 * 10**9)
    written(tmp_path / "a", b"1")
    written(tmp_path / "b", b"1")
    source: FileSource[bytes] = FileSource(tmp_path)
    watch = source.watch(source.list().revision)
    written(tmp_path / "b", b"2")
    assert looked(source, watch).put == {"b": b"2"}
    assert looked(source, watch) == Changes({}, [], 3)
    assert read == ["a", "b", "b"]


def test_two_changes_of_one_moment_and_one_length_are_both_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The file system tells nothing apart but the size.
    monkeypatch.setattr(
        "cowstate.mirror.files._mark_of", lambda path: (os.stat(path).st_size, 0, OLD, OLD)
    )
    now = [OLD + 10**9]
    monkeypatch.setattr("cowstate.mirror.files.time_ns", lambda: now[0])
    (tmp_path / "a").write_bytes(b"1")
    source: FileSource[bytes] = FileSource(tmp_path)
    watch = source.watch(source.list().revision)
    (tmp_path / "a").write_bytes(b"2")
    assert looked(source, watch).put == {"a": b"2"}


def test_a_file_that_changes_while_it_is_read_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "a", b"whole")
    source: FileSource[bytes] = FileSource(tmp_path)
    watch = source.watch(source.list().revision)
    steps = [b"longer, and whole", b"half"]

    def read(path: Path) -> bytes:
        found = path.read_bytes()
        if steps:
            path.write_bytes(steps.pop())
        return found

    monkeypatch.setattr(READ, read)
    assert looked(source, watch).put == {}
    assert looked(source, watch).put == {}
    assert looked(source, watch).put == {"a": b"longer, and whole"}


def test_a_file_that_goes_while_it_is_read_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "a", b"1")

    def read(path: Path) -> bytes:
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(READ, read)
    assert FileSource(tmp_path).list().items == {}


def test_names_are_matched_and_folders_gone_through(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "a.txt", "in/c.json"):
        written(tmp_path / name, b"1")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    plain: FileSource[bytes] = FileSource(tmp_path, pattern="*.json")
    assert list(plain.list().items) == ["a.json", "b.json"]
    deep: FileSource[bytes] = FileSource(tmp_path, pattern="*.json", recursive=True)
    assert list(deep.list().items) == ["a.json", "b.json", "in/c.json"]


def test_errors_come_through_and_say_of_which_file_and_what_was_known_stays(
    tmp_path: Path,
) -> None:
    written(tmp_path / "a", b"1")
    source: FileSource[int] = FileSource(tmp_path, decode=int)
    watch = source.watch(source.list().revision)
    written(tmp_path / "a", b"one", OLD + 5)
    assert isinstance(next(watch), Pause)
    with pytest.raises(ValueError, match="invalid literal") as caught:
        next(watch)
    assert str(tmp_path / "a") in caught.value.__notes__[0]
    written(tmp_path / "a", b"2", OLD + 9)
    # It is asked again at once: the mirror has waited.
    assert next(source.watch(1)).put == {"a": 2}
    with pytest.raises(FileNotFoundError):
        FileSource(tmp_path / "none").list()


def test_a_watch_goes_on_from_the_last_look_only(tmp_path: Path) -> None:
    source: FileSource[bytes] = FileSource(tmp_path)
    source.list()
    source.list()
    with pytest.raises(RevisionGoneError, match="revision 1"):
        next(source.watch(1))


@pytest.mark.parametrize(
    "options", [{"pattern": 3}, {"decode": 3}, {"recursive": 3}, {"interval": "1"}]
)
def test_an_argument_that_makes_no_sense_is_refused(options: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError):
        FileSource(tmp_path, **options)


class Unequal:
    """What it is decoded to cannot be compared, as an array."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = object.__hash__


def test_what_cannot_be_compared_is_told_when_its_file_was_read_anew(tmp_path: Path) -> None:
    written(tmp_path / "a", b"1")
    source = FileSource(tmp_path, decode=Unequal)
    watch = source.watch(source.list().revision)
    written(tmp_path / "a", b"22")
    assert looked(source, watch).put["a"].content == b"22"

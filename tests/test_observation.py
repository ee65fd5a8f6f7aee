"""Observations: what is known of a window between two snapshots."""

from __future__ import annotations

import pytest

from cowstate import ConflictError, ObservationError, Store


@pytest.fixture
def store() -> Store[str, int]:
    return Store({"a": 1, "b": 2, "c": 3})


def test_stable_is_what_nobody_touched_in_the_window(store: Store[str, int]) -> None:
    store.set("a", 10)
    with store.observe() as window:
        store.set("b", 20)
        store.delete("c")
        store.set("d", 4)
    store.set("a", 100)
    assert window.stable == {"a"}
    assert set(window.changes) == {"b", "c", "d"}
    assert (window.before.version, window.after.version) == (1, 4)
    assert window.before["b"] == 2
    assert window.after["b"] == 20


def test_what_left_and_came_back_as_the_same_object_is_stable(store: Store[str, int]) -> None:
    with store.observe() as window:
        one = store.snapshot()["a"]
        store.set("a", 500)
        store.set("a", one)
    assert window.stable == {"a", "b", "c"}


def test_a_draft_of_a_window_commits_only_against_what_was_observed(store: Store[str, int]) -> None:
    with store.observe() as window:
        store.set("a", 10)
    store.set("b", 20)
    for key in ("a", "b"):
        draft = window.draft()
        draft[key] = 0
        with pytest.raises(ConflictError) as caught:
            draft.commit()
        assert caught.value.keys == (key,)
    draft = window.draft()
    draft["c"] = 30
    assert draft.commit().after["c"] == 30
    assert draft.base is window.before


def test_a_window_closes_although_the_look_failed(store: Store[str, int]) -> None:
    window = store.observe()
    with pytest.raises(OSError, match="no answer"), window:
        store.set("a", 10)
        raise OSError("no answer")
    assert set(window.changes) == {"a"}


def test_a_window_says_what_is_wrong_when_it_is_asked_too_early_or_opened_twice(
    store: Store[str, int],
) -> None:
    window = store.observe()
    assert repr(window) == "<Observation not open yet>"
    with pytest.raises(ObservationError, match="with statement"):
        window.before
    with window:
        assert window.before is store.snapshot()
        assert repr(window) == "<Observation from version 0 to open>"
        for ask in (
            lambda: window.after,
            lambda: window.changes,
            lambda: window.stable,
            window.draft,
        ):
            with pytest.raises(ObservationError, match="after the with block"):
                ask()
        with pytest.raises(ObservationError, match="one window"), window:
            pass
    assert repr(window) == "<Observation from version 0 to 0>"
    with pytest.raises(ObservationError, match="one window"):
        window.__enter__()

"""A function that returns the whole, asked again and again."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, Store
from cowstate.mirror import UNCHANGED, Listed, Mirror, PollingSource
from cowstate.testing import ManualClock


def lived(source_of: Any, answers: list[Any], **options: Any) -> tuple[Any, list[float], Any]:
    """Run a mirror until the answers have been given; the store, its sleeps, and the status."""
    clock, slept, asked = ManualClock(), list[float](), list[Any]()
    store: Store[str, int] = Store()

    def fetch(*etag: Any) -> Any:
        asked.append(etag)
        if len(answers) == 1:
            mirror.close()
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    mirror: Mirror[str, int] = Mirror(
        store, source_of(fetch), clock=clock, sleep=sleep, backoff=float, **options
    )
    versions: list[Any] = []
    store.subscribe(lambda commit: versions.append(dict(commit.after)))
    mirror.run()
    return versions, slept, (mirror.status(), asked)


def test_only_what_differs_makes_a_version() -> None:
    answers = [{"a": 1}, {"a": 1}, [("a", 1), ("b", 2)], {"b": 2}, {}]
    versions, slept, _ = lived(lambda fetch: PollingSource(fetch, interval=7), answers)
    assert versions == [{"a": 1}, {"a": 1, "b": 2}, {"b": 2}]
    assert slept == [7, 7, 7, 7]


def test_after_an_error_it_is_asked_again_without_an_interval_more() -> None:
    answers = [{"a": 1}, OSError("no"), OSError("no"), {"a": 2}, {}]
    versions, slept, (status, _) = lived(lambda fetch: PollingSource(fetch, interval=7), answers)
    assert versions == [{"a": 1}, {"a": 2}]
    assert slept == [7, 1, 2, 7]
    assert status.errors == (("OSError", 2),)
    assert (status.failures, status.lost_since) == (0, None)


def test_an_etag_is_handed_back_and_unchanged_is_no_news() -> None:
    answers = [
        Listed({"a": 1}, "x"),
        UNCHANGED,
        OSError("no"),
        UNCHANGED,
        Listed({}, "y"),
        UNCHANGED,
    ]
    versions, _, (status, asked) = lived(
        lambda fetch: PollingSource(fetch, interval=7, etags=True), answers
    )
    assert versions == [{"a": 1}, {}]
    assert asked == [(None,), ("x",), ("x",), ("x",), ("x",), ("y",)]
    assert status.revision == "y"


@pytest.mark.parametrize("wrong", [UNCHANGED, {"a": 1}])
def test_without_an_etag_there_is_no_unchanged_and_with_one_there_is_an_etag(wrong: Any) -> None:
    _, _, (status, _) = lived(lambda fetch: PollingSource(fetch, etags=True), [wrong, None])
    assert dict(status.errors)["ArgumentTypeError"] == 1


def test_a_resync_asks_anew() -> None:
    answers = [Listed({"a": 1}, "x"), UNCHANGED, Listed({"a": 1}, "x"), UNCHANGED]
    _, slept, (_, asked) = lived(
        lambda fetch: PollingSource(fetch, interval=7, etags=True), answers, resync=10
    )
    assert [etag for (etag,) in asked] == [None, "x", None, "x"]
    assert slept == [7, 3, 7]


async def coroutine() -> dict[str, int]:
    return {}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"fetch": 3}, ArgumentTypeError),
        ({"fetch": coroutine}, ArgumentTypeError),
        ({"fetch": dict, "interval": 0}, ArgumentValueError),
        ({"fetch": dict, "interval": None}, ArgumentTypeError),
        ({"fetch": dict, "etags": "yes"}, ArgumentTypeError),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments: Any, error: Any) -> None:
    with pytest.raises(error):
        PollingSource(**arguments)


def test_unchanged_says_its_name() -> None:
    assert repr(UNCHANGED) == "UNCHANGED"

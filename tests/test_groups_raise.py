"""Those who are served together, where one of them raises, or ends itself."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

from cowstate import Commit, LaggedError, Store
from cowstate.timeline import BACKLOG
from tests.lagging import lagging
from tests.loops import loop


def test_what_on_lagged_raises_is_logged_and_the_subscription_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []
    errors: list[Exception] = []
    store, serving, _ = lagging(
        callback=lambda commit: seen.append(commit.version),
        on_lagged=lambda _: 1 // 0,
        on_error=lambda error, _: errors.append(error),
    )
    serving.run()
    assert "on_lagged of a subscriber failed" in caplog.text
    assert caplog.records[0].exc_info
    assert (seen, errors) == ([], [])
    store.set("a", 0)
    serving.run()
    assert seen == [BACKLOG + 3]


class Stop(BaseException):
    """No `Exception`, as little as KeyboardInterrupt is."""


def stop(_: object) -> None:
    raise Stop


def test_what_is_no_exception_comes_out_of_on_lagged_too_and_once() -> None:
    seen: list[int] = []
    lags: list[Any] = []
    store, serving, _ = lagging(callback=lambda c: seen.append(c.version), on_lagged=stop)
    store.subscribe(seen.append, on_lagged=lags.append, via=serving)  # type: ignore[arg-type]
    with pytest.raises(Stop):
        serving.run()
    assert (seen, lags) == ([], [])  # the other one came so late that it has missed nothing
    store.set("a", 0)
    serving.run()
    assert seen[0] == BACKLOG + 3


@pytest.mark.parametrize("on_error", ["log", "stop"])
def test_a_lag_that_nobody_asked_for_is_logged_and_ends_who_wants_to_be_ended(
    on_error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []
    _, serving, subscription = lagging(callback=lambda c: seen.append(c.version), on_error=on_error)
    serving.run()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [LaggedError]
    assert subscription.closed == (on_error == "stop")
    assert subscription.delivered == BACKLOG + 2
    assert seen == []


def test_an_error_that_is_handled_is_not_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store: Store[str, int] = Store({"a": 0})
    errors: list[Exception] = []
    with caplog.at_level(logging.DEBUG):
        subscription = store.subscribe(
            lambda _: 1 // 0, on_error=lambda error, _: errors.append(error)
        )
        store.set("a", 1)
        store.set("a", 2)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2
    assert not caplog.records
    assert not subscription.closed


def test_the_first_of_several_who_raise_is_heard_and_all_have_had_it() -> None:
    for who in range(3):
        store: Store[str, int] = Store({"a": 0})
        seen: list[int] = []

        def note(number: int, who: int = who, seen: list[int] = seen) -> None:
            seen.append(number)
            if number >= who:
                raise Stop(number)

        for number in range(3):
            store.subscribe(lambda _, number=number, note=note: note(number))  # type: ignore[misc]
        with pytest.raises(Stop, match=str(who)):
            store.set("a", 1)
        assert seen == [0, 1, 2]


def test_the_first_of_several_who_raise_as_they_are_told_of_a_lag_is_heard() -> None:
    for who in range(3):
        store: Store[str, int] = Store({"a": 0})
        serving, told = loop(), list[int]()

        def tell(number: int, who: int = who, told: list[int] = told) -> None:
            told.append(number)
            if number == who:
                raise Stop(number)

        for number in range(3):
            store.subscribe(
                print,
                on_lagged=lambda _, number=number, tell=tell: tell(number),  # type: ignore[misc]
                via=serving,
            )
        for n in range(1, BACKLOG + 3):
            store.set("a", n)
        with pytest.raises(Stop, match=str(who)):
            serving.run()
        assert told == [0, 1, 2]


def commits(store: Store[str, int]) -> None:
    store.subscribe(stop)
    store.set("a", 1)


def begins(store: Store[str, int]) -> None:
    store.subscribe(stop, initial=True)


def lags(store: Store[str, int]) -> None:
    lagging(callback=print, on_lagged=stop)[1].run()


@pytest.mark.parametrize("act", [commits, begins, lags])
def test_what_was_raised_is_gone_when_it_was_dealt_with(
    act: Callable[[Store[str, int]], object],
) -> None:
    collects = gc.isenabled()
    gc.disable()
    try:
        try:
            act(Store({"a": 0}))
        except Stop as error:
            raised = ref(error)
        assert raised() is None
    finally:
        (gc.enable if collects else gc.disable)()


@pytest.mark.parametrize("on_error", ["log", "stop", lambda error, commit: None])
def test_who_ends_itself_and_then_raises_has_ended(on_error: Any) -> None:
    store: Store[str, int] = Store({"a": 0})
    seen: list[int] = []

    def end(commit: Commit[str, int]) -> None:
        seen.append(commit.version)
        subscription.close()
        raise ZeroDivisionError

    subscription = store.subscribe(end, on_error=on_error)
    for n in (1, 2):
        store.set("a", n)
        assert subscription.closed
    assert seen == [1]


class Struck(logging.Handler):
    """Ctrl-C comes as something is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        raise KeyboardInterrupt


def test_who_is_ended_by_its_error_has_ended_though_that_could_not_be_logged() -> None:
    store: Store[str, int] = Store({"a": 0})
    seen: list[int] = []

    def fail(commit: Commit[str, int]) -> None:
        seen.append(commit.version)
        raise ZeroDivisionError

    subscription = store.subscribe(fail, on_error="stop")
    logger, struck = logging.getLogger("cowstate"), Struck()
    logger.addHandler(struck)
    try:
        with pytest.raises(KeyboardInterrupt):
            store.set("a", 1)
    finally:
        logger.removeHandler(struck)
    assert subscription.closed
    store.set("a", 2)
    assert seen == [1]
    assert store.statistics().subscriptions == 0


def test_who_has_ended_is_told_of_no_lag() -> None:
    lags: list[str] = []
    store: Store[str, int] = Store({"a": 0})
    serving = loop()
    lost, first, second = (
        store.subscribe(print, on_lagged=lambda _, name=name: tell(name), via=serving)  # type: ignore[misc]
        for name in ("lost", "first", "second")
    )

    def tell(name: str) -> None:
        lags.append(name)
        second.close()

    leave = lost.__exit__
    lost.__enter__()
    for n in range(1, BACKLOG + 3):
        store.set("a", n)
    del leave
    serving.run()
    assert lags == ["first"]
    assert not first.closed

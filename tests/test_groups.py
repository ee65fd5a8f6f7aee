"""Those who are served together: each has what concerns it once, with the GIL and without."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import Commit, Lagged, LaggedError, Store, groups
from cowstate.timeline import BACKLOG
from tests.loops import loop
from tests.standing import in_another_thread

KEYS = "abc"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.frozensets(st.sampled_from(KEYS))),
        st.tuples(st.just("subscribe"), st.none() | st.frozensets(st.sampled_from(KEYS))),
        st.tuples(st.just("close"), st.integers(0, 9)),
        st.tuples(st.just("flush"), st.just(0)),
    ),
    max_size=15,
)


@pytest.fixture(params=[False, True], ids=["with the GIL", "without it"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_WITHOUT_GIL", request.param)


def write(store: Store[str, int], keys: frozenset[str]) -> int:
    """Make one version that changes *keys*."""
    version = store.snapshot().version + 1
    if len(keys) == 1:
        return store.set(*keys, version).version
    with store.transaction() as tx:
        tx.update(dict.fromkeys(keys, version))
        tx.meta = version
    return tx.result.version


def check(steps: list[tuple[str, Any]]) -> None:
    store: Store[str, int] = Store(dict.fromkeys(KEYS, 0))
    made: list[tuple[Any, Any, list[int], list[int]]] = []
    for step, value in steps:
        if step == "subscribe":
            seen: list[int] = []
            expected: list[int] = []
            note: Callable[[Commit[str, int]], object] = lambda c, seen=seen: seen.append(c.version)  # noqa: E731
            made.append((store.subscribe(note, keys=value), value, seen, expected))
            assert made[-1][0].since == made[-1][0].delivered == store.snapshot().version
        elif step == "close" and made:
            made[value % len(made)][0].close()
        elif step == "flush":
            assert store.flush(0)
        elif step == "write":
            version = write(store, value)
            for subscription, keys, _, awaited in made:
                if not subscription.closed and (keys is None or keys & value):
                    awaited.append(version)
        for subscription, _, seen, awaited in made:
            assert seen == awaited
            if subscription.closed:
                assert subscription.delivered == max(seen, default=subscription.since)
            else:
                assert subscription.delivered == store.snapshot().version
        assert store.statistics().undelivered == 0


@pytest.mark.usefixtures("_either_way")
def test_each_has_what_concerns_it_once_and_is_up_to_date() -> None:
    @given(STEPS)
    def law(steps: list[tuple[str, Any]]) -> None:
        check(steps)

    law()


@pytest.mark.usefixtures("_either_way")
def test_what_a_callback_writes_comes_to_everybody_after_what_it_was_called_with() -> None:
    store: Store[str, int] = Store(dict.fromkeys(KEYS, 0))
    seen: list[tuple[str, int]] = []

    def answer(commit: Commit[str, int]) -> None:
        seen.append(("answer", commit.version))
        if commit.version < 5:
            store.set("b", commit.version)  # concerns nobody but all
            store.set("c", commit.version)
            assert seen[-1] == ("answer", commit.version)

    store.subscribe(answer, keys=["a", "c"])
    store.subscribe(lambda commit: seen.append(("other", commit.version)), keys=["b"])
    store.set("a", 1)
    assert seen == [
        ("answer", 1),
        ("other", 2),
        ("answer", 3),
        ("other", 4),
        ("answer", 5),
    ]
    assert store.statistics().undelivered == 0


class HeldUp(str):
    """A key; whoever hashes it runs what stands here, once."""

    meanwhile: Callable[[], object] | None = None

    def __hash__(self) -> int:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return str.__hash__(self)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("meanwhile", [1, 2, 3, BACKLOG + 50])
def test_the_position_of_a_group_never_falls_back(meanwhile: int) -> None:
    key = HeldUp("a")
    store: Store[str, int] = Store({key: 0, "c": 0})
    told: list[Any] = []
    subscription = store.subscribe(told.append, keys=["b"], on_lagged=told.append)

    def at_the_last_look() -> None:
        # Hashed by the write itself as well; only then does the writer ask whom it concerns.
        if store.snapshot().version == 0:
            key.meanwhile = at_the_last_look
            return
        for n in range(1, meanwhile + 1):
            store.set("c", n)

    key.meanwhile = at_the_last_look
    store.set(key, 1)
    assert store.snapshot().version == meanwhile + 1
    assert subscription.delivered == meanwhile + 1
    assert store.statistics().undelivered == 0
    store.set("b", 1)
    assert store.flush(0)
    assert [type(item) for item in told] == [Commit]


@pytest.mark.usefixtures("_either_way")
def test_what_concerns_nobody_passes_over_nothing_that_is_still_to_be_delivered() -> None:
    for others in (1, 2, 3):
        store: Store[str, int] = Store({"a": 0, "b": 0})
        seen: list[int] = []
        store.subscribe(lambda commit, seen=seen: seen.append(commit.version), keys=["b"])  # type: ignore[misc]

        def overtaken(commit: Commit[str, int], store: Any = store, others: int = others) -> None:
            del store._delivery.after
            for n in range(others):
                in_another_thread(partial(store.set, "a", n + 1))
            store._delivery.after(commit)

        store._delivery.after = overtaken  # type: ignore[method-assign]
        store.set("b", 1)
        assert seen == [1]
        assert store.statistics().undelivered == 0


def lagging(**options: Any) -> tuple[Store[str, int], Any, Any]:
    """Return a store, and a loop that has not served for too long, and its subscription."""
    store: Store[str, int] = Store({"a": 0})
    serving = loop()
    subscription = store.subscribe(via=serving, **options)
    for n in range(1, BACKLOG + 3):
        store.set("a", n)
    return store, serving, subscription


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


def test_a_subscription_says_how_far_it_is() -> None:
    store: Store[str, int] = Store({"a": 0, "b": 0})
    store.set("a", 1)
    subscription = store.subscribe(print, keys=["b"])
    assert repr(subscription) == f"<Subscription of {print!r}, delivered up to 1>"
    store.set("a", 2)
    assert (subscription.since, subscription.delivered) == (1, 2)
    assert "delivered up to 2" in repr(subscription)
    subscription.close()
    store.set("a", 3)
    assert repr(subscription).endswith("closed>")
    assert subscription.delivered == 1


class Listener:
    """A callback that may be looked for."""

    def __call__(self, commit: Commit[str, int]) -> None:
        raise AssertionError("it has ended")


@pytest.mark.parametrize("keys", [None, ["a"]])
def test_a_subscription_whose_with_was_lost_is_let_go_by_the_next_commit(keys: Any) -> None:
    store: Store[str, int] = Store({"a": 0})
    listener = Listener()
    subscription = store.subscribe(listener, keys=keys)
    leave = subscription.__exit__
    subscription.__enter__()
    del leave
    gone = weakref.ref(listener)
    del listener, subscription
    gc.collect()
    assert gone() is not None
    store.set("a", 1)
    gc.collect()
    assert gone() is None


def test_who_came_late_has_missed_nothing_of_what_was_gone_before() -> None:
    store, serving, slow = lagging(callback=print)
    seen: list[int] = []
    lags: list[Any] = []
    store.subscribe(lambda c: seen.append(c.version), on_lagged=lags.append, via=serving)
    slow.close()
    for n in range(3):
        store.set("a", n)
    serving.run()
    assert (seen, lags) == ([BACKLOG + 3, BACKLOG + 4, BACKLOG + 5], [])


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


def test_who_has_missed_one_commit_is_told_so_too() -> None:
    store, serving, _ = lagging(callback=print, on_lagged=lambda _: None)
    seen: list[int] = []
    lags: list[Lagged[str, int]] = []
    store.subscribe(lambda c: seen.append(c.version), on_lagged=lags.append, via=serving)
    store.set("a", 0)
    serving.run()
    assert (seen, lags) == ([], [Lagged(BACKLOG + 3, store.snapshot())])


def test_a_lag_whose_newest_commit_is_gone_meanwhile_is_logged_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[tuple[Any, Any]] = []
    more = iter(range(BACKLOG + 10))

    def write(_: object) -> None:
        for n in more:
            store.set("a", n)

    store, serving, _ = lagging(callback=print, on_lagged=write)
    store.subscribe(print, on_error=lambda *what: errors.append(what), via=serving)
    store.set("a", -1)
    serving.run()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    # And then it lags once more, behind what was written meanwhile.
    assert [commit.after for _, commit in errors] == [store.snapshot()]


def test_what_callbacks_wrote_in_one_turn_is_forgotten_in_the_next() -> None:
    store: Store[str, int] = Store({"a": 0})

    def answer(commit: Commit[str, int]) -> None:
        if commit.version % 2:
            store.set("a", -commit.version)

    store.subscribe(answer)
    for n in range(1, 20):
        store.set("a", n)
        assert store.snapshot().version == 2 * n
        assert len(store._delivery.by_writer._own) <= 1

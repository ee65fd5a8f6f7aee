"""Those who are served together: each has what concerns it once, with the GIL and without."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import Commit, History, Lagged, Store, groups, process
from cowstate.timeline import BACKLOG
from tests.lagging import lagging
from tests.parked import PATIENCE
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


def shortest(monkeypatch: pytest.MonkeyPatch) -> tuple[Store[str, int], Any, list[Any], Any]:
    """A store that keeps one commit; its group; what a listener to "z" is told; and that one."""
    monkeypatch.setattr("cowstate.store.BACKLOG", 1)
    store: Store[str, int] = Store({"a": 0, "b": 0}, history=History(versions=1))
    told: list[Any] = []
    listener = store.subscribe(told.append, keys=["z"], on_lagged=told.append)
    return store, store._delivery.by_writer, told, listener


@pytest.mark.usefixtures("_either_way")
def test_what_was_passed_over_as_it_was_handed_over_stays_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, group, told, _ = shortest(monkeypatch)

    def end(commit: Commit[str, int]) -> None:
        only.close()
        assert group.passes_over(commit)  # as by its writer, who comes to it now
        for n in range(5):
            store.set("b", n)

    only = store.subscribe(end, keys=["a"])
    store.set("a", 1)
    assert (told, store.statistics().undelivered) == ([], 0)


@pytest.mark.usefixtures("_either_way")
def test_what_was_passed_over_and_is_gone_as_it_is_looked_for_is_no_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, group, told, listener = shortest(monkeypatch)
    only = store.subscribe(print, keys=["a"])
    ring = group.timeline.ring

    class Late:
        def get(self, version: int) -> Any:
            group.timeline.ring = ring
            only.close()
            assert group.passes_over(ring.get(version))
            for n in range(5):
                store.set("b", n)
            return ring.get(version)

    group.timeline.ring = Late()
    # Were it held for a gap, it would be asked; and then there is more that it has not had.
    listener.wants_from = lambda: store.set("z", 1) and 0  # type: ignore[method-assign]
    store.set("a", 1)
    assert (told, store.statistics().undelivered) == ([], 0)


@pytest.mark.usefixtures("_either_way")
def test_what_callbacks_write_is_handed_over_by_the_same_thread_however_much_it_is() -> None:
    store: Store[str, int] = Store({"a": 0})
    threads: list[int] = []

    def again(commit: Commit[str, int]) -> None:
        threads.append(threading.get_ident())
        if commit.version < 30:
            store.set("a", commit.version)

    store.subscribe(again)
    store.set("a", -1)
    assert threads == [threading.get_ident()] * 30


def test_the_index_that_another_thread_was_at_can_be_changed_in_a_child() -> None:
    key = HeldUp("a")
    store: Store[str, int] = Store({"b": 0})
    members = store._delivery.by_writer.members
    entered, go_on = threading.Event(), threading.Event()

    def in_the_index() -> None:
        if not members.all:  # hashed before, too
            key.meanwhile = in_the_index
            return
        entered.set()
        assert go_on.wait(PATIENCE)

    key.meanwhile = in_the_index
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.subscribe, print, keys=[key])
        try:
            assert entered.wait(PATIENCE)
            process._after_fork_in_child()
            second = store.subscribe(print, keys=["b"])
            assert second in members.concerned(["b"])
            assert second not in members.concerned(["c"])
        finally:
            go_on.set()
        first.result(PATIENCE)


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


def test_a_group_is_ready_as_long_as_something_waits() -> None:
    store, serving, _ = lagging(callback=print, on_lagged=str)
    group = store._delivery.group_of(serving)
    assert group.ready()
    serving.run()
    assert not group.ready()


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

"""A mirror over a source that does all that sources do: what the store holds is what was there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import MISSING, Store
from cowstate.mirror import Changes, Listed, Mirror, Pause
from cowstate.testing import ManualClock
from tests.mirror import remote as steps
from tests.mirror.remote import CutError, Remote, put, remove

KEYS = st.sampled_from("abc")
STEP = st.one_of(
    st.builds(put, KEYS, st.integers(0, 2)),
    st.builds(remove, KEYS),
    st.sampled_from([steps.cut, steps.end, steps.compact, steps.gone, steps.repeat]),
    st.sampled_from([steps.bookmark, steps.list_fails, steps.all_anew]),
)


class Life:
    """A mirror that runs in this thread, on a clock that its sleeps set on, to the script's end."""

    def __init__(self, script: list[Any], **options: Any) -> None:
        self.clock = ManualClock()
        self.store: Store[str, Any] = Store()
        self.source = Remote(script, done=self._close)
        self.slept: list[float] = []
        options.setdefault("backoff", float)
        self.mirror: Mirror[str, Any] = Mirror(
            self.store, self.source, clock=self.clock, sleep=self.sleep, **options
        )
        self.commits: list[Any] = []
        self.store.subscribe(self.commits.append)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def _close(self) -> None:
        self.mirror.close()

    def run(self) -> Any:
        self.mirror.run()
        return self.mirror.status()


@given(st.lists(STEP, max_size=25), st.sampled_from([None, 3.0]))
def test_each_version_is_a_state_that_was_there_and_the_last_is_the_last(
    script: list[Any], resync: float | None
) -> None:
    life = Life(script, resync=resync)
    status = life.run()
    assert dict(life.store.snapshot()) == life.source.records
    at = 0
    for commit in life.commits:
        # In their order; what could not be seen may be passed over, but nothing goes back.
        state = dict(commit.after)
        at = next(n for n in range(at, len(life.source.states)) if life.source.states[n] == state)
        for old, new in commit.changes.values():
            assert old is MISSING or new is MISSING or old != new
    assert status.published == len(life.commits) == life.store.snapshot().version
    assert status.synced
    assert status.lists <= life.source.lists
    assert status.revision == life.source.revision
    assert status.lost_since is None


def test_the_first_list_is_one_version_also_where_it_is_large() -> None:
    life = Life([])
    for n in range(1000):
        life.source.put(str(n), n)
    life.run()
    (commit,) = life.commits
    assert len(commit.changes) == 1000


def test_after_a_loss_it_goes_on_from_the_last_revision_and_lists_only_where_that_is_gone() -> None:
    life = Life([put("a", 1), steps.cut, put("b", 2), steps.end, put("a", 3)])
    status = life.run()
    assert (life.source.lists, life.source.watches, status.gone) == (1, 3, 0)
    life = Life([put("a", 1), put("b", 2), steps.gone, put("a", 3)])
    status = life.run()
    assert (life.source.lists, status.gone) == (2, 1)
    # What happened while nothing was seen came as one version.
    assert [dict(commit.changes) for commit in life.commits] == [
        {"a": (MISSING, 1)},
        {"b": (MISSING, 2)},
        {"x": (MISSING, 2)},
        {"a": (1, 3)},
    ]


def test_what_others_wrote_is_put_right_by_the_next_list() -> None:
    def write(key: str) -> Any:
        def written(remote: Remote) -> None:
            life.store.set(key, 9)

        return written

    script = [put("a", 1), write("a"), lambda _: Pause(5), write("stray"), lambda _: Pause(5)]
    life = Life(script, resync=4)
    status = life.run()
    assert dict(life.store.snapshot()) == {"a": 1}
    assert status.lists == 3
    assert life.slept == [4, 4]  # never beyond the time of the next list


def test_a_source_that_can_be_listed_but_not_watched_is_listed_again_at_each_resync() -> None:
    life = Life([])

    def watch(revision: Any) -> Any:
        if life.source.lists == 3:
            life.mirror.close()
        life.source.put("a", life.source.lists)
        raise CutError("there is no watch")

    life.source.watch = watch  # type: ignore[method-assign]
    life.mirror = Mirror(
        life.store,
        life.source,
        clock=life.clock,
        sleep=life.sleep,
        backoff=lambda failures: 1.0,
        resync=5,
    )
    life.run()
    assert life.slept == [1.0] * 10
    assert [dict(commit.after) for commit in life.commits] == [{"a": 1}, {"a": 2}]


def test_waits_grow_and_begin_again_when_something_is_told() -> None:
    life = Life([steps.cut, steps.cut, steps.cut, put("a", 1), steps.cut])
    status = life.run()
    assert life.slept == [1, 2, 3, 1]
    assert status.errors == (("CutError", 4),)
    assert status.last_error == "CutError: the line broke"


def test_who_asks_to_be_left_alone_is_left_alone_so_long() -> None:
    def busy(remote: Remote) -> None:
        error = CutError("too many requests")
        error.retry_after = 30  # type: ignore[attr-defined]
        raise error

    life = Life([busy, steps.cut])
    life.run()
    assert life.slept == [30, 2]


@pytest.mark.parametrize("answer", [-1.0, float("nan"), float("inf"), "soon", None])
def test_a_backoff_that_makes_no_sense_is_a_second(answer: Any) -> None:
    life = Life([steps.cut], backoff=lambda failures: answer)
    life.run()
    assert life.slept == [1]


def test_a_backoff_that_raises_is_a_second_and_does_not_end_the_mirror(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def doubled(failures: int) -> float:
        return 0.5 * 2 ** (failures + 1100)

    life = Life([steps.cut, put("a", 1)], backoff=doubled)
    life.run()
    assert life.slept == [1]
    assert dict(life.store.snapshot()) == {"a": 1}
    assert "OverflowError" in caplog.text


def test_a_watch_that_ends_at_once_and_tells_nothing_is_no_tight_loop() -> None:
    life = Life([steps.end, steps.end, lambda _: Changes(), steps.end])
    assert life.run().errors == ()
    assert life.slept == [1, 2, 3]


@pytest.mark.parametrize(
    "told",
    [
        Changes(revision=1),
        Changes({"a": 1}, revision=1),
        Changes({"a": 0}, revision=0),
        Listed({"a": 1}, 1),
    ],
)
def test_a_watch_that_tells_again_what_is_known_and_ends_is_no_tight_loop(told: Any) -> None:
    rounds = [lambda _: told, steps.end]
    life = Life([put("a", 1), *rounds, *rounds, *rounds, lambda _: Listed({"a": 1}, 1)])
    assert life.run().errors == ()
    # The first had told something new.
    assert len(life.slept) == 2
    assert life.mirror.status().published == 1


def test_a_watch_that_tells_something_new_and_ends_goes_on_at_once() -> None:
    news = [Changes(revision=1), Listed({}, 2), Changes({"a": 1}), Listed({"a": 2}, 2)]
    life = Life([step for each in news for step in (lambda _, each=each: each, steps.end)])
    life.source.states, life.source.log = [{}], []
    life.source.watch = lambda revision: scripted(life.source)  # type: ignore[method-assign]
    life.run()
    assert life.slept == []


def scripted(remote: Remote) -> Iterator[Any]:
    """Tell what the script says, and nothing else."""
    while remote.script:
        answer = remote.script.pop(0)(remote)
        if answer == "end":
            return
        yield answer
    remote.done()


def test_a_quiet_watch_that_lasted_is_in_order() -> None:
    def lasts(remote: Remote) -> str:
        life.clock.advance(300)
        return "end"

    life = Life([lasts, lasts])
    life.run()
    assert life.slept == []


def test_what_is_older_than_what_was_told_is_passed_over() -> None:
    life = Life([put("a", 1), put("a", 2), steps.repeat])
    status = life.run()
    assert status.duplicates == 1
    assert life.store.snapshot()["a"] == 2
    # Of one revision there may be several.
    life = Life([put("a", 1), lambda _: Changes({"b": 1}, revision=1)])
    life.source.done = life.mirror.close
    life.run()
    assert dict(life.store.snapshot()) == {"a": 1, "b": 1}


class Lagging(Remote):
    """Its lists come from a replica which is behind."""

    behind: Listed[str, Any] | None = None

    def list(self) -> Listed[str, Any]:
        self.lists += 1
        return self.behind or Listed(dict(self.records), self.revision)


def lagging(catches_up: bool) -> Life:
    def fall_behind(remote: Any) -> None:
        remote.behind = Listed({"a": 1}, 1)
        remote.put("a", 3)
        remote.forgotten = remote.revision
        raise CutError("the line broke")

    life = Life([])
    source = Lagging([put("a", 1), put("a", 2), fall_behind], life._close)
    source.put("a", 0)
    life.source = source

    def sleep(seconds: float) -> None:
        life.sleep(seconds)
        if catches_up and life.clock() > 20:
            source.behind = None

    life.mirror = Mirror(
        life.store, source, clock=life.clock, sleep=sleep, backoff=lambda _: 4.0, rewind=30
    )
    if not catches_up:
        # What was restored has another past.
        def watch(revision: Any) -> Iterator[Any]:
            if revision == 1 and source.behind:
                life.mirror.close()
                return iter(())
            return Remote.watch(source, revision)

        source.watch = watch  # type: ignore[method-assign]
    life.store.subscribe(lambda commit: life.commits.append(commit.after.get("a")))
    return life


def test_a_list_from_a_replica_that_lags_does_not_take_the_store_back() -> None:
    life = lagging(catches_up=True)
    status = life.run()
    seen = [each for each in life.commits if isinstance(each, int)]
    assert seen == sorted(seen)
    assert dict(status.errors)["RevisionRewoundError"] >= 2
    assert "lags behind" in (status.last_error or "")
    assert (seen[-1], status.lost_since) == (3, None)


def test_a_source_that_stays_back_is_believed_in_the_end() -> None:
    life = lagging(catches_up=False)
    status = life.run()
    assert dict(life.store.snapshot()) == {"a": 1}
    assert status.revision == 1
    assert life.clock() >= 30


@pytest.mark.parametrize(
    "answer", [5, None, ("a", 1), Listed(5), Changes({"a": [1]}), Pause("soon"), [Changes()]]
)
def test_what_makes_no_sense_is_an_error_that_is_counted_and_the_mirror_goes_on(
    answer: Any,
) -> None:
    wrong = object() if answer is None else answer
    life = Life([put("a", 1), lambda _: wrong, put("b", 2)])
    status = life.run()
    assert len(status.errors) == 1
    assert dict(life.store.snapshot()) == {"a": 1, "b": 2}


class SilentError(Exception):
    """It cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no words")


class CurtError(Exception):
    """What it has to say when to come again cannot be read."""

    @property
    def retry_after(self) -> float:
        raise ValueError("no number")


class EndlessError(Exception):
    """It asks for more than fits in a float."""

    retry_after = 10**400


class NotedError(Exception):
    """Its notes are none."""

    __notes__ = 5


@pytest.mark.parametrize(
    "kind", [SilentError, CurtError, EndlessError, NotedError, StopIteration, RecursionError]
)
def test_no_error_of_a_source_ends_the_mirror_whatever_it_is_like(
    kind: type[Exception],
) -> None:
    life = Life([put("a", 1)])
    life.source.failing = [kind(), kind()]
    status = life.run()
    assert dict(life.store.snapshot()) == {"a": 1}
    assert life.slept == [1, 2]
    assert sum(count for _, count in status.errors) == 2
    assert status.last_error is not None


def test_a_list_that_the_store_refuses_leaves_it_and_is_tried_again() -> None:
    life = Life([put("a", 1), put("b", [2]), put("c", 4)])

    def wait(failures: int) -> float:
        assert dict(life.store.snapshot()) == {"a": 1}
        if failures == 3:
            life.source.put("b", 3)
        return 1.0

    life.mirror = Mirror(life.store, life.source, clock=life.clock, sleep=life.sleep, backoff=wait)
    status = life.run()
    assert dict(life.store.snapshot()) == {"a": 1, "b": 3, "c": 4}
    assert dict(status.errors).keys() == {"MutableRecordError"}
    assert status.failures == 0


def test_the_status_counts() -> None:
    life = Life([put("a", 1), steps.bookmark, put("a", 1), steps.cut, remove("a")])
    seen: list[Any] = []
    life.store.subscribe(lambda _: seen.append(life.mirror.status().state))
    status = life.run()
    assert seen == ["watching", "watching"]
    assert (status.lists, status.watches, status.changes, status.published) == (1, 2, 3, 2)
    assert (status.state, status.version, status.retry_at) == ("closed", 2, None)


def test_only_so_many_kinds_of_errors_are_counted_apart() -> None:
    def fails(n: int) -> Any:
        def fail(remote: Remote) -> None:
            raise type(f"E{n}", (Exception,), {})("x" * 10_000)

        return fail

    life = Life([fails(n) for n in range(50)])
    status = life.run()
    assert len(status.errors) == 20
    assert len(status.last_error or "") <= 400

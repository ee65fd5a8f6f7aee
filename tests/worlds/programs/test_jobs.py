"""The jobs, under a lock and in a store: the same for who uses them, and better in the store."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from tests.worlds.programs import jobs, jobs_locked

PATIENCE = 300.0
"""After how many seconds something hangs."""

KINDS = {"locked": jobs_locked.Jobs, "store": jobs.Jobs}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


def test_each_job_is_worked_on_by_one_until_all_are_done(made: Any) -> None:
    claimed: Counter[str] = Counter()
    told: list[tuple[str, str]] = []
    made.listen(lambda name, state: told.append((name, state)))

    def work(worker: str) -> None:
        while (name := made.claim(worker)) is not None:
            claimed[name] += 1
            made.finish(name, ok=True, said=worker)

    for n in range(50):
        made.add(f"job {n}")
    workers = [threading.Thread(target=work, args=(f"w{n}",), daemon=True) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive()
    assert made.wait_until_none_waits(PATIENCE)
    assert made.counts() == {"done": 50}
    assert len(claimed) == 50
    if isinstance(made, jobs.Jobs):
        assert made.store.flush(PATIENCE)
    for n in range(50):
        steps = [state for name, state in told if name == f"job {n}"]
        assert steps == ["waiting", "running", "done"]


def test_the_first_one_added_is_the_first_one_claimed(made: Any) -> None:
    names = [f"job {n}" for n in range(200, 0, -1)]  # more than a small store's map keeps in order
    for name in names:
        made.add(name)
    assert [made.claim("w") for _ in names] == names
    assert made.claim("w") is None


def test_one_that_fails_waits_again_up_to_three_times(made: Any) -> None:
    made.add("job")
    for n in range(3):
        assert made.counts() == {"waiting": 1}
        assert made.claim("w") == "job"
        assert made.running_of("w") == {"job"}
        made.finish("job", ok=False, said=f"no. {n}")
        assert made.running_of("w") == set()
    assert made.get("job").state == "failed"
    assert list(made.get("job").log) == ["no. 0", "no. 1", "no. 2"]
    assert made.claim("w") is None


def test_a_name_is_taken_once(made: Any) -> None:
    made.add("job")
    with pytest.raises(ValueError, match="already"):
        made.add("job")
    with pytest.raises(KeyError):
        made.get("none")
    with pytest.raises(KeyError):
        made.finish("none", ok=True)


def test_who_waits_is_woken_and_keeps_the_time(made: Any) -> None:
    made.add("job")
    assert not made.wait_until_none_waits(0.01)
    came = []
    waiting = threading.Thread(
        target=lambda: came.append(made.wait_until_none_waits(PATIENCE)), daemon=True
    )
    waiting.start()
    made.claim("w")
    waiting.join(PATIENCE)
    assert came == [True]


# What the lock does not give


def the_page_changes_while_it_is_shown(made: Any) -> bool:
    made.add("job")
    seen = made.get("job")
    made.claim("w")
    return bool(seen.state != "waiting")


def a_listener_that_asks_another_thread_is_held_up(made: Any) -> bool:
    answered = []

    def ask(name: str, state: str) -> None:
        done = threading.Event()
        threading.Thread(target=lambda: (made.counts(), done.set()), daemon=True).start()
        # The locked ones never answer, so of those a moment is enough.
        answered.append(done.wait(0.2 if isinstance(made, jobs_locked.Jobs) else PATIENCE))

    made.listen(ask)
    made.add("job")
    return not answered[0]


def a_listener_that_fails_hides_the_step_from_others(made: Any) -> bool:
    told = []

    def fail(name: str, state: str) -> None:
        raise LookupError(name)

    made.listen(fail)
    made.listen(lambda name, state: told.append(name))
    try:
        made.add("job")
    except LookupError:
        pass
    return not told


FLAWS = [
    the_page_changes_while_it_is_shown,
    a_listener_that_asks_another_thread_is_held_up,
    a_listener_that_fails_hides_the_step_from_others,
]


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.__name__)
def test_what_the_lock_gets_wrong_the_store_does_not(flaw: Any) -> None:
    assert flaw(jobs_locked.Jobs())
    assert not flaw(jobs.Jobs())

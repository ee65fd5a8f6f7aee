"""What is made of a look is a function of that look: every field of it is told, as it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cowstate import Statistics, Store
from cowstate.metrics.of_mirrors import MirrorSeen, look_at_mirror, samples_of_mirror
from cowstate.metrics.of_reconcilers import samples_of_reconciler
from cowstate.metrics.of_stores import FollowerSeen, JournalSeen, StoreSeen, samples_of_store
from cowstate.metrics.samples import Sample
from cowstate.mirror import Mirror, MirrorStatus, PollingSource
from cowstate.positions import (
    Alarm,
    AlarmKind,
    CorrectionKind,
    PassOutcome,
    PassReport,
    ReconcilerStatus,
    Remedy,
    Verdict,
    VerdictKind,
)
from cowstate.positions.book.findings import Dispute
from cowstate.positions.reconcile.possible import Possible

COUNTS = st.integers(0, 10**12)
TIMES = st.integers(0, 10**13)
NOW = Store({"a": 1}).snapshot()


def told(samples: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    """The numbers of one metric by the labels beside that of the source."""
    assert {sample.labels[0] for sample in samples} == {"x"}
    return {
        sample.labels[1:]: sample.value
        for sample in samples
        if sample.metric.name == f"cowstate.{name}"
    }


@given(
    st.builds(
        Statistics,
        version=COUNTS,
        records=COUNTS,
        map=st.just("tree"),
        index_entries=st.lists(st.tuples(st.sampled_from("ab"), COUNTS), max_size=2),
        oldest=COUNTS,
        retained=COUNTS,
        retained_bytes=st.none() | COUNTS,
        pinned=st.lists(st.tuples(COUNTS, st.just("why")), max_size=3),
        subscriptions=COUNTS,
        undelivered=COUNTS,
        waiting=COUNTS,
        open_transaction=st.none() | st.just("somebody"),
        diff_scans=COUNTS,
        measured=st.none(),
    ),
    COUNTS,
    st.booleans(),
)
def test_the_figures_of_a_store_are_told_as_they_are(
    figures: Statistics, durable: int, closed: bool
) -> None:
    journal = JournalSeen(durable, 7, closed)
    samples = samples_of_store("x", StoreSeen(NOW, figures, journal))
    for name, value in {
        "store.commits": figures.version,
        "store.records": figures.records,
        "store.retained.versions": figures.retained,
        "store.retained.size": figures.retained_bytes,
        "store.pins": len(figures.pinned),
        "store.subscriptions": figures.subscriptions,
        "store.undelivered.commits": figures.undelivered,
        "store.waiting": figures.waiting,
        "store.transaction.open": figures.open_transaction is not None,
        "store.diff.scans": figures.diff_scans,
        "journal.durable.commits": durable,
        "journal.undurable.commits": max(figures.version - durable, 0),
        "journal.epoch": 7,
        "journal.closed": closed,
    }.items():
        assert told(samples, name) == ({} if value is None else {(): value}), name
    assert not any("lock" in sample.metric.name for sample in samples)


@given(st.floats(0, 1e9), st.booleans(), st.booleans(), st.booleans())
def test_a_follower_is_told_as_it_is(lag: float, synced: bool, failing: bool, closed: bool) -> None:
    seen = FollowerSeen(lag, synced, failing, closed)
    samples = samples_of_store("x", StoreSeen(NOW, Store({"a": 1}).statistics(), follower=seen))
    for field, value in seen._asdict().items():
        assert told(samples, f"follower.{field}") == {(): value}


STATUSES = st.builds(
    MirrorStatus,
    state=st.sampled_from(["new", "listing", "watching", "waiting", "stopped", "closed"]),
    lost_since=st.none() | st.floats(0, 1e9),
    errors=st.dictionaries(st.sampled_from(["A", "B"]), COUNTS).map(lambda d: tuple(d.items())),
    **dict.fromkeys(
        ("lists", "watches", "changes", "published", "duplicates", "gone", "failures"), COUNTS
    ),
)


@given(STATUSES, st.none() | st.floats(0, 1e9))
def test_a_mirror_is_told_as_it_is(status: MirrorStatus, now: float | None) -> None:
    samples = samples_of_mirror("x", MirrorSeen(status, now))
    for field in ("lists", "watches", "changes", "published", "duplicates", "gone", "failures"):
        assert told(samples, f"mirror.{field}") == {(): getattr(status, field)}
    assert told(samples, "mirror.errors") == {(name,): count for name, count in status.errors}
    states = told(samples, "mirror.state")
    assert len(states) == 6
    assert [state for state, is_it in states.items() if is_it] == [(status.state,)]
    lost = told(samples, "mirror.lost.time")
    if status.lost_since is None:
        assert lost == {(): 0}
    elif now is None:
        assert lost == {}
    else:
        assert lost == {(): max(now - status.lost_since, 0)}


def test_a_clock_of_the_users_that_raises_makes_its_own_figure_missing_alone() -> None:
    times = [0.0]
    mirror: Mirror[str, int] = Mirror(Store(), PollingSource(dict), clock=lambda: times[0])
    assert look_at_mirror(mirror, lambda *_: None).now == 0
    times.clear()
    failed: list[str] = []
    seen = look_at_mirror(mirror, lambda figure, error: failed.append(figure))
    assert (seen.now, failed) == (None, ["mirror.lost.time"])
    assert told(samples_of_mirror("x", seen), "mirror.synced") == {(): 0}


ALARMS = st.lists(
    st.builds(
        Alarm,
        st.sampled_from(AlarmKind),
        st.just("what"),
        TIMES,
        st.booleans(),
        st.just("why"),
    ),
    max_size=5,
)
VERDICTS = st.builds(
    Verdict,
    st.sampled_from(VerdictKind),
    st.none() | st.lists(st.decimals(-9, 9, places=2), min_size=1).map(Possible.of),
    TIMES,
    st.sampled_from(Remedy),
    st.just("why"),
    st.booleans(),
)
DISPUTES = st.lists(st.builds(Dispute, *[st.just("o")] * 5, TIMES), max_size=3)


@given(
    st.builds(
        ReconcilerStatus,
        st.just("X"),
        time_ms=TIMES,
        running=st.booleans(),
        passes=COUNTS,
        abandoned=COUNTS,
        failures=COUNTS,
        corrections=st.dictionaries(st.sampled_from(CorrectionKind), COUNTS).map(
            lambda made: tuple(made.items())
        ),
        verdict=st.none() | VERDICTS,
        held=st.none() | st.decimals(-9, 9, places=2),
        in_doubt_since_ms=st.none() | TIMES,
        agreed_ms=st.none() | TIMES,
        alarms=ALARMS.map(tuple),
        halted=st.sampled_from(["", "why"]),
        waits_for=st.sampled_from(["", "why"]),
        disputes=DISPUTES.map(tuple),
        last=st.none() | st.builds(PassReport, st.just(PassOutcome.DONE), TIMES),
    )
)
def test_a_reconciler_is_told_as_it_is(status: ReconcilerStatus) -> None:
    samples = samples_of_reconciler("x", status)

    def one(name: str, *labels: str) -> float | None:
        return told(samples, f"reconciler.{name}").get(labels)

    def ago(*moments: int) -> float:
        return max([0, *(status.time_ms - each for each in moments)]) / 1_000

    def known(value: Any) -> float | None:
        return None if value is None else float(value)

    for outcome, field in (("done", "passes"), ("abandoned", "abandoned"), ("failed", "failures")):
        assert one("passes", outcome) == getattr(status, field)
    assert one("pass.age") == (None if status.last is None else ago(status.last.time_ms))
    assert one("running") == status.running
    for kind in CorrectionKind:
        assert one("corrections", kind) == dict(status.corrections).get(kind, 0)
    for alarm in AlarmKind:
        of_kind = [each.since_ms for each in status.alarms if each.kind is alarm]
        assert one("alarms", alarm) == len(of_kind)
        assert one("alarm.age", alarm) == ago(*of_kind)
    assert one("halted") == bool(status.halted)
    assert one("waits") == bool(status.waits_for)
    assert one("worry") == status.worry
    verdict = status.verdict
    for kind_of_verdict in VerdictKind:
        is_it = verdict is not None and verdict.kind is kind_of_verdict
        assert one("verdict", kind_of_verdict) == is_it
    possible = None if verdict is None else verdict.possible
    for end in ("lowest", "highest", "width"):
        assert one(f"interval.{end}") == known(getattr(possible, end, None))
    assert one("held") == known(status.held)
    assert one("agreement.age") == (None if status.agreed_ms is None else ago(status.agreed_ms))
    assert one("disputes") == len(status.disputes)
    doubt = [] if status.in_doubt_since_ms is None else [status.in_doubt_since_ms]
    assert one("doubt.age", "position") == ago(*doubt)
    assert one("doubt.age", "dispute") == ago(*(each.since_ms for each in status.disputes))


def test_numbers_of_any_size_are_told() -> None:
    status = ReconcilerStatus("X", held=Decimal("1e-30"))
    assert told(samples_of_reconciler("x", status), "reconciler.held") == {(): 1e-30}

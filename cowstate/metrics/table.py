"""Every metric of this package, written down once: `Metric`, and `METRICS`."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from ..records import Record

__all__ = ["METRICS", "Kind", "Metric", "metric_of"]

Kind: TypeAlias = Literal["counter", "amount", "gauge"]
"""Only grows; how much of something there is, which may be added up; any other number."""

_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes"}


class Metric(Record):
    """One metric, as OpenTelemetry would have it; Prometheus calls it `exposed`.

    Attributes:
        name: in dots.
        kind: what may be done with its values.
        unit: in UCUM: ``"s"``, ``"By"``, what is counted in braces, or nothing.
        help: what it is, in a sentence.
        labels: the names of its labels, in order.

    >>> Metric("shop.order.age", "gauge", "s", "How old the oldest open order is.").exposed
    'shop_order_age_seconds'
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """Its name for Prometheus, by the rules by which OpenTelemetry's names are turned."""
        name = self.name.replace(".", "_")
        for suffix in (_SUFFIXES.get(self.unit, ""), "_total" if self.kind == "counter" else ""):
            if not name.endswith(suffix):
                name += suffix
        return name

    @property
    def family(self) -> str:
        """What `exposed` is in OpenMetrics, of which no two may be: a counter's without its end.

        >>> Metric("shop.orders", "counter", "", "Orders that came.").family
        'shop_orders'
        """
        return self.exposed.removesuffix("_total") if self.kind == "counter" else self.exposed


# One row for each: name, kind, unit, labels beside that of the source, and what it is.
_ROWS: Final[dict[str, tuple[tuple[str, Kind, str, str, str], ...]]] = {
    "store": (
        ("store.commits", "counter", "{commit}", "", "The version: how many commits led to it."),
        ("store.records", "amount", "{record}", "", "How many records there are."),
        ("store.index.values", "amount", "{value}", "index", "How many distinct values there are."),
        ("store.retained.versions", "amount", "{version}", "", "Older versions that are kept."),
        ("store.retained.size", "amount", "By", "", "What those take, estimated."),
        ("store.pins", "amount", "{pin}", "", "Versions that are pinned."),
        ("store.subscriptions", "amount", "{callback}", "", "Callbacks that are subscribed."),
        ("store.undelivered.commits", "amount", "{commit}", "", "How far the slowest is behind."),
        ("store.waiting", "amount", "{waiter}", "", "Threads and tasks that sleep until a change."),
        ("store.transaction.open", "gauge", "", "", "1 while a transaction block is open."),
        ("store.diff.scans", "counter", "{diff}", "", "Diffs that had to compare two whole maps."),
        ("store.lock.waits", "counter", "{write}", "", "Writes that asked for the lock."),
        ("store.lock.wait.time", "counter", "s", "", "How long they waited for it, together."),
        ("store.lock.wait.longest", "gauge", "s", "", "The longest such wait so far."),
        ("store.lock.holds", "counter", "{hold}", "", "How often the lock was held."),
        ("store.lock.hold.time", "counter", "s", "", "How long it was held, together."),
        ("store.lock.hold.longest", "gauge", "s", "", "The longest time that it was held so far."),
        ("store.blocks", "counter", "{block}", "", "Transaction blocks that were left."),
        ("store.block.time", "counter", "s", "", "How long those were open, together."),
        ("store.block.longest", "gauge", "s", "", "The longest time one was open so far."),
        ("store.callbacks", "counter", "{call}", "", "Calls of subscribers."),
        ("store.callback.time", "counter", "s", "", "How long those took, together."),
        ("store.callback.longest", "gauge", "s", "", "The longest such call so far."),
        ("store.conflicts", "counter", "{write}", "", "Drafts and comparisons that conflicted."),
        ("store.refused", "counter", "{write}", "error", "Writes that ended with another error."),
        ("journal.durable.commits", "counter", "{commit}", "", "The version that is on disk."),
        ("journal.undurable.commits", "amount", "{commit}", "", "Versions that are not, yet."),
        ("journal.epoch", "gauge", "", "", "Raised whenever a process takes over."),
        ("journal.closed", "gauge", "", "", "1 if nothing can be written any more."),
        (
            "journal.syncs",
            "counter",
            "{sync}",
            "",
            "Writes to file or server, of one commit or more.",
        ),
        ("journal.sync.time", "counter", "s", "", "How long those took, together."),
        ("journal.sync.longest", "gauge", "s", "", "The longest such write so far."),
        ("follower.lag", "gauge", "s", "", "How old what is read here may be."),
        ("follower.synced", "gauge", "", "", "1 if the last look found nothing that is not here."),
        ("follower.failing", "gauge", "", "", "1 while nothing can be read, or if all is lost."),
        ("follower.closed", "gauge", "", "", "1 if it has ended, whatever by."),
    ),
    "mirror": (
        ("mirror.state", "gauge", "", "state", "1 for the state that it is in."),
        ("mirror.synced", "gauge", "", "", "1 once the store has held all that a list told."),
        ("mirror.lost.time", "gauge", "s", "", "How long nothing is known; 0 while all is well."),
        ("mirror.lists", "counter", "{list}", "", "Lists that were published."),
        ("mirror.watches", "counter", "{watch}", "", "Watches that were begun."),
        ("mirror.changes", "counter", "{change}", "", "Changes that watches told."),
        ("mirror.published", "counter", "{version}", "", "Versions that the store got by it."),
        ("mirror.duplicates", "counter", "{change}", "", "Changes that were older than known."),
        ("mirror.gone", "counter", "{revision}", "", "Revisions that were gone; a list follows."),
        ("mirror.errors", "counter", "{error}", "error", "Errors, by their names."),
        ("mirror.failures", "amount", "{error}", "", "How many came in a row until now."),
    ),
    "reconciler": (
        ("reconciler.passes", "counter", "{pass}", "outcome", "Passes, by what became of them."),
        ("reconciler.pass.age", "gauge", "s", "", "How long ago the latest pass began."),
        ("reconciler.running", "gauge", "", "", "1 while its loop runs."),
        ("reconciler.corrections", "counter", "{correction}", "kind", "What it did, by kind."),
        ("reconciler.alarms", "amount", "{alarm}", "kind", "Alarms that are on, by kind."),
        ("reconciler.alarm.age", "gauge", "s", "kind", "How long the oldest is on; 0 for none."),
        ("reconciler.halted", "gauge", "", "", "1 while the circuit breaker is open."),
        ("reconciler.waits", "gauge", "", "", "1 while trading waits for a first agreement."),
        ("reconciler.worry", "gauge", "", "", "1 if somebody should look."),
        ("reconciler.verdict", "gauge", "", "kind", "1 for what the last pass said."),
        ("reconciler.held", "gauge", "", "", "All that is known to be held, signed."),
        ("reconciler.interval.lowest", "gauge", "", "", "The least difference that is possible."),
        ("reconciler.interval.highest", "gauge", "", "", "The greatest one."),
        ("reconciler.interval.width", "gauge", "", "", "How far those are apart; 0 if exact."),
        ("reconciler.agreement.age", "gauge", "s", "", "How long ago both sides agreed exactly."),
        ("reconciler.disputes", "amount", "{dispute}", "", "Facts that somebody has to settle."),
        ("reconciler.doubt.age", "gauge", "s", "about", "How old the oldest doubt is; 0 for none."),
    ),
    "": (
        (
            *("metrics.failures", "counter", "{failure}"),
            "source,name,figure",
            "What could not be read for a scrape: a figure, or a source.",
        ),
    ),
}


def _made() -> dict[str, Metric]:
    found = {}
    for source, rows in _ROWS.items():
        for name, kind, unit, labels, text in rows:
            names = ",".join(each for each in (source, labels) if each).split(",")
            found[name] = Metric(f"cowstate.{name}", kind, unit, text, tuple(names))
    return found


METRICS: Final = _made()
"""Each by its name without the first part."""


def metric_of(name: str) -> Metric:
    """Return one of `METRICS`.

    >>> metric_of("store.lock.wait.time").exposed
    'cowstate_store_lock_wait_time_seconds_total'
    """
    return METRICS[name]

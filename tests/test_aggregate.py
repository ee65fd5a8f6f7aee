"""Aggregates: what they refuse, and that they round nothing and lose nothing."""

from __future__ import annotations

import decimal
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    CowstateError,
    MutableRecordError,
    Record,
    Store,
)
from tests.indexed import MakeStore


class Amount(Record):
    amount: Any


amounts = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**6), 10**6, places=30),
)


@given(st.lists(amounts, min_size=1, max_size=8), st.lists(amounts, max_size=8))
@example([Decimal("1." + "0" * 40 + "1")], [Decimal(1), 5])
@example([Decimal(10) ** 30 + 1], [Decimal("1e-20")])
def test_a_sum_is_exact_whatever_the_precision_of_the_writing_thread(
    first: list[Any], then: list[Any]
) -> None:
    store = Store(dict(enumerate(first)), aggregates={"sum": Aggregate.sum(lambda amount: amount)})
    with decimal.localcontext(prec=3):
        for key, amount in enumerate(then):
            store.set(key, amount)
        for key in list(store.snapshot())[::2]:
            store.delete(key)
    exactly = sum(Fraction(amount) for amount in store.snapshot().values())
    assert Fraction(store.snapshot().total("sum")) == exactly
    for key in list(store.snapshot()):
        store.delete(key)
    assert store.snapshot().total("sum") == 0


def test_a_sum_of_decimals_stays_exact_when_a_key_is_added_or_removed() -> None:
    fine = Decimal("0." + "1" * 60)
    store: Store[str, Any] = Store({"a": fine}, aggregates={"sum": Aggregate.sum(lambda d: d)})
    store.set("b", 5)
    store.set("c", Decimal(1))
    assert Fraction(store.snapshot().total("sum")) == Fraction(fine) + 6
    store.delete("b")
    store.delete("c")
    assert store.snapshot().total("sum") == fine


@pytest.mark.parametrize(
    "bad", [0.5, float("nan"), Decimal("NaN"), Decimal("sNaN"), Decimal("Inf")]
)
@pytest.mark.parametrize("others", [(), (1,), (Decimal(1),)])
def test_an_amount_that_would_spoil_the_sum_for_ever_is_refused(bad: Any, others: Any) -> None:
    store: Store[Any, Any] = Store(
        dict(enumerate(others)), aggregates={"sum": Aggregate.sum(lambda amount: amount)}
    )
    before = store.snapshot()
    with pytest.raises((ArgumentTypeError, ArgumentValueError)) as caught:
        store.set("bad", bad)
    assert "raised by aggregate 'sum'" in caught.value.__notes__[0]
    assert store.snapshot() is before
    store.set("good", 1)


@pytest.mark.parametrize("bad", [None, "7", (1,)])
@pytest.mark.parametrize("others", [1, Decimal(1), Fraction(1, 2)])
@pytest.mark.parametrize("by", [None, lambda _: "all"])
def test_what_cannot_be_added_is_refused_with_the_aggregate_and_the_key(
    bad: Any, others: Any, by: Any
) -> None:
    sums = {"worth": Aggregate.sum(attrgetter("amount"), by=by)}
    store: Store[str, Amount] = Store({"a": Amount(others)}, aggregates=sums)
    before = store.snapshot()
    ways: list[Callable[[], Any]] = [
        lambda: store.set("b", Amount(bad)),
        lambda: store.transact(lambda tx: tx.update(a=Amount(2), b=Amount(bad))),
        lambda: Store({"a": Amount(1), "b": Amount(bad)}, aggregates=sums),
        lambda: Store({"a": Amount(1), "b": Amount(bad)}).add_aggregate("worth", sums["worth"]),
    ]
    for way in ways:
        with pytest.raises(ArgumentTypeError) as caught:
            way()
        assert str(caught.value).startswith(
            f"aggregate 'worth', record under 'b': Aggregate.sum cannot add {bad!r} to "
        )
    assert store.snapshot() is before
    with pytest.raises(ArgumentTypeError, match=r"record under 'a': Aggregate\.sum cannot add"):
        store.update("a", lambda record: record.replace(amount=bad))
    store.delete("a")


@pytest.mark.parametrize("start", [None, "", (), 0.5, Decimal("NaN")])
def test_a_sum_that_starts_with_what_nothing_can_be_added_to_is_refused(start: Any) -> None:
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=r"Aggregate\.sum"):
        Aggregate.sum(len, start)


def test_a_sum_that_would_have_to_round_says_so() -> None:
    store: Store[str, Decimal] = Store(
        {"a": Decimal("1e-600")}, aggregates={"sum": Aggregate.sum(lambda amount: amount)}
    )
    with pytest.raises(ArgumentValueError, match="round"):
        store.set("b", Decimal("1e600"))
    assert store.snapshot().version == 0


def test_a_sum_keeps_a_thousand_digits_and_not_one_more() -> None:
    def total(smallest: str) -> Any:
        store: Store[str, Decimal] = Store(
            {"a": Decimal(smallest)}, aggregates={"sum": Aggregate.sum(lambda amount: amount)}
        )
        return store.set("b", Decimal(1)).after.total("sum")

    assert total("1e-999") == Fraction(1) + Fraction("1e-999")
    with pytest.raises(ArgumentValueError, match="for the 1000 that are kept"):
        total("1e-1000")


def test_threads_with_different_precisions_move_one_total_exactly() -> None:
    store: Store[int, Decimal] = Store(aggregates={"sum": Aggregate.sum(lambda amount: amount)})

    def write(precision: int) -> None:
        # A context of its own: without the GIL a thread begins with that of who starts it.
        decimal.setcontext(decimal.Context(prec=precision))
        for number in range(50):
            store.set(precision * 1000 + number, Decimal(f"0.{precision}{number:04}00001"))

    threads = [threading.Thread(target=write, args=(precision,)) for precision in (1, 2, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exactly = sum(Fraction(amount) for amount in store.snapshot().values())
    assert Fraction(store.snapshot().total("sum")) == exactly


def test_fractions_and_any_invertible_fold_will_do() -> None:
    store: Store[str, Fraction] = Store(
        {"a": Fraction(1, 3)},
        aggregates={
            "sum": Aggregate.sum(lambda value: value),
            "product": Aggregate.fold(Fraction(1), lambda s, v: s * v, lambda s, v: s / v),
            "made by hand": Aggregate(0, lambda s, v: s + 2, lambda s, v: s - 2),
        },
    )
    store.set("b", Fraction(2, 5))
    store.set("a", Fraction(1, 7))
    now = store.snapshot()
    assert now.total("sum") == Fraction(1, 7) + Fraction(2, 5)
    assert now.total("product") == Fraction(2, 35)
    assert now.total("made by hand") == 4
    without = store.delete("a").after
    assert [without.total(name) for name in ("product", "made by hand")] == [Fraction(2, 5), 2]


def test_a_count_is_of_all_records_or_of_those_that_a_predicate_takes(
    make_store: MakeStore,
) -> None:
    store = make_store(
        {"a": 1, "b": 5},
        aggregates={"all": Aggregate.count(), "large": Aggregate.count(lambda n: n > 3 and "yes")},
    )

    def counted() -> tuple[int, int]:
        now = store.snapshot()
        return now.total("all"), now.total("large")

    assert counted() == (2, 1)
    store.set("a", 4)
    assert counted() == (2, 2)
    store.set("c", 0)
    assert counted() == (3, 2)
    with store.transaction() as tx:
        del tx["b"]
        tx["d"] = 9
        tx["a"] = 2
    assert counted() == (3, 1)
    assert make_store({}, aggregates={"all": Aggregate.count()}).snapshot().total("all") == 0


async def nobody_awaits(*_: Any) -> Any:
    """A function whose call does nothing yet."""


@pytest.mark.parametrize("wrong", [5, "price", nobody_awaits])
@pytest.mark.parametrize(
    "make",
    [
        lambda wrong: Aggregate(0, wrong, max),
        lambda wrong: Aggregate(0, max, wrong),
        lambda wrong: Aggregate(0, max, max, by=wrong),
        lambda wrong: Aggregate.fold(0, wrong, max),
        Aggregate.sum,
        lambda wrong: Aggregate.sum(int, by=wrong),
        Aggregate.count,
        lambda wrong: Aggregate.count(by=wrong),
        Aggregate.min,
        lambda wrong: Aggregate.max(int, by=wrong),
    ],
)
def test_what_is_no_plain_function_is_refused_where_the_aggregate_is_made(
    make: Callable[[Any], object], wrong: Any
) -> None:
    with pytest.raises(ArgumentTypeError, match=r"function|predicate"):
        make(wrong)


def test_a_fold_whose_state_is_mutable_is_refused() -> None:
    with pytest.raises(MutableRecordError):
        Aggregate.fold([], lambda s, v: [*s, v], lambda s, v: s)
    thaws = Aggregate.fold((), lambda s, v: [*s, v], lambda s, v: s)  # type: ignore[arg-type]
    with pytest.raises(MutableRecordError):
        Store({"a": 1}, aggregates={"list": thaws})


def test_an_aggregate_function_that_raises_fails_the_write_and_is_named() -> None:
    store: Store[str, Any] = Store(aggregates={"size": Aggregate.sum(len)})
    with pytest.raises(TypeError) as caught:
        store.set("a", 5)
    assert "raised by aggregate 'size'" in caught.value.__notes__[0]
    assert not isinstance(caught.value, CowstateError)
    assert store.snapshot().version == 0


def test_a_sum_does_not_ask_again_about_what_did_not_change() -> None:
    amount = Decimal("1.5")
    store: Store[str, Any] = Store(
        {"a": (amount, 1)}, aggregates={"s": Aggregate.sum(lambda r: r[0])}
    )
    before = store.snapshot()
    store.set("a", (amount, 2))
    assert store.snapshot().total("s") is before.total("s")

"""Listed orders of nobody, at a venue that repeats no id of ours: asked for by the next ids."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions import GridConfig, OrderStatus, OrderUpdate, Side
from cowstate.positions.book.findings import Findings
from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.orders import apply_order_update
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.book.store import Slots, new_book
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.orderfacts import plan_facts
from cowstate.positions.reconcile.queries import Asking, OrderAnswer, OrdersSeen, plan_queries
from cowstate.positions.reconcile.strangers import guessed_ids, strangers_in

CONFIG = GridConfig("X", Decimal(10), Decimal(3), 3, "grid")
NOTHING = Ledger()
NAMELESS = VenuePromises.exact(trades_carry_client_ids=False)


def listed(number: int, price: str = "100", side: Side = Side.BUY, name: str = "") -> OrderUpdate:
    return OrderUpdate(
        "X", name or f"x-{number}", number, side, Decimal(price), Decimal(3), OrderStatus.NEW,
        time_ms=100,
    )  # fmt: skip


def book(*names: str, status: OrderStatus = OrderStatus.CANCELED) -> Slots:
    store = new_book()
    for number, name in enumerate(names):
        side = Side.BUY if "-B" in name else Side.SELL
        update = listed(number + 900, name=name, side=side).replace(status=status)
        store.update(
            "100",
            lambda slot, each=update: apply_order_update(slot, each),
            default=InventorySlot(Decimal(100)),
        )
    return store.snapshot()


def traded(number: int, quantity: str, cost: str, ours: bool | None = False, name=None) -> Tally:
    moved = Decimal(quantity)
    return Tally(number, name, moved, moved, Decimal(cost), 10, 20, ours)


def guesses(
    slots, *strangers, promises=NAMELESS, findings=None, answers=(), budget=99, ledger=NOTHING
):
    seen = OrdersSeen(1_000, strangers, 1_000, True, answers)
    found = plan_queries(slots, seen, ledger, findings or Findings(), CONFIG, promises, budget)
    return [query for query in found if query.why is Asking.STRANGER]


def names_of(queries):
    return [query.name for query in queries]


@pytest.mark.parametrize(
    ("price", "side", "slot"),
    [
        ("100", Side.BUY, "100-B"),
        ("110", Side.SELL, "100-S"),
        ("101", Side.BUY, None),
        ("110.5", Side.SELL, None),
        ("10", Side.SELL, None),
    ],
)
def test_a_stranger_at_a_price_of_the_grid_may_have_one_of_the_next_ids_of_its_slot(
    price, side, slot
):
    wanted = [] if slot is None else [f"grid-{slot}{number}" for number in range(3, 35)]
    slots = book("grid-100-B1", "grid-100-S2")
    part = Decimal("0.7").copy_sign(side.sign)
    tally = traded(1, str(part), str(part.copy_abs() * Decimal(price)))
    for told, ledger in (([listed(1, price, side)], NOTHING), ([], Ledger(tallies=(tally,)))):
        found = strangers_in(slots, told, ledger, CONFIG, NAMELESS)
        assert list(guessed_ids(slots, found, CONFIG)) == wanted
        assert strangers_in(slots, told, ledger, CONFIG, VenuePromises.exact()) == ()


def test_a_sale_may_stand_some_steps_above_where_its_slot_would_sell():
    """What would have been filled at once is refused, and offered higher."""
    slots = book("grid-100-B1", "grid-100-S2")

    def names(price: str, side: Side = Side.SELL) -> list[str]:
        found = strangers_in(slots, [listed(1, price, side)], NOTHING, CONFIG, NAMELESS)
        return list(guessed_ids(slots, found, CONFIG))

    # Two steps above; of those between, which nobody knows, only the next one may have sold.
    found = names("130")
    ours = [name for name in found if name.startswith("grid-100-")]
    assert ours == [f"grid-100-S{number}" for number in range(3, 27)]
    assert {name.rpartition("-")[0] for name in found} == {"grid-100", "grid-120"}
    assert found.index("grid-100-S3") > found.index("grid-120-S8")
    assert "grid-100-S5" in names("180")
    assert "grid-100-S3" not in names("190")
    assert all(name.startswith("grid-130-B") for name in names("130", Side.BUY))


def test_an_earlier_id_that_the_slot_has_not_heard_of_may_be_it_too():
    """A later one of the same lost life may have been found before it."""
    slots = book("grid-100-B1", "grid-100-S4")
    found = strangers_in(slots, [listed(1)], NOTHING, CONFIG, NAMELESS)
    names = guessed_ids(slots, found, CONFIG)
    assert names[:4] == ("grid-100-B3", "grid-100-B5", "grid-100-B2", "grid-100-B6")
    assert not {"grid-100-B1", "grid-100-B4", "grid-100-B0"} & {*names}
    # What it has forgotten it knows no more, and takes in no more.
    many = book(*(f"grid-100-B{number}" for number in range(1, 12)))
    slot = many["100"]
    assert slot.retired_sequence > 0
    found = strangers_in(many, [listed(1)], NOTHING, CONFIG, NAMELESS)
    assert min(int(name[10:]) for name in guessed_ids(many, found, CONFIG)) > slot.last_sequence


def test_what_is_ours_is_no_stranger():
    slots = book("grid-100-B1")
    assert guesses(slots, listed(900)) == []
    assert guesses(slots, listed(1), promises=VenuePromises.exact()) == []
    assert names_of(guesses(slots, listed(1)))[0] == "grid-100-B2"
    for tally, is_asked in (
        (traded(1, "1", "100"), True),
        (traded(1, "1", "100", None), True),
        (traded(1, "1", "100", True), False),
        (traded(900, "1", "100"), False),
        (traded(1, "1", "100", False, "grid-100-B2"), False),
        (traded(1, "2", "201"), False),
        (traded(1, "0", "0"), False),
    ):
        found = guesses(slots, ledger=Ledger(tallies=(tally,)))
        assert bool(found) is is_asked, tally


def test_few_are_tried_at_once_and_who_has_waited_longest_comes_first():
    slots, stranger = book("grid-100-B1"), listed(1)
    findings = Findings()
    tried = []
    for moment in range(1, 6):
        queries = guesses(slots, stranger, findings=findings)
        assert all(query.client_oid == query.name for query in queries)
        assert len(queries) == 8
        tried += names_of(queries)
        findings = findings.asking(names_of(queries), moment)
        seen = OrdersSeen(1_000, (stranger,), 1_000, True)
        findings = plan_facts(slots, seen, Ledger(), findings, CONFIG, NAMELESS).findings
    assert tried == [f"grid-100-B{number}" for number in (*range(2, 34), *range(2, 10))]
    # Those that were answered in this pass count.
    made = tuple(OrderAnswer(query, 1_000, Said.NOT_FOUND) for query in queries[:7])
    assert len(guesses(slots, stranger, answers=made)) == 1
    # Nobody waits for a guess: it comes last.
    working = book("grid-100-B1", status=OrderStatus.NEW)
    assert guesses(working, stranger, budget=1) == []
    assert len(guesses(working, stranger, budget=2)) == 1


@pytest.mark.parametrize(
    ("number", "status", "ours"),
    [(1, OrderStatus.NEW, True), (1, OrderStatus.CANCELED, True), (2, OrderStatus.NEW, False)],
)
def test_only_an_answer_that_names_the_listed_order_is_proof(number, status, ours):
    """Under that id there may have been another order, in another life, long ago."""
    slots, stranger = book("grid-100-B1"), listed(1)
    query = guesses(slots, stranger)[1]
    told = listed(number, name=query.name).replace(status=status)
    answers = (
        OrderAnswer(guesses(slots, stranger)[0], 1_000, Said.NOT_FOUND),
        OrderAnswer(query, 1_000, Said.TOLD, told),
    )
    seen = OrdersSeen(1_000, (stranger,), 1_000, True, answers)
    found = plan_facts(slots, seen, Ledger(), Findings(), CONFIG, NAMELESS)
    assert found.join == ((told,) if ours else ())
    assert found.endings == found.cancel == found.claims == ()
    assert found.findings.absent == ()


def test_of_an_order_that_is_found_the_trades_count_in_its_slot_from_the_same_pass_on():
    slots = book("grid-100-B1")
    ledger = Ledger(tallies=(traded(1, "1", "100", None),))
    (query, *_) = guesses(slots, ledger=ledger)
    unknown = next(
        each
        for each in plan_queries(slots, OrdersSeen(1_000), ledger, Findings(), CONFIG, NAMELESS, 99)
        if each.why is Asking.UNKNOWN
    )
    told = listed(1, name=query.name).replace(
        status=OrderStatus.PARTIALLY_FILLED, filled=Decimal(1), cost=Decimal(100)
    )
    answers = (
        OrderAnswer(unknown, 1_000, Said.TOLD, told.replace(client_oid="x-1")),
        OrderAnswer(query, 1_000, Said.TOLD, told),
    )
    seen = OrdersSeen(1_000, (), 1_000, True, answers)
    found = plan_facts(slots, seen, ledger, Findings(), CONFIG, NAMELESS)
    assert found.join == (told,)
    for claim in found.claims:
        ledger = ledger.claimed(claim.tally, claim.ours, claim.client_oid)
    assert [(each.ours, each.client_oid) for each in ledger.tallies] == [(True, query.name)]

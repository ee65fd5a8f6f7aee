"""A configuration of a grid is checked when it is made."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions.book.config import GridConfig
from cowstate.positions.book.ids import MAX_CLIENT_OID, MAX_SEQUENCE, client_order_id
from cowstate.positions.book.model import Side
from cowstate.positions.errors import AmountTypeError, AmountValueError, ClientIdError

CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 3, "g")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("price_step", 10.0, AmountTypeError),
        ("price_step", Decimal(0), AmountValueError),
        ("price_step", Decimal("NaN"), AmountValueError),
        ("quantity", 0.05, AmountTypeError),
        ("quantity", Decimal("-1"), AmountValueError),
        ("levels", 0, ArgumentValueError),
        ("levels", 1_001, ArgumentValueError),
        ("levels", 2.0, ArgumentTypeError),
        ("levels", True, ArgumentTypeError),
        ("symbol", "", ArgumentValueError),
        ("symbol", None, ArgumentTypeError),
        ("prefix", "", ClientIdError),
        ("prefix", "a-b", ClientIdError),
        ("prefix", "g" * 16, ClientIdError),
        ("post_only_limit", -1, ArgumentValueError),
        ("post_only_limit", 8, ArgumentValueError),
        ("post_only_limit", None, ArgumentTypeError),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_name(name, value, error):
    with pytest.raises(error, match=name):
        CONFIG.replace(**{name: value})


@pytest.mark.parametrize(("step", "room"), [("10", 15), ("0.5", 13), ("0.00000001", 6)])
def test_the_longest_prefix_allowed_still_fits_with_the_longest_price_and_sequence(step, room):
    config = CONFIG.replace(price_step=Decimal(step), prefix="g" * room)
    highest = Decimal(10) ** 10 - config.price_step
    oid = client_order_id(config.prefix, highest, Side.SELL, MAX_SEQUENCE)
    assert len(oid) == MAX_CLIENT_OID
    with pytest.raises(ClientIdError, match=f"only {room} fit"):
        config.replace(prefix="g" * (room + 1))

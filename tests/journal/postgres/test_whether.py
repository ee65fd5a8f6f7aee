"""Whether stores on a server can be tested here, and all that is known of them is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.postgres.servers import ONCE, missing
from tests.journal.stracing import SWEEP


def test_there_is_a_server_to_be_tested_with(request: pytest.FixtureRequest) -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(f"stores on PostgreSQL were NOT tested: {reason}")
    with request.getfixturevalue("cluster").connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_all_of_them_are_run_on_this_interpreter() -> None:
    assert all((Path(__file__).parent / name).exists() for name in ONCE)
    if SWEEP == "none":
        pytest.skip(f"{', '.join(ONCE)} were NOT run, for COWSTATE_SWEEP says so")

"""Threads that are struck leave notes of what they owed, and never come to take them back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cowstate import delivery


@pytest.fixture(autouse=True)
def no_note_left_behind() -> Iterator[None]:
    yield
    delivery.debts.clear()

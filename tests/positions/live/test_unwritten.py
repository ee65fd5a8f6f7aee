"""What an error of the journal means for who trades: `unwritten_by`."""

from __future__ import annotations

import pytest

from cowstate.journal import (
    FencedError,
    JournalError,
    JournalFileError,
    JournalNotFoundError,
    UnknownOutcomeError,
)
from cowstate.positions.live.unwritten import unwritten_by

OTHERS = [FencedError("taken"), JournalFileError("x", "is gone"), JournalNotFoundError("x", "is")]
OURS = [JournalError("the disk is full"), UnknownOutcomeError("the disk failed")]


@pytest.mark.parametrize("error", OTHERS + OURS, ids=repr)
def test_only_of_a_file_that_stands_where_it_stood_is_known_that_nobody_else_writes(
    error: JournalError,
) -> None:
    for served in (True, False):
        found = unwritten_by(error, served=served)
        assert bool(found.others) is (served or error in OTHERS)
        assert found.why == str(error)
        assert found.then

"""Records and meta values of some megabytes in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cowstate.journal.view import Form
from tests.journal.large import lived


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_large_one_is_what_a_small_one_is(form: Form, tmp_path: Path) -> None:
    lived(str(tmp_path / "large.db"), form)

"""Who is named in an error out of what is derived: each error says it once, in its own way."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, IndexValueError, UniqueViolationError
from cowstate.blame import blame


def blamed(error: Any) -> Any:
    blame(error, "index", "by tag", "a")
    return error


def test_what_knows_where_it_comes_from_is_left_as_it_is() -> None:
    unique = UniqueViolationError("other", 5, ("b", "c"))
    of_an_index = IndexValueError("no value")
    of_an_index.within("other", "b")
    for error in (unique, of_an_index):
        before = str(error), error.args
        assert (str(blamed(error)), error.args) == before
        assert not getattr(error, "__notes__", [])


def test_an_error_of_an_index_says_of_which_and_where() -> None:
    error = blamed(IndexValueError("no value"))
    assert error.index == "by tag"
    assert "'by tag'" in str(error)
    assert "'a'" in str(error)
    assert not getattr(error, "__notes__", [])


@pytest.mark.parametrize("kind", [ArgumentTypeError, ArgumentValueError])
def test_an_error_of_ours_says_it_in_its_message(kind: type[Exception]) -> None:
    error = blamed(kind("no order"))
    assert str(error) == "index 'by tag', record under 'a': no order"
    assert error.__notes__ == ["raised by index 'by tag' at 'a'; nothing was committed"]


def test_an_error_of_the_user_s_stays_as_it_is_but_for_a_note() -> None:
    error = blamed(ZeroDivisionError(1, 2))
    assert error.args == (1, 2)
    assert error.__notes__ == ["raised by index 'by tag' at 'a'; nothing was committed"]

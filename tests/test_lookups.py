"""What a draft and a transaction find by an index, with what was written in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import pytest

from cowstate import Index, Record, Store, UnknownIndexError

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    number: int = 0
    tag: str = ""


@contextmanager
def drafted(store: Store[Any, Any]) -> Iterator[Any]:
    yield store.draft()


VIEWS = {"draft": drafted, "transaction": Store.transaction}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_record_is_found_by_what_it_says_in_there(make_store: MakeStore, kind: str) -> None:
    store = make_store(
        {"a": Slot(1, "x"), "b": Slot(2, "x")},
        indexes={
            "number": Index(attrgetter("number"), unique=True),
            "tag": Index(attrgetter("tag")),
        },
    )
    with VIEWS[kind](store) as view:
        view["c"] = Slot(3, "x")
        view["b"] = Slot(4, "y")
        assert [view.find_key("number", n) for n in (1, 2, 3, 4)] == ["a", None, "c", "b"]
        assert [view.find("number", n) for n in (2, 4)] == [None, Slot(4, "y")]
        assert set(view.find_all("tag", "x")) == {"a", "c"}
        del view["a"]
        assert view.find_key("number", 1) is None
        # Of two that have the value for now, the one written here counts.
        view["d"] = Slot(4, "y")
        assert view.find_key("number", 4) == "d"
        view["b"] = Slot(9, "")
        for find in (view.find, view.find_key):
            with pytest.raises(UnknownIndexError, match="not unique"):
                find("tag", "x")

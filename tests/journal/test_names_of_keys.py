"""How a key is written is remembered, for a while; what is written is what it always was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import Codec, CodecError, Store
from cowstate.journal import encoded
from cowstate.journal.encoded import Encoder


class Loud(str):
    """Equal to a plain one, and not what is read again."""

    __slots__ = ()


KEYS = st.text(max_size=5) | st.builds(Loud, st.sampled_from("abc"))


def encoder(form: Any = "json") -> Encoder[str, int]:
    return Encoder(Codec(key=str, record=int, form=form), str, form == "json")


def name_of(by: Encoder[str, int], key: str) -> Any:
    """What a commit of that key says of it, or that it is refused."""
    try:
        return by.row_of(Store[str, int]().set(key, 1)).writes[0][0]
    except CodecError as error:
        return str(error)


@given(st.lists(KEYS, max_size=30), st.integers(1, 4), st.sampled_from(["json", "msgpack"]))
def test_what_was_written_before_is_no_matter(keys: list[str], known: int, form: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded, "KNOWN", known)
        one = encoder(form)
        for key in keys:
            assert name_of(one, key) == name_of(encoder(form), key)
            assert len(one._names) <= known


def test_a_broken_twin_that_looks_for_what_is_equal_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def name(self: Any, key: Any) -> Any:
        return self._names.get(key) or self._new_name_of(key)

    assert name_of(encoder(), Loud("a")) != name_of(encoder(), "a")
    monkeypatch.setattr(Encoder, "_name_of", name)
    one = encoder()
    assert name_of(one, "a") == name_of(one, Loud("a"))


def test_a_long_key_is_not_kept() -> None:
    one = encoder()
    name_of(one, "k" * encoded.SHORT)
    assert not one._names
    name_of(one, "k" * (encoded.SHORT - 2))
    assert len(one._names) == 1

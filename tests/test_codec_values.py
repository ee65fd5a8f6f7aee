"""What a codec is given to encode: it is what is decoded again, or it is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Codec,
    CodecError,
    CowstateError,
    MutableRecordError,
    Record,
    Store,
)
from tests.codecs import FORMS, Buy, Color, Sell, Slot, anything, attempt


class Unequal(Record, eq=False):
    x: float


wrong_slots = st.builds(Slot, anything, anything, anything, anything)
LOOSE = [Slot, Slot | None, int, float, float | None, str, tuple[int, ...], Any, Buy | Sell]


@given(
    st.sampled_from(LOOSE),
    anything | wrong_slots | st.builds(Buy, anything),
    st.sampled_from(FORMS),
)
def test_what_is_encoded_is_what_is_decoded_or_an_error(record: Any, value: Any, form: Any) -> None:
    part: Any = Codec(key=str, record=record, form=form).record
    data = attempt(lambda: part.encode(value), CodecError)
    if isinstance(data, CodecError):
        assert data.path.startswith("record")
        return
    again = attempt(lambda: part.decode(data), MutableRecordError)
    if isinstance(again, MutableRecordError):
        return  # it is what it was, and no record
    assert part.agree(value, again)


@given(
    anything, anything, st.sampled_from([str, int, tuple[int, str], Color]), st.sampled_from(FORMS)
)
@example(Decimal("Infinity"), None, str, "json")
@example("5", Decimal(5), str, "json")
def test_so_are_keys_and_meta(key: Any, meta: Any, kind: Any, form: Any) -> None:
    codec: Any = Codec(key=kind, record=int, meta=float | None, form=form)
    try:
        store: Store[Any, Any] = Store({key: 1}, meta=meta, immutability="trusted")
    except (CowstateError, TypeError, ArithmeticError):
        return
    data = attempt(lambda: codec.encode(store.snapshot()), CodecError)
    if isinstance(data, CodecError):
        assert data.path.startswith(("key", "meta"))
        return
    again = codec.decode_snapshot(data)
    assert codec.meta.agree(again.meta, meta)
    assert list(again) == [key]


def test_json_has_no_word_for_nan_so_it_is_refused_and_msgpack_keeps_it() -> None:
    store = Store({"a": float("nan")})
    json: Codec[str, float | None] = Codec(key=str, record=float | None)
    with pytest.raises(CodecError, match="nan would be read again as None") as caught:
        json.encode(store.snapshot())
    assert caught.value.path == "records['a']"
    assert (
        Codec(key=str, record=float | None, check=False)
        .encode(store.snapshot())
        .endswith(b'"records":{"a":null}}')
    )
    packed: Codec[str, float | None] = Codec(key=str, record=float | None, form="msgpack")
    [value] = packed.decode_snapshot(packed.encode(store.snapshot())).values()
    assert value != float(value)


def test_a_record_without_equality_agrees_with_one_that_is_written_alike() -> None:
    for form in FORMS:
        codec = Codec(key=str, record=Unequal, form=form)
        store = Store({"a": Unequal(1.5)})
        here = codec.decode_snapshot(codec.encode(store.snapshot()))
        assert here["a"].x == 1.5
        commit = codec.decode_commit(codec.encode(store.set("a", Unequal(2.5))), here)
        assert commit.changes["a"].old is here["a"]
        with pytest.raises(CodecError):
            codec.encode(Store({"a": Unequal("x")}).snapshot())  # type: ignore[arg-type]


def test_what_cannot_even_be_compared_is_told_by_its_parts() -> None:
    signal = Decimal("sNaN")  # whose == raises
    for form in FORMS:
        codec: Codec[str, Any] = Codec(key=str, record=tuple[Decimal, str], form=form)
        assert str(codec.record.decode(codec.record.encode((signal, "1")))) == str((signal, "1"))
        with pytest.raises(CodecError, match="would be read again as"):
            codec.record.encode((signal, Decimal(1)))


def test_a_number_that_python_will_not_write_is_an_error_too() -> None:
    with pytest.raises(CodecError, match="cannot be encoded"):
        Codec(key=str, record=int).encode(Store({"a": 10**5000}).snapshot())


def test_what_cannot_be_encoded_says_where() -> None:
    codec: Codec[Any, Any] = Codec(key=str, record=Slot, meta=int)

    def said(records: Any, meta: Any = 1) -> str:
        with pytest.raises(CodecError) as caught:
            codec.encode(Store(records, meta=meta).snapshot())
        return str(caught.value)

    wrong: Any = "cheap"
    assert said({"a": Slot(Decimal(1)), "b": Slot(wrong)}) == (
        "records['b'].price: invalid decimal string, if it were read again"
    )
    assert said({"a": Slot(Decimal(1)), 1: Slot(Decimal(1))}) == (
        "key 1: expected `str`, got `int`, if it were read again"
    )
    assert said({}, "x") == "meta: expected `int`, got `str`, if it were read again"
    assert said({"a": object()}) == (
        "records['a']: cannot be encoded: Encoding objects of type object is unsupported"
    )
    commit = Store({"a": Slot(Decimal(1))}).set("a", Slot(wrong))
    for value in (commit, commit.changes):
        with pytest.raises(CodecError) as caught:
            codec.encode(value)
        assert caught.value.path == "changes['a'].new.price"


def test_hooks_carry_what_msgspec_does_not_know() -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Point) and other.x == self.x

        __hash__ = None  # type: ignore[assignment]

    codec = Codec(
        key=str,
        record=Point,
        enc_hook=lambda point: point.x,
        dec_hook=lambda kind, x: kind(x),
    )
    store = Store({"a": Point(1)})
    assert codec.decode_snapshot(codec.encode(store.snapshot())) == store.snapshot()
    assert codec.decode_changes(codec.encode(store.set("b", Point(2)).changes))["b"].new == Point(2)


@pytest.mark.parametrize(
    "of",
    [5, "Slot", Slot | Buy | msgspec.defstruct("Plain", []), Decimal | str, dict[str, 5]],  # type: ignore[misc]
)
def test_a_type_that_msgspec_cannot_read_is_refused_when_the_codec_is_made(of: Any) -> None:
    for made in (
        lambda: Codec(key=of, record=int),
        lambda: Codec(key=str, record=of),
        lambda: Codec(key=str, record=int, meta=of),
    ):
        with pytest.raises(ArgumentTypeError, match="msgspec") as caught:
            made()
        assert len(str(caught.value)) <= 600


def test_arguments_that_make_no_sense_are_refused() -> None:
    wrong: Any = "yaml"
    with pytest.raises(ArgumentValueError, match="'json' or 'msgpack'"):
        Codec(key=str, record=int, form=wrong)
    codec: Codec[Any, Any] = Codec(key=str, record=int)
    for value in (Store(), {"a": 1}, 5, None):
        with pytest.raises(ArgumentTypeError, match="a Snapshot, a ChangeSet or a Commit"):
            codec.encode(value)  # type: ignore[arg-type]
    for data in (None, 5, ["a"]):
        with pytest.raises(ArgumentTypeError, match="from bytes"):
            codec.decode_snapshot(data)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="from bytes"):
        Codec(key=str, record=int, form="msgpack").decode_snapshot("text")

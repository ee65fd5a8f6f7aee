"""What a codec is given to decode: any bytes are read by its types, or are an error of ours."""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    ChangeSetMismatchError,
    Codec,
    CodecError,
    CowstateError,
    MutableRecordError,
    Store,
    UnhashableKeyError,
)
from tests.codecs import FORMS, Buy, Sell, Slot, anything, attempt, checked

VALID: list[tuple[str, Any]] = [
    (form, getattr(msgspec, form).encode(document))
    for form in FORMS
    for document in (
        {"version": 3, "meta": None, "records": {"a": {"price": "1.5", "tags": ["x"]}}},
        {"a": {"old": {"price": "1.5"}}, "b": {"new": {"price": "2", "order_id": 5}}},
        {"version": 4, "changes": {"a": {"old": {"price": "1"}, "new": {"price": "2"}}}},
        [["a", {"price": 1}]],
    )
]


def reads(codec: Codec[Any, Any]) -> list[Callable[[bytes], object]]:
    start = codec.decode_snapshot(codec.encode(Store({}).snapshot()))
    return [
        codec.decode_snapshot,
        codec.decode_changes,
        lambda data: codec.decode_commit(data, start),
        codec.record.decode,
        codec.key.decode,
        codec.meta.decode,
    ]


def read_all(codec: Codec[Any, Any], data: bytes) -> None:
    for read in reads(codec):
        attempt(
            functools.partial(read, data),
            *(CodecError, MutableRecordError, ChangeSetMismatchError),
            *(UnhashableKeyError, ArgumentValueError),
        )


CODECS: dict[str, list[Codec[Any, Any]]] = {
    form: [
        Codec(key=str, record=Slot, form=form),
        Codec(key=tuple[str, int], record=Buy | Sell, form=form),
        Codec(key=Decimal, record=Any, meta=Any, form=form),
        Codec(key=Any, record=Any, form=form),
        Codec(key=int, record=float | None, form=form),
    ]
    for form in FORMS
}


@given(st.sampled_from(VALID), st.data())
def test_bytes_that_were_cut_or_changed_are_an_error_of_ours(
    valid: Any, data: st.DataObject
) -> None:
    form, document = valid
    at = data.draw(st.integers(0, len(document) - 1))
    new = data.draw(st.binary(max_size=3))
    for broken in (document[:at], document[:at] + new + document[at + len(new) :], document + new):
        for codec in CODECS[form]:
            read_all(codec, broken)


@given(st.sampled_from(FORMS), st.binary(max_size=40))
def test_so_is_anything_at_all(form: str, data: bytes) -> None:
    for codec in CODECS[form]:
        read_all(codec, data)


@given(st.sampled_from(FORMS), st.sampled_from(["version", "meta", "records", "x"]), anything)
def test_so_is_a_document_of_another_schema(form: str, name: str, value: Any) -> None:
    document = {"version": 3, "meta": None, "records": {"a": {"price": 1}}, name: value}
    try:
        data = getattr(msgspec, form).encode(document)
    except Exception:
        return
    for codec in CODECS[form]:
        read_all(codec, data)


HOSTILE = {
    "json": [
        b"[" * 100_000,
        b'{"version":0,"meta":null,"records":{"a":{"price":' + b"[" * 100_000,
        b'{"version":1' + b"0" * 10_000 + b',"meta":null,"records":{}}',
        b'{"version":-2,"meta":null,"records":{}}',
        b'{"version":1.5,"meta":null,"records":{}}',
        b'{"version":0,"meta":null,"records":{"a":{"price":"1","order_id":1'
        + b"0" * 10_000
        + b"}}}",
        b'{"version":0,"meta":null,"records":{"a":{"price":"1e99999999999999999999"}}}',
        b'{"version":0,"meta":null,"records":{"a":{"price":NaN}}}',
        b'{"version":0,"meta":null,"records":{"a":{"price":1,"order_id":1e999}}}',
        b'{"version":0,"meta":null,"records":{"NaN":1}}',
        b'{"version":0,"meta":null,"records":{"sNaN":1}}',
        b'{"version":0,"meta":null,"records":[[["a",1],{"type":"' + b"x" * 100_000 + b'"}]]}',
        b'{"version":0,"meta":null,"records":[[["a",1],{"type":"Buy","quantity":1}]],"'
        + b"y" * 100_000
        + b'":1}',
        b'{"version":0,"meta":null,"records":{"' + b"k" * 100_000 + b'":{"price":"x"}}}',
        b"\xff" * 1000,
    ],
    "msgpack": [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x83\xa7version\x00\xa4meta\xc0\xa7records\xdf\xff\xff\xff\xff",
        b"\x83\xa7version\x00\xa4meta\xc0\xa7records\xdd\xff\xff\xff\xff",
        b"\x83\xa7version\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xa4meta\xc0\xa7records\x80",
    ],
}


@pytest.mark.parametrize(
    ("form", "at"), [(form, at) for form in FORMS for at in range(len(HOSTILE[form]))]
)
def test_so_is_what_means_harm(form: str, at: int) -> None:
    for codec in CODECS[form]:
        for read in reads(codec)[:2]:
            with pytest.raises(CowstateError) as caught:
                read(HOSTILE[form][at])
            checked(caught.value)


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        (b"", "snapshot", "input data was truncated"),
        (b"[]", "snapshot", "expected `object`, got `array`"),
        (b'{"version":0,"meta":null}', "snapshot", "object missing required field `records`"),
        (
            b'{"version":0,"meta":null,"records":{},"more":1}',
            "snapshot",
            "object contains unknown field `more`",
        ),
        (b'{"version":0,"meta":5,"records":{}}', "meta", "expected `null`, got `int`"),
        (
            b'{"version":0,"meta":null,"records":{"a":{"price":"1"},"b":{"price":[]}}}',
            "records['b'].price",
            "expected `decimal`, got `array`",
        ),
        (
            b'{"version":0,"meta":null,"records":{"a":{"price":1,"tags":["x",2]}}}',
            "records['a'].tags[1]",
            "expected `str`, got `int`",
        ),
        (
            b'{"version":0,"meta":null,"records":5}',
            "snapshot.records",
            "expected `object`, got `int`",
        ),
    ],
)
def test_an_error_says_where_and_what(data: bytes, path: str, problem: str) -> None:
    with pytest.raises(CodecError) as caught:
        Codec(key=str, record=Slot).decode_snapshot(data)
    assert (caught.value.path, caught.value.problem) == (path, problem)
    assert str(caught.value) == f"{path}: {problem}"


def test_so_does_one_in_a_change_or_a_commit_or_a_key() -> None:
    codec = Codec(key=int, record=Slot, meta=int)
    with pytest.raises(CodecError) as caught:
        codec.decode_changes(b'{"7":{"old":{"price":1},"new":{"price":[]}}}')
    assert caught.value.path == "changes[7].new.price"
    with pytest.raises(CodecError) as caught:
        codec.decode_changes(b'{"7":{}}')
    assert str(caught.value) == "changes[7]: has neither old nor new"
    with pytest.raises(CodecError) as caught:
        codec.decode_changes(b'{"seven":{"new":{"price":1}}}')
    assert str(caught.value) == "changes key: expected `int`, got `str`"
    here = codec.decode_snapshot(b'{"version":0,"meta":1,"records":{}}')
    with pytest.raises(CodecError) as caught:
        codec.decode_commit(b'{"version":1,"changes":{},"meta":"x"}', here)
    assert str(caught.value) == "meta: expected `int`, got `str`"
    pairs = Codec(key=tuple[str, int], record=int)
    with pytest.raises(CodecError) as caught:
        pairs.decode_snapshot(b'{"version":0,"meta":null,"records":[[["a",1],1],[["b",1],"x"]]}')
    assert str(caught.value) == "records[('b', 1)]: expected `int`, got `str`"


def test_a_key_that_is_there_twice_is_an_error_among_pairs() -> None:
    codec = Codec(key=tuple[int, ...], record=int)
    with pytest.raises(CodecError, match="more than once"):
        codec.decode_snapshot(b'{"version":0,"meta":null,"records":[[[1],1],[[1],2]]}')
    with pytest.raises(CodecError, match="more than once"):
        codec.decode_changes(b'[[[1],{"new":1}],[[1],{"new":2}]]')


def test_keys_that_cannot_be_keys_are_refused() -> None:
    anything: Codec[Any, int] = Codec(key=Any, record=int)
    with pytest.raises(UnhashableKeyError):
        anything.decode_changes(b'[[[1],{"new":1}]]')
    decimal = Codec(key=Decimal, record=int)
    with pytest.raises(ArgumentValueError, match="cannot be a key"):
        decimal.decode_changes(b'{"NaN":{"new":1}}')


def test_records_of_a_mutable_type_are_refused() -> None:
    codec: Codec[str, Any] = Codec(key=str, record=Any, meta=Any)
    assert codec.decode_snapshot(b'{"version":0,"meta":1,"records":{"a":1}}')["a"] == 1
    for data in (
        b'{"version":0,"meta":null,"records":{"a":1,"b":[1]}}',
        b'{"version":0,"meta":{},"records":{}}',
    ):
        with pytest.raises(MutableRecordError):
            codec.decode_snapshot(data)
    with pytest.raises(MutableRecordError):
        codec.decode_changes(b'{"a":{"old":[1]}}')
    here = codec.decode_snapshot(b'{"version":0,"meta":null,"records":{}}')
    with pytest.raises(MutableRecordError):
        codec.decode_commit(b'{"version":1,"changes":{},"meta":[]}', here)


def test_a_str_a_bytearray_and_a_memoryview_are_read_like_bytes() -> None:
    codec = Codec(key=str, record=int)
    text = '{"version":0,"meta":null,"records":{"a":1}}'
    for data in (text, text.encode(), bytearray(text, "utf-8"), memoryview(text.encode())):
        assert codec.decode_snapshot(data) == {"a": 1}


def test_what_is_no_bytes_is_an_error_of_the_call_and_what_is_wrong_in_it_one_of_the_data() -> None:
    def refuse(kind: type, value: Any) -> Any:
        raise TypeError("no Shape")

    class Shape:
        pass

    codec: Codec[str, Any] = Codec(key=str, record=Shape, dec_hook=refuse, enc_hook=repr)
    with pytest.raises(ArgumentTypeError, match="record is read from bytes, not 7"):
        codec.record.decode(7)  # type: ignore[arg-type]
    for text in (b"nonsense", "nonsense", bytearray(b"nonsense"), memoryview(b"nonsense")):
        with pytest.raises(CodecError):
            codec.record.decode(text)
    for text in (b"1", bytearray(b"1"), memoryview(b"1"), msgspec.Raw(b"1")):
        with pytest.raises(CodecError, match="no Shape"):
            codec.record.decode(text)


def test_a_part_alone_of_a_mutable_type_is_refused_too() -> None:
    codec: Codec[str, Any] = Codec(key=str, record=Any)
    assert codec.record.decode(b"7") == 7
    with pytest.raises(MutableRecordError):
        codec.record.decode(b"[7]")
    with pytest.raises(MutableRecordError):
        codec.record.decode_all([b"7", b"[7]"])


def test_of_many_that_are_read_at_once_the_one_that_is_none_is_refused() -> None:
    codec = Codec(key=str, record=int)
    assert codec.record.decode_all(iter([b"1", b"2"])) == [1, 2]
    with pytest.raises(CodecError, match="expected `int`, got `str`"):
        codec.record.decode_all([b"1", b'"2"', b"3"])


def test_what_a_message_begins_with_stays_as_it_is_spelt() -> None:
    codec = Codec(key=str, record=Slot)
    with pytest.raises(CodecError) as caught:
        codec.record.decode(b"")
    assert caught.value.problem == "input data was truncated"
    with pytest.raises(CodecError) as caught:
        codec.record.decode(b"nonsense")
    assert caught.value.problem.startswith("JSON is malformed")


@pytest.mark.parametrize("form", FORMS)
def test_a_document_with_more_in_it_than_there_can_be_is_refused(form: Any) -> None:
    codec = Codec(key=str, record=Slot, form=form)
    written = getattr(msgspec, form).encode
    here = codec.decode_snapshot(written({"version": 0, "meta": None, "records": {}}))
    change = {"a": {"new": {"price": "1"}, "newer": {"price": "2"}}}
    more: list[tuple[Callable[..., object], Any]] = [
        (codec.decode_snapshot, {"version": 0, "meta": None, "records": {}, "more": 1}),
        (codec.decode_changes, change),
        (functools.partial(codec.decode_commit, before=here), {"version": 1, "changes": change}),
        (
            functools.partial(codec.decode_commit, before=here),
            {"version": 1, "changes": {}, "meta": 1, "more": 1},
        ),
    ]
    for read, document in more:
        with pytest.raises(CodecError):
            read(written(document))


def test_a_part_that_is_not_there_is_not_what_is_wrong() -> None:
    codec = Codec(key=str, record=Slot)
    with pytest.raises(CodecError) as caught:
        codec.decode_changes(b'{"a":{"new":{"price":1}},"b":{"old":{"price":[]}}}')
    assert caught.value.path == "changes['b'].old.price"

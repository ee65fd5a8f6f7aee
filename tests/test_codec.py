"""Codecs: what is encoded is decoded again as it was, or refused, and so is whatever else comes."""

from __future__ import annotations

import enum
import functools
import pickle
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NewType

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    ChangeSet,
    ChangeSetMismatchError,
    Codec,
    CodecError,
    Commit,
    CowstateError,
    ForeignSnapshotError,
    Index,
    MutableRecordError,
    Record,
    Snapshot,
    Store,
    UnhashableKeyError,
    UnknownIndexError,
)

FORMS: Any = ["json", "msgpack"]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Place(NamedTuple):
    name: str
    number: int


class Slot(Record):
    price: Decimal
    order_id: int | None = None
    tags: tuple[str, ...] = ()
    at: datetime | None = None


class Buy(Record, tag=True):
    quantity: int


class Sell(Record, tag=True):
    quantity: int


class Unequal(Record, eq=False):
    x: float


Ident = NewType("Ident", int)
small = st.integers(-(2**63), 2**64 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
decimals = st.decimals(allow_nan=False)
moments = st.datetimes(timezones=st.sampled_from([None, UTC]))

# For each type of keys, some of them; and whether they are the names of an object in JSON.
KEYS: dict[str, tuple[Any, st.SearchStrategy[Any], bool]] = {
    "str": (str, text, True),
    "int": (int, small, True),
    "new type": (Ident, small, True),
    "Decimal": (Decimal, decimals, True),
    "UUID": (uuid.UUID, st.uuids(), True),
    "date": (date, st.dates(), True),
    "datetime": (datetime, moments, True),
    "time": (time, st.times(), True),
    "timedelta": (timedelta, st.timedeltas(timedelta(-999), timedelta(999)), True),
    "bytes": (bytes, st.binary(max_size=3), True),
    "enum": (Color, st.sampled_from(Color), True),
    "int enum": (Level, st.sampled_from(Level), True),
    "literal": (Literal["a", "b"], st.sampled_from("ab"), True),
    "mixed literal": (Literal[1, "1"], st.sampled_from([1, "1"]), False),
    "union": (int | str, small | text | st.sampled_from([1, "1"]), False),
    "optional": (str | None, text | st.sampled_from(["null", None]), False),
    "bool": (bool, st.booleans(), False),
    "float": (float, st.floats(allow_nan=False, allow_infinity=False), False),
    "tuple": (tuple[str, int], st.tuples(text, small), False),
    "named tuple": (Place, st.builds(Place, text, small), False),
    "frozenset": (frozenset[int], st.frozensets(small, max_size=2), False),
    "record": (Buy, st.builds(Buy, small), False),
}
slots = st.builds(
    Slot, decimals, st.none() | small, st.lists(text, max_size=2).map(tuple), st.none() | moments
)
RECORDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "record": (Slot, slots),
    "tagged union": (Buy | Sell, st.builds(Buy, small) | st.builds(Sell, small)),
    "optional": (Slot | None, st.none() | slots),
    "number or text": (int | str, small | text),
    "tuple": (tuple[int, ...], st.lists(small, max_size=3).map(tuple)),
}


@st.composite
def worlds(draw: st.DrawFn, record: str | None = None) -> tuple[Codec[Any, Any], list[Any]]:
    """A codec, and the states of a store, one after the other, each with its meta."""
    key_type, keys, _ = KEYS[draw(st.sampled_from(sorted(KEYS)))]
    record_type, records = RECORDS[record or draw(st.sampled_from(sorted(RECORDS)))]
    codec: Codec[Any, Any] = Codec(
        key=key_type, record=record_type, meta=str | None, form=draw(st.sampled_from(FORMS))
    )
    states = st.tuples(st.dictionaries(keys, records, max_size=4), st.sampled_from([None, "m"]))
    return codec, draw(st.lists(states, min_size=1, max_size=4))


def store_through(states: list[Any]) -> tuple[Snapshot[Any, Any], list[Commit[Any, Any]]]:
    """The first version of a store, and the commits that lead it through *states*."""
    store: Store[Any, Any] = Store(states[0][0], meta=states[0][1], allow_none=True)

    def become(state: Any, tx: Any) -> Any:
        for key in [key for key in tx if key not in state[0]]:
            del tx[key]
        for key, record in state[0].items():
            tx[key] = record
        tx.meta = state[1]
        return tx

    start = store.snapshot()
    return start, [store.transact(functools.partial(become, state)).result for state in states[1:]]


def is_like(one: Snapshot[Any, Any], other: Snapshot[Any, Any]) -> bool:
    assert (one.version, one.meta) == (other.version, other.meta)
    return one == other and len(one) == len(other)


@given(worlds())
def test_a_snapshot_is_decoded_as_it_was(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    for snapshot in (start, *(commit.after for commit in commits)):
        again = codec.decode_snapshot(codec.encode(snapshot))
        assert is_like(again, snapshot)
        assert codec.encode(again) == codec.encode(again)
        assert is_like(codec.decode_snapshot(codec.encode(again)), snapshot)


@given(worlds(record="record"))
def test_keys_and_records_keep_their_types_and_digits(world: Any) -> None:
    codec, states = world
    start, _ = store_through([(states[0][0], None)])
    again = codec.decode_snapshot(codec.encode(start))

    def told(snapshot: Any) -> list[Any]:
        return sorted(
            (type(key).__name__, type(slot).__name__, str(slot.price), slot.tags)
            for key, slot in snapshot.items()
        )

    assert told(again) == told(start)


@given(worlds())
def test_decoded_changes_lead_to_the_same_records(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    mapping = dict(start)
    for commit in commits:
        changes = codec.decode_changes(codec.encode(commit.changes))
        assert changes.keys() >= {key for key, (old, new) in commit.changes.items() if old != new}
        changes.apply(mapping)
        assert mapping == dict(commit.after)


@given(worlds())
def test_decoded_commits_lead_to_the_same_versions_and_compose(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    first = here = codec.decode_snapshot(codec.encode(start))
    changes: ChangeSet[Any, Any] = ChangeSet()
    for commit in commits:
        again = codec.decode_commit(codec.encode(commit), here)
        assert again.before is here
        assert again.version == commit.version
        assert is_like(again.after, commit.after)
        changes = changes.then(again.changes)
        assert changes.apply(dict(first)) == dict(commit.after)
        assert set(again.after.diff(here)) == set(again.changes)
        here = again.after
    assert here.diff(first).keys() == changes.keys()


@given(worlds(), st.booleans())
def test_who_follows_from_elsewhere_may_begin_with_nothing_and_take_several_as_one(
    world: Any, latest: bool
) -> None:
    codec, states = world
    start, commits = store_through(states)
    store: Store[Any, Any] = Store(start, meta=start.meta, immutability="trusted")
    feed = store.feed("latest" if latest else "every", initial=True)
    here = None
    while True:
        item = feed.poll()
        if item is None:
            break
        here = codec.decode_commit(codec.encode(item), here).after
        if commits:
            commit = commits.pop(0)
            store.replace_all(commit.after)
            store.set_meta(commit.after.meta)
    assert is_like(here, store.snapshot())


def test_a_commit_says_where_it_started_only_if_that_is_not_the_version_before() -> None:
    codec, store = Codec(key=str, record=int), Store({"a": 1})
    with store.feed("latest", initial=True) as feed:
        first = feed.poll()
        assert codec.encode(store.set("b", 2)) == b'{"version":1,"changes":{"b":{"new":2}}}'
        store.set("a", 3)
        rest = feed.poll()
    assert codec.encode(first) == b'{"version":0,"changes":{"a":{"new":1}},"since":-1}'
    assert b'"since":0' in codec.encode(rest)
    with pytest.raises(ChangeSetMismatchError, match="version -1, but at 0"):
        codec.decode_commit(codec.encode(rest))
    for since in (-2, 2, 5):
        with pytest.raises(CodecError, match="since"):
            codec.decode_commit(b'{"version":2,"changes":{},"since":%d}' % since)


def test_a_commit_of_what_is_derived_alone_is_followed_like_any_other() -> None:
    codec, store = Codec(key=str, record=int), Store({"a": 1})
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    for commit in (
        store.add_index("n", Index(int, ordered=True)),
        store.set("a", 1),
        store.set("a", 2),
        store.add_aggregate("n", Aggregate.max(int)),
        store.remove_index("n"),
        store.remove_aggregate("n"),
        store.set("b", 3),
    ):
        read = codec.decode_commit(codec.encode(commit), here)
        assert read.version == commit.version
        assert read.before is here
        assert read.changes == commit.changes
        here = read.after
    assert is_like(here, store.snapshot())


@given(worlds())
def test_a_commit_that_was_lost_or_comes_twice_is_noticed(world: Any) -> None:
    codec, states = world
    start, commits = store_through(states)
    here = codec.decode_snapshot(codec.encode(start))
    moved = [commit for commit in commits if commit.version > commit.before.version]
    for commit in moved[1:]:
        with pytest.raises(ChangeSetMismatchError, match="version 0"):
            codec.decode_commit(codec.encode(commit), here)
    for commit in moved[:1]:
        after = codec.decode_commit(codec.encode(commit), here).after
        with pytest.raises(ChangeSetMismatchError, match="version 1"):
            codec.decode_commit(codec.encode(commit), after)


def attempt(do: Callable[[], Any], *allowed: type[CowstateError]) -> Any:
    """What *do* returns, or the error, if it is one of those and of bounded length."""
    try:
        return do()
    except allowed as error:
        return checked(error)


def checked(error: CowstateError) -> CowstateError:
    assert len(str(error)) < 700
    return error


# Whatever somebody put into a record, for Python does not look at the types.
anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.decimals()
    | st.binary(max_size=3)
    | st.sampled_from([object(), Color.RED, Level.LOW, "\ud800", 10**400, MISSING]),
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.lists(inner, max_size=2),
    max_leaves=4,
)
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


# Bytes of any kind

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


def test_a_number_that_python_will_not_write_is_an_error_too() -> None:
    with pytest.raises(CodecError, match="cannot be encoded"):
        Codec(key=str, record=int).encode(Store({"a": 10**5000}).snapshot())


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


@pytest.mark.parametrize("name", KEYS)
def test_records_are_an_object_where_the_keys_can_be_names_and_pairs_elsewhere(name: str) -> None:
    kind, _, named = KEYS[name]
    codec: Codec[Any, Any] = Codec(key=kind, record=int)
    empty = codec.encode(Store[Any, Any]().snapshot())
    assert empty == b'{"version":0,"meta":null,"records":%s}' % (b"{}" if named else b"[]")


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


def test_none_and_no_record_are_told_apart() -> None:
    codec: Codec[str, int | None] = Codec(key=str, record=int | None)
    changes: ChangeSet[str, int | None] = ChangeSet(
        {"a": (None, 1), "b": (MISSING, None), "c": (None, MISSING)}
    )
    data = codec.encode(changes)
    assert data == b'{"a":{"old":null,"new":1},"b":{"new":null},"c":{"old":null}}'
    again = codec.decode_changes(data)
    assert again == changes
    assert again["b"].old is again["c"].new is MISSING


def test_no_record_is_not_a_record_that_is_written_like_it() -> None:
    codec = Codec(key=str, record=str)
    here = codec.decode_snapshot(b'{"version":0,"meta":null,"records":{"b":"MISSING"}}')
    for change in (b'{"a":{"old":"MISSING","new":"x"}}', b'{"b":{"new":"x"}}'):
        with pytest.raises(ChangeSetMismatchError):
            codec.decode_commit(b'{"version":1,"changes":%s}' % change, here)


def test_meta_is_in_a_commit_only_if_it_was_changed() -> None:
    store: Store[str, int] = Store({"a": 1}, meta="m")
    codec = Codec(key=str, record=int, meta=str | None)
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    assert codec.encode(store.set("a", 2)) == b'{"version":1,"changes":{"a":{"old":1,"new":2}}}'
    assert codec.encode(store.set_meta(None)) == b'{"version":2,"changes":{},"meta":null}'
    after = codec.decode_commit(b'{"version":1,"changes":{},"meta":null}', here).after
    assert (after.version, after.meta, dict(after)) == (1, None, {"a": 1})
    nothing = codec.decode_commit(b'{"version":0,"changes":{}}', here)
    assert nothing.after is nothing.before is here


def test_a_decoded_snapshot_belongs_to_no_store_and_has_nothing_derived() -> None:
    store = Store(
        {"a": 1},
        indexes={"odd": Index(lambda n: n % 2)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
    )
    codec = Codec(key=str, record=int)
    again = codec.decode_snapshot(codec.encode(store.snapshot()))
    with pytest.raises(UnknownIndexError):
        again.find_all("odd", 1)
    with pytest.raises(ForeignSnapshotError):
        store.draft(again)
    with pytest.raises(ForeignSnapshotError):
        store.snapshot().diff(again)
    for other in (store.snapshot(), pickle.loads(pickle.dumps(again)), {"a": 1}):
        with pytest.raises(ForeignSnapshotError, match="transact"):
            codec.decode_commit(codec.encode(store.set("a", 1)), other)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(again)) == again
    assert Store(again).snapshot() == again
    assert not store.replace_all(again).changes


def test_commits_over_a_large_snapshot_share_what_they_do_not_change() -> None:
    codec = Codec(key=int, record=int, form="msgpack")
    store = Store({number: number for number in range(3000)})
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    commit = codec.decode_commit(codec.encode(store.delete(7)), here)
    assert 7 not in commit.after
    assert 7 in here
    assert len(commit.after) == 2999
    assert commit.after.diff(here) == {7: (7, MISSING)}
    back = codec.decode_commit(codec.encode(store.set(7, -7)), commit.after)
    assert back.after == store.snapshot()


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
        assert len(str(caught.value)) < 700


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


def test_a_str_a_bytearray_and_a_memoryview_are_read_like_bytes() -> None:
    codec = Codec(key=str, record=int)
    text = '{"version":0,"meta":null,"records":{"a":1}}'
    for data in (text, text.encode(), bytearray(text, "utf-8"), memoryview(text.encode())):
        assert codec.decode_snapshot(data) == {"a": 1}

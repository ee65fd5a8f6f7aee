"""Tapes, read and made up."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from collections import deque
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import CowstateError
from cowstate.positions.errors import TapeError
from cowstate.positions.simulation.tape import Trade, read_tape, synthetic_tape
from tests.positions.tapes import recording
from tests.steps import steps_of

DUMP = "id,price,qty,quote_qty,time,is_buyer_maker"

trades = st.lists(
    st.builds(
        Trade,
        st.integers(1_700_000_000_000, 1_700_000_000_999),
        st.integers(0, 10**12),
        st.decimals("0.00000001", "999999", places=8),
        st.decimals("0.00000001", "999999", places=8),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def dump(tape, *, header, best_match, micros, boolean):
    if header:
        yield DUMP + (",is_best_match" if best_match else "")
    for t in tape:
        stamp = t.time_ms * 1000 + 999 if micros else t.time_ms
        row = f"{t.trade_id},{t.price},{t.quantity},1,{stamp},{boolean(t.buyer_is_maker)}"
        yield row + (",True" if best_match else "")


booleans = st.sampled_from([str, lambda b: str(b).lower(), lambda b: str(int(b))])
dumps = st.fixed_dictionaries(
    {"header": st.booleans(), "best_match": st.booleans(), "micros": st.booleans()}
    | {"boolean": booleans}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tapes")


def write(folder, lines, *, end="\n", name="tape.csv", compress=False):
    data = end.join(lines).encode()
    path = folder / name
    path.write_bytes(gzip.compress(data) if compress else data)
    return path


@given(tape=trades, trade_type=st.booleans(), end=st.sampled_from(["\n", "\r\n"]), gz=st.booleans())
def test_a_recording_is_read_as_it_was_written(folder, tape, trade_type, end, gz):
    lines = [*recording(tape, trade_type=trade_type), ""]
    assert list(read_tape(write(folder, lines, end=end, compress=gz))) == tape


@given(tape=trades, layout=dumps, newline=st.booleans())
def test_a_daily_dump_is_read_as_it_was_written_in_every_variant(folder, tape, layout, newline):
    lines = [*dump(tape, **layout), *([""] if newline else [])]
    assert list(read_tape(write(folder, lines))) == tape


ONE = Trade(1_700_000_000_000, 100, Decimal("0.1"), Decimal(10), True)
BARE = {"header": False, "best_match": True, "micros": False, "boolean": str}


@example(tape=[ONE], layout=BARE, missing=len(",True\n"))
@given(tape=trades, layout=dumps, missing=st.integers(1, 400))
def test_a_dump_that_was_cut_anywhere_gives_only_true_trades_and_then_an_error(
    folder, tape, layout, missing
):
    whole = "\n".join([*dump(tape, **layout), ""])
    left = whole[:-missing]
    path = folder / "cut.csv"
    path.write_text(left)
    read = []
    try:
        read.extend(read_tape(path))
    except TapeError:
        pass
    else:
        # Nothing can tell a cut at the end of a row from a short file, nor an only row without
        # header that lost just its last column from one of the layout that has not got it.
        at_the_end = whole[len(left)] == "\n" or left.endswith("\n")
        layout_lost = not layout["header"] and "\n" not in left and whole[len(left)] == ","
        assert at_the_end or layout_lost
    assert read == tape[: len(read)]


@pytest.fixture
def good():
    return list(
        dump(
            islice(synthetic_tape(1), 5), header=False, best_match=False, micros=False, boolean=str
        )
    )


def refusal(path):
    with pytest.raises(TapeError) as caught:
        list(read_tape(path))
    error = caught.value
    assert isinstance(error, ValueError)
    assert isinstance(error, CowstateError)
    assert str(error).startswith(str(path))
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.path, copy.row, copy.problem) == (str(path), error.row, error.problem)
    return error.row, error.problem


@pytest.mark.parametrize(
    ("column", "text", "problem"),
    [
        (0, "12x", "trade id '12x'"),
        (0, "-1", "trade id"),
        (1, "nan", "price 'nan' is not a finite number above zero"),
        (1, "sNaN", "price"),
        (1, "inf", "price"),
        (1, "-5", "price"),
        (1, "0", "price"),
        (1, "1e400", "price"),
        (1, "abc", "price 'abc' is not a number"),
        (2, "-0.1", "quantity"),
        (2, "", "quantity '' is not a number"),
        (4, "later", "time 'later'"),
        (4, "1_700_000_000_000", "time"),
        (4, "9" * 19, "neither milliseconds nor microseconds"),
        (4, "9" * 30, "time"),
        (5, "maybe", "'maybe' is neither true nor false"),
        (5, "True,True", "7 columns instead of 6"),
        (3, "1,1", "7 columns instead of 6"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, good, column, text, problem):
    fields = good[2].split(",")
    fields[column] = text
    good[2] = ",".join(fields)
    row, said = refusal(write(tmp_path, good))
    assert row == 3
    assert problem in said
    assert "remove it" in said


def test_the_rows_before_a_malformed_one_are_given_first(tmp_path, good):
    path = write(tmp_path, [*good, "oops"])
    tape = read_tape(path)
    assert len(list(islice(tape, 5))) == 5
    with pytest.raises(TapeError, match="row 6: 1 columns"):
        next(tape)


def test_a_header_and_empty_lines_count_as_rows(tmp_path, good):
    row, _ = refusal(write(tmp_path, [DUMP, good[0], "", "x"]))
    assert row == 4


def test_a_cut_last_row_is_called_that(tmp_path, good):
    good[-1] = good[-1][:-3]
    row, said = refusal(write(tmp_path, good))
    assert row == 5
    assert "last row: if it was cut off, get the file again" in said


def test_a_cut_archive_is_called_that(tmp_path):
    lines = list(recording(synthetic_tape(1, 500), trade_type=False))
    path = write(tmp_path, lines, name="tape.csv.gz", compress=True)
    path.write_bytes(path.read_bytes()[:-500])
    row, said = refusal(path)
    assert row > 1
    assert "cut off" in said


@pytest.fixture
def archive(tmp_path):
    lines = list(recording(synthetic_tape(1, 500), trade_type=False))
    return write(tmp_path, lines, name="tape.csv.gz", compress=True)


def refusal_when_damaged(archive, place):
    """What is said of *archive* with the byte at *place* turned, which then is as it was."""
    sound = archive.read_bytes()
    damaged = bytearray(sound)
    damaged[place] ^= 0xFF
    archive.write_bytes(damaged)
    said = refusal(archive)
    archive.write_bytes(sound)
    return said


@pytest.mark.parametrize(("place", "row"), [(2, 1), (-6, 501), (-2, 501)])
def test_a_damaged_method_checksum_or_length_of_an_archive_is_called_that(archive, place, row):
    said_row, said = refusal_when_damaged(archive, place)
    assert said_row == row
    assert "the compressed file is damaged" in said


def test_an_archive_with_damaged_data_is_never_read_to_its_end(archive):
    header = 10  # of which not every byte counts
    for place in range(header, archive.stat().st_size, 47):
        row, _ = refusal_when_damaged(archive, place)
        assert 1 <= row <= 501, place


@pytest.mark.parametrize(
    ("content", "row", "problem"),
    [
        (b"", None, "holds no trade"),
        (b"\n\n", None, "holds no trade"),
        (DUMP.encode() + b"\n", None, "holds no trade"),
        (gzip.compress(b""), None, "holds no trade"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", 1, "not text"),
        (b"1,2,3,4,5,1\n\xff\xfe", 2, "not text"),
        (b"\x00\x01\x02", 1, "unknown columns"),
        (b"PK\x03\x04....", None, "unzip it"),
        (b"time,price\n1,2\n", 1, "unknown columns 'time,price'"),
        (b"1,2,3\n", 1, "unknown columns"),
        (b"x" * 1000, 1, "..."),
    ],
)
def test_what_is_no_tape_is_called_by_its_name(tmp_path, content, row, problem):
    path = tmp_path / "tape.csv"
    path.write_bytes(content)
    said_row, said = refusal(path)
    assert said_row == row
    assert problem in said
    assert len(said) < 500


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    assert refusal(tmp_path / "none.csv") == (
        None,
        "cannot be read: No such file or directory; give a file of trades",
    )
    assert "directory" in refusal(tmp_path)[1]


def test_time_may_step_back_a_little_and_not_far(tmp_path):
    def row(time_ms):
        return f"1,2,3,6,{time_ms},True"

    start = 1_700_000_000_000
    near = write(tmp_path, [row(start), row(start - 1000), row(start + 5)])
    assert [t.time_ms - start for t in read_tape(near)] == [0, -1000, 5]
    far = write(tmp_path, [row(start), row(start - 500), row(start - 1001)])
    said_row, said = refusal(far)
    assert said_row == 3
    assert "time runs backwards" in said


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path, good):
    assert len(list(read_tape(write(tmp_path, ["\ufeff" + DUMP, *good])))) == 5


def test_a_long_tape_is_read_whole(tape_file):
    tape = list(read_tape(tape_file.path))
    assert len(tape) == tape_file.count
    ids = [trade.trade_id for trade in tape]
    assert ids == list(range(ids[0], ids[0] + tape_file.count))
    assert all(tape_file.lowest < trade.price < tape_file.highest for trade in tape)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzipped"])
def test_a_row_costs_the_same_however_long_the_file_is(folder, compress):
    def cost_of(count):
        lines = recording(synthetic_tape(1, count), trade_type=True)
        path = write(folder, lines, name=f"{count}.csv", compress=compress)
        return steps_of(lambda: deque(read_tape(path), maxlen=0))

    short, long = cost_of(300), cost_of(1_200)
    assert 3.9 < long / short < 4.1


@given(st.integers(), st.integers(0, 50))
def test_the_same_seed_gives_the_same_tape(seed, count):
    tape = list(synthetic_tape(seed, count))
    assert tape == list(synthetic_tape(seed, count))
    assert len(tape) == count
    assert [t.time_ms for t in tape] == sorted(t.time_ms for t in tape)
    assert all(t.price > 0 and t.quantity > 0 for t in tape)


def test_a_tape_is_the_same_on_every_python():
    digest = hashlib.sha256(repr(list(synthetic_tape(7, 1_000))).encode()).hexdigest()
    assert digest[:16] == "85a48baa3610a229"


def test_the_price_never_falls_below_a_tick():
    tick = Decimal("0.5")
    tape = list(synthetic_tape(1, 500, price=tick, tick=tick, swing=3))
    assert min(trade.price for trade in tape) == tick


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": "x"},
        {"seed": 1.0},
        {"count": -1},
        {"count": True},
        {"swing": -1},
        {"gap_ms": 0.5},
        {"start_ms": -1},
        {"price": 60_000.0},
        {"price": Decimal("0.01")},
        {"tick": Decimal(0)},
        {"lot": Decimal("NaN")},
    ],
)
def test_bad_arguments_are_refused_at_once(wrong):
    with pytest.raises(CowstateError, match=next(iter(wrong))):
        synthetic_tape(**wrong)

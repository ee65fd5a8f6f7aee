"""``cowstate replay`` as it is typed: files, options, wrong use, and the report."""

from __future__ import annotations

import gzip
import json
import os
import re
from decimal import Decimal

import pytest

from cowstate.cli import main
from cowstate.positions import Faults, GridConfig, synthetic_tape
from cowstate.positions.command.replay import as_json, as_text
from cowstate.positions.simulation.replay import ReplayOptions, ReplayReport
from tests.positions.replaying import grid, modes
from tests.positions.tapes import futures, recording

DUMP = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match"

TYPES = {
    **dict.fromkeys(["trades", "orders_placed", "fills_full", "fills_partial", "round_trips"], int),
    **dict.fromkeys(["open_orders", "versions", "passes", "abandoned"], int),
    **dict.fromkeys(["position", "realized_profit", "halted", "tape"], str),
    **dict.fromkeys(["agrees", "settled"], bool),
    "corrections": dict,
    "differences": list,
    "wall_seconds": float,
}


HEADER, *ROWS = recording(synthetic_tape(seed=1, count=40), trade_type=True)


def report_of(capsys, *argv):
    status = main(["replay", "--json", *argv])
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["agrees"] else 1)
    return report


def complaint(capsys, *argv):
    """Run what must be refused, and return the one line that says why."""
    assert main(["replay", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cowstate")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    return err


# The report


@modes
@futures
def test_the_json_object_has_every_field_in_its_stable_type(capsys, tape_file, threads):
    tape = str(tape_file.path)
    mode = ["--threads"] if threads else []
    report = report_of(capsys, tape, "--step", "10", "--quantity", "0.05", *mode)
    assert {name: type(value) for name, value in report.items()} == TYPES
    assert report["agrees"]
    assert report["fills_full"] + report["fills_partial"] > 300
    assert report["fills_partial"] > 0
    assert Decimal(report["position"]) > 0
    assert report["tape"] == tape


def test_corrections_map_each_kind_to_a_count(capsys):
    report = report_of(capsys, "--count=3000", "--lose=0.3", "--no-answer=0.1", "--seed=2")
    assert report["corrections"]
    assert all(type(count) is int and count > 0 for count in report["corrections"].values())
    assert list(report["corrections"]) == sorted(report["corrections"])


@futures
@pytest.mark.parametrize("layout", ["with header", "without header", "gzipped"])
def test_a_daily_dump_of_the_same_trades_gives_the_same_report(capsys, tape_file, tmp_path, layout):
    recorded = tape_file.path.read_text().splitlines()[:8001]
    lines = [DUMP] if layout == "with header" else []
    for line in recorded[1:]:
        _, _, time, number, price, quantity, maker, _ = line.split(",")
        lines.append(f"{number},{price},{quantity},1.0,{time},{bool(int(maker))},True")
    original, dump = tmp_path / "original.csv", tmp_path / "dump.csv"
    original.write_text("\n".join(recorded) + "\n")
    text = ("\n".join(lines) + "\n").encode()
    dump.write_bytes(gzip.compress(text) if layout == "gzipped" else text)
    reports = [report_of(capsys, str(path)) for path in (original, dump)]
    for report in reports:
        del report["tape"], report["wall_seconds"]
    assert reports[0] == reports[1]
    assert reports[0]["fills_full"] > 10


def test_without_a_file_a_tape_is_made_and_the_report_says_so(capsys):
    assert main(["replay", "--count=500", "--seed=9"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tape: synthetic, 500 trades, seed 9 (no file was given)\n")
    names = [line[2:].split("  ")[0] for line in out.splitlines() if line.startswith("  ")]
    assert names == [
        "trades",
        "orders placed",
        "full fills",
        "partial fills",
        "round trips",
        "position",
        "realized profit",
        "open orders",
        "versions committed",
        "reconcile passes",
        "corrections",
        "wall time",
    ]
    assert "\nagrees: the 1" in out


def test_every_option_gets_where_it_belongs(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "cowstate.positions.command.replay.replay",
        lambda _, options, __, suspension: seen.append((options, suspension)) or REPORT,
    )
    text = (
        "replay --symbol=ETHUSDT --step=0.5 --quantity=2 --levels=3 --reconcile=700 --latency=9 "
        "--threads --seed=-4 --lose=0.1 --double=0.2 --delay=0.3 --no-answer=1"
    )
    assert main(text.split()) == 0
    faults = Faults(lose_event=0.1, double_event=0.2, delay_event=0.3, lose_answer=1, seed=-4)
    ours = GridConfig("ETHUSDT", Decimal("0.5"), Decimal(2), 3, "grid")
    assert seen == [(ReplayOptions(ours, 700, 9, threads=True, faults=faults), None)]
    assert main(["replay"]) == 0
    assert seen[1] == (ReplayOptions(grid()), None)


def test_a_run_is_kept_in_a_file_and_resumed(capsys, tmp_path):
    argv = ["--count=1500", "--step=5"]
    whole = report_of(capsys, *argv)
    kept = [*argv, f"--journal={tmp_path / 'run.db'}"]
    for again in ([], ["--resume"]):
        report = report_of(capsys, *kept, *again)
        assert report.pop("wall_seconds") > 0
        assert report == {name: whole[name] for name in report}
    assert "there already; --resume" in complaint(capsys, *kept)
    assert "begun with latency_ms 50, not 9" in complaint(capsys, *kept, "--resume", "--latency=9")
    assert "say which: --journal" in complaint(capsys, "--resume")
    assert "holds no replay" in complaint(capsys, "--resume", f"--journal={tmp_path / 'none'}")
    assert "threads" in complaint(capsys, "--threads", f"--journal={tmp_path / 'none'}")
    assert main(["show", str(tmp_path / "run.db")]) == 0
    assert "BTCUSDT" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "run.db")]) == 0


def test_an_exchange_that_never_answers_is_not_called_settled(capsys):
    assert main(["replay", "--count=3000", "--no-answer=1", "--lose=1"]) == 1
    out = capsys.readouterr().out
    assert "\nNOT SETTLED: " in out
    # Nothing is traded before a look that agrees, so there is nothing to differ either.
    assert "\nagrees, but no order was placed" in out
    assert "  and without an answer" in out


REPORT = ReplayReport(
    trades=12_345,
    orders_placed=0,
    fills_full=0,
    fills_partial=0,
    round_trips=0,
    position=Decimal("0E-8"),
    realized_profit=Decimal("-1.50"),
    open_orders=0,
    versions=0,
    passes=1_000,
    abandoned=7,
    corrections=(("ADOPTED", 3), ("JOINED", 14)),
    settled=True,
    halted="",
    differences=(),
    wall_seconds=1.234,
)


def test_the_table_is_aligned_and_groups_digits():
    assert as_text(REPORT, "a.csv").splitlines() == [
        "tape: a.csv",
        "",
        "  trades                       12,345",
        "  orders placed                     0",
        "  full fills                        0",
        "  partial fills                     0",
        "  round trips                       0",
        "  position                 0.00000000",
        "  realized profit               -1.50",
        "  open orders                       0",
        "  versions committed                0",
        "  reconcile passes              1,000",
        "    and without an answer           7",
        "  corrections                      17",
        "    ADOPTED                         3",
        "    JOINED                         14",
        "  wall time                    1.23 s",
        "",
        "agrees, but no order was placed: there was nothing to compare",
    ]


def test_a_halted_replay_says_so_beside_the_verdict():
    report = REPORT.replace(halted="0.5 is missing", settled=False, differences=("position: ...",))
    assert as_text(report, "a.csv").splitlines()[-3:] == [
        "HALTED by the circuit breaker: 0.5 is missing",
        "DIFFERS from the exchange:",
        "  position: ...",
    ]


def test_decimals_become_strings_without_rounding():
    report = REPORT.replace(position=Decimal("0.10000000000000000000000000001"))
    assert as_json(report, "a.csv")["position"] == "0.10000000000000000000000000001"
    assert json.loads(json.dumps(as_json(REPORT, "a.csv")))["corrections"] == {
        "ADOPTED": 3,
        "JOINED": 14,
    }


# Bad files


def lines(*changes):
    """The text of a recording in which rows, by their number, are replaced."""
    text = [HEADER, *ROWS]
    for number, row in changes:
        text[number - 1] = row
    return ("\n".join(text) + "\n").encode()


def row(**changes):
    names = ["_", "_", "time", "id", "price", "qty", "maker", "type"]
    return ",".join(
        changes.get(name, old) for name, old in zip(names, ROWS[20].split(","), strict=True)
    )


BAD_FILES = {
    "empty": (b"", "holds no trade"),
    "only a header": (HEADER.encode(), "holds no trade"),
    "binary": (b"\x89PNG\r\n\x1a\n" + bytes(99), "row 1: this is not text"),
    "unknown columns": (b"a,b,c\n1,2,3\n", "row 1: unknown columns 'a,b,c'"),
    "json": (b'{"trades": []}\n', "row 1: unknown columns"),
    "a row of other columns": (lines((22, "1,2")), "row 22: 2 columns instead of 8"),
    "a price that is nan": (lines((22, row(price="nan"))), "row 22: price 'nan'"),
    "a price that is infinite": (lines((22, row(price="inf"))), "row 22: price 'inf'"),
    "a negative price": (lines((22, row(price="-1"))), "row 22: price '-1'"),
    "a price of zero": (lines((22, row(price="0"))), "row 22: price '0'"),
    "a price that is a word": (lines((22, row(price="abc"))), "row 22: price 'abc'"),
    "a quantity of zero": (lines((22, row(qty="0"))), "row 22: quantity '0'"),
    "a time that is none": (lines((22, row(time="now"))), "row 22: time 'now'"),
    "time running backwards": (lines((22, row(time="7"))), "row 22: time runs backwards"),
    "a last row cut off": (lines()[:-12], "row 41: .*It is the last row"),
    "gzip cut off": (gzip.compress(lines())[:-20], "cut off here; get it again"),
    "gzip damaged": (gzip.compress(lines())[:-8] + b"\0" * 8, "is damaged"),
    "a zip archive": (b"PK\x03\x04" + b"\0" * 99, "unzip it"),
}


@modes
@pytest.mark.parametrize("json_too", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_gets_one_clear_line(capsys, tmp_path, content, message, json_too, threads):
    path = tmp_path / "trades.csv"
    path.write_bytes(content)
    argv = [str(path)] + ["--json"] * json_too + ["--threads"] * threads
    line = complaint(capsys, *argv)
    assert str(path) in line
    assert re.search(message, line)


@pytest.mark.parametrize("kind", ["missing", "directory", "unreadable"])
def test_what_cannot_be_opened_gets_one_clear_line(capsys, tmp_path, kind):
    path = tmp_path / "trades.csv"
    if kind == "directory":
        path.mkdir()
    elif kind == "unreadable":
        path.write_bytes(lines())
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
    said = {"missing": "No such file", "directory": "Is a directory", "unreadable": "Permission"}
    assert f"{path}: cannot be read: {said[kind]}" in complaint(capsys, str(path))


def test_a_jump_of_years_in_the_tape_is_refused_instead_of_reconciled_through(capsys, tmp_path):
    path = tmp_path / "trades.csv"
    path.write_bytes(lines((2, ROWS[0].replace(ROWS[0].split(",")[2], "1700000000"))))
    assert "trade 2 comes 19656 days after the one before, trade 1" in complaint(capsys, str(path))


# Bad options

BAD_OPTIONS = [
    (["--step=0"], "--step: the amount is 0: it must be more than zero"),
    (["--step=-1"], "--step: the amount is -1: it must not be negative"),
    (["--step", "-1"], "--step"),
    (["--step=nan"], "--step: the amount is NaN: it must be finite"),
    (["--step=inf"], "--step: the amount is Infinity: it must be finite"),
    (["--step=abc"], "--step: 'abc' is not a decimal number"),
    (["--step="], "--step: '' is not a decimal number"),
    (["--step=1e-30"], "--step 1E-30 has more decimals than a client order id has room for"),
    (["--step=1e-9"], "a step of 1E-9 is less than a ten-millionth of the first price"),
    (["--step=1e30"], "a step of 1E+30 leaves no room for a slot below the first price"),
    (["--step=1e99"], "--step: the amount is 1E+99: no price or quantity is of that size"),
    (["--quantity=0"], "--quantity: the amount is 0"),
    (["--quantity=abc"], "--quantity: 'abc' is not a decimal number"),
    (["--quantity=1e-99"], "--quantity: the amount is 1E-99: no price or quantity"),
    (["--levels=0"], "--levels: '0' is not a whole number from 1 to 1000"),
    (["--levels=abc"], "--levels: 'abc' is not a whole number from 1 to 1000"),
    (["--levels=1000000000"], "--levels: '1000000000' is not a whole number from 1 to 1000"),
    (["--levels", "9" * 5000], "--levels: '9999"),
    (["--latency=-1"], "--latency: '-1' is not a whole number of 0 or more"),
    (["--latency=1e3"], "--latency: '1e3' is not a whole number of 0 or more"),
    (["--reconcile=0"], "--reconcile: '0' is not a whole number of 1 or more"),
    (["--reconcile=2.5"], "--reconcile: '2.5' is not a whole number of 1 or more"),
    (["--seed=abc"], "--seed: 'abc' is not a whole number;"),
    (["--count=0"], "--count: '0' is not a whole number of 1 or more"),
    (["--count=-5"], "--count: '-5' is not a whole number of 1 or more"),
    (["--count=5", "a.csv"], "--count is the length of a synthetic tape; leave it out"),
    (["--lose=1.5"], "--lose: '1.5' is not a probability, from 0 to 1"),
    (["--double=-0.1"], "--double: '-0.1' is not a probability"),
    (["--delay=nan"], "--delay: 'nan' is not a probability"),
    (["--no-answer=often"], "--no-answer: 'often' is not a probability"),
    (["--symbol="], "symbol is empty"),
    (["--threads=1"], "--threads"),
    (["--bogus"], "unrecognized arguments: --bogus"),
    (["--thread"], "unrecognized arguments: --thread"),
    (["a.csv", "b.csv"], "unrecognized arguments: b.csv"),
    (["no\nsuch\nfile"], "no such file: cannot be read"),
]


@pytest.mark.parametrize(("argv", "message"), BAD_OPTIONS)
def test_a_bad_option_gets_one_clear_line_that_names_it(capsys, argv, message):
    assert message in complaint(capsys, *argv, "--json")


def test_the_most_levels_are_quick_enough(capsys):
    report = report_of(capsys, "--levels=1000", "--step=0.5", "--count=40")
    assert report["orders_placed"] >= 1000


def test_a_tape_of_one_trade_is_enough(capsys):
    report = report_of(capsys, "--count=1")
    assert (report["trades"], report["open_orders"], report["agrees"]) == (1, 10, True)

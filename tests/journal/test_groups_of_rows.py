"""Rows that are written together leave in the file what they leave one by one."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.journal.log import Row
from cowstate.journal.sqlite import SqliteLog

VALUES = st.none() | st.sampled_from(["1", "2", "3"])
WRITES = st.lists(
    st.tuples(st.sampled_from(['"a"', '"b"', '"c"']), VALUES),
    max_size=2,
    unique_by=lambda pair: pair[0],
)
GROUPS = st.lists(st.lists(st.tuples(WRITES, VALUES), min_size=1, max_size=5), max_size=4)


def left(groups: list[list[Row]]) -> list[Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "numbers.db"
        log = SqliteLog(path, "json", "normal")
        try:
            for group in groups:
                log.write(group)
        finally:
            log.close()
        connection = sqlite3.connect(path)
        try:
            return [
                connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("records", "commits", "changes", "meta")
            ]
        finally:
            connection.close()


@given(GROUPS)
@example([[([('"a"', "1")], "1"), ([('"a"', "2")], None), ([('"a"', None)], "2")]])
@example([[([('"a"', "1")], None), ([('"b"', "2")], None), ([('"b"', None)], None)]])
def test_a_group_leaves_what_its_rows_leave_one_by_one(
    drawn: list[list[tuple[list[tuple[str, str | None]], str | None]]],
) -> None:
    version = 0
    groups: list[list[Row]] = []
    for group in drawn:
        groups.append([])
        for writes, meta in group:
            version += 1
            groups[-1].append(Row(version, float(version), list(writes), meta))
    assert left(groups) == left([[row] for group in groups for row in group])

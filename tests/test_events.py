"""Each line in the log has the name of its event, and the reference lists these and no other."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cowstate
from cowstate import ArgumentValueError, Store
from cowstate.mirror import Mirror
from tests.positions.reconcile.desk import Desk, Paper

PACKAGE = Path(cowstate.__file__).parent
PAGE = PACKAGE.parent / "docs/reference/events.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
SHOWN = {"exception": "ERROR", "log": "WARNING, DEBUG"}


class Event(NamedTuple):
    name: str
    level: str
    logger: str
    fields: tuple[str, ...]


def lines_in(source: str, module: str) -> Iterator[tuple[int, Event | None]]:
    """Where a module logs, and what; None for a line without the name of an event."""
    tree = ast.parse(source)
    logger = "cowstate" if 'getLogger("cowstate")' in source else module
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name("_log"), str(level))) if level in LEVELS:
                [*extras] = [each.value for each in node.keywords if each.arg == "extra"]
                yield node.lineno, _event(extras, SHOWN.get(level, level.upper()), logger)


def _event(extras: list[ast.expr], level: str, logger: str) -> Event | None:
    match extras:
        case [ast.Dict([ast.Constant("cowstate_event"), *others], [ast.Constant(str(name)), *_])]:
            fields = tuple(str(ast.literal_eval(key)) for key in others if key is not None)
            return Event(name, level, logger, fields)
    return None


# The lock-based variants that a store is measured beside are no part of what users log.
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "bench" not in path.parts]
LINES = [
    (f"{path.relative_to(PACKAGE)}:{line}", event)
    for path in MODULES
    for line, event in lines_in(
        path.read_text(encoding="utf-8"),
        ".".join(("cowstate", *path.relative_to(PACKAGE).with_suffix("").parts)),
    )
]
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
TABLE = {
    Event(
        name.strip("`"),
        level,
        logger.strip("`"),
        tuple(each.strip(" `") for each in fields.split(",") if each),
    )
    for name, level, logger, fields, _ in ROWS
}


def test_each_line_in_the_log_has_the_name_of_an_event() -> None:
    assert [place for place, event in LINES if event is None] == []
    assert len(LINES) > 20


def test_the_events_in_the_table_are_those_of_the_code() -> None:
    assert {event for _, event in LINES if event is not None} == TABLE


def test_one_name_is_one_kind_of_event() -> None:
    assert len({event.name for event in TABLE}) == len(TABLE) == len(ROWS)


def test_nothing_in_the_package_logs_by_another_name() -> None:
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        assert "logging.warning(" not in source
        assert "logging.error(" not in source
        assert source.count("getLogger(") == source.count("_log = logging.getLogger(") + (
            "logger = logging.getLogger(" in source
        )


@pytest.mark.parametrize(
    "line",
    [
        '_log.error("x")',
        '_log.error("x", extra=extra)',
        '_log.error("x", extra={"event": "x"})',
        '_log.error("x", extra={"cowstate_event": f"{x}"})',
    ],
)
def test_the_test_sees_a_line_without_a_name(line: str) -> None:
    assert [event for _, event in lines_in(line, "m")] == [None]


def subscriber_fails() -> None:
    store: Store[str, int] = Store({"a": 1})
    store.subscribe(lambda commit: 1 / 0)
    store.set("a", 2)


def handler_fails() -> None:
    store: Store[str, int] = Store({"a": 1})
    store.subscribe(lambda commit: 1 / 0, on_error=lambda error, commit: 1 / 0)
    store.set("a", 2)


class Refusing:
    """A source that raises when it is asked, and when it is stopped."""

    def list(self) -> Any:
        self.mirror.close()
        raise ConnectionError("no answer")

    def watch(self, revision: Any) -> Any:
        raise NotImplementedError

    def stop(self) -> None:
        raise ConnectionError("still no answer")

    mirror: Mirror[str, int]


def source_fails() -> None:
    source = Refusing()
    source.mirror = Mirror(Store(), source, backoff=float)
    source.mirror.run()


def position_diverges() -> None:
    desk = Desk.holding("1")
    desk.drift("50")
    for _ in range(40):
        desk.reconciler.reconcile()
        desk.pause(5)
        if desk.reconciler.status().halted:
            break
    told = desk.reconciler.status().halted
    assert told
    with pytest.raises(ArgumentValueError):
        desk.reconciler.resume("another reason")


@pytest.mark.parametrize(
    ("happens", "names"),
    [
        (subscriber_fails, ["subscriber_failed"]),
        (handler_fails, ["subscriber_handler_failed"]),
        (source_fails, ["mirror_source_failed"]),
        (position_diverges, ["breaker_opened"]),
    ],
)
def test_what_happens_is_logged_under_its_name(
    happens: Any, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "cowstate"):
        happens()
    assert [record.cowstate_event for record in caplog.records] == names  # type: ignore[attr-defined]
    by_name = {event.name: event for event in TABLE}
    for record in caplog.records:
        event = by_name[record.cowstate_event]  # type: ignore[attr-defined]
        assert record.name == event.logger
        assert record.levelname in event.level
        assert all(hasattr(record, field) for field in event.fields)


def test_a_paper_exchange_that_agrees_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cowstate"):
        Desk(Paper).reconciler.reconcile()
    assert caplog.records == []

"""A pytest plugin that fails the run if the GIL is on at its start or at its end."""

from __future__ import annotations

import sys

import pytest


def _check(moment: str, session: pytest.Session) -> None:
    is_enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"\nGIL at the {moment}: {'on' if is_enabled else 'off'}")
    if is_enabled:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        raise pytest.UsageError(f"the GIL is on at the {moment} of the run")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Look before the first test."""
    _check("start", session)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look after the last one."""
    _check("end", session)

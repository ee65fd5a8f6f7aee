"""A daemon thread that stands still in the middle of a write does not keep the process alive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 600

PROGRAM = """
import threading
from cowstate import Store

store = Store({{"a": 1}})
inside = threading.Event()

def stand_still(*_):
    inside.set()
    threading.Event().wait()

def transact():
    with store.transaction():
        stand_still()

def update():
    store.update("a", stand_still)

def callback():
    store.subscribe(stand_still)
    store.set("a", 2)

threading.Thread(target={where}, daemon=True).start()
assert inside.wait(300)
print("done", store.snapshot()["a"])
"""


@pytest.mark.parametrize(("where", "value"), [("transact", 1), ("update", 1), ("callback", 2)])
def test_the_process_ends_while_a_daemon_thread_stands_still_in(where: str, value: int) -> None:
    try:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(where=where)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired:
        pytest.fail("the interpreter waits for a lock that is never given back")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"done {value}\n", "")

"""What a disk may hold after the power fails: the calls that a program made, played back in part.

Of each file there is what was written before its last sync, and of what was written since, any
part. A record of the calls is made by strace.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

SYNCS = ("fdatasync", "fsync")
CALLS = ("pwrite64", "ftruncate", "unlink", "write", *SYNCS)
SECTOR = 512

_HEX = r'"((?:\\x[0-9a-f]{2})*)"'
_CALL = re.compile(
    rf"^\d+ +(\w+)\((?:\d+<(.*?)>)?(?:,? ?{_HEX})?(?:, (\d+))?(?:, (\d+))?\) += (\d+)"
)


class Call(NamedTuple):
    """One call that went well.

    Attributes:
        name: which.
        path: the file that it was made on.
        data: what it wrote.
        at: where to; of ``ftruncate``, how long the file is then.
    """

    name: str
    path: str
    data: bytes
    at: int


def recorded(directory: Path, arguments: list[str]) -> list[Call]:
    """Run Python with *arguments*; return the calls that it made on files below *directory*."""
    trace = directory / "trace"
    under = ["strace", "-f", "-qq", "-y", "-xx", "-s", "100000", "-o", str(trace)]
    subprocess.run(
        [*under, "-e", f"trace={','.join(CALLS)}", sys.executable, *arguments],
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found = []
    for line in trace.read_text().splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, path, data, first, second, _ = match.groups()
        text = _bytes(data or "")
        if name == "unlink":
            path, text = text.decode(), b""
        path = _bytes(path).decode() if path.startswith("\\x") else path
        if path.startswith(str(directory)):
            at = int(second or 0) if name == "pwrite64" else int(first or 0)
            found.append(Call(name, path, text, at))
    return found


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def lost_after(calls: list[Call], random: Random) -> dict[str, bytes]:
    """Return what the files may hold, by their paths, if the power fails after *calls*."""
    synced = {}
    for number, call in enumerate(calls):
        if call.name in SYNCS:
            synced[call.path] = number
    files: dict[str, bytearray] = {}
    lucky = random.random()  # how much of what was not synced is there
    for number, call in enumerate(calls):
        directory = os.path.dirname(call.path)
        if call.name == "unlink":
            if number < synced.get(directory, -1) or random.random() < lucky:
                files.pop(call.path, None)
            continue
        if call.name in SYNCS:
            continue
        content = files.setdefault(call.path, bytearray())
        safe = number < synced.get(call.path, -1) or call.name == "write"
        if call.name == "ftruncate":
            if safe or random.random() < lucky:
                content[call.at :] = bytes(max(0, call.at - len(content)))
        else:
            _write(content, call, 1.0 if safe else lucky, random)
    return {path: bytes(content) for path, content in files.items()}


def _write(content: bytearray, call: Call, lucky: float, random: Random) -> None:
    at = len(content) if call.name == "write" else call.at
    end = at + len(call.data)
    cuts = [at, *range((at // SECTOR + 1) * SECTOR, end, SECTOR), end]
    for start, stop in pairwise(cuts):
        if lucky == 1.0 or random.random() < lucky:
            content.extend(bytes(max(0, stop - len(content))))
            content[start:stop] = call.data[start - at : stop - at]

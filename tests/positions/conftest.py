"""What the tests of positions share: long tapes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.positions.tapes import ALL, MADE_UP, RECORDED, TapeFile, recording


@pytest.fixture(scope="session")
def made_up_tapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TapeFile]:
    folder, made = tmp_path_factory.mktemp("made_up"), {}
    for name, (make, count, trade_type) in MADE_UP.items():
        path = folder / f"{name.replace(' ', '_')}.csv"
        path.write_text("\n".join(recording(make(), trade_type=trade_type)) + "\n")
        made[name] = TapeFile(path, count, Decimal(59_000), Decimal(61_000))
    return made


@pytest.fixture(params=ALL)
def tape_file(request: pytest.FixtureRequest) -> TapeFile:
    """A long tape in a file; a recorded one is skipped where there is none beside the project."""
    if request.param in MADE_UP:
        made: dict[str, TapeFile] = request.getfixturevalue("made_up_tapes")
        return made[request.param]
    data: Path = request.getfixturevalue("shared_data")
    name, count = RECORDED[request.param]
    return TapeFile(data / "trades" / name, count, Decimal(61_000), Decimal(62_000))

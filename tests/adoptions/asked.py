"""The programs of the pages that say what they need, for those who ask more than the pages do."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.adoptions.pinned import text_of
from tests.pages import missing, run_page

PAGES = {"sessions": "starsessions", "exporter": "aioprometheus"}


@cache
def programs_of(page: str) -> dict[str, Any]:
    """What stands on a page, defined; its examples with prompts are run by another test."""
    if lacking := missing(text_of(page)):
        pytest.skip(lacking, allow_module_level=True)
    return run_page(text_of(page), page, prompts=False)

"""The programs of two pages, for those who ask more of them than the pages do."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.pages import ROOT, missing, run_page

PAGES = {"sessions": "starsessions", "exporter": "aioprometheus"}


def text_of(page: str) -> str:
    return (ROOT / "docs/adoptions" / f"{page}.md").read_text(encoding="utf-8")


@cache
def programs_of(page: str) -> dict[str, Any]:
    """What stands on a page, defined; its examples with prompts are run by another test."""
    if lacking := missing(text_of(page)):
        pytest.skip(lacking, allow_module_level=True)
    return run_page(text_of(page), page, prompts=False)

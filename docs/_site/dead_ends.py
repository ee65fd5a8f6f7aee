"""Links within the finished site that lead nowhere are warnings, whoever made them.

Sphinx looks at what it resolves itself. This looks at the pages as they were written, and at the
list for programs.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

_LISTED: Final = re.compile(r"\]\(([^)]+)\)")
# What the theme itself refers to before it is there: the search, and the page that is shown.
_MADE_BY_SCRIPTS = frozenset({"#"})


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, _: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value is not None and value not in _MADE_BY_SCRIPTS:
                self.links.append(value)
            elif name == "id" and value is not None:
                self.places.add(value)


def dead_ends(site: Path) -> list[tuple[str, str]]:
    """Each page with a link on it that leads to no file of the site, or to no place on a page."""
    pages = {page: _Page(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    found = []
    for page, read in pages.items():
        for link in read.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            if not target.is_file() or (
                place and target in pages and place not in pages[target].places
            ):
                found.append((page.relative_to(site).as_posix(), link))
    for listing in site.glob("llms.txt"):
        for link in _LISTED.findall(listing.read_text(encoding="utf-8")):
            if not (site / link).is_file():
                found.append((listing.name, link))
    return sorted(set(found))


def _look(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        for page, link in dead_ends(Path(app.outdir).resolve()):
            logger.warning("%s: nothing is at %s", page, link, type="dead_ends")


def setup(app: Sphinx) -> dict[str, bool]:
    """Look when all is written, ``llms.txt`` among it."""
    app.connect("build-finished", _look, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

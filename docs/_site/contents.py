"""The table of contents: what the landing page lists, under its headings, is the navigation.

So there is one list, which reads as such on a forge, and no page can be forgotten in the other.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from public import MODULES
from sphinx.application import Sphinx

_ENTRY: Final = re.compile(r"- \[(?P<title>[^]]+)\]\((?P<page>[\w/-]+)\.md\)(?:: (?P<says>.*))?")


class Entry(NamedTuple):
    """A page as the landing page lists it; *says* may be empty."""

    under: str
    title: str
    page: str
    says: str


def entries_of(index: str) -> list[Entry]:
    """All entries of the landing page, in order."""
    found, heading = [], ""
    # An entry may go on in further lines, which are indented.
    for line in re.sub(r"\n +(?=\S)", " ", index).splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif entry := _ENTRY.fullmatch(line):
            found.append(Entry(heading, entry["title"], entry["page"], entry["says"] or ""))
    return found


def navigation_of(entries: list[Entry]) -> str:
    """The same as hidden toctrees, with the generated reference behind what was written."""
    out = []
    for heading in dict.fromkeys(entry.under for entry in entries):
        out += ["", "```{toctree}", ":hidden:", f":caption: {heading}", ""]
        for entry in entries:
            if entry.under == heading:
                # What stands behind a colon is for those who read the list.
                out.append(f"{entry.title.partition(':')[0]} <{entry.page}>")
                if entry.page == "reference/index":
                    out += [f"{module} <reference/api/{module}>" for module in MODULES]
        out.append("```")
    return "\n".join(out) + "\n"


def _read(_: Sphinx, docname: str, source: list[str]) -> None:
    if docname == "index":
        source[0] += navigation_of(entries_of(source[0]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the navigation to the landing page as it is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

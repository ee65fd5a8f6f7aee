"""``llms.txt``, for programs that read: what there is, and where its Markdown is to be had.

The form is that of https://llmstxt.org. The list is that of the landing page.
"""

from __future__ import annotations

from pathlib import Path

from contents import Entry, entries_of
from sphinx.application import Sphinx


def list_for_machines(entries: list[Entry], summary: str) -> str:
    """Make the text of ``llms.txt``."""
    out = ["# cowstate", "", f"> {summary}"]
    for heading in dict.fromkeys(entry.under for entry in entries):
        out += ["", f"## {heading}", ""]
        for entry in entries:
            if entry.under == heading:
                says = f": {entry.says}" if entry.says else ""
                out.append(f"- [{entry.title}](_sources/{entry.page}.md.txt){says}")
    return "\n".join(out) + "\n"


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        index = (Path(app.srcdir) / "index.md").read_text(encoding="utf-8")
        text = list_for_machines(entries_of(index), app.config.llms_summary)
        (Path(app.outdir) / "llms.txt").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write it when all else is written."""
    app.add_config_value("llms_summary", "", "html", str)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""What lies outside of the folder of the pages: the project's own pages, and the source.

On a forge a page of ``docs`` links to ``../CHANGELOG.md`` and to ``../cowstate/store.py`` as to any
file. On the site the former is the page of `PAGES` that stands for it, the latter the page that
viewcode makes of the module. A link to anything else out there is left away, and its text stays.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

PAGES: Final = {
    "CHANGELOG.md": "project/changelog",
    "CONTRIBUTING.md": "project/contributing",
    "SECURITY.md": "project/security",
    "README.md": "index",
}
"""The project's own pages, and the page of the site that stands for each."""

LINK: Final = re.compile(r"\[(?P<text>[^][]*(?:\[[^][]*\][^][]*)*)\]\((?!\w+:|#)(?P<to>[^)\s]+)\)")


def moved(text: str, root: Path, was: Path, now: Path) -> str:
    """Rewrite the links of a page that stood in the folder *was* and is shown in *now*."""

    def link(match: re.Match[str]) -> str:
        to, _, heading = match["to"].partition("#")
        target = Path(os.path.normpath(was / to))
        inside = target.relative_to(root).as_posix() if target.is_relative_to(root) else ""
        if inside in PAGES:
            target = root / "docs" / f"{PAGES[inside]}.md"
        elif not target.is_relative_to(root / "docs") and target.suffix != ".py":
            return match["text"]
        shown = Path(os.path.relpath(target, now)).as_posix()
        return f"[{match['text']}]({shown}{'#' + heading if heading else ''})"

    return LINK.sub(link, text)


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    docs = Path(app.srcdir).resolve()
    page = docs / f"{docname}.md"
    if not page.exists():
        return
    standing = {shown: name for name, shown in PAGES.items() if shown.startswith("project/")}
    if docname in standing:
        whole = (docs.parent / standing[docname]).read_text(encoding="utf-8")
        app.env.note_dependency(str(docs.parent / standing[docname]))
        source[0] = moved(whole, docs.parent, docs.parent, page.parent)
    else:
        source[0] = moved(source[0], docs.parent, page.parent, page.parent)


class _Sources(SphinxTransform):
    """Links to files of the package, which MyST takes for downloads, become links to modules."""

    default_priority = 10

    def apply(self, **_: Any) -> None:
        for node in list(self.document.findall(addnodes.download_reference)):
            if not node["reftarget"].endswith(".py"):
                continue  # a file of the pages, such as a dashboard, to be downloaded
            here = Path(self.env.doc2path(self.env.docname)).parent
            path = Path(os.path.normpath(here / node["reftarget"]))
            module = path.relative_to(Path(self.env.srcdir).resolve().parent).with_suffix("")
            xref = addnodes.pending_xref("", *node.children, refdomain="", reftype="source")
            xref["reftarget"], xref["refdoc"] = ".".join(module.parts), self.env.docname
            xref["refexplicit"] = True
            node.replace_self(xref)
            _asked(self.env).add(xref["reftarget"])


def _asked(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "cowstate_sources"):
        env.cowstate_sources = set()  # type: ignore[attr-defined]
    return env.cowstate_sources  # type: ignore[attr-defined, no-any-return]


def _resolve(
    app: Sphinx, _: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    if node["reftype"] != "source":
        return None
    if not isinstance(app.builder, StandaloneHTMLBuilder):
        return shown
    page = "_modules/" + node["reftarget"].removesuffix(".__init__").replace(".", "/")
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    return nodes.reference("", "", shown, internal=True, refuri=uri)


def _add_sources(_: Sphinx, env: BuildEnvironment) -> None:
    """Have viewcode show also modules of which nothing is in the reference."""
    known: dict[str, Any] = env._viewcode_modules  # type: ignore[attr-defined]
    root = Path(env.srcdir).resolve().parent
    for asked in _asked(env):
        module = asked.removesuffix(".__init__")
        if not known.get(module):
            code = (root / f"{asked.replace('.', '/')}.py").read_text(encoding="utf-8")
            known[module] = (code, {}, {}, module)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite links as they are read, and resolve what leads to the source."""
    app.connect("source-read", _read)
    app.add_transform(_Sources)
    app.connect("missing-reference", _resolve)
    app.connect("env-updated", _add_sources)
    return {"parallel_read_safe": False, "parallel_write_safe": True}

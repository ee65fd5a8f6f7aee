"""Names in the text lead to the reference: ``Store.update`` on any page is a link.

A name counts if it is of a class (``Store``, ``Lagged``), of something in one (``Store.set(key)``)
or of something in a module (``aio.feed``), and if it is the name of one thing only.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

_NAME: Final = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?", re.DOTALL)
_NOT_IN: Final = (nodes.reference, nodes.title, nodes.term)


def known_names(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """By what a text may call it: the page and the place of each name in the reference."""
    domain = env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    # It is asked for each name, and grows only while pages are read.
    count, table = getattr(env, "cowstate_names", (0, {}))
    if count != len(domain.objects):
        table = _table_of(domain)
        env.cowstate_names = len(domain.objects), table  # type: ignore[attr-defined]
    return table


def _table_of(domain: PythonDomain) -> dict[str, tuple[str, str]]:
    whole, counted = {}, Counter[str]()
    for name, entry in domain.objects.items():
        if entry.objtype == "module" or not entry.docname.startswith("reference/api/"):
            continue
        module = entry.docname.removeprefix("reference/api/")
        within = name.removeprefix(f"{module}.")
        if entry.aliased or within == name:
            continue
        calls = {name, f"{module.rpartition('.')[2]}.{within}"}
        if within[0].isupper():
            calls.add(within)
        for call in calls:
            whole[call] = (entry.docname, entry.node_id)
        counted.update(calls)
    return {call: place for call, place in whole.items() if counted[call] == 1}


class _Names(SphinxPostTransform):
    default_priority = 900
    formats = ("html",)

    def apply(self, **_: Any) -> None:
        here = self.env.docname
        if here.startswith("project/changelog"):
            return
        known = known_names(self.env)
        for literal in list(self.document.findall(nodes.literal)):
            match = _NAME.fullmatch(literal.astext())
            if match is None or match[1] not in known or self._is_within(literal):
                continue
            page, place = known[match[1]]
            link = nodes.reference("", "", internal=True, classes=["name"])
            uri = self.app.builder.get_relative_uri(here, page) if page != here else ""
            link["refuri"] = f"{uri}#{place}"
            literal.replace_self(link)
            link += literal

    @staticmethod
    def _is_within(node: nodes.Node) -> bool:
        above = node.parent
        while above is not None:
            if isinstance(above, _NOT_IN):
                return True
            above = above.parent
        return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Have names linked when a page is written."""
    app.add_post_transform(_Names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

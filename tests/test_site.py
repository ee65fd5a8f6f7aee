"""What makes a site of the pages. Run by the step that makes it, for it needs Sphinx."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs/_site"))

import contents  # noqa: E402
import dead_ends  # noqa: E402
import docstrings  # noqa: E402
import elsewhere  # noqa: E402
import for_machines  # noqa: E402
import public  # noqa: E402

INDEX = (ROOT / "docs/index.md").read_text(encoding="utf-8")

SMALL = """# Title

[Not listed](other.md).

## Learn

- [The store: a tutorial](tutorial/store.md): records, and
  how to write.

## Look up

- [Reference](reference/index.md)
"""


def test_the_navigation_is_what_the_landing_page_lists() -> None:
    entries = contents.entries_of(SMALL)
    assert [tuple(entry) for entry in entries] == [
        ("Learn", "The store: a tutorial", "tutorial/store", "records, and how to write."),
        ("Look up", "Reference", "reference/index", ""),
    ]
    navigation = contents.navigation_of(entries)
    assert ":caption: Learn\n\nThe store <tutorial/store>\n```" in navigation
    assert "cowstate.journal <reference/api/cowstate.journal>" in navigation


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}
    assert pages - {entry.page for entry in contents.entries_of(INDEX)} == {"index"}


def test_programs_are_given_the_same_list_with_the_markdown_of_each() -> None:
    assert for_machines.list_for_machines(contents.entries_of(SMALL), "In short.") == (
        "# cowstate\n\n> In short.\n\n## Learn\n\n"
        "- [The store: a tutorial](_sources/tutorial/store.md.txt): records, and how to write.\n\n"
        "## Look up\n\n- [Reference](_sources/reference/index.md.txt)\n"
    )


@pytest.mark.parametrize(
    ("was", "link", "now"),
    [
        ("", "[a](docs/tutorial/store.md#keys)", "[a](../tutorial/store.md#keys)"),
        ("", "[a](CHANGELOG.md)", "[a](changelog.md)"),
        ("", "[`a`](cowstate/ring.py)", "[`a`](../../cowstate/ring.py)"),
        ("", "[a](LICENSE)", "a"),
        ("", "[a](https://example.com/b.md), [b](#c)", "[a](https://example.com/b.md), [b](#c)"),
        ("docs/how-to", "[a](../../SECURITY.md#report)", "[a](security.md#report)"),
        ("docs/how-to", "[a](../../README.md)", "[a](../index.md)"),
        ("docs/how-to", "[a](../../tests/laws)", "a"),
    ],
)
def test_links_lead_to_the_same_from_where_a_page_is_shown(was: str, link: str, now: str) -> None:
    assert elsewhere.moved(link, ROOT, ROOT / was, ROOT / "docs/project") == now


def test_every_public_name_is_in_the_reference_once() -> None:
    told = [(module, name) for module in public.MODULES for name in public.names_of(module)]
    assert ("cowstate", "Store") in told
    assert ("cowstate.errors", "ScheduleError") in told
    assert ("cowstate.errors", "ConflictError") not in told
    assert len({name for _, name in told if name != "replay"}) > 150
    assert ".. autoclass:: Store\n" in public.page_of("cowstate")
    assert "exclude-members: source" in public.page_of("cowstate")


def test_a_name_that_is_nowhere_is_seen() -> None:
    package = ROOT / "cowstate"
    for name in ("Decimal", "queue", "cowstate.timeline.Timeline", "compare_and_set", "K"):
        assert docstrings.is_a_name(name, package), name
    for name in ("compare_and_sit", "cowstate.timeline.Timelime", "Store.updaet"):
        assert not docstrings.is_a_name(name, package), name


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one.html").write_text('<a href="../two.html#here"></a><a href="#"></a>')
    (tmp_path / "two.html").write_text('<p id="here"><a href="https://example.com/x"></a>')
    (tmp_path / "llms.txt").write_text("- [One](a/one.html): of two\n")
    assert dead_ends.dead_ends(tmp_path) == []
    (tmp_path / "llms.txt").write_text("- [One](a/one.html)\n- [None](b/none.md.txt): gone\n")
    (tmp_path / "two.html").write_text('<img src="none.png"><a href="#gone"></a>')
    assert dead_ends.dead_ends(tmp_path) == [
        ("a/one.html", "../two.html#here"),
        ("llms.txt", "b/none.md.txt"),
        ("two.html", "#gone"),
        ("two.html", "none.png"),
    ]

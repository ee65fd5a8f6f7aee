"""What a page points to is there: links, headings, and paths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import FENCE, PAGES, ROOT, written_in

LINK = re.compile(r"\]\((?!\w+:)(?P<target>[^)#]*)(?:#(?P<heading>[^)]+))?\)")
PATH = re.compile(r"`(?P<target>(?:cowstate|docs|tests)/[\w/-]+(?:\.\w+)?)`")


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).as_posix() for page in PAGES if page.is_relative_to(docs)}
    linked = {match["target"] for match in LINK.finditer(index)}
    assert pages - linked == {"index.md"}


def test_what_the_site_makes_of_docstrings_is_no_page(tmp_path: Path) -> None:
    for name in ("reference/api/cowstate.md", "reference/index.md", "index.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert written_in(tmp_path) == [tmp_path / "index.md", tmp_path / "reference/index.md"]


def shown_first(page: str) -> list[str]:
    """The first picture of a page, by its text and its file, and its examples above any heading."""
    top = page.partition("\n## ")[0]
    picture = re.search(r"!\[(.*?)\]\((?:.*/)?(.*?)\)", top)
    assert picture is not None
    return [*picture.groups(), *(found["body"] for found in FENCE.finditer(top))]


def test_the_landing_page_and_the_readme_show_the_same_picture_and_example() -> None:
    landing = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert shown_first(landing) == shown_first((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(shown_first(landing)) == 4


def lost_on(page: Path, text: str) -> list[str]:
    """The links, and the paths in the text, that lead nowhere; paths start at the root."""
    lost = []
    for match in LINK.finditer(text):
        target, heading = page.parent / match["target"], match["heading"]
        if not target.exists():
            lost.append(match["target"])
        elif heading is not None:
            shown = target.read_text(encoding="utf-8") if match["target"] else text
            if heading not in headings_of(shown):
                lost.append(f"{match['target']}#{heading}")
    paths = [match["target"] for match in PATH.finditer(text)]
    return lost + [target for target in paths if not (ROOT / target).exists()]


def headings_of(text: str) -> set[str]:
    """The names by which links find the headings of a page, as forges and Sphinx make them."""
    prose = FENCE.sub("", text)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    assert lost_on(page, page.read_text(encoding="utf-8")) == []


def test_a_page_that_points_to_nothing_is_seen() -> None:
    text = "[a](LICENSE), [b](docs/none.md#x), [c](http://there/d.md), `tests/none.py`, `tests`"
    assert lost_on(ROOT / "README.md", text) == ["docs/none.md", "tests/none.py"]


def test_a_link_to_a_heading_that_is_not_there_is_seen() -> None:
    text = "## What `x()` is, and why\n[a](#what-x-is-and-why), [b](#b), [c](README.md#try-it)\n"
    text += "[d](README.md#d)\n```sh\n# e\n```\n[e](#e)"
    assert lost_on(ROOT / "README.md", text) == ["#b", "README.md#d", "#e"]

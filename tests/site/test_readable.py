"""Every page of the site, in a real browser, as wide as a phone and as a screen: it can be read.

Nothing is wider than the page but what scrolls within itself, and nothing smaller than 14 pixels.
Looks at the site in the folder ``$COWSTATE_SITE``, which the step that makes one sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.chromium import chromium

WIDTHS = (390, 1280)
LOOK = """
() => {
  const found = new Set(), wide = innerWidth + 1, smallest = 13.99;
  const text = (e) => e.textContent.trim().slice(0, 40);
  const named = (e) => `${e.tagName.toLowerCase()}.${e.className} "${text(e)}"`;
  const root = document.scrollingElement;
  if (root.scrollWidth > wide) found.add(`the page is ${root.scrollWidth} wide`);
  const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX);
  // What covers the page on demand waits beside it until then.
  const aside = (e) => e.closest(".sidebar-drawer, .toc-drawer, .skip-to-content");
  const within = (e) => {
    for (let up = e.parentElement; up && up !== document.body; up = up.parentElement) {
      if (scrolls(up)) return true;
    }
    return false;
  };
  const blocks = "pre, table, img, p, li, dt, dd, h1, h2, h3, code, a, .table-wrapper, header";
  for (const e of document.querySelectorAll(`:is(${blocks}):not(pre *)`)) {
    const box = e.getBoundingClientRect();
    if (box.width && (box.right > wide || box.left < -1) && !aside(e) && !within(e)) {
      found.add(`out of the page: ${named(e)}`);
    }
  }
  const size = (e) => {
    const pixels = parseFloat(getComputedStyle(e).fontSize);
    if (pixels < smallest && e.checkVisibility()) found.add(`${pixels} pixels: ${named(e)}`);
  };
  // The colours within a listing are of its size, and are many.
  document.querySelectorAll("pre").forEach(size);
  const said = (node) => node.nodeName === "PRE" ? NodeFilter.FILTER_REJECT
    : node.nodeType === Node.TEXT_NODE && node.data.trim() ? NodeFilter.FILTER_ACCEPT
    : NodeFilter.FILTER_SKIP;
  const shown = NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT;
  const texts = document.createTreeWalker(document.body, shown, said);
  while (texts.nextNode()) size(texts.currentNode.parentElement);
  return [...found];
}
"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with chromium() as browser:
        yield browser.new_page()


def unreadable(tab: Any, page: Path) -> list[str]:
    """What cannot be read on a page, in each width."""
    tab.goto(page.as_uri())
    found = []
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 844})
        found += [f"{page.name}, {width}: {what}" for what in tab.evaluate(LOOK)]
    return found


def test_every_page_can_be_read_on_a_phone_and_on_a_screen(tab: Any) -> None:
    if "COWSTATE_SITE" not in os.environ:
        pytest.skip("no site was made: the step `site` makes one, and looks at it")
    site = Path(os.environ["COWSTATE_SITE"])
    pages = [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    assert len(pages) > 100
    found = [what for page in pages for what in unreadable(tab, page)]
    assert found == [], "\n".join(found[:50])


TABLE = "<table><tr>" + "<td>a_long_name_that_is_one_word</td>" * 9 + "</tr></table>"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (TABLE, "out of the page: table"),
        # As the theme has it, what is too wide is cut off, and nothing scrolls.
        (f"<style>html {{overflow-x: hidden}}</style>{TABLE}", "out of the page: table"),
        ('<div style="width: 800px">wide</div>', "the page is 8"),
        ('<p style="font-size: 13px">small', "13 pixels: p"),
        ('<pre style="font-size: 12px"><span>x', "12 pixels: pre"),
        ('<p style="font-size: 14px">small <code style="font-size: 81%">x', "11.34 pixels: code"),
    ],
)
def test_what_cannot_be_read_is_seen(tab: Any, tmp_path: Path, body: str, what: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><body>{body}", encoding="utf-8")
    found = unreadable(tab, page)
    assert any(what in each for each in found), found


@pytest.mark.parametrize(
    "body",
    [
        f'<div style="overflow-x: auto">{TABLE}</div>',
        '<pre style="overflow: auto; font-size: 14px">' + "long " * 99,
        '<p style="font-size: 14px">as it should be',
        '<p style="font-size: 3px; display: none">not shown',
    ],
)
def test_what_scrolls_within_itself_can_be_read(tab: Any, tmp_path: Path, body: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><body>{body}", encoding="utf-8")
    assert unreadable(tab, page) == []

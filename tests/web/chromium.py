"""A browser as people have it, for tests of the page: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.commanding import SECONDS

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
NONE = "no Chromium, or no playwright: the page is NOT looked at in a browser"

# What a browser does that nobody waits for, and what a container has not.
OPTIONS = ["--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """Yield a browser; skip the test if there is none."""
    api = pytest.importorskip("playwright.sync_api", reason=NONE)
    if PROGRAM is None:
        pytest.skip(NONE)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=[*OPTIONS, *options], timeout=SECONDS * 1_000
        )
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """The page in a tab of a browser, and what it shows.

    Attributes:
        tab: the tab, of playwright's.
        faults: what the browser complained of, and what was struck by a script that is not ours.
    """

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_default_timeout(SECONDS * 1_000)
        self.tab = context.new_page()
        self.faults: list[str] = []
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("dialog", self._struck)
        self.tab.on("console", self._said)
        self.tab.goto(url)

    def _said(self, message: Any) -> None:
        # That a server is not there is said, too, and is none of the page's doing.
        if message.type == "error" and "net::" not in message.text:
            self.faults.append(message.text)

    def _struck(self, dialog: Any) -> None:
        self.faults.append(dialog.message)
        dialog.dismiss()

    # By selectors alone: to run a text as a script is forbidden by the page, to tests too.

    def wait(self, selector: str) -> None:
        """Wait until there is what *selector* selects, seen or not."""
        self.tab.wait_for_selector(selector, state="attached")

    def wait_for_version(self, version: int) -> None:
        """Wait until the page shows *version*."""
        self.wait(f'body[data-shown="{version}"]')

    def text(self, name: str) -> str:
        """Return the text of the element of that name."""
        found: str = self.tab.text_content(f"#{name}")
        return found

    def table(self, name: str) -> list[list[str]]:
        """Return the texts of the cells of a table."""
        cells = self.tab.locator(f"#{name} tbody td").all_text_contents()
        width = self.tab.locator(f"#{name} th").count()
        return [cells[start : start + width] for start in range(0, len(cells), width)]

    def records(self) -> dict[str, str]:
        """Return the records that it shows."""
        return dict(sorted((key, text) for key, text in self.table("rows")))

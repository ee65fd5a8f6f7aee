"""The pages name the releases that are installed, places that are there, and what is measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.adoptions.pinned import EXTRAS, RELEASES, pinned, text_of
from tests.adoptions.timing import undisturbed

# The package, its page, and the modules that the page speaks of.
PAGES = [
    (
        "kubernetes",
        "kubernetes-informer",
        ["kubernetes.informer.informer", "kubernetes.informer.cache"],
    ),
    ("python-binance", "python-binance", ["binance.ws.depthcache"]),
]


@pytest.mark.parametrize(("package", "page", "_"), PAGES)
def test_the_release_that_a_page_names_is_the_one_that_is_installed(
    package: str, page: str, _: Any
) -> None:
    assert f"`{package}` {RELEASES[package]}" in text_of(page)
    pins = [each.partition(";")[0] for each in EXTRAS["adoptions"]]
    assert f"{package}=={RELEASES[package]}" in pins
    assert any("adoptions" in each for each in EXTRAS["test"])


@pytest.mark.parametrize(("package", "page", "modules"), PAGES)
def test_the_places_that_a_page_names_are_there(
    package: str, page: str, modules: list[str]
) -> None:
    source = ""
    for module in modules:
        file = Path(pinned(package, module).__file__)
        assert f"`{file.name}`" in text_of(page) or f"/{file.name}`" in text_of(page)
        source += file.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d \|[^|]*\|([^|]*)\|[^|]*\|$", text_of(page), re.MULTILINE)
    assert len(rows) >= 4
    for where in rows:
        for name in re.findall(r"`([\w.]+)(?:\([^`]*\))?`", where):
            if not name.endswith(".py"):
                last = name.rpartition(".")[2]
                assert re.search(rf"\b{last}\b", source), name


def test_what_is_measured_of_the_informer_stands_on_its_page() -> None:
    pinned("kubernetes", "kubernetes.informer")
    from tests.adoptions.informer_figures import compare

    with undisturbed():
        found = list(compare(30, 2, 0.0001))
    assert len(found) == 8
    for what, which, least, middle in found:
        assert least > 0 < middle
        assert f"| {what} | {which} | " in text_of("kubernetes-informer")


def test_what_is_measured_of_the_depth_cache_stands_on_its_page() -> None:
    pinned("python-binance", "binance")
    from tests.adoptions.depth_figures import ratios

    with undisturbed():
        found = ratios(5, 2, 0.0001)
    assert len(found) == 3
    for what, figures in found.items():
        assert min(figures) > 0
        assert f"| {what} | " in text_of("python-binance")


def test_what_is_counted_is_whole_here() -> None:
    pinned("python-binance", "binance")
    from tests.adoptions.depth_figures import count_ours, count_published
    from tests.adoptions.tape import Tape

    tape = Tape(50, 10)
    assert count_ours(tape).keys() <= {"whole"}
    assert count_published(tape).keys() <= {"whole", "crossed", "RuntimeError"}

"""The site of each release: made of what its tag holds, listed on every page, and chosen there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.site.serving import served
from tests.web.chromium import chromium

pytest.importorskip("sphinx", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs/_site"))

import versions  # noqa: E402

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git")

CONF = f"""
import package
extensions = ["myst_parser"]
myst_enable_extensions = ["substitution"]
myst_substitutions = {{"of": package.VERSION}}
html_theme = "furo"
templates_path = [{str(ROOT / "docs/_site/templates")!r}]
html_static_path = [{str(ROOT / "docs/_static")!r}]
html_js_files = [("versions.js", {{"defer": "defer"}})]
"""


class Repository:
    """A small one, with a package of one line and pages that say of which version they are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "docs").mkdir(parents=True)
        (root / "docs/conf.py").write_text(CONF, encoding="utf-8")
        self.write(version="0.1.0", pages=("index",))
        self.git("init", "-q", "-b", "main")

    def write(self, version: str, pages: tuple[str, ...]) -> None:
        (self.root / "package.py").write_text(f"VERSION = {version!r}\n", encoding="utf-8")
        project = f'[project]\nname = "small"\nversion = "{version}"\n'
        (self.root / "pyproject.toml").write_text(project, encoding="utf-8")
        others = "".join(f"{page}\n" for page in pages if page != "index")
        for page in pages:
            text = f"# Page {page}\n\nThis is of {{{{ of }}}}.\n"
            if page == "index":
                text += f"\n```{{toctree}}\n{others}```\n"
            (self.root / f"docs/{page}.md").write_text(text, encoding="utf-8")

    def git(self, *arguments: str) -> None:
        me = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(self.root), *me, *arguments], check=True)

    def commit(self, tag: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", tag)
        self.git("tag", tag)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases, and a tree that has gone on; with a page more each time."""
    folder = tmp_path_factory.mktemp("versions")
    repository = Repository(folder / "repository")
    repository.commit("v0.1.0")
    repository.write("0.2.0", ("index", "second"))
    repository.commit("v0.2.0")
    repository.git("tag", "not-a-release")
    repository.write("0.3.0", ("index", "second", "third"))
    out = folder / "out"
    assert versions.build(repository.root, out) == ["0.2.0", "0.1.0", "0.3.0dev"]
    # What is there is left as it is, but for the tree and the list.
    (out / "0.1.0/mark").touch()
    repository.write("0.3.1", ("index", "second", "third"))
    assert versions.build(repository.root, out) == ["0.3.1dev"]
    assert (out / "0.1.0/mark").exists()
    return out


def said_by(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("This is of ")[2].partition(".</p>")[0]


@needs_git
def test_each_version_is_made_of_its_own_package_and_pages(site: Path) -> None:
    folders = {folder.name for folder in site.iterdir() if folder.is_dir()}
    assert folders == {"0.1.0", "0.2.0", "0.3.1dev", "latest"}
    told = {name: said_by(site / name / "index.html") for name in folders}
    assert told == {"0.1.0": "0.1.0", "0.2.0": "0.2.0", "0.3.1dev": "0.3.1", "latest": "0.2.0"}
    assert not (site / "0.1.0/second.html").exists()
    assert "<title>small 0.3.1dev</title>" in (site / "0.3.1dev/index.html").read_text("utf-8")
    assert "url=latest/index.html" in (site / "index.html").read_text("utf-8")
    assert json.loads((site / "versions.json").read_text("utf-8")) == [
        {"folder": "latest", "title": "latest (0.2.0)"},
        {"folder": "0.2.0", "title": "0.2.0"},
        {"folder": "0.1.0", "title": "0.1.0"},
        {"folder": "0.3.1dev", "title": "0.3.1dev"},
    ]


@needs_git
def test_without_a_release_the_latest_is_the_tree(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    assert versions.build(repository.root, tmp_path / "out") == ["0.1.0dev"]
    assert said_by(tmp_path / "out/latest/index.html") == "0.1.0"
    assert said_by(tmp_path / "out/0.1.0dev/index.html") == "0.1.0"


@needs_git
def test_the_tags_of_a_repository_around_the_tree_are_not_its_own(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit("v9.0.0")
    assert versions.tags_of(tmp_path) == ["v9.0.0"]
    assert versions.tags_of(tmp_path / "docs") == []


def test_releases_are_ordered_by_number_and_all_else_is_none() -> None:
    tags = ["v0.9.0", "0.10.0", "v0.10.0rc1", "v1", "backup-v0.1.0", "v0.10.0", "0.2.1"]
    found = versions.releases_of(tags)
    assert [release.name for release in found] == ["0.10.0", "0.9.0", "0.2.1"]
    assert versions.list_of([], "0.1.0dev") == [
        {"folder": "latest", "title": "latest (0.1.0dev)"},
        {"folder": "0.1.0dev", "title": "0.1.0dev"},
    ]


# In a browser


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    with served(partial(_Quiet, directory=str(site))) as url:
        yield url


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with chromium() as browser:
        yield browser.new_page()


def chosen(tab: Any, name: str) -> str:
    """Choose a version; return what the page that is then shown says."""
    tab.select_option(".versions select", name)
    tab.wait_for_url(f"**/{name}/**")
    tab.wait_for_selector(".versions:not([hidden])", state="attached")
    assert tab.input_value(".versions select") == name
    said: str = tab.locator("article").inner_text()
    return said


@needs_git
def test_a_version_is_chosen_on_the_page(tab: Any, url: str) -> None:
    tab.goto(url)
    tab.wait_for_url("**/latest/index.html")
    tab.wait_for_selector(".versions select", state="visible")
    listed = tab.locator(".versions option").all_inner_texts()
    assert listed == ["latest (0.2.0)", "0.2.0", "0.1.0", "0.3.1dev"]
    tab.goto(f"{url}/latest/second.html")
    # The same page where there is one, else the first.
    assert "Page second" in chosen(tab, "0.3.1dev")
    assert "of 0.3.1" in tab.locator("article").inner_text()
    assert "Page index\n\nThis is of 0.1.0." in chosen(tab, "0.1.0").replace("#", "")
    assert "Page index" in chosen(tab, "0.2.0")


@needs_git
def test_a_site_that_stands_alone_has_no_list(tab: Any, site: Path) -> None:
    tab.goto((site / "0.2.0/index.html").as_uri())
    assert tab.locator(".versions").count() == 1
    assert not tab.locator(".versions").is_visible()

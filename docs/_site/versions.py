"""The site of every release, each under its version: ``python docs/_site/versions.py OUT``.

Releases are the tags ``v1.2.3`` (or ``1.2.3``); each is built of what its tag holds, package and
pages. The tree as it is stands beside them as ``1.2.3dev``, with the version of its own
``pyproject.toml``. ``latest`` is the newest release, or the tree while there is none; the root
leads there. `versions.json` lists what there is, for the list that each page shows. A release does
not change, so one that stands in OUT already is left as it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from zipfile import ZipFile

LATEST: Final = "latest"
_RELEASE: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_ROOT = """\
<!doctype html>
<meta charset="utf-8">
<title>{0}</title>
<meta http-equiv="refresh" content="0; url={0}/index.html">
<a href="{0}/index.html">{0}</a>
"""


class Release(NamedTuple):
    """A tag that is a release; the greater, the newer."""

    number: tuple[int, int, int]
    tag: str

    @property
    def name(self) -> str:
        """The version, as the folder of its site is called."""
        return ".".join(map(str, self.number))


def releases_of(tags: Iterable[str]) -> list[Release]:
    """Return those that are releases, the newest first; one version with two tags once."""
    found = {}
    for tag in sorted(tags):
        if match := _RELEASE.fullmatch(tag):
            major, minor, micro = map(int, match.groups())
            found[major, minor, micro] = Release((major, minor, micro), tag)
    return sorted(found.values(), reverse=True)


def list_of(releases: list[Release], tree: str) -> list[dict[str, str]]:
    """Make `versions.json`: the folder of each, and how it is called, as they are to be listed."""
    newest = releases[0].name if releases else tree
    names = [release.name for release in releases]
    return [
        {"folder": LATEST, "title": f"{LATEST} ({newest})"},
        *({"folder": name, "title": name} for name in [*names, tree]),
    ]


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, stdout=subprocess.PIPE
    ).stdout


def tags_of(root: Path) -> list[str]:
    """Return the tags of the repository of which *root* is the top; none without one."""
    inside = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--show-toplevel"],
        check=False,
        capture_output=True,
        text=True,
    )
    # The tags of a repository around it are not its own.
    if inside.returncode != 0 or Path(inside.stdout.strip()).resolve() != root.resolve():
        return []
    return _git(root, "tag", "--list").decode().split()


def _build(tree: Path, out: Path, title: str) -> None:
    """Build the pages of *tree*, of the package of *tree*; *out* is there when all of it is."""
    with TemporaryDirectory(dir=out.parent, prefix=".") as beside:
        made = Path(beside) / "site"
        # In a process of its own, for each has a package of the same name.
        subprocess.run(
            [
                *(sys.executable, "-m", "sphinx", "-q", "-d", f"{beside}/read"),
                *("-D", f"html_title={title}", str(tree / "docs"), str(made)),
            ],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            check=True,
        )
        shutil.rmtree(out, ignore_errors=True)
        made.rename(out)


def build(root: Path, out: Path) -> list[str]:
    """Build what is missing of the sites of the repository *root*; return what was built.

    Raises:
        subprocess.CalledProcessError: git or Sphinx failed; they have said why. What was built
            before that stands.
    """
    out.mkdir(parents=True, exist_ok=True)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tree, built, standing = f"{project['version']}dev", [], []
    for release in releases_of(tags_of(root)):
        folder = out / release.name
        if not folder.exists():
            with TemporaryDirectory() as checkout:
                archive = BytesIO(_git(root, "archive", "--format=zip", release.tag))
                with ZipFile(archive) as files:
                    files.extractall(checkout)
                if not (Path(checkout) / "docs/conf.py").exists():
                    continue  # it had no site yet
                _build(Path(checkout), folder, f"{project['name']} {release.name}")
            built.append(release.name)
        standing.append(release)
    _build(root, out / tree, f"{project['name']} {tree}")
    for old in out.glob("*dev"):
        if old.name != tree:
            shutil.rmtree(old)
    shutil.rmtree(out / LATEST, ignore_errors=True)
    shutil.copytree(out / (standing[0].name if standing else tree), out / LATEST)
    listed = json.dumps(list_of(standing, tree), indent=1)
    (out / "versions.json").write_text(f"{listed}\n", encoding="utf-8")
    (out / "index.html").write_text(_ROOT.format(LATEST), encoding="utf-8")
    return [*built, tree]


def main(out: Path) -> int:
    """Build those of the tree that this file stands in; say which, and return the exit status."""
    try:
        for name in build(Path(__file__).resolve().parents[2], out.resolve()):
            print(name)
    except subprocess.CalledProcessError as error:
        print(f"not built: {error.cmd[0]} ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} OUT")
    sys.exit(main(Path(sys.argv[1])))

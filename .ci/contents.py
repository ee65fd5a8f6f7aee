"""What is in the distributions is what is in the tree, no more: `contents.py TREE DIST`."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

# What the package is made of, and what goes with its source; see pyproject.toml.
PACKAGE = "cowstate"
WITH_THE_SOURCE = (
    *("tests", "docs", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *("SECURITY.md", "pyproject.toml"),
)
# Made in the tree by programs that run in it, and no part of it.
MADE = {"__pycache__", "_build", "api", "node_modules"}
NEEDED = {f"{PACKAGE}/py.typed", f"{PACKAGE}/web/page/index.html", f"{PACKAGE}/web/page/page.js"}
ABOUT = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
OF_THE_BUILDER = {"PKG-INFO", ".gitignore"}


def tree_of(root: Path, *names: str) -> set[str]:
    """Return the files of the tree below some names."""
    found = set()
    for name in names:
        top = root / name
        for path in [top] if top.is_file() else top.rglob("*"):
            parts = path.relative_to(root).parts
            if path.is_file() and not MADE & {*parts} and not parts[-1].startswith("."):
                found.add("/".join(parts))
    return found


def differences(kind: str, found: set[str], wanted: set[str]) -> list[str]:
    """Return what is in a distribution and should not be, and what is missing, in words."""
    return [
        *(f"{kind}: {name} does not belong there" for name in sorted(found - wanted)),
        *(f"{kind}: {name} is missing" for name in sorted(wanted - found)),
    ]


def main(root: Path, dist: Path) -> int:
    """Compare; 1 if they differ."""
    [wheel], [source] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    name = "-".join(wheel.name.split("-")[:2])
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {each for each in archive.namelist() if not each.endswith("/")}
    with tarfile.open(source) as archive:
        odd = [each.name for each in archive if not (each.isfile() or each.isdir())]
        in_source = {each.name.removeprefix(f"{name}/") for each in archive if each.isfile()}
    package = tree_of(root, PACKAGE)
    told = differences(
        "wheel", in_wheel, package | NEEDED | {f"{name}.dist-info/{each}" for each in ABOUT}
    )
    told += differences(
        "source", in_source - OF_THE_BUILDER, package | tree_of(root, *WITH_THE_SOURCE)
    )
    told += [f"source: {each} is no file" for each in odd]
    print(
        "\n".join(told[:40])
        or f"{len(in_wheel)} files in the wheel, {len(in_source)} in the source"
    )
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

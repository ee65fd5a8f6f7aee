"""Every example runs: on the pages, in docstrings, and on the command line."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest

from cowstate import History, Store, aio
from cowstate.bench import command as bench_command
from cowstate.cli import main
from cowstate.journal import command as journal_commands
from cowstate.positions.command import chaos as chaos_command
from cowstate.positions.command import reconcile as reconcile_command
from cowstate.positions.command import replay as replay_command
from cowstate.positions.command import trade as trade_command
from cowstate.web import command as serve_command
from tests.pages import FENCE, NO_TEST, PAGES, ROOT, failures_of, missing, modules, run_page


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_the_docstrings_of_a_module_run(name: str) -> None:
    module = importlib.import_module(name)
    told = [failures_of(test) for test in doctest.DocTestFinder().find(module)]
    assert not "".join(told), "".join(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_on_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if lacking := missing(text):
        pytest.skip(lacking)
    run_page(text, page.name)


def test_the_asynchronous_example_goes_on_after_it_has_lagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/how-to/follow-changes.md"
    follow = run_page(page.read_text(encoding="utf-8"), page.name)["follow"]
    store = Store({"a": 0}, history=History(versions=2))

    async def main() -> None:
        async with aio.feed(store) as changes:
            for n in range(1, 6):
                store.set("a", n)
            following = asyncio.create_task(follow(changes))
            await asyncio.sleep(0)
            for n in (6, 7):
                await asyncio.to_thread(store.set, "a", n)
            await asyncio.wait_for(following, 30)

    asyncio.run(main())
    assert "start again" in capsys.readouterr().out


# What is typed into a shell


def shell_of(text: str) -> list[tuple[int, str, str]]:
    """The commands of a page that begin with ``cowstate``: ``(line, command, output shown)``."""
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        if match["language"] not in ("console", "sh") or before.rstrip().endswith(NO_TEST):
            continue
        first = before.count("\n") + 2
        prompt = r"^\$ " if match["language"] == "console" else r"^"
        for typed in re.finditer(
            prompt + r"(cowstate .*)\n((?:(?!\$ ).*\n)*)", match["body"], re.M
        ):
            line = first + match["body"][: typed.start()].count("\n")
            shown = typed[2] if match["language"] == "console" else ""
            found.append((line, typed[1].partition(" #")[0], shown))
    return found


TYPED = [
    pytest.param(command, shown, id=f"{page.name}:{line}")
    for page in PAGES
    for line, command, shown in shell_of(page.read_text(encoding="utf-8"))
]


# Of what a command prints, that which is another each time.
VARIES = re.compile(
    r"\d+\.\d\d s$|(?<=Python )[\d.]+, [\d.]+ s, [\d,]+ worlds a minute$", re.MULTILINE
)


@pytest.mark.parametrize(("command", "shown"), TYPED)
def test_a_command_on_a_page_is_understood(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = [getattr(journal_commands, each) for each in journal_commands.__all__]
    commands = (replay_command, chaos_command, reconcile_command, bench_command, serve_command)
    for module in (*commands, trade_command, *looking):
        monkeypatch.setattr(module, "run", lambda args: 0)
    assert main(shlex.split(command)[1:]) == 0


def wrongly_shown(command: str, shown: str, printed: str) -> str:
    """What differs between what a page shows of a command and what that printed, or nothing."""
    want, got = (VARIES.sub("(some)", text) for text in (shown, printed))
    same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
    return "" if same else f"{command} prints\n{got}\nand the page shows\n{want}"


@pytest.mark.parametrize(("command", "shown"), [each for each in TYPED if each.values[1].strip()])
def test_the_output_of_a_command_is_what_the_page_shows(
    command: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = re.search(r"^\w+ failed in \d+ world|^HEALED; [1-9]|^UNHEALED", shown, re.M)
    assert main(shlex.split(command)[1:]) == (1 if fails else 0)
    assert wrongly_shown(command, shown, capsys.readouterr().out) == ""


def test_an_output_that_is_not_so_is_seen() -> None:
    page = "```console\n$ cowstate replay\ntrades 5\n  wall 0.10 s\n$ cowstate bench # long\n```\n"
    (_, command, shown), (_, other, nothing) = shell_of(page)
    assert (command, other, nothing) == ("cowstate replay", "cowstate bench", "")
    assert wrongly_shown(command, shown, "trades 5\n  wall 9.99 s\n") == ""
    assert "trades 6" in wrongly_shown(command, shown, "trades 6\n  wall 0.10 s\n")


def test_outputs_are_shown() -> None:
    assert sum(bool(each.values[1].strip()) for each in TYPED) >= 3


# That a broken example is seen


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("```python\nraise LookupError\n```\n", LookupError),
        ("```python\n>>> 1 + 1\n3\n```\n", AssertionError),
        ("```pycon\n>>> unknown\n```\n", AssertionError),
        ("```python\nx = 1\n```\n\ntext\n\n```python\n>>> x\n2\n```\n", AssertionError),
        ("```python\nthis is no python\n```\n", SyntaxError),
    ],
)
def test_a_broken_example_on_a_page_fails(page: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_page(page, "page.md")


@pytest.mark.parametrize(
    "page",
    [
        "```python\nx = 1\n```\n\n```python\n>>> x\n1\n```\n",
        "```sh\nexit 1\n```\n",
        "<!-- no test -->\n```python\nraise LookupError\n```\n",
        "no example",
    ],
)
def test_a_page_in_order_passes(page: str) -> None:
    run_page(page, "page.md")


def test_a_page_about_another_release_is_seen() -> None:
    assert missing("text\n<!-- needs pytest==0.1 -->\n").startswith("it is about pytest 0.1, and ")
    assert "nowhere 2.0, which is not" in missing(
        f"<!-- needs pytest=={pytest.__version__} nowhere==2.0 -->"
    )
    assert missing(f"<!-- needs pytest=={pytest.__version__} -->") == missing("no needs") == ""


def test_a_broken_example_in_a_docstring_fails() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "broken", None, 0)
    assert "Expected:\n    3" in failures_of(test)

"""Links to other sites, asked for over real HTTP: what is gone is told from who does not answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.site.serving import served

pytest.importorskip("sphinx", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs/_site"))

import abroad  # noqa: E402


class Elsewhere(BaseHTTPRequestHandler):
    """Answers with the status that the path begins with; a page has one place, ``#here``."""

    def do_GET(self) -> None:
        status = int(self.path.split("/")[1])
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "/200")
        body = b'<p id="here">'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with served(Elsewhere) as url:
        yield url


def asked(folder: Path, links: list[str]) -> abroad.Answers:
    docs = folder / "docs"
    docs.mkdir()
    settings = 'extensions = ["myst_parser"]\nlinkcheck_timeout = 8\n'
    (docs / "conf.py").write_text(settings, encoding="utf-8")
    page = "".join(f"\n[a link]({link})\n" for link in links)
    (docs / "index.md").write_text(f"# A page\n{page}", encoding="utf-8")
    return abroad.ask(docs, folder / "read")


def test_gone_is_what_a_server_says_is_not_there(tmp_path: Path, elsewhere: str) -> None:
    paths = ["200", "200/a", "200#here", "301", "200/b", "404", "410", "500", "503", "403"]
    answers = asked(tmp_path, [f"{elsewhere}/{path}" for path in [*paths, "200#gone"]])
    assert [told.rpartition("/")[2] for told in sorted(answers.gone)] == ["404", "410"]
    assert all(told.startswith("index.md:") for told in answers.gone)
    assert len(answers.well) == 5
    assert len(answers.unsure) == 4
    assert any("Anchor 'gone' not found" in told for told in answers.unsure)


def test_without_a_network_nothing_is_concluded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as closed:
        nobody = f"http://127.0.0.1:{closed.server_port}"
    answers = asked(tmp_path, [f"{nobody}/200", f"{nobody}/404"])
    assert (answers.well, answers.gone, len(answers.unsure)) == ([], [], 2)
    assert abroad.main(tmp_path / "docs", tmp_path / "read") == 0
    assert capsys.readouterr().out.count("\n") == 1


def result(status: str, info: str = "", uri: str = "https://example.com") -> str:
    told = {"filename": "a.md", "lineno": 1, "uri": uri, "status": status, "info": info, "code": 0}
    return json.dumps(told)


@pytest.mark.parametrize(("well", "network"), [(0, False), (1, False), (2, True), (3, True)])
def test_one_that_answers_for_everybody_is_no_network(well: int, network: bool) -> None:
    lines = [result("working")] * well + [result("broken", "404 Client Error: Not Found")] * 2
    answers = abroad.judge([*lines, result("broken", "", "#no-place"), result("ignored")])
    assert len(answers.gone) == 2
    assert answers.is_a_network is network


def test_what_is_gone_ends_it_with_1_and_what_is_unsure_does_not(
    tmp_path: Path, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(tmp_path, [f"{elsewhere}/200", f"{elsewhere}/200/a", f"{elsewhere}/500"])
    assert abroad.main(tmp_path / "docs", tmp_path / "read") == 0
    assert "-- not told: index.md:" in capsys.readouterr().out
    page = tmp_path / "docs/index.md"
    page.write_text(page.read_text(encoding="utf-8").replace("/500", "/404"), encoding="utf-8")
    assert abroad.main(tmp_path / "docs", tmp_path / "read") == 1
    assert f"gone: index.md:7: {elsewhere}/404" in capsys.readouterr().out


def test_pages_that_cannot_be_read_are_no_answer(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text("1 / 0", encoding="utf-8")
    with pytest.raises(abroad.subprocess.CalledProcessError):
        abroad.ask(tmp_path, tmp_path / "read")

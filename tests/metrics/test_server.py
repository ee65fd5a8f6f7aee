"""A real Prometheus scrapes a program, and answers every query of the documents.

Where there is none, in `PROMETHEUS` or on the path, these are skipped; ``.ci/run`` gets one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from cowstate.metrics.prometheus import MetricsCollector
from tests.metrics.queries import ALARMS, TARGETS, filled_in
from tests.metrics.watched import Program, values
from tests.standing import eventually

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus is to be had here")

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: cowstate
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@contextmanager
def prometheus(port: int, folder: Path) -> Iterator[Callable[..., Any]]:
    """A server that scrapes *port*, and what it answers to a query of its API."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(port=port), encoding="utf-8")
    said = folder / "said"
    with said.open("w") as log:
        process = subprocess.Popen(
            [
                str(PROMETHEUS),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--log.level=info",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        found: list[str] = []

        def listens() -> bool:
            assert process.poll() is None, said.read_text(encoding="utf-8")
            text = said.read_text(encoding="utf-8")
            found.extend(re.findall(r"address=(127\.0\.0\.1:[1-9]\d*)", text))
            return bool(found) and "Server is ready" in text

        eventually(listens, "Prometheus does not start", 120)

        def ask(path: str, **options: str) -> Any:
            with urlopen(
                f"http://{found[0]}/api/v1/{path}?{urlencode(options)}", timeout=60
            ) as got:
                answer = json.loads(got.read())
            assert answer["status"] == "success"
            return answer["data"]

        yield ask
    finally:
        process.terminate()
        process.wait(60)


def test_it_scrapes_a_program_and_answers_every_query_of_the_documents(tmp_path: Path) -> None:
    with Program(tmp_path / "kept.db") as program:
        program.live()
        registry = CollectorRegistry()
        registry.register(MetricsCollector(program.metrics))
        server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
        try:
            with prometheus(server.server_address[1], tmp_path) as ask:

                def scraped() -> bool:
                    got = ask("query", query="count_over_time(cowstate_store_records[1m])")
                    return bool(got["result"]) and float(got["result"][0]["value"][1]) >= 3

                eventually(scraped, "nothing was scraped three times", 120)
                for target in TARGETS:
                    got = ask("query", query=filled_in(target["expr"]))
                    assert got["result"], target["expr"]
                for alarm in ALARMS:
                    assert ask("query", query=alarm)["resultType"] == "vector"
                kept = ask("query", query='cowstate_store_records{store="jobs"}')["result"]
                told = values(program.metrics.read(), "cowstate_store_records")
                assert float(kept[0]["value"][1]) == told["jobs",]
                # By the name of the family, as OpenMetrics has it: without its end.
                family = "cowstate_store_lock_wait_time_seconds"
                [about] = ask("metadata", metric=family)[family]
                assert about["type"] == "counter"
                assert about["help"] == "How long they waited for it, together."
                # An alarm that is on is on.
                assert not ask("query", query="cowstate_journal_closed == 1")["result"]
                program.kept.close()
                eventually(
                    lambda: ask("query", query="cowstate_journal_closed == 1")["result"],
                    "the end of the journal is not told",
                    120,
                )
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

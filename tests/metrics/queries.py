"""The queries that the documents name: of the dashboard, and of the table of alarms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "docs/how-to/metrics-dashboard.json").read_text(encoding="utf-8"))
HOW_TO = (ROOT / "docs/how-to/metrics.md").read_text(encoding="utf-8")

PANELS: list[dict[str, Any]] = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
TARGETS: list[dict[str, Any]] = [target for panel in PANELS for target in panel["targets"]]
ALARMS = re.findall(r"^\| [^|]+ \| `(.+)` \|$", HOW_TO, re.MULTILINE)

_METRIC = re.compile(r"\bcowstate_\w+")


def metrics_in(query: str) -> set[str]:
    return {*_METRIC.findall(query)}


def filled_in(query: str) -> str:
    """The query as Grafana sends it."""
    return query.replace("$__rate_interval", "1m").replace("$store", ".*")

"""docs/operations.md, the alert rules and the dashboard speak of the metrics that there are, and of all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from prometheus_client import Metric

from service.api import metrics as api
from service.model_server import metrics as model_server

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "operations.md").read_text()
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "latentaug.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

SERIES = {"histogram": ("_bucket", "_sum", "_count")}
WORDS = {"and", "unless", "or", "on", "by"}


def families() -> list[Metric]:
    of_api = api.Metrics()
    registries = (of_api.of_process, of_api.of_jobs, model_server.Metrics(torch.device("cpu")).registry)
    return [family for registry in registries for family in registry.collect()]


def exported(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def series() -> set[str]:
    """Names that a query may use."""
    return {exported(family) + end for family in families() for end in SERIES.get(family.type, ("",))}


def used(expression: str) -> set[str]:
    """The series that a PromQL expression names: what is left without labels, ranges, functions and words."""
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on) \([^)]*\)", " ", expression)
    return set(re.findall(r"\b[a-z_]+\b(?!\s*\()", plain)) - WORDS


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (alert["expr"] for alert in ALERTS)


def test_the_table_has_every_metric_with_its_type_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted((exported(family), family.type) for family in families())


def test_panels_and_alerts_ask_for_what_is_exported() -> None:
    known = series() | {"up"}
    wrong = {query: unknown for query in queries() if (unknown := used(query) - known)}
    assert not wrong
    assert all(used(query) for query in queries())


def test_every_alert_is_explained_under_its_name() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert headings == [alert["alert"] for alert in ALERTS]
    assert all(alert["annotations"]["summary"] and alert["labels"]["severity"] for alert in ALERTS)


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    assert DASHBOARD["uid"] == "latentaug"
    assert DASHBOARD["schemaVersion"] >= 39
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie over one another"
    assert max(x for x, _ in cells) < 24
    variable = DASHBOARD["templating"]["list"][0]
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
            assert panel["title"]
            assert panel["description"]


def test_the_profile_mounts_files_that_exist_and_scrapes_the_api() -> None:
    for service in ("prometheus", "grafana"):
        described = COMPOSE["services"][service]
        assert described["profiles"] == ["observability"]
        sources = [volume.split(":")[0] for volume in described["volumes"]]
        assert all((ROOT / source).exists() for source in sources if source.startswith("./"))
        assert all(port.startswith("127.0.0.1:") for port in described["ports"])
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["metrics_path"] for job in scraped} == {"/metrics", "/metrics/model-server"}
    jobs = {name for alert in ALERTS for name in re.findall(r'job="([^"]+)"', alert["expr"])}
    assert jobs <= {job["job_name"] for job in scraped}

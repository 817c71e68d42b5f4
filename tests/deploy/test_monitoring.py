"""Prometheus and Grafana get in a cluster what they get beside the containers."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.deploy.rendering import CHART, DEPLOY, RENDERED, Manifest, component, of_kind

ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
SCRAPED: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]


def groups(manifests: list[Manifest]) -> list[dict[str, Any]]:
    (rules,) = of_kind(manifests, "PrometheusRule")
    found: list[dict[str, Any]] = rules["spec"]["groups"]
    return found


def test_the_files_of_the_chart_are_those_beside_it() -> None:
    assert {path.name: path.resolve() for path in (CHART / "files").iterdir()} == {
        "alerts.yml": DEPLOY / "prometheus" / "alerts.yml",
        "latentaug.json": DEPLOY / "grafana" / "latentaug.json",
    }


def test_the_alerts_are_the_same() -> None:
    assert groups(RENDERED["no policies"]) == ALERTS


def test_only_where_keda_scales_to_zero_is_a_queue_without_workers_no_alert() -> None:
    (scaled,), (always,) = groups(RENDERED["everything"]), ALERTS

    assert scaled["rules"] == [rule for rule in always["rules"] if rule["alert"] != "NoWorker"]
    assert len(scaled["rules"]) == len(always["rules"]) - 1


def test_the_dashboard_is_the_same() -> None:
    (dashboard,) = (each for each in of_kind(RENDERED["everything"], "ConfigMap") if component(each) == "dashboard")

    assert json.loads(dashboard["data"]["latentaug.json"]) == json.loads(
        (DEPLOY / "grafana" / "latentaug.json").read_text()
    )
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_prometheus_asks_each_part_once_and_knows_it_by_the_same_name() -> None:
    found: dict[str, Manifest] = {}
    for monitor in of_kind(RENDERED["everything"], "ServiceMonitor"):
        (found[component(monitor)],) = monitor["spec"]["endpoints"]

    named = {name: endpoint["relabelings"] for name, endpoint in found.items()}
    assert named == {
        name: [{"targetLabel": "job", "replacement": f"latentaug-{name}"}] for name in ("api", "model-server")
    }
    assert {f"latentaug-{name}" for name in found} == {each["job_name"] for each in SCRAPED}
    assert found["api"]["authorization"]["credentials"] == {"name": "latentaug-metrics-key", "key": "key"}
    assert "authorization" not in found["model-server"]


def test_prometheus_chooses_by_the_labels_that_it_is_set_to() -> None:
    chosen = of_kind(RENDERED["everything"], "ServiceMonitor", "PrometheusRule")

    assert len(chosen) == 3
    assert {each["metadata"]["labels"]["release"] for each in chosen} == {"prometheus"}

"""What the chart renders is what Kubernetes and its operators take, and its parts find each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

from tests.deploy.rendering import (
    CHART,
    COMBINATIONS,
    NAMESPACE,
    RENDERED,
    Manifest,
    container,
    each_once,
    files,
    helm,
    of_kind,
    pod_owners,
    pods,
    render,
)

OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
OF_OPERATORS = {
    "ScaledObject": keda.ScaledObject,
    "TriggerAuthentication": keda.TriggerAuthentication,
    "ServiceMonitor": prometheus.ServiceMonitor,
    "PrometheusRule": prometheus.PrometheusRule,
}
OWN = each_once(
    {
        f"{name}, {manifest['kind']} {manifest['metadata']['name']}": manifest
        for name, manifests in RENDERED.items()
        for manifest in manifests
        if manifest["kind"] not in OF_OPERATORS
    }
)

every_combination = pytest.mark.parametrize("manifests", RENDERED.values(), ids=RENDERED)


@pytest.mark.parametrize("values", COMBINATIONS.values(), ids=COMBINATIONS)
def test_helm_finds_no_fault_with_the_chart(values: dict[str, Any]) -> None:
    report = helm("lint", values=values)

    assert report["total_charts_linted"] == 1
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", OWN.values(), ids=OWN)
def test_kubernetes_takes_every_object_of_its_own(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_kubernetes_takes_no_field_that_it_does_not_know() -> None:
    manifest = {**next(iter(OWN.values())), "misspelt": 1}

    with pytest.raises(kubernetes_validate.ValidationError, match="misspelt"):
        kubernetes_validate.validate(manifest, NEWEST, strict=True)


@every_combination
def test_operators_take_every_object_of_theirs(manifests: list[Manifest]) -> None:
    for manifest in of_kind(manifests, *OF_OPERATORS):
        read = OF_OPERATORS[manifest["kind"]].model_validate(manifest)
        assert read.model_dump(by_alias=True, exclude_unset=True, mode="json") == manifest  # nothing was passed over


def test_the_combinations_have_every_object_of_operators() -> None:
    assert {manifest["kind"] for manifest in RENDERED["everything"]} >= OF_OPERATORS.keys()
    assert of_kind(RENDERED["default"], *OF_OPERATORS) == []


def test_the_oldest_version_of_kubernetes_is_the_one_that_the_chart_names() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


def test_a_packed_chart_is_the_same_chart(tmp_path: Path) -> None:
    packed = helm("package", destination=str(tmp_path))

    assert files(COMBINATIONS["everything"], chart=Path(packed)) == files(COMBINATIONS["everything"])


@every_combination
def test_no_two_objects_have_one_name(manifests: list[Manifest]) -> None:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]

    assert len(names) == len(set(names))
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {NAMESPACE}


def test_two_releases_share_a_namespace() -> None:
    one, two = (
        {(manifest["kind"], manifest["metadata"]["name"]) for manifest in render(COMBINATIONS["everything"], release)}
        for release in ("one", "two")
    )

    assert one & two == set()


def selected(manifests: list[Manifest], selector: Mapping[str, str]) -> set[str]:
    """The components whose pods have these labels."""
    labels = {name: owner["spec"]["template"]["metadata"]["labels"] for name, owner in pod_owners(manifests).items()}
    return {name for name, found in labels.items() if selector.items() <= found.items()}


@every_combination
def test_everything_that_selects_pods_selects_those_of_its_own_part(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        own = {manifest["metadata"]["labels"]["app.kubernetes.io/component"]}
        match manifest["kind"]:
            case "Service":
                assert selected(manifests, manifest["spec"]["selector"]) == own
            case "Deployment" | "StatefulSet" | "PodDisruptionBudget" | "ServiceMonitor":
                assert selected(manifests, manifest["spec"]["selector"]["matchLabels"]) == own


@every_combination
def test_prometheus_finds_the_service_and_the_port_that_it_is_to_ask(manifests: list[Manifest]) -> None:
    services = of_kind(manifests, "Service")
    for monitor in of_kind(manifests, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = (each for each in services if wanted <= each["metadata"]["labels"].items())
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


@every_combination
def test_what_scales_something_names_something_that_is_there(manifests: list[Manifest]) -> None:
    there = {owner["metadata"]["name"]: owner for owner in of_kind(manifests, "Deployment")}
    scaling = of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject")

    assert scaling
    for manifest in scaling:
        target = there[manifest["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]  # or each upgrade would undo the scaling


@every_combination
def test_ports_are_named_as_the_containers_name_them(manifests: list[Manifest]) -> None:
    parts = pods(manifests)
    for service in of_kind(manifests, "Service"):
        ports = container(parts[service["metadata"]["labels"]["app.kubernetes.io/component"]])["ports"]
        served = {port["name"]: port["containerPort"] for port in ports}
        assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == served


@every_combination
def test_what_a_pod_mounts_is_there(manifests: list[Manifest]) -> None:
    claims = {claim["metadata"]["name"] for claim in of_kind(manifests, "PersistentVolumeClaim")}
    accounts = {account["metadata"]["name"] for account in of_kind(manifests, "ServiceAccount")}
    for name, pod in pods(manifests).items():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        templates = pod_owners(manifests)[name]["spec"].get("volumeClaimTemplates", [])
        known = volumes.keys() | {template["metadata"]["name"] for template in templates}
        assert {mount["name"] for mount in container(pod)["volumeMounts"]} == known
        wanted = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in volumes.values()
            if "persistentVolumeClaim" in volume
        }
        assert wanted <= claims
        assert pod["serviceAccountName"] in accounts


def test_without_a_bucket_all_parts_share_one_volume_that_outlives_the_release() -> None:
    (claim,) = of_kind(RENDERED["default"], "PersistentVolumeClaim")

    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert of_kind(RENDERED["bucket"], "PersistentVolumeClaim") == []

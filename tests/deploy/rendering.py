"""The chart rendered by Helm itself, as the objects that a cluster would get."""

from __future__ import annotations

import atexit
import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "chart"
RELEASE, NAMESPACE = "lab", "images"

Manifest = dict[str, Any]

COMBINATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": {
        "keda": {"enabled": True},
        "prometheus": {"enabled": True, "labels": {"release": "prometheus"}},
        "grafana": {"enabled": True},
        "webhookSecret": "webhooks",
        "store": {"url": "s3://bucket/prefix", "secret": "bucket"},
        "image": {"pullSecrets": ["registry"]},
    },
    "gpu": {
        "modelServer": {
            "gpu": True,
            "nodeSelector": {"gpu": "h100"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
        "workers": {"train": {"gpu": True, "replicas": 3}, "recommend": {"gpu": True}},
    },
    "several model servers": {"modelServer": {"replicas": 3}, "prometheus": {"enabled": True}},
    "bucket": {
        "store": {"url": "s3://bucket/prefix", "secret": "bucket"},
        "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/latentaug"},
    },
    "external Valkey": {
        "valkey": {"external": {"host": "valkey.example.org", "port": 6380, "caSecret": "authority"}},
        "keda": {"enabled": True},
    },
    "external Valkey without TLS": {
        "valkey": {"external": {"host": "10.1.2.3", "tls": False}},
        "keda": {"enabled": True, "namespace": "scaling"},
    },
    "no policies": {"networkPolicy": {"enabled": False}, "prometheus": {"enabled": True}},
    "known callers": {
        "networkPolicy": {
            "callers": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}},
                {"ipBlock": {"cidr": "10.0.0.0/8"}},
            ]
        }
    },
    "settings": {
        "settings": {
            "LATENTAUG_CORS_ORIGINS": "*",
            "LATENTAUG_RATE_LIMIT": "1000/minute",
            "LATENTAUG_MAX_BODY_BYTES": 134217728,
            "LATENTAUG_TENANTS": True,
            "LATENTAUG_DRAIN_SECONDS": 2.5,
        }
    },
}
"""What clusters have, and what may be asked of the chart there."""


class Refused(Exception):
    """The values are not those of the schema."""


@cache
def _helm() -> subprocess.Popen[str]:
    """The process that Helm runs in, until this one ends."""
    command = [sys.executable, "-m", "tests.deploy.helm_process"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def helm(do: str, chart: Path = CHART, **question: Any) -> Any:
    """What Helm answers to a question, as `helm_process` takes it.

    Raises:
        Refused: the values are not those of the schema.
    """
    process = _helm()
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({"do": do, "chart": str(chart), **question}) + "\n")
    process.stdin.flush()
    told = json.loads(process.stdout.readline())
    if "refused" in told:
        raise Refused(told["refused"])
    return told["answer"]


def files(values: Mapping[str, Any], release: str = RELEASE, chart: Path = CHART) -> dict[str, str]:
    """Render a chart's files.

    Raises:
        Refused: the values are not those of the schema.
    """
    rendered: dict[str, str] = helm("render", chart, values=values, release=release, namespace=NAMESPACE)
    return rendered


def render(values: Mapping[str, Any], release: str = RELEASE) -> list[Manifest]:
    """Render all objects of a release."""
    texts = [text for name, text in files(values, release).items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


RENDERED = {name: render(values) for name, values in COMBINATIONS.items()}


def each_once(found: dict[str, Manifest]) -> dict[str, Manifest]:
    """What differs among these, each under the first of its names: most combinations have most objects in common."""
    return {name: one for name, one in found.items() if name == next(n for n, other in found.items() if other == one)}


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def component(manifest: Manifest) -> str:
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def pod_owners(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The objects that make pods, by the component that these are."""
    return {component(owner): owner for owner in of_kind(manifests, "Deployment", "StatefulSet")}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """What is said of each component's pods."""
    return {name: owner["spec"]["template"]["spec"] for name, owner in pod_owners(manifests).items()}


def container(pod: Manifest) -> Manifest:
    """The only container of a pod."""
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


SECRETS = {"latentaug": "c0ffee", "secret": f"whsec_{base64.b64encode(bytes(32)).decode()}"}
"""What the Secrets hold that pods get variables from, by key."""


def variables(pod: Manifest) -> dict[str, str]:
    """The variables of a pod's process as Kubernetes would give them."""
    given: dict[str, str] = {}
    for variable in container(pod).get("env", []):
        match variable:
            case {"value": str(value)}:
                pass
            case {"valueFrom": {"secretKeyRef": {"key": str(key)}}}:
                value = SECRETS[key]
            case {"valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}}:
                value = "2"
        for name, earlier in given.items():
            value = value.replace(f"$({name})", earlier)
        given[variable["name"]] = value
    return given


def probes(pod: Manifest) -> Iterator[Manifest]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in container(pod):
            yield container(pod)[name]

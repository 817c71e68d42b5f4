"""KEDA counts the keys in which jobs really wait and run, and takes away no worker that works."""

from __future__ import annotations

import pytest
from redis import Redis
from rq import Queue

from latentaug.runtime.jobs import KINDS, Kind
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.settings import load
from tests.deploy.rendering import NAMESPACE, RENDERED, Manifest, component, of_kind, pod_owners, pods, variables


def scaled(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {component(each): each["spec"] for each in of_kind(manifests, "ScaledObject")}


@pytest.mark.parametrize("kind", KINDS)
def test_it_counts_what_waits_in_rqs_list_and_what_runs(kind: Kind) -> None:
    spec = scaled(RENDERED["everything"])[f"worker-{kind}"]

    counted = {trigger["name"]: trigger["metadata"]["listName"] for trigger in spec["triggers"]}
    assert counted == {"waiting": Queue(kind, connection=Redis()).key, "running": key("jobs", kind, "running")}
    assert spec["advanced"]["scalingModifiers"] == {"formula": "waiting + running", "target": "1"}


@pytest.mark.parametrize("kind", KINDS)
def test_workers_go_all_at_once_and_only_from_an_idle_queue(kind: Kind) -> None:
    spec = scaled(RENDERED["everything"])[f"worker-{kind}"]

    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour == {"scaleDown": {"selectPolicy": "Disabled"}}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 1)
    assert spec["cooldownPeriod"] == 300


def test_each_worker_serves_the_queue_that_it_is_scaled_by() -> None:
    served = {
        name: load(variables(pod)).queues for name, pod in pods(RENDERED["everything"]).items() if "worker" in name
    }

    assert served == {f"worker-{kind}": (kind,) for kind in KINDS}


def test_keda_finds_valkey_from_its_own_namespace() -> None:
    def addresses(name: str) -> set[tuple[str, str]]:
        triggers = [trigger["metadata"] for spec in scaled(RENDERED[name]).values() for trigger in spec["triggers"]]
        return {(trigger["address"], trigger["enableTLS"]) for trigger in triggers}

    assert addresses("everything") == {(f"lab-valkey.{NAMESPACE}:6379", "false")}
    assert addresses("external Valkey") == {("valkey.example.org:6380", "true")}
    assert addresses("external Valkey without TLS") == {("10.1.2.3:6379", "false")}


def test_keda_enters_as_its_own_user() -> None:
    (entry,) = of_kind(RENDERED["external Valkey"], "TriggerAuthentication")
    (user,) = entry["spec"]["configMapTargetRef"]
    (names,) = (each for each in of_kind(RENDERED["external Valkey"], "ConfigMap") if component(each) == "keda")

    assert names["metadata"]["name"] == user["name"]
    assert names["data"] == {user["key"]: "keda"}
    secrets = {each["parameter"]: (each["name"], each["key"]) for each in entry["spec"]["secretTargetRef"]}
    assert secrets == {"password": ("latentaug-valkey", "keda"), "ca": ("authority", "ca.crt")}
    triggers = [trigger for spec in scaled(RENDERED["external Valkey"]).values() for trigger in spec["triggers"]]
    assert {trigger["authenticationRef"]["name"] for trigger in triggers} == {entry["metadata"]["name"]}


def test_where_workers_may_all_be_gone_a_caretaker_stays() -> None:
    caretaker = pod_owners(RENDERED["everything"])["caretaker"]

    assert caretaker["spec"]["replicas"] == 1
    assert load(variables(pods(RENDERED["everything"])["caretaker"])).queues == ()
    assert "caretaker" not in pods(RENDERED["default"])


def test_without_keda_the_workers_are_always_there() -> None:
    owners = pod_owners(RENDERED["gpu"])

    assert owners["worker-train"]["spec"]["replicas"] == 3
    assert {owners[f"worker-{kind}"]["spec"]["replicas"] for kind in KINDS if kind != "train"} == {1}

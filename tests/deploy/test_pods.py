"""Every pod is confined, asks for what it needs, and is told nothing but settings that there are."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from latentaug.runtime import settings as configuration
from latentaug.runtime.settings import OF_CALLERS, PREFIX, Settings, load
from tests.deploy.rendering import (
    RENDERED,
    ROOT,
    Manifest,
    component,
    container,
    each_once,
    of_kind,
    pod_owners,
    pods,
    probes,
    variables,
)

OURS = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} - OF_CALLERS

PODS = each_once(
    {f"{name}, {part}": pod for name, manifests in RENDERED.items() for part, pod in pods(manifests).items()}
)

every_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


def service_pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {name: pod for name, pod in pods(manifests).items() if name != "valkey"}


@every_pod
def test_a_pod_is_not_root_and_has_no_rights_in_the_cluster(pod: Manifest) -> None:
    rights = pod["securityContext"]

    assert rights["runAsNonRoot"] is True
    assert rights["runAsUser"] > 0
    assert rights["fsGroup"] == rights["runAsGroup"] == rights["runAsUser"]
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False


@every_pod
def test_a_container_writes_to_its_volumes_alone_and_gains_no_right(pod: Manifest) -> None:
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@every_pod
def test_a_container_asks_for_cpu_and_memory_and_its_memory_is_bounded(pod: Manifest) -> None:
    resources = container(pod)["resources"]

    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "memory" in resources["limits"]


def test_the_page_says_how_much_a_release_asks_for_in_all() -> None:
    units = {"m": 1e-3, "Mi": 2**-10, "Gi": 1.0, "": 1.0}
    in_all = {"cpu": 0.0, "memory": 0.0}
    for name, pod in pods(RENDERED["default"]).items():
        for kind, text in container(pod)["resources"]["requests"].items():
            amount = text.rstrip("mMGi")
            in_all[kind] += float(amount) * units[text.removeprefix(amount)] * (2 if name == "api" else 1)

    page = " ".join((ROOT / "docs" / "kubernetes.md").read_text().split())
    assert f"ask for {in_all['cpu']:.0f} CPUs and {in_all['memory']:.0f} GiB of memory in all" in page


@every_pod
def test_a_pod_is_asked_how_it_is(pod: Manifest) -> None:
    assert "readinessProbe" in container(pod)
    assert all(probe.get("timeoutSeconds", 1) <= probe["periodSeconds"] for probe in probes(pod))


@every_pod
def test_no_other_service_of_the_namespace_adds_variables(pod: Manifest) -> None:
    assert (
        pod["enableServiceLinks"] is False
    )  # a service `latentaug-api` would add LATENTAUG_API_PORT, which is no setting


@pytest.mark.parametrize("manifests", RENDERED.values(), ids=RENDERED)
def test_every_process_starts_with_the_variables_that_it_is_given(manifests: list[Manifest]) -> None:
    for pod in service_pods(manifests).values():
        given = variables(pod)
        assert {name for name in given if name.startswith(PREFIX)} <= OURS
        configuration.load(given)


def test_what_needs_api_keys_is_told_to_the_api_alone() -> None:
    of_the_api = {"LATENTAUG_TENANTS", "LATENTAUG_CORS_ORIGINS"}
    for name, pod in service_pods(RENDERED["settings"]).items():
        assert variables(pod).keys() & of_the_api == (of_the_api if name == "api" else set())


@pytest.mark.parametrize("manifests", RENDERED.values(), ids=RENDERED)
def test_every_command_is_a_module(manifests: list[Manifest]) -> None:
    for pod in service_pods(manifests).values():
        python, flag, module = container(pod)["command"]
        assert (python, flag) == ("python", "-m")
        assert find_spec(f"{module}.__main__") is not None


def test_every_part_gets_the_secrets_that_it_needs_and_no_others() -> None:
    needed = {"api": {"api-keys", "valkey", "webhooks", "bucket"}, "model-server": {"bucket"}}
    for name, pod in service_pods(RENDERED["everything"]).items():
        only = container(pod)
        found = {source["secretRef"]["name"] for source in only["envFrom"]}
        found |= {
            each["valueFrom"]["secretKeyRef"]["name"]
            for each in only["env"]
            if "secretKeyRef" in each.get("valueFrom", {})
        }
        found |= {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        shortened = {secret.removeprefix("latentaug-") for secret in found}
        assert shortened == needed.get(name, {"valkey", "webhooks", "bucket"})


def test_a_gpu_is_asked_for_and_used_where_the_values_say_so() -> None:
    with_gpu = {"model-server", "worker-train", "worker-recommend"}
    for name, pod in service_pods(RENDERED["gpu"]).items():
        limits = container(pod)["resources"]["limits"]
        assert limits.get("nvidia.com/gpu") == (1 if name in with_gpu else None)
        assert variables(pod)["LATENTAUG_DEVICE"] == ("cuda" if name in with_gpu else "cpu")
    assert pods(RENDERED["gpu"])["model-server"]["nodeSelector"] == {"gpu": "h100"}
    assert pods(RENDERED["gpu"])["model-server"]["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_a_process_computes_in_as_many_threads_as_its_pod_asks_for_cores() -> None:
    for pod in service_pods(RENDERED["default"]).values():
        (threads,) = (each for each in container(pod)["env"] if each["name"] == "LATENTAUG_THREADS")
        assert threads["valueFrom"] == {"resourceFieldRef": {"resource": "requests.cpu"}}


@pytest.mark.parametrize("manifests", RENDERED.values(), ids=RENDERED)
def test_the_api_knows_every_model_server_by_a_name_that_its_pod_keeps(manifests: list[Manifest]) -> None:
    owner = pod_owners(manifests)["model-server"]
    name, service = owner["metadata"]["name"], owner["spec"]["serviceName"]
    (found,) = (each for each in of_kind(manifests, "Service") if each["metadata"]["name"] == service)

    assert (
        owner["kind"] == "StatefulSet"
    )  # whose pods are replaced one after the other, and never two of a name at once
    assert found["spec"]["clusterIP"] == "None"
    assert found["spec"]["publishNotReadyAddresses"] is True
    urls = load(variables(pods(manifests)["api"])).model_server_urls
    assert urls == [f"http://{name}-{number}.{service}:8001" for number in range(owner["spec"]["replicas"])]


def test_of_several_model_servers_one_is_taken_away_at_a_time() -> None:
    assert pod_owners(RENDERED["several model servers"])["model-server"]["spec"]["replicas"] == 3
    budgets = {component(each) for each in of_kind(RENDERED["several model servers"], "PodDisruptionBudget")}
    assert "model-server" in budgets


@pytest.mark.parametrize("name", ["default", "gpu"])
def test_a_new_worker_waits_for_the_gpu_of_the_old_one(name: str) -> None:
    for part, owner in pod_owners(RENDERED[name]).items():
        if part.startswith("worker-"):
            assert owner["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_process_has_time_to_finish_what_it_has_accepted() -> None:
    for name in ("default", "settings"):
        drain = float(variables(pods(RENDERED[name])["api"]).get("LATENTAUG_DRAIN_SECONDS", Settings().drain_seconds))
        for part, pod in service_pods(RENDERED[name]).items():
            pause = container(pod).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            assert pod["terminationGracePeriodSeconds"] >= pause + drain + 10, part


def test_an_external_valkey_is_reached_over_tls_with_ones_own_authority() -> None:
    for name, pod in service_pods(RENDERED["external Valkey"]).items():
        mounts = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
        if name == "model-server":
            assert "valkey-ca" not in mounts
            continue
        url = variables(pod)["LATENTAUG_REDIS_URL"]
        assert url == "rediss://latentaug:c0ffee@valkey.example.org:6380/0?ssl_ca_certs=/etc/valkey/ca.crt"
        assert mounts["valkey-ca"] == "/etc/valkey"
    plain = variables(pods(RENDERED["external Valkey without TLS"])["api"])
    assert plain["LATENTAUG_REDIS_URL"] == "redis://latentaug:c0ffee@10.1.2.3:6379/0"
    assert "valkey" not in pod_owners(RENDERED["external Valkey"])


def test_at_most_one_pod_of_a_part_is_taken_away_on_purpose_at_a_time() -> None:
    budgets = {component(budget): budget["spec"] for budget in of_kind(RENDERED["default"], "PodDisruptionBudget")}

    assert budgets.keys() == {name for name in pods(RENDERED["default"]) if name == "api" or name.startswith("worker-")}
    assert {budget["maxUnavailable"] for budget in budgets.values()} == {1}


def reachable(manifests: list[Manifest]) -> dict[str, list[Manifest] | None]:
    """From where the pods of each part may be called: a list of peers, or None for everywhere."""
    policies = of_kind(manifests, "NetworkPolicy")
    labels = {name: owner["spec"]["template"]["metadata"]["labels"] for name, owner in pod_owners(manifests).items()}
    found: dict[str, list[Manifest] | None] = {}
    for name, own in labels.items():
        chosen = [
            policy["spec"] for policy in policies if policy["spec"]["podSelector"]["matchLabels"].items() <= own.items()
        ]
        assert any("Ingress" in policy["policyTypes"] for policy in chosen), f"{name} is open to everybody"
        rules = [rule for policy in chosen for rule in policy.get("ingress", [])]
        everywhere = any("from" not in rule for rule in rules)
        found[name] = None if everywhere else [peer for rule in rules for peer in rule["from"]]
    return found


def test_the_api_alone_is_open_and_the_others_to_those_that_need_them() -> None:
    found = reachable(RENDERED["default"])
    ours = {"app.kubernetes.io/name": "latentaug", "app.kubernetes.io/instance": "lab"}

    assert found.pop("api") is None
    assert found.pop("model-server") == [
        {"podSelector": {"matchLabels": {**ours, "app.kubernetes.io/component": "api"}}}
    ]
    assert found.pop("valkey") == [{"podSelector": {"matchLabels": ours}}]
    assert found
    assert all(peers == [] for peers in found.values())


def test_keda_reaches_valkey_prometheus_the_model_server_and_only_known_callers_the_api() -> None:
    def namespace(name: str) -> Manifest:
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}

    assert namespace("keda") in (reachable(RENDERED["everything"])["valkey"] or [])
    assert namespace("monitoring") in (reachable(RENDERED["everything"])["model-server"] or [])
    assert len(reachable(RENDERED["known callers"])["api"] or []) == 2
    assert of_kind(RENDERED["no policies"], "NetworkPolicy") == []

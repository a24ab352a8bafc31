"""charts/vllm in its other shapes: with GPUs to spare, over several nodes, scaled by load, with TLS. Each is judged by
the real API server, and custom resources by the definitions of their own projects."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.plugins.kubernetes import upstream
from tests.charts.conftest import ROOT, Rendered, changed, helm, render
from tests.charts.test_charts_on_api_server import Kubectl, created, kubectl, pod_of
from tests.waits import until

__all__ = ["kubectl"]

AUTOSCALING: dict[str, Any] = {
    "minReplicas": 2,
    "maxReplicas": 6,
    "fallbackReplicas": 3,
    "waitingPerReplica": 25,
    "runningPerReplica": 192,
    "waitingMetric": "vllm:num_requests_waiting",
    "runningMetric": "vllm:num_requests_running",
    "byModel": True,
    "prometheus": "http://prometheus.bastide-monitoring:9090",
    "up": {"pods": 2, "periodSeconds": 60, "stabilizationSeconds": 30},
    "down": {"pods": 1, "periodSeconds": 120, "stabilizationSeconds": 300},
}


def base() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
    return values


def over_nodes(values: dict[str, Any]) -> dict[str, Any]:
    values = changed(values, "engine.nodes", 2)
    values = changed(values, "resources.efa", 32)
    return changed(values, "engine.workerArgs", [*values["engine"]["args"], "--headless"])


SHAPES: dict[str, dict[str, Any]] = {
    "replace": base(),
    "surge": changed(base(), "engine.rollout", "surge"),
    "scaled": changed(base(), "autoscaling", AUTOSCALING),
    "scaled-surge": changed(changed(base(), "autoscaling", AUTOSCALING), "engine.rollout", "surge"),
    "nodes": over_nodes(base()),
    "nodes-surge-scaled": changed(
        changed(over_nodes(base()), "engine.rollout", "surge"), "autoscaling", AUTOSCALING
    ),
    "tls": changed(base(), "tls.secretName", "vllm-chat-tls"),
    "embed": changed(base(), "engine.runner", "embed"),
    "traced": changed(base(), "network.telemetry", {"namespace": "bastide-monitoring", "port": 4318}),
}

WORKLOADS = {
    "replace": "StatefulSet",
    "surge": "Deployment",
    "nodes": "LeaderWorkerSet",
}


def of(shape: str, namespace: str = "restricted") -> Rendered:
    rendered = render("vllm", "vllm-chat", SHAPES[shape])
    assert rendered.status == 0, rendered.error
    for each in rendered.objects:
        each["metadata"]["namespace"] = namespace
    return rendered


def definitions(folder: Path) -> list[Path]:
    """CustomResourceDefinitions of KEDA and LeaderWorkerSet, from the projects' own Go modules."""
    found, _ = upstream.definitions("keda", "2.20.2")
    assert found, "KEDA's module could not be had"
    archive = folder / "lws.tgz"
    assert upstream.package("lws", "0.8.0", archive) == ""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return [*found, *(folder / "lws/crds").glob("*.yaml")]


@pytest.fixture(scope="module")
def cluster(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    for path in definitions(tmp_path_factory.mktemp("definitions")):
        done = kubectl("create", "-f", str(path))
        assert done.returncode == 0, done.stderr
    # The API server serves a new kind a moment after its definition is there.
    for kind in ("scaledobjects.keda.sh", "leaderworkersets.leaderworkerset.x-k8s.io"):
        until(lambda kind=kind: kubectl("get", kind, "-A").returncode == 0, kind)
    return kubectl


def workload(rendered: Rendered) -> dict[str, Any]:
    (found,) = [each for each in rendered.objects if each["kind"] in WORKLOADS.values()]
    return found


def pods(rendered: Rendered) -> list[dict[str, Any]]:
    """Every pod that a controller would make of the workload, as an object of its own."""
    spec = workload(rendered)["spec"]
    parts = spec.get("leaderWorkerTemplate")
    templates = [parts["leaderTemplate"], parts["workerTemplate"]] if parts else [spec["template"]]
    metadata = {"namespace": "restricted"}
    return [pod_of({"metadata": metadata, "spec": {"template": each}}) for each in templates]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_taken_by_the_api_server_and_its_pods_by_restricted_security(
    cluster: Kubectl, shape: str
) -> None:
    rendered = of(shape)
    for each in rendered.objects:
        if each["kind"] == "Pod":
            each["spec"]["serviceAccountName"] = "any"
        done = created(cluster, each)
        assert (done.returncode, done.stderr) == (0, ""), each["kind"]
    for each in pods(rendered):
        done = created(cluster, each)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelt_field_of_a_custom_resource_is_refused(cluster: Kubectl) -> None:
    scaled = of("scaled").one("ScaledObject")
    scaled["spec"]["minReplicas"] = 1
    assert 'unknown field "spec.minReplicas"' in created(cluster, scaled).stderr
    groups = of("nodes").one("LeaderWorkerSet")
    groups["spec"]["leaderWorkerTemplate"]["restartPolicy"] = "Always"
    assert "restartPolicy" in created(cluster, groups).stderr


@pytest.mark.parametrize(("shape", "kind"), WORKLOADS.items())
def test_the_workload_follows_from_spare_gpus_and_nodes(shape: str, kind: str) -> None:
    assert workload(of(shape))["kind"] == kind


def test_without_a_spare_the_old_pod_ends_first_and_with_one_the_new_pod_is_ready_first() -> None:
    replacing = workload(of("replace"))["spec"]
    # A StatefulSet's rolling update ends a pod before it makes its successor.
    assert replacing["updateStrategy"] == {"type": "RollingUpdate"}
    surging = workload(of("surge"))["spec"]
    # Helm waits for replicas - maxUnavailable: with 0 it waits for all.
    assert surging["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    # A pod that loads must not count as stuck.
    assert surging["progressDeadlineSeconds"] > SHAPES["surge"]["engine"]["startupSeconds"]


def test_a_replica_over_nodes_restarts_as_a_whole_and_only_its_leader_answers() -> None:
    rendered = of("nodes")
    spec = workload(rendered)["spec"]
    template = spec["leaderWorkerTemplate"]
    assert (template["size"], template["restartPolicy"]) == (2, "RecreateGroupOnPodRestart")
    leader, worker = template["leaderTemplate"]["spec"], template["workerTemplate"]["spec"]
    assert [each["name"] for each in leader["initContainers"]] == ["fetch-model", "proxy"]
    assert [each["name"] for each in worker["initContainers"]] == ["fetch-model"]
    assert "livenessProbe" not in worker["containers"][0]
    assert worker["containers"][0]["command"] == ["vllm", "serve"]
    assert worker["containers"][0]["args"][-1] == "--headless"
    for name in ("vllm-chat", "vllm-chat-pods"):
        selector = rendered.one("Service", name)["spec"]["selector"]
        assert selector["leaderworkerset.sigs.k8s.io/worker-index"] == "0"
    # Its controller makes a Service of the set's name: it must not be ours.
    assert workload(rendered)["metadata"]["name"] == "vllm-chat-groups"


def test_pods_of_one_replica_reach_one_another_and_have_efa_and_shared_memory() -> None:
    rendered = of("nodes")
    for pod in pods(rendered):
        (engine,) = pod["spec"]["containers"]
        assert engine["resources"]["requests"]["vpc.amazonaws.com/efa"] == 32
        assert engine["resources"]["limits"]["vpc.amazonaws.com/efa"] == 32
        (shm,) = [each for each in pod["spec"]["volumes"] if each["name"] == "shm"]
        assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Gi"}
    spec = rendered.one("NetworkPolicy", "vllm-chat")["spec"]
    own = {"podSelector": {"matchLabels": spec["podSelector"]["matchLabels"]}}
    assert {"from": [own]} in spec["ingress"]
    assert {"to": [own]} in spec["egress"]
    alone = of("replace").one("NetworkPolicy", "vllm-chat")["spec"]
    assert {"from": [own]} not in alone["ingress"]


@pytest.mark.parametrize(
    ("shape", "target", "pod", "other"),
    [
        ("scaled", ("StatefulSet", "vllm-chat"), "vllm-chat-0", "vllm-chat-2-0"),
        (
            "scaled-surge",
            ("Deployment", "vllm-chat"),
            "vllm-chat-7d9c5b8f6d-x2x4z",
            "vllm-chat-2-7d9c5b8f6d-x2x4z",
        ),
        (
            "nodes-surge-scaled",
            ("LeaderWorkerSet", "vllm-chat-groups"),
            "vllm-chat-groups-1",
            "vllm-chat-2-groups-1",
        ),
    ],
)
def test_keda_asks_for_one_number_of_this_engine_alone(
    shape: str, target: tuple[str, str], pod: str, other: str
) -> None:
    rendered = of(shape)
    spec = rendered.one("ScaledObject")["spec"]
    assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) == target
    assert spec["scaleTargetRef"]["apiVersion"] == workload(rendered)["apiVersion"]
    # Two would fight over the number.
    assert "replicas" not in workload(rendered)["spec"]
    for trigger, metric, threshold in zip(
        spec["triggers"], ("running", "waiting"), ("192", "25"), strict=True
    ):
        metadata = trigger["metadata"]
        assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
        assert metadata["ignoreNullValues"] == "false"
        assert metadata["threshold"] == threshold
        found = re.fullmatch(
            r'sum\(vllm:num_requests_(\w+)\{namespace="a-namespace",pod=~"(.+)",model_name="tiny-qwen2"\}\)',
            metadata["query"],
        )
        assert found is not None, metadata["query"]
        assert found[1] == metric
        # Prometheus anchors a pattern at both ends.
        assert re.fullmatch(found[2], pod)
        assert not re.fullmatch(found[2], other)


def test_an_engine_whose_metrics_name_no_model_is_told_apart_by_its_pods_alone() -> None:
    rendered = render("vllm", "vllm-chat", changed(SHAPES["scaled"], "autoscaling.byModel", False))
    for trigger in rendered.one("ScaledObject")["spec"]["triggers"]:
        assert trigger["metadata"]["query"].endswith('pod=~"vllm-chat-[0-9]+"})')


def test_a_cache_of_the_node_needs_pods_that_come_back_under_their_names() -> None:
    for shape, workload in (("surge", "Deployment"), ("nodes", "LeaderWorkerSet")):
        values = changed(
            SHAPES[shape], "fetch.cache", {"kind": "node", "storageClass": "local", "sizeGib": 10}
        )
        refused = render("vllm", "vllm-chat", values)
        assert refused.status != 0
        assert f"this engine is a {workload}" in refused.error


def test_without_numbers_nothing_is_taken_away_and_otherwise_slowly() -> None:
    spec = of("scaled").one("ScaledObject")["spec"]
    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": 3,
        "behavior": "currentReplicasIfHigher",
    }
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"] == {
        "stabilizationWindowSeconds": 30,
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}],
    }
    assert behavior["scaleDown"] == {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
    }


def test_with_a_certificate_clients_probes_and_the_test_speak_tls() -> None:
    rendered = of("tls")
    (pod,) = rendered.pods()
    proxy = pod["initContainers"][1]
    assert proxy["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    (secret,) = [each["secret"] for each in pod["volumes"] if "secret" in each]
    # Without it the pod waits: an engine that was to speak TLS never speaks without.
    assert secret["secretName"] == "vllm-chat-tls"
    assert "optional" not in secret
    # The engine itself has no use for the key.
    (engine,) = pod["containers"]
    assert "proxy-tls" not in {each["name"] for each in engine["volumeMounts"]}
    assert rendered.one("Pod")["spec"]["containers"][0]["args"][0].startswith("https://")
    authority = rendered.one("Pod")["spec"]["volumes"][-1]["secret"]
    assert [each["key"] for each in authority["items"]] == ["ca.crt"]


def test_the_helm_test_may_reach_this_engine_and_names_and_is_reached_by_nobody() -> None:
    rendered = of("replace")
    pod, policy = rendered.one("Pod"), rendered.one("NetworkPolicy", "vllm-chat-test")["spec"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert "ingress" not in policy
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    _, engine = policy["egress"]
    assert engine["ports"] == [{"port": 8000, "protocol": "TCP"}]
    # It must not be an endpoint of the engine's Service.
    selector = rendered.one("Service", "vllm-chat")["spec"]["selector"]
    assert not selector.items() <= pod["metadata"]["labels"].items()


def test_notes_say_what_an_update_means(cluster: Kubectl, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(cluster("config", "view", "--raw", "-o", "json").stdout)

    def notes(values: dict[str, Any]) -> str:
        done = helm(
            "install", "vllm-chat", str(ROOT / "charts/vllm"), "--dry-run=server", "-n", "restricted",
            "--kubeconfig", str(config), "-f", "-",
            given=json.dumps(values),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split("NOTES:")[1]

    one = changed(base(), "engine.replicas", 1)
    assert "With one replica nobody is served meanwhile" in notes(one)
    assert "nobody is served" not in notes(base())
    assert "starts a new replica before an old one ends" in notes(SHAPES["surge"])
    assert "2 to 6 replica(s)" in notes(SHAPES["scaled"])
    assert "https://vllm-chat" in notes(SHAPES["tls"])

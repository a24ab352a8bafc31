import pytest

from sandbox.cluster import addons, pods
from sandbox.cluster.spec import Addon
from tests.sandbox_cluster.samples import plugin_pod, pod

NVIDIA = "nvcr.io/nvidia/k8s-device-plugin:v0.17.1@sha256:" + "0" * 64
EFA = "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/aws-efa-k8s-device-plugin:v0.5.6"


@pytest.mark.parametrize(
    ("image", "device"),
    [
        (NVIDIA, "nvidia.com/gpu"),
        ("registry.example:5000/mirror/k8s-device-plugin", "nvidia.com/gpu"),
        (EFA, "vpc.amazonaws.com/efa"),
        ("registry.example/unrelated:1", None),
    ],
)
def test_a_device_plugin_is_known_by_its_image(image: str, device: str | None) -> None:
    assert pods.announced_device(plugin_pod(image)) == device


def test_a_device_plugin_announces_nothing_without_the_kubelets_folder() -> None:
    assert pods.announced_device(plugin_pod(NVIDIA, path="/tmp/elsewhere")) is None  # noqa: S108


def test_a_device_plugin_announces_nothing_outside_a_daemon_set() -> None:
    assert pods.announced_device(plugin_pod(NVIDIA, owner="ReplicaSet")) is None


def test_a_device_plugin_that_does_not_run_announces_nothing() -> None:
    waiting = plugin_pod(NVIDIA)
    waiting["status"]["phase"] = "Pending"
    assert pods.announced_device(waiting) is None


def test_a_started_pod_has_done_its_init_containers_and_is_ready() -> None:
    sample = pod(
        spec={
            "initContainers": [
                {"name": "fetch", "image": "i"},
                {"name": "proxy", "image": "i", "restartPolicy": "Always"},
            ]
        },
        status={"conditions": [{"type": "PodScheduled", "status": "True"}]},
    )
    status = pods.started_status(sample, "10.0.1.7", "10.0.1.200")
    fetch, proxy = status["initContainerStatuses"]
    assert fetch["state"]["terminated"]["exitCode"] == 0
    assert "running" in proxy["state"]
    assert status["phase"] == "Running"
    assert status["podIP"] == "10.0.1.200"
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "ContainersReady": "True",
        "Ready": "True",
    }


def test_a_jobs_pod_succeeds() -> None:
    sample = pod(metadata={"ownerReferences": [{"kind": "Job", "name": "j", "controller": True}]})
    status = pods.started_status(sample, "10.0.1.7", "10.0.1.200")
    assert status["phase"] == "Succeeded"
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_references_are_those_that_a_kubelet_would_wait_for() -> None:
    sample = pod(
        spec={
            "containers": [
                {
                    "name": "main",
                    "image": "i",
                    "envFrom": [
                        {"configMapRef": {"name": "env"}},
                        {"secretRef": {"name": "maybe", "optional": True}},
                    ],
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}],
                }
            ],
            "volumes": [
                {"name": "a", "secret": {"secretName": "tls"}},
                {
                    "name": "b",
                    "projected": {"sources": [{"configMap": {"name": "root"}}, {"serviceAccountToken": {}}]},
                },
                {"name": "c", "emptyDir": {}},
            ],
        }
    )
    assert pods.references(sample) == {
        pods.Reference("ConfigMap", "env", mounted=False),
        pods.Reference("Secret", "key", mounted=False),
        pods.Reference("Secret", "tls", mounted=True),
        pods.Reference("ConfigMap", "root", mounted=True),
    }


def test_a_missing_secret_is_told_in_the_kubelets_words() -> None:
    missing = pods.Reference("Secret", "key", mounted=False)
    status = pods.blocked_status(pod(), "10.0.1.7", missing)
    waiting = status["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "key" not found'}
    assert pods.blocked_event(pod(), missing)["message"] == 'Error: secret "key" not found'
    mounted = pods.Reference("ConfigMap", "c", mounted=True)
    assert pods.blocked_event(pod(), mounted)["reason"] == "FailedMount"


def test_addons_bring_workloads_that_take_room() -> None:
    objects = addons.manifests(Addon("coredns"), "10.100.0.0/16")
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == 2
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "70Mi"}
    assert next(o for o in objects if o["kind"] == "Service")["spec"]["clusterIP"] == "10.100.0.10"


def test_configuration_values_of_an_addon_reach_its_pods() -> None:
    values = '{"replicaCount": 3, "nodeSelector": {"bastide.dev/pool": "system"}}'
    deployment = addons.manifests(Addon("coredns", values), "10.100.0.0/16")[1]
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["template"]["spec"]["nodeSelector"] == {"bastide.dev/pool": "system"}


def test_an_unknown_addon_brings_nothing() -> None:
    assert addons.manifests(Addon("some-vendors-addon"), "10.100.0.0/16") == []

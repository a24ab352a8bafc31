"""The real scheduler and the real quota, with the pods of charts/vllm on one node of eight GPUs."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.plans import namespace_quotas, priorities
from bastide.settings import Settings, read_stack_file
from sandbox import toolchain
from sandbox.plugins.kubernetes.client import ApiError, Client
from tests.plugin_kubernetes.conftest import Driver
from tests.waits import until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]

ROOT = Path(__file__).parents[2]
NODE = "gpu-node"
GPU = "nvidia.com/gpu"


@pytest.fixture
def client(driver: Driver) -> Client:
    found = driver.provider._objects.client
    assert found is not None
    return found


@pytest.fixture
def node(client: Client) -> Iterator[None]:
    """A node of pool p5, ready, with 8 GPUs; the classes of the kit."""
    labels = {"bastide.dev/pool": "p5", "kubernetes.io/hostname": NODE}
    client.request(
        "POST",
        "/api/v1/nodes",
        body={"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}},
    )
    room = {"cpu": "192", "memory": "2Ti", "pods": "110", "ephemeral-storage": "40Ti", GPU: "8"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    client.request(
        "PATCH",
        f"/api/v1/nodes/{NODE}/status",
        body={"status": status},
        content_type="application/merge-patch+json",
    )
    for each in priorities.ALL:
        made = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": each.name},
            "value": each.value,
            "preemptionPolicy": each.preemption,
        }
        client.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body=made)
    yield
    client.request("DELETE", f"/api/v1/nodes/{NODE}")
    for each in priorities.ALL:
        client.request("DELETE", f"/apis/scheduling.k8s.io/v1/priorityclasses/{each.name}")


def engine_pod(lane: str, name: str, namespace: str) -> dict[str, Any]:
    """The pod that charts/vllm makes for an engine of this lane, as an object of its own."""
    chart = ROOT / "charts/vllm"
    values = yaml.safe_load((chart / "ci/sandbox-values.yaml").read_text())
    values["priorityClassName"] = f"bastide-{lane}"
    done = subprocess.run(
        [str(toolchain.paths().helm), "template", name, str(chart), "-f", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
    )
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    (engine,) = [each for each in objects if each["kind"] == "StatefulSet"]
    spec = engine["spec"]["template"]["spec"]
    del spec["serviceAccountName"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def test_an_engine_that_serves_takes_the_gpus_of_batch_and_batch_takes_nobodys(
    client: Client, node: None, namespace: str
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"

    def look(name: str) -> Any:
        return client.find(f"{pods}/{name}") or {}

    def bound(name: str) -> bool:
        return look(name).get("spec", {}).get("nodeName") == NODE

    def condition(name: str, kind: str) -> dict[str, Any]:
        found = look(name).get("status", {}).get("conditions") or []
        return next((each for each in found if each["type"] == kind), {})

    until(
        lambda: client.find(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"),
        "default service account",
    )
    client.request("POST", pods, body=engine_pod("batch", "night", namespace))
    until(lambda: bound("night"), "the batch pod is on the node")

    client.request("POST", pods, body=engine_pod("serving", "chat", namespace))
    until(lambda: look("night").get("metadata", {}).get("deletionTimestamp"), "the batch pod is ended")
    assert condition("night", "DisruptionTarget")["reason"] == "PreemptionByScheduler"
    # No kubelet is here that would end the containers.
    client.request("DELETE", f"{pods}/night", body={"gracePeriodSeconds": 0})
    until(lambda: bound("chat"), "the serving pod is on the node")

    client.request("POST", pods, body=engine_pod("batch", "again", namespace))
    refused = until(lambda: condition("again", "PodScheduled"), "the scheduler has judged")
    assert refused["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in refused["message"]
    assert "deletionTimestamp" not in look("chat")["metadata"]


def test_the_quota_holds_gpus_balancers_and_pods_and_the_defaults_fill_in(
    client: Client, node: None, namespace: str
) -> None:
    raw = read_stack_file(ROOT / "stacks/Pulumi.sandbox.yaml")
    settings = Settings.load({**raw, "namespaces": {"serving": {"gpus": 16, "pods": 2}}})
    base = f"/api/v1/namespaces/{namespace}"
    quota = {"metadata": {"name": "bounds"}, "spec": {"hard": namespace_quotas.hard(settings, "serving")}}
    client.request(
        "POST", f"{base}/resourcequotas", body={"apiVersion": "v1", "kind": "ResourceQuota", **quota}
    )
    item = namespace_quotas.container_defaults(settings, "serving")
    limits = {"type": "Container", "default": item["default"], "defaultRequest": item["default_request"]}
    client.request(
        "POST",
        f"{base}/limitranges",
        body={
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "container-defaults"},
            "spec": {"limits": [limits]},
        },
    )
    until(lambda: client.find(f"{base}/serviceaccounts/default"), "default service account")
    until(
        lambda: (client.get(f"{base}/resourcequotas/bounds").get("status") or {}).get("used"),
        "the quota is counted",
    )
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "out"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    with pytest.raises(ApiError, match=r"exceeded quota: bounds.*services.loadbalancers"):
        client.request("POST", f"{base}/services", body=service)

    plain = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain"},
        "spec": {"containers": [{"name": "it", "image": "it"}]},
    }
    _, made = client.request("POST", f"{base}/pods", body=plain)
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "200Mi"},
        "limits": {"memory": "512Mi"},
    }
    client.request("POST", f"{base}/pods", body=engine_pod("serving", "one", namespace))
    three = copy.deepcopy(engine_pod("serving", "two", namespace))
    with pytest.raises(ApiError, match=r"exceeded quota: bounds.*pods"):
        client.request("POST", f"{base}/pods", body=three)
    client.request("DELETE", f"{base}/pods/plain", body={"gracePeriodSeconds": 0})
    for part in ("requests", "limits"):
        three["spec"]["containers"][0]["resources"][part][GPU] = 16
    with pytest.raises(ApiError, match=r"exceeded quota: bounds.*requests.nvidia.com/gpu=16"):
        client.request("POST", f"{base}/pods", body=three)

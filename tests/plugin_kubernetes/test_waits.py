"""Waits that end well, waits that end with the truth, and deletions that are held up."""

from __future__ import annotations

import threading
import time

import pytest

from sandbox.plugins.kubernetes.reasons import pod_causes, reasons_for
from sandbox.plugins.kubernetes.waits import READY, Hopeless
from sandbox.plugins.protocol import PartialError, PluginError
from tests.plugin_kubernetes.conftest import Driver
from tests.plugin_kubernetes.test_objects import deployment
from tests.waits import PATIENCE_S

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]


def test_a_deployment_that_does_not_fit_fails_with_the_schedulers_own_words(
    driver: Driver, namespace: str
) -> None:
    resource = driver.resource("apps/v1:Deployment")
    inputs = driver.check(resource, deployment(namespace))
    with pytest.raises(PartialError) as failed:
        driver.provider.create(resource, inputs, False, 15)
    first, last = failed.value.reasons[0], failed.value.reasons[-1]
    assert first.startswith("pod engine-")
    assert "Unschedulable: no nodes available to schedule pods" in first
    assert last == "Deployment engine is not ready after 15 s: 0 of 1 replicas are available"
    assert failed.value.resource_id == f"{namespace}/engine"
    assert failed.value.state["metadata"]["uid"]
    assert any(kind == "progress" and "Unschedulable" in line for kind, line in driver.lines)
    driver.provider.delete(resource, failed.value.resource_id, failed.value.state, inputs, PATIENCE_S)
    client = driver.provider._objects.client
    assert client is not None
    assert client.items(f"/api/v1/namespaces/{namespace}/pods") == []


def test_pods_that_admission_refuses_are_told_though_they_never_existed(driver: Driver) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space = driver.resource("core/v1:Namespace", "restricted")
    made, state, _ = driver.up(space, {"metadata": {"name": "restricted", "labels": labels}})
    resource = driver.resource("apps/v1:Deployment")
    with pytest.raises(PartialError) as failed:
        driver.provider.create(resource, driver.check(resource, deployment("restricted")), False, 15)
    assert 'violates PodSecurity "restricted' in failed.value.reasons[0]
    driver.provider.delete(space, made, state, {}, PATIENCE_S)


def test_a_wait_can_be_turned_off(driver: Driver, namespace: str) -> None:
    inputs = deployment(namespace)
    inputs["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    _, state, _ = driver.up(driver.resource("apps/v1:Deployment"), inputs)
    assert state["spec"]["replicas"] == 1


def test_a_cancelled_wait_ends_soon_and_keeps_the_object(driver: Driver, namespace: str) -> None:
    resource = driver.resource("apps/v1:Deployment")
    inputs = driver.check(resource, deployment(namespace))
    threading.Timer(1.0, driver.provider.cancel).start()
    began = time.monotonic()
    with pytest.raises(PartialError, match="was interrupted"):
        driver.provider.create(resource, inputs, False, 60)
    assert time.monotonic() - began < 30


def test_a_service_without_pods_and_a_claim_without_a_class_say_so(driver: Driver, namespace: str) -> None:
    service = driver.resource("core/v1:Service")
    meta = {"namespace": namespace, "name": "api"}
    spec = {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}
    with pytest.raises(PartialError, match="no ready pod matches its selector"):
        driver.provider.create(service, driver.check(service, {"metadata": meta, "spec": spec}), False, 1)
    claim = driver.resource("core/v1:PersistentVolumeClaim")
    want = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    with pytest.raises(PartialError, match="not bound"):
        driver.provider.create(claim, driver.check(claim, {"metadata": meta, "spec": want}), False, 1)


def test_a_deletion_that_a_finalizer_holds_names_it(driver: Driver, namespace: str) -> None:
    resource = driver.resource("core/v1:ConfigMap")
    meta = {"name": "held", "namespace": namespace, "finalizers": ["example.com/hold"]}
    made, state, inputs = driver.up(resource, {"metadata": meta})
    with pytest.raises(PluginError, match=r"still there after 1 s: finalizers hold it.*example\.com/hold"):
        driver.provider.delete(resource, made, state, inputs, 1)
    driver.provider.update(
        resource, made, state, inputs, {**inputs, "metadata": {**meta, "finalizers": []}}, False, PATIENCE_S
    )


def pod(**status: object) -> dict:
    return {"metadata": {"name": "engine-2", "namespace": "n", "uid": "u"}, "status": status}


class Silent:
    """A cluster without events."""

    def items(self, path: str, query: object = None) -> list[dict]:
        return []


@pytest.mark.parametrize(
    ("state", "last", "cause"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "not found: registry.example/x:1"}},
            {},
            "container main: ImagePullBackOff: not found: registry.example/x:1",
        ),
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            "container main: CrashLoopBackOff: exit code 137 (OOMKilled)",
        ),
        (
            {"terminated": {"exitCode": 2, "reason": "Error", "message": "a\nbad flag --foo"}},
            {},
            "container main: exit code 2 (Error): bad flag --foo",
        ),
    ],
)
def test_a_containers_trouble_is_told_with_its_exit_code(state: dict, last: dict, cause: str) -> None:
    broken = pod(phase="Running", containerStatuses=[{"name": "main", "state": state, "lastState": last}])
    assert pod_causes(Silent(), broken) == [("pod engine-2", cause)]  # type: ignore[arg-type]


def test_pods_that_share_a_cause_share_a_line() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/5 nodes are available: 2 Insufficient nvidia.com/gpu",
    }
    pods = []
    for number in range(5):
        item = pod(phase="Pending", conditions=[condition])
        item["kind"], item["metadata"]["name"] = "Pod", f"engine-{number}"
        pods.append(item)
    assert reasons_for(Silent(), pods) == [  # type: ignore[arg-type]
        "pod engine-0, pod engine-1, pod engine-2 and 2 more: Unschedulable: "
        "0/5 nodes are available: 2 Insufficient nvidia.com/gpu"
    ]


def test_a_rollout_that_its_controller_gave_up_is_not_waited_for() -> None:
    gave_up = {
        "metadata": {"generation": 1},
        "spec": {"replicas": 1},
        "status": {
            "observedGeneration": 1,
            "conditions": [
                {
                    "type": "Progressing",
                    "status": "False",
                    "reason": "ProgressDeadlineExceeded",
                    "message": "m",
                }
            ],
        },
    }
    with pytest.raises(Hopeless, match="ProgressDeadlineExceeded: m"):
        READY["apps", "Deployment"](Silent(), gave_up)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "spec", "status", "missing"),
    [
        (("apps", "Deployment"), {"replicas": 2}, {"updatedReplicas": 2, "availableReplicas": 2}, None),
        (("apps", "Deployment"), {"replicas": 2}, {"updatedReplicas": 1}, "1 of 2 replicas are of the new"),
        (("apps", "StatefulSet"), {"replicas": 1}, {"readyReplicas": 0}, "0 of 1 replicas are ready"),
        (("apps", "DaemonSet"), {}, {"desiredNumberScheduled": 0}, None),
        (
            ("apps", "DaemonSet"),
            {},
            {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1},
            "1 of 2 nodes have an available pod",
        ),
        (("batch", "Job"), {}, {"conditions": [{"type": "Complete", "status": "True"}]}, None),
        (("", "Pod"), {}, {"phase": "Succeeded"}, None),
        (("", "Service"), {"type": "LoadBalancer"}, {}, "no load balancer"),
        (("", "Service"), {"type": "ExternalName"}, {}, None),
    ],
)
def test_each_kind_says_what_is_missing(
    kind: tuple[str, str], spec: dict, status: dict, missing: str | None
) -> None:
    live = {"metadata": {"name": "x", "namespace": "n"}, "spec": spec, "status": status}
    found = READY[kind](Silent(), live)  # type: ignore[arg-type]
    assert found is None if missing is None else missing in str(found)

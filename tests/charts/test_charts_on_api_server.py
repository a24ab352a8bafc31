"""Both charts before a real API server: strict fields, and the namespaces' pod security as it is enforced."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from components.namespaces import pod_security
from sandbox.cluster.control_plane import ControlPlane, ControlPlaneSpec
from sandbox.daemon.child import free_port
from sandbox.toolchain import paths
from tests.charts.conftest import ROOT, helm
from tests.waits import PATIENCE_S

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    folder = tmp_path_factory.mktemp("plane")
    spec = ControlPlaneSpec(
        "us-east-1", "chart-tests", "1.34", "10.100.0.0/16", "https://issuer.test", audit=False
    )
    nowhere = f"http://127.0.0.1:{free_port()}/none"
    plane = ControlPlane(spec, paths().kube, folder / "cluster", folder / "logs", nowhere)
    config = folder / "kubeconfig"

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(paths().kube), "kubectl", f"--kubeconfig={config}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    try:
        plane.start()
        admin = plane._admin
        user = {"client-certificate": str(admin.certificate), "client-key": str(admin.key)}
        cluster = {
            "server": plane.endpoint,
            "certificate-authority-data": base64.b64encode(plane.ca_pem).decode(),
        }
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "it",
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                    "clusters": [{"name": "it", "cluster": cluster}],
                    "users": [{"name": "it", "user": user}],
                }
            )
        )
        for level in ("restricted", "baseline", "privileged"):
            namespace = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": level, "labels": pod_security(level)},
            }
            made = run("create", "-f", "-", given=json.dumps(namespace))
            assert made.returncode == 0, made.stderr
            account = run("create", "serviceaccount", "any", "-n", level)
            assert account.returncode == 0, account.stderr
        yield run
    finally:
        plane.stop()


def objects(chart: str, values: str, namespace: str) -> list[dict[str, Any]]:
    path = ROOT / "charts" / chart
    done = helm("template", "it", str(path), "-n", namespace, "-f", str(path / "ci" / values))
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    """A workload's pod as an object of its own: admission refuses pods, and only warns of workloads."""
    template = workload["spec"]["template"]
    # The one account that is there: a pod is refused when its own does not exist yet.
    spec = {**template["spec"], "serviceAccountName": "any"}
    spec.pop("priorityClassName", None)
    metadata = {**template["metadata"], "name": "it", "namespace": workload["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def created(kubectl: Kubectl, item: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", given=json.dumps(item))


@pytest.mark.parametrize(
    ("chart", "values", "namespace"),
    [
        ("vllm", "sandbox-values.yaml", "restricted"),
        ("vllm", "prod-us-east-1-values.yaml", "restricted"),
        ("gateway", "plain-values.yaml", "restricted"),
        ("gateway", "whole-values.yaml", "restricted"),
        ("node-agents", "both-values.yaml", "privileged"),
    ],
)
def test_the_api_server_takes_every_object_and_every_pod_without_a_warning(
    kubectl: Kubectl, chart: str, values: str, namespace: str
) -> None:
    for each in objects(chart, values, namespace):
        done = created(kubectl, each)
        assert (done.returncode, done.stderr) == (0, "")
        if "template" in each.get("spec", {}):
            done = created(kubectl, pod_of(each))
            assert (done.returncode, done.stderr) == (0, "")


def test_node_agents_would_be_refused_by_any_stricter_level(kubectl: Kubectl) -> None:
    agents = [
        each for each in objects("node-agents", "both-values.yaml", "baseline") if each["kind"] == "DaemonSet"
    ]
    assert len(agents) == 4  # NVIDIA's for whole and for shared GPUs, AWS's for EFA, and volumes of nodes
    for each in agents:
        done = created(kubectl, pod_of(each))
        assert done.returncode != 0
        assert "hostPath volumes" in done.stderr


def test_the_provisioner_may_do_what_it_does_and_no_more(kubectl: Kubectl) -> None:
    made = objects("node-agents", "both-values.yaml", "privileged")
    for each in made:
        if each["kind"] in ("ClusterRole", "ClusterRoleBinding", "ServiceAccount"):
            done = kubectl("apply", "-f", "-", given=json.dumps(each))
            assert done.returncode == 0, done.stderr

    def may(account: str, *words: str) -> bool:
        user = f"system:serviceaccount:privileged:it-{account}"
        return kubectl("auth", "can-i", *words, f"--as={user}").stdout.strip() == "yes"

    assert may("local-volumes-bastide-weights", "create", "persistentvolumes")
    assert may("local-volumes-bastide-weights", "get", "nodes")
    assert not may("local-volumes-bastide-weights", "update", "nodes")
    assert not may("local-volumes-bastide-weights", "delete", "persistentvolumeclaims", "-A")
    assert may("local-volume-cleanup", "delete", "persistentvolumeclaims", "-A")
    assert not may("local-volume-cleanup", "create", "persistentvolumes")
    assert not may("local-volume-cleanup", "delete", "pods", "-A")


def test_an_engine_with_one_right_more_would_be_refused(kubectl: Kubectl) -> None:
    (engine,) = [
        each for each in objects("vllm", "sandbox-values.yaml", "restricted") if each["kind"] == "StatefulSet"
    ]
    pod = pod_of(engine)
    pod["spec"]["hostIPC"] = True
    done = created(kubectl, pod)
    assert done.returncode != 0
    assert "hostIPC=true" in done.stderr

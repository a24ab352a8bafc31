"""charts/node-agents: what it renders, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.charts.conftest import DIGEST, ROOT, changed, helm, render

VALUES: dict[str, Any] = {
    "allowUnresolved": True,
    "tolerations": [],
    "nvidia": {
        "image": {"repository": "nvcr.io/nvidia/k8s-device-plugin", "tag": "v0.18.2", "digest": "unresolved"},
        "pools": ["p5"],
        "timeSlicing": [],
    },
    "efa": {
        "image": {
            "repository": "public.ecr.aws/eks/aws-efa-k8s-device-plugin",
            "tag": "v0.5.7",
            "digest": "unresolved",
        },
        "pools": ["p5"],
    },
    "localVolumes": {
        "provisioner": {
            "image": {"repository": "registry/local-volume-provisioner", "tag": "v2", "digest": "unresolved"}
        },
        "cleanup": {
            "image": {"repository": "registry/local-volume-node-cleanup", "tag": "v2", "digest": "unresolved"}
        },
        "folder": "/mnt/bastide/weights",
        "classes": [],
    },
}


def daemon_sets(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Pod specifications by the last part of the image's repository."""
    rendered = render("node-agents", "node-agents", values)
    assert rendered.status == 0, rendered.error
    return {pod["containers"][0]["image"].split("/")[-1].split(":")[0]: pod for pod in rendered.pods()}


@pytest.mark.parametrize("name", ["both", "empty"])
def test_helm_lint_finds_nothing(name: str) -> None:
    chart = ROOT / "charts/node-agents"
    done = helm("lint", "--strict", str(chart), "-f", str(chart / f"ci/{name}-values.yaml"))
    assert done.returncode == 0, done.stdout


def test_without_a_pool_nothing_is_rendered() -> None:
    values = changed(changed(VALUES, "nvidia.pools", []), "efa.pools", [])
    assert render("node-agents", "node-agents", values).objects == []


def test_agents_run_only_on_their_pools_in_spite_of_the_taint() -> None:
    for pod in daemon_sets(VALUES).values():
        (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        assert term["matchExpressions"] == [{"key": "bastide.dev/pool", "operator": "In", "values": ["p5"]}]
        assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
        assert pod["priorityClassName"] == "system-node-critical"


def test_agents_register_with_kubelet_and_never_with_the_api_server() -> None:
    for pod in daemon_sets(VALUES).values():
        assert "/var/lib/kubelet/device-plugins" in [each["hostPath"]["path"] for each in pod["volumes"]]
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] != "default"


def test_nvidias_plugin_has_no_capability_and_no_way_to_more() -> None:
    pod = daemon_sets(VALUES)["k8s-device-plugin"]
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["privileged"] is False
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert not pod.get("hostNetwork")
    assert len(pod["volumes"]) == 1


def test_an_image_with_a_digest_is_named_by_it() -> None:
    values = changed(VALUES, "nvidia.image.digest", DIGEST)
    (container,) = daemon_sets(values)["k8s-device-plugin"]["containers"]
    assert container["image"] == f"nvcr.io/nvidia/k8s-device-plugin:v0.18.2@{DIGEST}"


SLICED = [{"replicas": 4, "pools": ["dev", "test"]}, {"replicas": 2, "pools": ["lab"]}]


def test_pools_that_share_gpus_have_a_plugin_with_its_own_configuration() -> None:
    rendered = render("node-agents", "node-agents", changed(VALUES, "nvidia.timeSlicing", SLICED))
    assert rendered.status == 0, rendered.error
    configurations = {
        each["metadata"]["name"]: yaml.safe_load(each["data"]["config.yaml"])
        for each in rendered.objects
        if each["kind"] == "ConfigMap"
    }
    assert set(configurations) == {
        "node-agents-nvidia-device-plugin-x4",
        "node-agents-nvidia-device-plugin-x2",
    }
    assert configurations["node-agents-nvidia-device-plugin-x4"]["sharing"] == {
        "timeSlicing": {
            "renameByDefault": False,
            "failRequestsGreaterThanOne": True,
            "resources": [{"name": "nvidia.com/gpu", "replicas": 4}],
        }
    }
    agents = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in rendered.objects
        if each["kind"] == "DaemonSet"
    }
    shared = agents["node-agents-nvidia-device-plugin-x4"]
    (container,) = shared["containers"]
    assert {"name": "CONFIG_FILE", "value": "/config/config.yaml"} in container["env"]
    assert shared["volumes"][1]["configMap"]["name"] == "node-agents-nvidia-device-plugin-x4"
    whole = agents["node-agents-nvidia-device-plugin"]
    assert "CONFIG_FILE" not in [each["name"] for each in whole["containers"][0]["env"]]


def test_no_two_of_nvidias_plugins_run_on_one_pool() -> None:
    rendered = render("node-agents", "node-agents", changed(VALUES, "nvidia.timeSlicing", SLICED))
    pools = [
        pool
        for pod in rendered.pods()
        if "k8s-device-plugin:" in pod["containers"][0]["image"]
        and "efa" not in pod["containers"][0]["image"]
        for pool in pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ][0]["matchExpressions"][0]["values"]
    ]
    assert sorted(pools) == ["dev", "lab", "p5", "test"]
    selectors = [
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for each in rendered.objects
        if each["kind"] == "DaemonSet"
    ]
    assert len(selectors) == len(set(selectors)) == 4


def test_a_changed_share_starts_the_plugin_anew() -> None:
    def checksum(replicas: int) -> str:
        values = changed(VALUES, "nvidia.timeSlicing", [{"replicas": replicas, "pools": ["dev"]}])
        (found,) = [
            each["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for each in render("node-agents", "node-agents", values).objects
            if each["kind"] == "DaemonSet" and "annotations" in each["spec"]["template"]["metadata"]
        ]
        return str(found)

    assert checksum(2) != checksum(3)


def test_agents_tolerate_the_pools_own_taints_too() -> None:
    taint = {"key": "example.com/team", "operator": "Equal", "value": "search", "effect": "NoExecute"}
    for pod in daemon_sets(changed(VALUES, "tolerations", [taint])).values():
        assert [each["key"] for each in pod["tolerations"]] == ["nvidia.com/gpu", "example.com/team"]


@pytest.mark.parametrize("agent", ["nvidia", "efa"])
def test_an_unresolved_image_is_refused_outside_a_sandbox(agent: str) -> None:
    other = {"nvidia": "efa", "efa": "nvidia"}[agent]
    values = changed(changed(VALUES, "allowUnresolved", False), f"{other}.image.digest", DIGEST)
    refused = render("node-agents", "node-agents", values)
    assert refused.status != 0
    assert f"{agent}.image.digest is unresolved" in refused.error


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nvidia.pool", ["p5"]),
        ("nvidia.pools", ["P5"]),
        ("nvidia.timeSlicing", [{"replicas": 1, "pools": ["p5"]}]),
        ("efa.timeSlicing", []),
        ("tolerations", [{"key": "x", "operator": "Exists"}]),
        ("efa.image.digest", "latest"),
        ("dcgm", {}),
        ("localVolumes.folder", "/var/lib"),
        ("localVolumes.classes", [{"name": "Weights", "pools": ["p5"]}]),
        ("localVolumes.classes", [{"name": "weights", "pools": []}]),
    ],
)
def test_the_schema_refuses_by_name(path: str, value: Any) -> None:
    refused = render("node-agents", "node-agents", changed(VALUES, path, value))
    assert refused.status != 0
    assert path.rpartition(".")[2] in refused.error

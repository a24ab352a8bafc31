"""charts/node-agents: what it renders, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.conftest import DIGEST, ROOT, changed, helm, render

VALUES: dict[str, Any] = {
    "allowUnresolved": True,
    "nvidia": {
        "image": {"repository": "nvcr.io/nvidia/k8s-device-plugin", "tag": "v0.18.2", "digest": "unresolved"},
        "pools": ["p5"],
    },
    "efa": {
        "image": {
            "repository": "public.ecr.aws/eks/aws-efa-k8s-device-plugin",
            "tag": "v0.5.7",
            "digest": "unresolved",
        },
        "pools": ["p5"],
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


@pytest.mark.parametrize("agent", ["nvidia", "efa"])
def test_an_unresolved_image_is_refused_outside_a_sandbox(agent: str) -> None:
    other = {"nvidia": "efa", "efa": "nvidia"}[agent]
    values = changed(changed(VALUES, "allowUnresolved", False), f"{other}.image.digest", DIGEST)
    refused = render("node-agents", "node-agents", values)
    assert refused.status != 0
    assert f"{agent}.image.digest is unresolved" in refused.error


@pytest.mark.parametrize(
    ("path", "value"),
    [("nvidia.pool", ["p5"]), ("nvidia.pools", ["P5"]), ("efa.image.digest", "latest"), ("dcgm", {})],
)
def test_the_schema_refuses_by_name(path: str, value: Any) -> None:
    refused = render("node-agents", "node-agents", changed(VALUES, path, value))
    assert refused.status != 0
    assert path.rpartition(".")[2] in refused.error

"""charts/node-agents: volumes for weights on nodes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.charts.conftest import DIGEST, Rendered, changed, render
from tests.charts.test_node_agents_chart import VALUES

CLASSES = [{"name": "bastide-weights", "pools": ["p5"]}, {"name": "other", "pools": ["g6"]}]


@pytest.fixture
def rendered() -> Rendered:
    found = render("node-agents", "node-agents", changed(VALUES, "localVolumes.classes", CLASSES))
    assert found.status == 0, found.error
    return found


def provisioner(rendered: Rendered, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = rendered.one("DaemonSet", f"node-agents-local-volumes-{name}")["spec"]["template"][
        "spec"
    ]
    return spec


def test_a_class_binds_where_its_pod_is_placed_and_its_volumes_come_back(rendered: Rendered) -> None:
    made = rendered.one("StorageClass", "bastide-weights")
    assert made["provisioner"] == "kubernetes.io/no-provisioner"
    assert made["volumeBindingMode"] == "WaitForFirstConsumer"
    assert made["reclaimPolicy"] == "Delete"


@pytest.mark.parametrize(("name", "pools"), [("bastide-weights", ["p5"]), ("other", ["g6"])])
def test_each_class_has_a_provisioner_of_its_own_on_its_pools(
    rendered: Rendered, name: str, pools: list[str]
) -> None:
    pod = provisioner(rendered, name)
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"][0]["values"] == pools
    data = rendered.one("ConfigMap", f"node-agents-local-volumes-{name}")["data"]
    assert data["useNodeNameOnly"] == "true"
    assert list(yaml.safe_load(data["storageClassMap"])) == [name]


def test_the_provisioner_sees_the_folder_of_its_configuration_and_nothing_else(rendered: Rendered) -> None:
    pod = provisioner(rendered, "other")
    data = rendered.one("ConfigMap", "node-agents-local-volumes-other")["data"]
    (given,) = yaml.safe_load(data["storageClassMap"]).values()
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "volumes"]
    assert mount["mountPath"] == given["mountDir"]
    assert mount["mountPropagation"] == "HostToContainer"
    paths = [each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each]
    assert paths == [given["hostDir"]]


def test_the_provisioner_is_not_privileged_and_asks_for_the_api_server(rendered: Rendered) -> None:
    pod = provisioner(rendered, "bastide-weights")
    assert pod["automountServiceAccountToken"] is True
    security = pod["containers"][0]["securityContext"]
    assert security["privileged"] is False
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["DAC_OVERRIDE"]}
    assert not pod.get("hostNetwork")


def test_device_plugins_still_have_no_token(rendered: Rendered) -> None:
    plugin = rendered.one("DaemonSet", "node-agents-nvidia-device-plugin")["spec"]["template"]["spec"]
    assert plugin["automountServiceAccountToken"] is False


def test_what_is_left_of_nodes_that_are_gone_is_taken_away_by_class(rendered: Rendered) -> None:
    pod = rendered.one("Deployment", "node-agents-local-volume-cleanup")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "--storageclass-names=bastide-weights,other" in container["args"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "volumes" not in pod
    rules = rendered.one("ClusterRole", "node-agents-local-volume-cleanup")["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch", "delete", "create"}
    assert [rule["resources"] for rule in rules if "create" in rule["verbs"]] == [["events"]]


@pytest.mark.parametrize("part", ["provisioner", "cleanup"])
def test_an_unresolved_image_of_volumes_is_refused_outside_a_sandbox(part: str) -> None:
    other = {"provisioner": "cleanup", "cleanup": "provisioner"}[part]
    values = changed(changed(VALUES, "allowUnresolved", False), "localVolumes.classes", CLASSES)
    for path in ("nvidia", "efa", f"localVolumes.{other}"):
        values = changed(values, f"{path}.image.digest", DIGEST)
    refused = render("node-agents", "node-agents", values)
    assert refused.status != 0
    assert f"localVolumes.{part}.image.digest is unresolved" in refused.error

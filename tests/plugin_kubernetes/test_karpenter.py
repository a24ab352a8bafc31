"""Karpenter's own charts by the real helm, and our pools before its real definitions."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide.plans import karpenter_nodes
from bastide.plans import karpenter_plan as plan
from bastide.settings import PoolSettings, Settings, read_stack_file
from sandbox import state
from sandbox.cli_status import print_noted
from sandbox.cluster.control_plane import ControlPlane
from sandbox.plugins.kubernetes import ledger
from sandbox.plugins.kubernetes.client import ApiError, Client
from sandbox.plugins.kubernetes.reasons import reasons_for
from tests.plugin_kubernetes.conftest import Driver, drive, serve_custom_kinds
from tests.waits import PATIENCE_S, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
ELASTIC: dict[str, Any] = {
    "name": "elastic",
    "instanceType": "g6e.12xlarge",
    "provisioner": "karpenter",
    "fallbackInstanceTypes": ["g6e.24xlarge"],
    "size": {"min": 0, "max": 3},
    "taints": [{"key": "team", "value": "search", "effect": "noExecute"}],
}
BOTTLEROCKET = {
    **ELASTIC,
    "name": "rocket",
    "os": "bottlerocket",
    "amiRelease": "1.68.0-1a2b3c4d",
    "capacity": {"kind": "spot"},
}


@pytest.fixture(scope="module")
def settings() -> Settings:
    raw = read_stack_file(STACK)
    return Settings.load({**raw, "pools": [*raw["pools"], ELASTIC, BOTTLEROCKET]})


@pytest.fixture(scope="module")
def driver(plane: ControlPlane) -> Driver:
    return drive(plane)


@pytest.fixture(scope="module")
def client(driver: Driver) -> Client:
    found = driver.provider._objects.client
    assert found is not None
    return found


def release(name: str, **more: Any) -> dict[str, Any]:
    return {
        "chart": f"oci://127.0.0.1:9/karpenter/{name}",
        "name": name,
        "namespace": "kube-system",
        "version": "1.14.1",
        "skipAwait": True,  # no node is here that would take its pods
        **more,
    }


@pytest.fixture(scope="module")
def installed(driver: Driver, settings: Settings) -> Iterator[None]:
    made = []
    for name, more in (
        ("karpenter-crd", {}),
        ("karpenter", {"skipCrds": True, "values": plan.release_values(settings)}),
    ):
        resource = driver.resource("helm.sh/v3:Release", name)
        made.append((resource, *driver.up(resource, release(name, **more), PATIENCE_S)))
    yield
    serve_custom_kinds(driver)
    for resource, made_id, found, inputs in reversed(made):
        driver.provider.delete(resource, made_id, found, inputs, PATIENCE_S)


def objects(settings: Settings, pool: PoolSettings) -> list[dict[str, Any]]:
    subnets = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    spec = karpenter_nodes.node_class(settings, pool, subnets, "sg-0123456789abcdef0", 1000, 4000)
    return [
        {
            "apiVersion": karpenter_nodes.CLASS_API,
            "kind": "EC2NodeClass",
            "metadata": {"name": pool.name},
            "spec": spec,
        },
        {
            "apiVersion": karpenter_nodes.API,
            "kind": "NodePool",
            "metadata": {"name": pool.name},
            "spec": karpenter_nodes.node_pool(settings, pool, ["us-east-1a", "us-east-1b"]),
        },
    ]


def put(client: Client, item: dict[str, Any], dry: bool = True) -> dict[str, Any]:
    kind = client.kind(item["apiVersion"], item["kind"], PATIENCE_S)
    return client.apply(kind, item["metadata"].get("namespace", ""), item, "test", dry, True)[1]


def test_the_controller_is_what_our_values_say(client: Client, installed: None, settings: Settings) -> None:
    spec = client.get("/apis/apps/v1/namespaces/kube-system/deployments/karpenter")["spec"]
    assert spec["replicas"] == 2
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "public.ecr.aws/karpenter/controller:1.14.1"
    assert pod["serviceAccountName"] == plan.SERVICE_ACCOUNT
    assert pod["nodeSelector"]["bastide.dev/pool"] == "system"
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["CLUSTER_NAME"] == settings.cluster_name
    assert environment["INTERRUPTION_QUEUE"] == plan.name(settings)
    assert "ISOLATED_VPC" not in environment


@pytest.mark.parametrize("name", ["elastic", "rocket"])
def test_a_pools_objects_are_taken_and_read_back_unchanged(
    client: Client, installed: None, settings: Settings, name: str
) -> None:
    for each in objects(settings, settings.pool(name)):
        live = put(client, each)
        assert live["spec"] == each["spec"]


def test_a_resource_whose_controller_does_not_run_is_listed_while_it_is_there(
    driver: Driver, installed: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    _, pool = objects(settings, settings.pool("rocket"))
    resource = driver.resource("karpenter.sh/v1:NodePool", "listed")
    inputs = {"metadata": {"name": "listed"}, "spec": pool["spec"]}

    def listed() -> list[str]:
        lines = (state.home() / ledger.NOT_RENDERED).read_text().splitlines()
        return [each["unattended"] for each in map(json.loads, lines) if each["urn"] == resource.urn]

    made, live, checked = driver.up(resource, inputs)
    assert listed() == ["NodePool"]
    print_noted()
    assert "unattended   1 NodePool: their controllers are pods, and no pod runs" in capsys.readouterr().out
    driver.provider.delete(resource, made, live, checked, PATIENCE_S)
    assert listed() == []


def spoilt(settings: Settings, change: str) -> dict[str, Any]:
    template, pool = copy.deepcopy(objects(settings, settings.pool("elastic")))
    match change:
        case "both role and profile":
            template["spec"]["role"] = "somebody"
            return template
        case "an alias of another family":
            template["spec"]["amiSelectorTerms"] = [{"alias": "bottlerocket@latest"}]
            return template
        case "a field that is not there":
            pool["spec"]["disruption"]["budget"] = []
            return pool
        case "an unknown reason":
            pool["spec"]["disruption"]["budgets"] = [{"nodes": "0", "reasons": ["Bored"]}]
            return pool
        case _:
            pool["spec"]["template"]["spec"]["requirements"][1]["operator"] = "Perhaps"
            return pool


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("both role and profile", "exactly one of"),
        ("an alias of another family", "amiFamily must be 'Bottlerocket'"),
        ("a field that is not there", "budget"),
        ("an unknown reason", "Bored"),
        ("an unknown operator", "Perhaps"),
    ],
)
def test_the_definitions_judge_for_themselves(
    client: Client, installed: None, settings: Settings, change: str, reason: str
) -> None:
    with pytest.raises(ApiError, match=reason):
        put(client, spoilt(settings, change))


def test_a_pod_that_waits_for_karpenter_is_told_so(
    client: Client, driver: Driver, installed: None, settings: Settings
) -> None:
    _, pool = objects(settings, settings.pool("elastic"))
    put(client, pool, dry=False)
    space = "karpenter-waits"
    driver.up(driver.resource("core/v1:Namespace", space), {"metadata": {"name": space}})
    pods = f"/api/v1/namespaces/{space}/pods"
    for name, selector in (("here", "elastic"), ("there", "other")):
        until(lambda: client.find(f"/api/v1/namespaces/{space}/serviceaccounts/default"))
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeSelector": {"bastide.dev/pool": selector},
                "containers": [{"name": "it", "image": "it"}],
            },
        }
        client.request("POST", pods, body=pod)
    for name, told in (("here", True), ("there", False)):
        # The scheduler's event comes before its verdict.
        (line,) = until(lambda name=name: unschedulable(client, f"{pods}/{name}"))  # type: ignore[misc]
        assert ("Karpenter would make a node of NodePool elastic for it" in line) is told
    client.request("DELETE", f"/api/v1/namespaces/{space}")
    client.request("DELETE", "/apis/karpenter.sh/v1/nodepools/elastic")


def unschedulable(client: Client, pod: str) -> list[str]:
    """What is said of a pod that does not fit."""
    return [line for line in reasons_for(client, [client.get(pod)]) if "Unschedulable" in line]

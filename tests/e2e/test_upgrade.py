"""A Kubernetes version bump and an AMI bump: explained by the preview, made in the right order, with pods disrupted
only within their budgets, as the API server judged each eviction (`make prove PART=upgrade`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Sandbox, Stack

pytestmark = [pytest.mark.world, pytest.mark.proof, pytest.mark.xdist_group("upgrade")]

CLUSTER = "bastide-sandbox-us-east-1"
BEFORE, AFTER = "1.33", "1.34"
ADDONS = {
    BEFORE: {"kubeProxy": "v1.33.5-eksbuild.2", "coredns": "v1.12.4-eksbuild.1"},
    AFTER: {"kubeProxy": "v1.34.6-eksbuild.13", "coredns": "v1.13.2-eksbuild.7"},
}
AMI = "1.34.6-20260818"
"""A release that is newer than the one which the version bump brings."""


def _at(version: str, ami: str | None = None) -> Any:
    def change(config: dict[str, Any]) -> None:
        # Protected, so that a replacement of what holds data would stop the run.
        config["bastide:protection"] = "true"
        config["bastide:cluster"] |= {
            "kubernetesVersion": version,
            "addons": ADDONS[version],
        }
        if ami:
            config["bastide:pools"][0]["amiRelease"] = ami

    return change


def _journal(sandbox: Sandbox) -> list[dict[str, Any]]:
    path = sandbox.home / "logs" / "disruptions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _changed(stack: Stack) -> dict[str, str]:
    """Type and name -> operation of the preview's steps."""
    return {
        "::".join(step["urn"].split("::")[2:]).split("$")[-1]: step["op"]
        for step in stack.steps()
        if step["urn"].split("::")[2].split("$")[-1].startswith(("aws:", "kubernetes:"))
    }


def _modified(stack: Stack) -> dict[str, str]:
    """URN's last parts -> time of the last change, of what AWS has."""
    return {
        "::".join(each["urn"].split("::")[2:]).split("$")[-1]: each["modified"]
        for each in stack.state()
        if each["type"].startswith("aws:eks/")
    }


def _kubelets(sandbox: Sandbox, pool: str) -> set[str]:
    nodes = sandbox.kubectl("get", "nodes", "-l", f"bastide.dev/pool={pool}")["items"]
    return {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}


def _assert_within_budgets(events: list[dict[str, Any]]) -> None:
    """No pod was lost, every eviction of an engine had room in its budget, and one node of a pool at a time was
    emptied."""
    assert [event for event in events if event["event"] == "lost"] == []
    evicted = [
        event
        for event in events
        if event["event"] == "evicted" and event["pod"].startswith("bastide-serving/")
    ]
    assert {event["pod"] for event in evicted} == {
        "bastide-serving/vllm-chat-0",
        "bastide-serving/vllm-chat-1",
    }
    for event in evicted:
        assert event["budgets"], event
        assert all(budget["disruptionsAllowed"] >= 1 for budget in event["budgets"]), event
        assert all(budget["currentHealthy"] == budget["expectedPods"] for budget in event["budgets"]), event


@pytest.fixture(scope="module")
def region(stack: Stack) -> Stack:
    """The sandbox region at the older version."""
    stack.configure(_at(BEFORE))
    done = stack.up()
    assert done.code == 0, done.text[-6000:]
    return stack


def test_two_minor_versions_at_once_are_refused_before_anything_changes(region: Stack) -> None:
    def skip(config: dict[str, Any]) -> None:
        _at(AFTER)(config)
        config["bastide:cluster"] |= {"kubernetesVersion": "1.35", "addons": {"kubeProxy": "unresolved"}}

    region.configure(skip)
    seen = region.pulumi("preview")
    assert seen.code != 0
    assert "is 2 minor versions at once, and EKS takes one at a time" in seen.text
    assert "Traceback" not in seen.text


def test_a_version_bump_is_explained_and_updates_in_order_with_nothing_replaced(
    region: Stack, sandbox: Sandbox
) -> None:
    region.configure(_at(AFTER))
    seen = region.pulumi("preview")
    assert seen.code == 0, seen.text
    explained = next(
        line for line in seen.text.splitlines() if "Kubernetes 1.33 -> 1.34: 1. control plane" in line
    )
    assert explained.index("kube-proxy v1.33.5-eksbuild.2 -> v1.34.6-eksbuild.13") < explained.index("pools")
    changed = _changed(region)
    assert set(changed.values()) == {"update"}, changed
    assert {kind.split("::")[0] for kind in changed} == {
        "aws:eks/cluster:Cluster",
        "aws:eks/addon:Addon",
        "aws:eks/nodeGroup:NodeGroup",
    }, changed

    before, first = _modified(region), len(_journal(sandbox))
    done = region.up()
    assert done.code == 0, done.text[-6000:]
    after = _modified(region)
    changed_at = {name.split("::")[1]: time for name, time in after.items() if time != before[name]}
    cluster = changed_at.pop("bastide-cluster-eks")
    kube_proxy, coredns = (
        changed_at.pop("bastide-node-addons-kube-proxy"),
        changed_at.pop("bastide-addons-coredns"),
    )
    assert changed_at.keys() == {"bastide-system-pool-group-nodes", "bastide-gpu-pool-p5-group-nodes"}
    assert cluster < kube_proxy < min(changed_at.values())
    # coredns is a Deployment on system nodes: it follows these.
    assert changed_at["bastide-system-pool-group-nodes"] < coredns
    _assert_within_budgets(_journal(sandbox)[first:])
    for pool in ("system", "p5"):
        assert {version[:5] for version in _kubelets(sandbox, pool)} == {"v1.34"}
    assert region.steps() == []


def test_an_ami_bump_touches_the_pools_node_group_alone(region: Stack, sandbox: Sandbox) -> None:
    region.configure(_at(AFTER, AMI))
    changed = _changed(region)
    assert list(changed.values()) == ["update"], changed
    assert next(iter(changed)).startswith("aws:eks/nodeGroup:NodeGroup::bastide-gpu-pool-p5"), changed
    first = len(_journal(sandbox))
    done = region.up()
    assert done.code == 0, done.text[-6000:]
    _assert_within_budgets(_journal(sandbox)[first:])
    eks = sandbox.aws("eks")
    names = eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]
    (name,) = [each for each in names if "gpu-pool-p5" in each]
    group = eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=name)["nodegroup"]
    assert (group["releaseVersion"], group["status"]) == (AMI, "ACTIVE")
    assert region.steps() == []

"""One world with one cluster: updates of node groups and of the control plane, by real evictions. About 70 s."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest

from sandbox.daemon.runner import DISRUPTIONS
from sandbox.state import World, home
from tests.sandbox_cluster.test_world import (
    bastide,
    client,
    cluster,
    group_status,
    items,
    kubectl,
    make_group,
    roles,
    subnets,
    workload,
)
from tests.waits import PATIENCE_S, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("cluster-world-updates")]

__all__ = ["cluster", "roles", "subnets"]  # fixtures that this module's own world goes through

DRAIN_SECONDS = 40
"""Long enough for pods of two replicas to move one after the other (3 s, and more on a busy machine), short enough to
be waited for."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("updates-world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTIDE_SANDBOX_HOME", str(folder))
        patch.setenv("BASTIDE_SANDBOX_DRAIN_SECONDS", str(DRAIN_SECONDS))
        started = bastide("up")
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield World.find()
        finally:
            bastide("down")


@pytest.fixture(scope="module")
def pool(world: World, cluster: dict[str, Any], roles: dict[str, str], subnets: list[str]) -> str:
    make_group(
        world,
        roles,
        subnets,
        "nodes",
        size=2,
        instanceTypes=["m5.xlarge"],
        version="1.33",
        releaseVersion="1.33.5-20251112",
        updateConfig={"maxUnavailable": 1},
    )
    return "nodes"


def journal() -> list[dict[str, Any]]:
    path = home() / "logs" / DISRUPTIONS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def broken(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What no budget allowed: a pod that went with its node, or an eviction while too few were healthy."""
    return [
        line
        for line in told
        if line["event"] == "lost"
        or (
            line["event"] == "evicted"
            and any(b["currentHealthy"] < b["desiredHealthy"] for b in line["budgets"])
        )
    ]


def serve(world: World, name: str, replicas: int, min_available: int) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    spec = {**spec, "topologySpreadConstraints": [spread]}
    kubectl(world, "apply", "-f", "-", given=workload("Deployment", name, spec, replicas=replicas))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": name}}},
    }
    kubectl(world, "apply", "-f", "-", given=budget)
    until(
        lambda: [b for b in items(world, "pdb") if b["metadata"]["name"] == name and healthy(b) == replicas],
        f"{name} is ready",
    )


def healthy(budget: dict[str, Any]) -> int:
    return int(budget.get("status", {}).get("currentHealthy", -1))


class Watch:
    """Looks at a budget all the time; the fewest healthy pods that it ever saw."""

    def __init__(self, world: World, name: str) -> None:
        self.least, self.looks, self._end = 10**6, 0, Event()

        def look() -> None:
            while not self._end.is_set():
                done = kubectl(world, "get", "pdb", name, "-o", "json")
                if done.returncode == 0:
                    self.least = min(self.least, healthy(json.loads(done.stdout)))
                    self.looks += 1

        self._thread = Thread(target=look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(PATIENCE_S)


def update(world: World, pool: str, **given: Any) -> dict[str, Any]:
    """Carries an update of the node group out and gives DescribeUpdate's last word."""
    eks = client(world, "eks")
    started = eks.update_nodegroup_version(clusterName="one", nodegroupName=pool, **given)["update"]["id"]
    about = {"name": "one", "nodegroupName": pool, "updateId": started}

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = eks.describe_update(**about)["update"]
        return found if found["status"] != "InProgress" else None

    found: dict[str, Any] = until(ended, "the update has ended")
    return found


def kubelets(world: World) -> set[str]:
    return {node["status"]["nodeInfo"]["kubeletVersion"] for node in items(world, "nodes")}


def settled(world: World, pool: str, size: int = 2) -> Callable[[], bool]:
    return lambda: group_status(world, pool)["status"] == "ACTIVE" and len(items(world, "nodes")) == size


def test_a_release_bump_moves_pods_within_their_budget(world: World, pool: str) -> None:
    serve(world, "engine", replicas=2, min_available=1)
    before = {node["metadata"]["name"] for node in items(world, "nodes")}
    assert kubelets(world) == {"v1.33.5-eks-emulated"}
    with Watch(world, "engine") as seen:
        ended = update(world, pool, releaseVersion="1.33.11-20260529")
    assert ended["status"] == "Successful", ended
    until(settled(world, pool), "two nodes are left")
    assert before & {node["metadata"]["name"] for node in items(world, "nodes")} == set()
    assert kubelets(world) == {"v1.33.11-eks-emulated"}
    assert group_status(world, pool)["releaseVersion"] == "1.33.11-20260529"
    assert seen.looks > 3
    assert seen.least >= 1
    told = journal()
    moved = [line for line in told if line["event"] == "evicted" and line["pod"].startswith("default/engine")]
    assert {line["node"] for line in moved} <= before
    assert len(moved) >= 2
    assert broken(told) == []
    # DEFAULT: both old nodes were closed before the first pod had to leave.
    events = [line["event"] for line in told]
    assert events.index("evicted") > [i for i, event in enumerate(events) if event == "cordoned"][1]
    drained = [line["node"] for line in told if line["event"] == "drained"]
    assert sorted(drained) == sorted(before)


def test_minimal_takes_the_old_node_first_and_keeps_the_budget(world: World, pool: str) -> None:
    client(world, "eks").update_nodegroup_config(
        clusterName="one", nodegroupName=pool, updateConfig={"maxUnavailable": 1, "updateStrategy": "MINIMAL"}
    )
    until(settled(world, pool), "it is ACTIVE")
    bastide("fault", "capacity", "m5=2")  # no room for a third
    before = len(journal())
    with Watch(world, "engine") as seen:
        ended = update(world, pool, releaseVersion="1.33.12-20260601")
    assert ended["status"] == "Successful", ended
    assert seen.least >= 1
    until(lambda: kubelets(world) == {"v1.33.12-eks-emulated"}, "only new nodes are left")
    told = journal()[before:]
    assert broken(told) == []
    bastide("fault", "clear")


def test_a_budget_that_allows_nothing_fails_the_update_and_force_breaks_it(world: World, pool: str) -> None:
    serve(world, "stubborn", replicas=2, min_available=2)
    before = {node["metadata"]["name"] for node in items(world, "nodes")}
    mark = len(journal())
    ended = update(world, pool, releaseVersion="1.33.13-20260701")
    assert ended["status"] == "Failed"
    [error] = ended["errors"]
    assert error["errorCode"] == "PodEvictionFailure"
    assert "would violate the pod's disruption budget" in error["errorMessage"]
    assert "default/stubborn" in error["errorMessage"]
    until(settled(world, pool), "it is as it was")
    assert group_status(world, pool)["releaseVersion"] == "1.33.12-20260601"
    assert {node["metadata"]["name"] for node in items(world, "nodes")} == before
    until(
        lambda: not any(node["spec"].get("unschedulable") for node in items(world, "nodes")),
        "pods may come again",
    )
    refused = [line for line in journal()[mark:] if line["event"] == "refused"]
    assert all(line["budgets"][0]["disruptionsAllowed"] == 0 for line in refused)
    assert broken(journal()[mark:]) == []

    assert update(world, pool, releaseVersion="1.33.13-20260701", force=True)["status"] == "Successful"
    until(lambda: kubelets(world) == {"v1.33.13-eks-emulated"}, "the old nodes are gone")
    assert {line["pod"].split("-")[0] for line in journal() if line["event"] == "lost"} == {
        "default/stubborn"
    }
    kubectl(world, "delete", "deployment/stubborn", "pdb/stubborn")


def test_scale_in_drains_the_node_that_goes(world: World, pool: str) -> None:
    mark = len(journal())
    client(world, "eks").update_nodegroup_config(
        clusterName="one", nodegroupName=pool, scalingConfig={"desiredSize": 1}
    )
    until(settled(world, pool, 1), "one node is left")
    told = journal()[mark:]
    assert "drained" in {line["event"] for line in told}
    assert broken(told) == []


def test_the_control_plane_goes_up_by_itself_and_keeps_its_data(world: World, pool: str) -> None:
    eks = client(world, "eks")
    kubectl(world, "create", "configmap", "kept", "--from-literal=a=b")

    def server() -> str:
        done = kubectl(world, "version", "-o", "json")
        return str(json.loads(done.stdout)["serverVersion"]["emulationMinor"]) if done.returncode == 0 else ""

    assert server() == "33"
    before = kubelets(world)
    started = eks.update_cluster_version(name="one", version="1.34")["update"]["id"]
    assert eks.describe_cluster(name="one")["cluster"]["version"] == "1.33"
    until(
        lambda: eks.describe_update(name="one", updateId=started)["update"]["status"] == "Successful",
        "the update has ended",
    )
    found = eks.describe_cluster(name="one")["cluster"]
    assert (found["version"], found["status"]) == ("1.34", "ACTIVE")
    assert server() == "34"
    assert kubectl(world, "get", "configmap", "kept", "-o", "jsonpath={.data.a}").stdout == "b"
    assert kubelets(world) == before  # nodes follow by an update of their own
    # One node and a budget of one: only an update that starts the new node first can move the last pod.
    eks.update_nodegroup_config(
        clusterName="one", nodegroupName=pool, updateConfig={"maxUnavailable": 1, "updateStrategy": "DEFAULT"}
    )
    until(settled(world, pool, 1), "it is ACTIVE")
    ended = update(world, pool)
    assert ended["status"] == "Successful", ended
    until(lambda: kubelets(world) == {"v1.34.6-eks-emulated"}, "the new node alone is left")
    serve(world, "after", replicas=1, min_available=0)  # controllers and scheduler work

"""Weights that are kept on nodes, by the kit's own charts and user data: a real claim, a real scheduler. About 45 s."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from bastide.plans import node_user_data
from sandbox.cluster import local_volumes
from sandbox.state import World
from tests.charts.conftest import ROOT, changed, render
from tests.sandbox_cluster.samples import instance
from tests.sandbox_cluster.test_world import (
    TAINT,
    bastide,
    client,
    cluster,
    items,
    kubectl,
    make_group,
    roles,
    subnets,
)
from tests.waits import until

__all__ = ["cluster", "roles", "subnets"]  # fixtures that this module's own world goes through

pytestmark = [pytest.mark.xdist_group("cluster-world-volumes")]

world_alone = pytest.mark.world

SPACE = "a-namespace"
CLASS = "bastide-weights"
POD = "vllm-chat-0"


def test_a_volume_has_the_provisioners_name_and_belongs_to_one_node() -> None:
    made = local_volumes.volume("ip-1", instance(), CLASS, f"{node_user_data.WEIGHTS_FOLDER}/0", "Delete")
    # FNV-1a of "0ip-1bastide-weights", as the provisioner's generatePVName has it.
    assert made["metadata"]["name"] == f"local-pv-{local_volumes._fnv('0ip-1bastide-weights'):x}"
    assert made["spec"]["local"]["path"] == "/mnt/bastide/weights/0"
    assert local_volumes._nodes_of(made) == {"ip-1"}


def test_the_hash_is_fnv_1a() -> None:
    # Test vectors of the hash's authors.
    assert [local_volumes._fnv(each) for each in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("volumes-world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTIDE_SANDBOX_HOME", str(folder))
        started = bastide("up")
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield World.find()
        finally:
            bastide("down")


def applied(world: World, objects: list[dict[str, Any]]) -> None:
    done = kubectl(
        world, "apply", "-n", SPACE, "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": objects}
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def nodes(world: World, cluster: dict[str, Any], roles: dict[str, str], subnets: list[str]) -> list[str]:
    """Two P5 nodes with the kit's user data, and the node agents' chart."""
    text = node_user_data.al2023(local_storage=True, weight_volumes=8) or ""
    template = client(world, "ec2").create_launch_template(
        LaunchTemplateName="p5",
        LaunchTemplateData={
            "UserData": base64.b64encode(text.encode()).decode(),
            "InstanceType": "p5.48xlarge",
        },
    )["LaunchTemplate"]
    make_group(world, roles, subnets, "system", size=1, instanceTypes=["m5.large"])
    make_group(
        world,
        roles,
        subnets,
        "p5",
        size=2,
        amiType="AL2023_x86_64_NVIDIA",
        labels={"bastide.dev/pool": "p5"},
        taints=[TAINT],
        launchTemplate={"id": template["LaunchTemplateId"], "version": "1"},
    )
    assert kubectl(world, "create", "namespace", SPACE).returncode == 0
    assert not items(world, "persistentvolumes")
    values = {
        "allowUnresolved": True,
        "nvidia": {"pools": ["p5"]},
        "localVolumes": {"classes": [{"name": CLASS, "pools": ["p5"]}]},
    }
    applied(world, render("node-agents", "node-agents", values).objects)

    def found() -> list[str]:
        named = items(world, "nodes", "-l", "bastide.dev/pool=p5")
        return [each["metadata"]["name"] for each in named]

    until(lambda: len(found()) == 2, "two nodes with GPUs")
    return found()


def engine(**changes: Any) -> list[dict[str, Any]]:
    """One engine on a whole node, which keeps its weights there, by the kit's chart."""
    values = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
    cache = {"kind": "node", "storageClass": CLASS, "sizeGib": 400}
    for path, value in {"fetch.cache": cache, "engine.replicas": 1, **changes}.items():
        values = changed(values, path, value)
    rendered = render("vllm", "vllm-chat", values)
    assert rendered.status == 0, rendered.error
    tests = "helm.sh/hook"
    return [each for each in rendered.objects if tests not in each["metadata"].get("annotations", {})]


def pod(world: World) -> dict[str, Any]:
    found = [each for each in items(world, "pods", "-n", SPACE) if each["metadata"]["name"] == POD]
    return found[0] if found else {"metadata": {"uid": ""}, "spec": {}, "status": {}}


def running(world: World) -> bool:
    return bool(pod(world)["status"].get("phase") == "Running")


def claim(world: World) -> dict[str, Any]:
    (found,) = items(world, "persistentvolumeclaims", "-n", SPACE)
    return found


def conflict(world: World) -> bool:
    """Whether the scheduler found no node for the pod because of its volume."""
    said = [each.get("message", "") for each in pod(world)["status"].get("conditions", [])]
    return any("didn't match PersistentVolume's node affinity" in each for each in said)


def again(world: World) -> None:
    """Another pod in the place of the one that is there. `--wait` is not used: kubectl may take the new pod for the old
    one, as they have one name, and wait for ever."""
    old = pod(world)["metadata"]["uid"]
    assert kubectl(world, "delete", "pod", POD, "-n", SPACE, "--wait=false").returncode == 0
    until(lambda: pod(world)["metadata"]["uid"] not in ("", old), "another pod")


@world_alone
def test_every_mount_point_is_a_volume_where_the_provisioner_runs(world: World, nodes: list[str]) -> None:
    until(lambda: len(items(world, "persistentvolumes")) == 16, "8 volumes on both nodes")
    volumes = items(world, "persistentvolumes")
    assert {each["status"]["phase"] for each in volumes} <= {"Available", "Pending"}
    assert {each["spec"]["capacity"]["storage"] for each in volumes} == {"28312Gi"}
    assert sorted({name for each in volumes for name in local_volumes._nodes_of(each)}) == sorted(nodes)


@world_alone
def test_the_claim_is_bound_on_the_node_of_the_engines_pod_which_goes_back_to_it(
    world: World, nodes: list[str]
) -> None:
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000}
    applied(world, [{**priority, "metadata": {"name": "bastide-serving"}}, *engine()])
    until(lambda: running(world), "the engine runs")
    bound, node = claim(world), pod(world)["spec"]["nodeName"]
    assert bound["status"]["phase"] == "Bound"
    (volume,) = [
        each
        for each in items(world, "persistentvolumes")
        if each["metadata"]["name"] == bound["spec"]["volumeName"]
    ]
    assert local_volumes._nodes_of(volume) == {node}

    # The other node has all that the pod asks for but the volume.
    assert kubectl(world, "cordon", node).returncode == 0
    again(world)
    until(lambda: conflict(world), "it waits for its node")
    assert kubectl(world, "uncordon", node).returncode == 0
    until(lambda: running(world), "it runs again")
    assert pod(world)["spec"]["nodeName"] == node
    assert claim(world)["spec"]["volumeName"] == bound["spec"]["volumeName"]


@world_alone
def test_an_engine_whose_node_is_gone_starts_on_another_once_the_cleanup_runs(
    world: World, nodes: list[str]
) -> None:
    until(lambda: running(world), "the engine runs")
    cleanup = "deployment/node-agents-local-volume-cleanup"
    assert kubectl(world, "scale", cleanup, "--replicas=0", "-n", SPACE).returncode == 0
    until(
        lambda: not [p for p in items(world, "pods", "-n", SPACE) if "cleanup" in p["metadata"]["name"]],
        "no cleanup",
    )
    lost, old = pod(world)["spec"]["nodeName"], claim(world)
    (machine,) = [
        each["spec"]["providerID"].rpartition("/")[2]
        for each in items(world, "nodes")
        if each["metadata"]["name"] == lost
    ]
    # Without a node in its place, which would get its address here, and so its name.
    assert bastide("fault", "capacity", "p5=1").returncode == 0
    client(world, "ec2").terminate_instances(InstanceIds=[machine])
    until(lambda: conflict(world), "the pod waits for a volume that is gone")
    assert kubectl(world, "scale", cleanup, "--replicas=1", "-n", SPACE).returncode == 0
    until(lambda: running(world), "the engine runs on another node")
    assert pod(world)["spec"]["nodeName"] != lost
    assert claim(world)["metadata"]["uid"] != old["metadata"]["uid"]
    until(
        lambda: not [v for v in items(world, "persistentvolumes") if lost in local_volumes._nodes_of(v)],
        "the lost node's volumes are gone",
    )


@world_alone
def test_a_running_engines_claim_changes_once_its_statefulset_is_made_anew(
    world: World, nodes: list[str]
) -> None:
    before = pod(world)["metadata"]["uid"]
    larger = engine(**{"fetch.cache": {"kind": "node", "storageClass": CLASS, "sizeGib": 500}})
    refused = kubectl(
        world, "apply", "-n", SPACE, "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": larger}
    )
    assert refused.returncode != 0
    assert "updates to statefulset spec for fields other than" in refused.stderr
    kubectl(world, "delete", "statefulset/vllm-chat", "-n", SPACE, "--cascade=orphan")
    assert pod(world)["metadata"]["uid"] == before
    applied(world, larger)
    until(lambda: pod(world)["metadata"]["uid"] not in ("", before) and running(world), "it was replaced")
    owners = [each["kind"] for each in claim(world)["metadata"].get("ownerReferences", [])]
    assert owners == ["StatefulSet"]


@world_alone
def test_an_engine_that_is_taken_away_gives_its_volume_back(world: World, nodes: list[str]) -> None:
    volume = claim(world)["spec"]["volumeName"]
    assert kubectl(world, "delete", "statefulset/vllm-chat", "-n", SPACE, "--wait=true").returncode == 0
    until(lambda: not items(world, "persistentvolumeclaims", "-n", SPACE), "no claim is left")

    def offered() -> bool:
        there = {each["metadata"]["name"]: each for each in items(world, "persistentvolumes")}
        return volume in there and there[volume]["status"]["phase"] == "Available"

    until(offered, "the volume is offered again")

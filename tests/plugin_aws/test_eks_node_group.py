from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.aws.client import Aws
from sandbox.plugins.protocol import UNKNOWN, PartialError
from tests.plugin_aws.conftest import Driver, Made
from tests.plugin_aws.eks_world import EksWorld

GROUP = "aws:eks/nodeGroup:NodeGroup"


@pytest.fixture(scope="module")
def world(aws_endpoint: str) -> EksWorld:
    return EksWorld(aws_endpoint, "nodes")


@pytest.fixture(scope="module")
def cluster(world: EksWorld) -> str:
    return world.cluster()


@pytest.fixture
def shortage(world: EksWorld) -> Iterator[Aws]:
    aws = Aws(world.endpoint)
    yield aws
    aws.limit_capacity({})


def inputs_of(world: EksWorld, cluster: str, name: str, size: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "clusterName": cluster,
        "nodeGroupName": name,
        "nodeRoleArn": world.node_role,
        "subnetIds": world.subnets[:2],
        "scalingConfig": {"desiredSize": size, "maxSize": 4, "minSize": 0},
        "instanceTypes": ["m6i.large"],
        **more,
    }


@pytest.fixture(scope="module")
def group(world: EksWorld, cluster: str) -> Made:
    more = {
        "labels": {"bastide.dev/pool": "system"},
        "taints": [{"key": "a", "value": "b", "effect": "NO_SCHEDULE"}],
        "tags": {"a": "1"},
    }
    return Driver().create(GROUP, **inputs_of(world, cluster, "system", **more))


def test_node_group_is_active_with_its_instances(group: Made, world: EksWorld, cluster: str) -> None:
    assert group.id == f"{cluster}:system"
    assert group.state["status"] == "ACTIVE"
    assert group.state["resources"][0]["autoscalingGroups"][0]["name"].startswith("eks-system-")
    assert group.refresh().properties == {}


def test_sizes_labels_taints_and_tags_change_in_place(group: Made, world: EksWorld, cluster: str) -> None:
    more = {
        "labels": {"bastide.dev/pool": "gateway", "x": "y"},
        "taints": [{"key": "c", "effect": "NO_EXECUTE"}],
        "updateConfig": {"maxUnavailable": 2},
        "tags": {"b": "2"},
    }
    inputs = inputs_of(world, cluster, "system", 2, **more)
    diff = group.diff(**inputs)
    assert diff.replaces == []
    assert diff.properties["scalingConfig.desiredSize"] == "update"
    group.update(**inputs)
    seen = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName="system")["nodegroup"]
    assert seen["scalingConfig"]["desiredSize"] == 2
    assert seen["labels"] == {"bastide.dev/pool": "gateway", "x": "y"}
    assert [(taint["key"], taint["effect"]) for taint in seen["taints"]] == [("c", "NO_EXECUTE")]
    assert seen["updateConfig"]["maxUnavailable"] == 2
    assert seen["tags"] == {"b": "2"}
    assert group.refresh().properties == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amiType", "AL2023_x86_64_NVIDIA"),
        ("capacityType", "SPOT"),
        ("instanceTypes", ["m6i.xlarge"]),
        ("diskSize", 100),
        ("nodeRoleArn", "arn:aws:iam::123456789012:role/other"),
        ("nodeGroupName", "other"),
    ],
)
def test_what_aws_lists_as_create_only_replaces_the_group(
    group: Made, world: EksWorld, cluster: str, name: str, value: Any
) -> None:
    diff = group.diff(**{**group.inputs, name: value})
    assert diff.replaces == [name]
    assert diff.delete_before_replace == (name != "nodeGroupName")


def test_launch_template_version_changes_in_place_and_another_template_replaces(
    world: EksWorld, cluster: str
) -> None:
    template = world.ec2.create_launch_template(
        LaunchTemplateName="nodes", LaunchTemplateData={"InstanceType": "m6i.large"}
    )["LaunchTemplate"]["LaunchTemplateId"]
    world.ec2.create_launch_template_version(
        LaunchTemplateId=template, LaunchTemplateData={"InstanceType": "m6i.xlarge"}
    )
    inputs = inputs_of(world, cluster, "template", launchTemplate={"id": template, "version": "1"})
    del inputs["instanceTypes"]
    made = Driver().create(GROUP, **inputs)
    assert made.refresh().properties == {}
    assert made.diff(**{**inputs, "launchTemplate": {"id": "lt-0", "version": "1"}}).replaces == [
        "launchTemplate.id"
    ]
    without = {key: value for key, value in inputs.items() if key != "launchTemplate"}
    assert made.diff(**without).replaces == ["launchTemplate"]
    after = {**inputs, "launchTemplate": {"id": template, "version": "2"}}
    assert made.diff(**after).properties == {"launchTemplate.version": "update"}
    made.update(**after)
    seen = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName="template")["nodegroup"]
    assert seen["launchTemplate"]["version"] == "2"
    made.delete()
    assert made.refresh() is None


def test_group_that_aws_has_no_machines_for_says_so_and_the_next_up_makes_it_again(
    world: EksWorld, cluster: str, shortage: Aws
) -> None:
    shortage.limit_capacity({"p5": 0})
    driver = Driver()
    inputs = inputs_of(world, cluster, "gpus", instanceTypes=["p5.48xlarge"])
    with pytest.raises(PartialError, match=r"sufficient p5\.48xlarge capacity") as caught:
        driver.create(GROUP, **inputs)
    failed = caught.value
    assert failed.state["status"] == "CREATE_FAILED"
    assert "AsgInstanceLaunchFailures" in failed.reasons[0]

    shortage.limit_capacity({})
    again = Made(driver, driver.resource(GROUP), failed.resource_id, failed.inputs, failed.state)
    again.update(**inputs)
    assert again.state["status"] == "ACTIVE"
    again.delete()
    assert again.refresh() is None


def test_group_that_cannot_grow_warns_with_the_reason_and_is_no_error(
    world: EksWorld, cluster: str, shortage: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver()
    inputs = inputs_of(world, cluster, "growing", 1, instanceTypes=["p5.48xlarge"])
    made = driver.create(GROUP, **inputs)
    shortage.limit_capacity({"p5": 1})
    lines: list[tuple[str, str]] = []
    monkeypatch.setattr(
        driver.provider,
        "log",
        lambda line, resource=None, severity="info", ephemeral=False: lines.append((severity, line)),
    )
    made.update(**{**inputs, "scalingConfig": {"desiredSize": 2, "maxSize": 4, "minSize": 0}})
    assert made.state["status"] == "DEGRADED"
    warnings = [line for severity, line in lines if severity == "warning"]
    assert any("AsgInstanceLaunchFailures" in line for line in warnings)
    made.delete()


def test_refresh_finds_a_size_that_someone_changed(group: Made, world: EksWorld, cluster: str) -> None:
    about = {"clusterName": cluster, "nodegroupName": "system"}
    world.eks.update_nodegroup_config(**about, scalingConfig={"desiredSize": 3})
    world.await_status(lambda: world.eks.describe_nodegroup(**about)["nodegroup"])
    assert group.refresh().properties == {"scalingConfig.desiredSize": "update"}


def test_cluster_with_node_groups_names_them_as_what_holds_it(group: Made, cluster: str) -> None:
    kind = group.driver.provider.types["aws:eks/cluster:Cluster"]
    assert "system" in kind.dependants(group.driver.provider._context(group.resource), cluster)


def test_import_of_a_node_group_finds_its_inputs(group: Made, cluster: str) -> None:
    found = Driver().find(GROUP, f"{cluster}:system")
    assert found is not None
    assert found[2]["instanceTypes"] == ["m6i.large"]
    assert Driver().failures(GROUP, **found[2]) == []
    assert Driver().find(GROUP, f"{cluster}:nobody") is None
    with pytest.raises(Exception, match="cluster:node-group"):
        Driver().find(GROUP, "nobody")


def test_mistakes_in_a_node_group_are_named_by_their_path(world: EksWorld, cluster: str) -> None:
    inputs = inputs_of(
        world,
        cluster,
        "bad",
        capacityType="RESERVED",
        amiType="AL2023_x86_64_GPU",
        taints=[{"key": "a", "effect": "NoSchedule"}],
        scalingConfig={"desired": 1, "maxSize": 0, "minSize": 0},
        remoteAccess={"ec2SshKey": "k"},
    )
    reasons = dict(Driver().failures(GROUP, **inputs))
    assert "CAPACITY_BLOCK, ON_DEMAND" in reasons["capacityType"]
    assert "AL2023_x86_64_NVIDIA" in reasons["amiType"]
    assert "NO_EXECUTE, NO_SCHEDULE" in reasons["taints[0].effect"]
    assert "did you mean 'desiredSize'" in reasons["scalingConfig.desired"]
    assert "minimum" in reasons["scalingConfig.maxSize"]
    assert "no SSH" in reasons["remoteAccess"]


def test_instance_type_that_aws_does_not_have_is_refused_with_the_reason(
    world: EksWorld, cluster: str
) -> None:
    with pytest.raises(Exception, match="do not exist"):
        Driver().create(GROUP, **inputs_of(world, cluster, "odd", instanceTypes=["p5.47xlarge"]))


def test_pool_on_a_capacity_block_comes_up_as_its_template_says(world: EksWorld, cluster: str) -> None:
    offering = world.ec2.describe_capacity_block_offerings(
        InstanceType="p5.48xlarge", InstanceCount=1, CapacityDurationHours=24
    )["CapacityBlockOfferings"][0]
    assert offering["AvailabilityZone"] == "us-east-1a"
    block = world.ec2.purchase_capacity_block(
        CapacityBlockOfferingId=offering["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX"
    )["CapacityReservation"]["CapacityReservationId"]
    driver = Driver()
    template = driver.create(
        "aws:ec2/launchTemplate:LaunchTemplate",
        name="block",
        instanceType="p5.48xlarge",
        instanceMarketOptions={"marketType": "capacity-block"},
        capacityReservationSpecification={"capacityReservationTarget": {"capacityReservationId": block}},
        networkInterfaces=[
            {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "efa", "deleteOnTermination": "true"},
            {
                "networkCardIndex": 1,
                "deviceIndex": 1,
                "interfaceType": "efa-only",
                "deleteOnTermination": "true",
            },
        ],
    )
    inputs = inputs_of(
        world,
        cluster,
        "block",
        capacityType="CAPACITY_BLOCK",
        amiType="AL2023_x86_64_NVIDIA",
        subnetIds=world.subnets[:1],
        launchTemplate={"id": template.id, "version": "1"},
    )
    del inputs["instanceTypes"]
    with pytest.raises(Exception, match="must be in that zone and no other"):
        driver.create(GROUP, **{**inputs, "subnetIds": world.subnets})
    made = driver.create(GROUP, **inputs)
    assert made.state["status"] == "ACTIVE"
    assert made.refresh().properties == {}
    wanted = [{"Name": "tag:eks:nodegroup-name", "Values": ["block"]}]
    [instance] = world.ec2.describe_instances(Filters=wanted)["Reservations"][0]["Instances"]
    assert (instance["InstanceLifecycle"], instance["CapacityReservationId"]) == ("capacity-block", block)
    assert [n["InterfaceType"] for n in instance["NetworkInterfaces"]] == ["efa", "efa-only"]
    made.delete()
    template.delete()


def test_release_goes_up_in_place_and_never_down(world: EksWorld, cluster: str) -> None:
    repair = {"enabled": True, "maxParallelNodesRepairedCount": 1}
    inputs = inputs_of(world, cluster, "release", releaseVersion="1.34.2-20251217", nodeRepairConfig=repair)
    made = Driver().create(GROUP, **inputs)
    assert made.state["releaseVersion"] == "1.34.2-20251217"
    assert made.refresh().properties == {}
    wanted = [
        {"Name": "tag:eks:nodegroup-name", "Values": ["release"]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]

    def machines() -> set[str]:
        pages = world.ec2.describe_instances(Filters=wanted)["Reservations"]
        return {instance["InstanceId"] for page in pages for instance in page["Instances"]}

    before = machines()
    newer = {**inputs, "releaseVersion": "1.34.6-20260415"}
    assert made.diff(**newer).properties == {"releaseVersion": "update"}
    made.update(**newer)
    assert made.state["releaseVersion"] == "1.34.6-20260415"
    assert made.refresh().properties == {}
    assert before & machines() == set()
    assert len(machines()) == 1
    with pytest.raises(Exception, match="cannot roll back a node group"):
        made.update(**inputs)
    assert made.update(preview=True, **{**newer, "version": "1.35"})["releaseVersion"] == "1.34.6-20260415"
    made.delete()


def test_version_alone_brings_the_latest_release_which_a_preview_cannot_know(
    world: EksWorld, cluster: str
) -> None:
    inputs = inputs_of(world, cluster, "version", version="1.33")
    made = Driver().create(GROUP, **inputs)
    assert made.state["releaseVersion"].startswith("1.33.")
    newer = {**inputs, "version": "1.34"}
    assert made.update(preview=True, **newer)["releaseVersion"] is UNKNOWN
    made.update(**newer)
    assert made.state["releaseVersion"].startswith("1.34.")
    made.delete()

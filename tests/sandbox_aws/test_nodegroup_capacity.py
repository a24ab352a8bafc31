"""Node groups on spot, in reservations, on Capacity Blocks, in placement groups, with EFA."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox_aws.conftest import Account
from tests.sandbox_aws.test_ec2_capacity import P5, buy, interfaces, reserve, target
from tests.waits import until

BLOCK = {"InstanceMarketOptions": {"MarketType": "capacity-block"}}


def template(aws: Account, **data: Any) -> dict[str, str]:
    name = f"t{len(aws('ec2').describe_launch_templates()['LaunchTemplates'])}"
    made = aws("ec2").create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData={"EbsOptimized": True, **data}
    )
    return {"id": made["LaunchTemplate"]["LaunchTemplateId"], "version": "1"}


def block_template(aws: Account, block: str, **data: Any) -> dict[str, str]:
    return template(aws, InstanceType=P5, **BLOCK, CapacityReservationSpecification=target(block), **data)


def on_block(aws: Account, block: str) -> dict[str, Any]:
    named = block_template(aws, block)
    return {"instanceTypes": None, "capacityType": "CAPACITY_BLOCK", "launchTemplate": named}


def test_spot_instances_are_spot_and_run_short_by_themselves(aws: Account) -> None:
    subnets = aws.cluster()
    aws.control.limit_capacity({"p5:spot": 1})
    aws.pool(subnets, 1, capacityType="SPOT")
    assert aws.wait_group("ACTIVE")["capacityType"] == "SPOT"
    assert [i["InstanceLifecycle"] for i in aws.running()] == ["spot"]
    aws.pool(subnets, 1, "more", capacityType="SPOT")
    [issue] = aws.wait_group("CREATE_FAILED", "more")["health"]["issues"]
    assert issue["code"] == "AsgInstanceLaunchFailures"
    assert "Could not launch Spot Instances. InsufficientInstanceCapacity" in issue["message"]
    aws.pool(subnets, 1, "demand")
    aws.wait_group("ACTIVE", "demand")


def test_a_group_runs_in_the_reservation_that_its_template_targets(aws: Account) -> None:
    subnets = aws.cluster()
    one = reserve(aws, 1, InstanceMatchCriteria="targeted")
    named = template(aws, CapacityReservationSpecification=target(one))
    with pytest.raises(ClientError, match="must be in that zone and no other"):
        aws.pool(subnets, 1, launchTemplate=named)
    with pytest.raises(ClientError, match="SPOT cannot target a Capacity Reservation"):
        aws.pool(subnets[:1], 1, launchTemplate=named, capacityType="SPOT")
    aws.pool(subnets[:1], 2, launchTemplate=named)
    [issue] = aws.wait_group("CREATE_FAILED")["health"]["issues"]
    assert "ReservationCapacityExceeded" in issue["message"]
    [inside] = aws.running()
    assert inside["CapacityReservationId"] == one


def test_a_group_on_a_block_has_its_instances(aws: Account) -> None:
    subnets = aws.cluster()
    block = buy(aws)["CapacityReservationId"]
    aws.control.limit_capacity({"p5": 0})
    aws.pool(
        subnets[:1],
        2,
        instanceTypes=None,
        capacityType="CAPACITY_BLOCK",
        launchTemplate=block_template(aws, block),
    )
    assert aws.wait_group("ACTIVE")["capacityType"] == "CAPACITY_BLOCK"
    assert {(i["InstanceLifecycle"], i["CapacityReservationId"]) for i in aws.running()} == {
        ("capacity-block", block)
    }
    aws("eks").update_nodegroup_config(
        clusterName="one", nodegroupName="gpu", scalingConfig={"desiredSize": 3}
    )
    [issue] = aws.wait_group("DEGRADED")["health"]["issues"]
    assert "Could not launch Capacity Block Instances. ReservationCapacityExceeded" in issue["message"]
    with pytest.raises(ClientError, match="its desired size must be 0"):
        aws("eks").update_nodegroup_version(clusterName="one", nodegroupName="gpu")


def test_eks_takes_a_blocks_nodes_away_before_ec2_would(aws: Account) -> None:
    subnets = aws.cluster()
    block = buy(aws)["CapacityReservationId"]
    aws.pool(
        subnets[:1],
        1,
        instanceTypes=None,
        capacityType="CAPACITY_BLOCK",
        launchTemplate=block_template(aws, block),
    )
    aws.wait_group("ACTIVE")
    aws.control.move_block("us-east-1", block, ends_in=35 * 60)
    until(lambda: aws.running() == [])
    assert aws.group()["scalingConfig"]["desiredSize"] == 0
    assert aws.group()["status"] == "ACTIVE"


def test_a_block_that_has_not_begun_holds_a_group_of_size_0_and_no_other(aws: Account) -> None:
    subnets = aws.cluster()
    later = buy(aws, later=True, StartDateRange=datetime.now(UTC) + timedelta(days=3))[
        "CapacityReservationId"
    ]
    named = block_template(aws, later)
    block = {"instanceTypes": None, "capacityType": "CAPACITY_BLOCK", "launchTemplate": named}
    aws.pool(subnets[:1], 0, **block)
    aws.wait_group("ACTIVE")
    aws.pool(subnets[:1], 1, "early", **block)
    [issue] = aws.wait_group("CREATE_FAILED", "early")["health"]["issues"]
    assert "is scheduled (start" in issue["message"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"launchTemplate": None, "instanceTypes": [P5]}, "needs a custom launch template"),
        ({"without": "InstanceMarketOptions"}, "MarketType capacity-block"),
        ({"without": "CapacityReservationSpecification"}, "targets the CapacityReservationId"),
        ({"without": "InstanceType"}, "names the InstanceType"),
        (
            {"InstanceType": "p5e.48xlarge"},
            r"is for p5\.48xlarge, and the launch template names p5e\.48xlarge",
        ),
        ({"subnets": "all"}, "must be in that zone and no other; they are in us-east-1a, us-east-1b"),
        ({"subnets": "b"}, "is in us-east-1a"),
        ({"capacityType": "ON_DEMAND"}, "should not specify market options"),
        ({"capacityType": "SPOT"}, "should not specify market options"),
        ({"reservation": "on-demand"}, "is no Capacity Block"),
        ({"reservation": "cr-0123"}, "does not exist"),
        ({"reservation": "expired"}, "is expired"),
    ],
)
def test_a_group_on_a_block_that_eks_would_refuse_is_refused(
    aws: Account, change: dict[str, Any], word: str
) -> None:
    subnets = aws.cluster()
    block = buy(aws)["CapacityReservationId"]
    match change.pop("reservation", None):
        case "on-demand":
            block = reserve(aws)
        case "expired":
            aws.control.move_block("us-east-1", block, ends_in=-1)
        case str() as named:
            block = named
    data = {"InstanceType": P5, **BLOCK, "CapacityReservationSpecification": target(block)}
    data.pop(change.pop("without", ""), None)
    if "InstanceType" in change:
        data["InstanceType"] = change.pop("InstanceType")
    where = {"all": subnets, "b": subnets[1:2]}.get(change.pop("subnets", ""), subnets[:1])
    given = {
        "instanceTypes": None,
        "capacityType": "CAPACITY_BLOCK",
        "launchTemplate": template(aws, **data),
        **change,
    }
    with pytest.raises(ClientError, match=word):
        aws.pool(where, 0, **given)


def test_a_cluster_placement_group_is_of_one_zone_and_holds_the_instances(aws: Account) -> None:
    subnets = aws.cluster()
    aws("ec2").create_placement_group(GroupName="near", Strategy="cluster")
    named = template(aws, Placement={"GroupName": "near"})
    with pytest.raises(ClientError, match="cannot span Availability Zones"):
        aws.pool(subnets, 1, launchTemplate=named)
    with pytest.raises(ClientError, match="is unknown"):
        aws.pool(subnets, 1, launchTemplate=template(aws, Placement={"GroupName": "far"}))
    aws.pool(subnets[:1], 2, launchTemplate=named)
    aws.wait_group("ACTIVE")
    assert {i["Placement"]["GroupName"] for i in aws.running()} == {"near"}


def test_interfaces_of_the_template_are_those_of_the_instance(aws: Account) -> None:
    subnets = aws.cluster()
    ec2 = aws("ec2")
    own = ec2.create_security_group(GroupName="efa", Description="d", VpcId=aws.made["vpc"])["GroupId"]
    nics = interfaces(32, own)
    del nics[5]["Groups"]
    aws.pool(subnets, 1, launchTemplate=template(aws, NetworkInterfaces=nics))
    aws.wait_group("ACTIVE")
    [made] = aws.running()
    seen = made["NetworkInterfaces"]
    assert len(seen) == 32
    assert {n["SubnetId"] for n in seen} == {made["SubnetId"]}
    cluster_group = aws("eks").describe_cluster(name="one")["cluster"]["resourcesVpcConfig"][
        "clusterSecurityGroupId"
    ]
    groups = {n["Attachment"]["NetworkCardIndex"]: n["Groups"][0]["GroupId"] for n in seen}
    assert groups == {card: cluster_group if card == 5 else own for card in range(32)}
    aws("eks").delete_nodegroup(clusterName="one", nodegroupName="gpu")
    until(lambda: aws("eks").list_nodegroups(clusterName="one")["nodegroups"] == [])
    left = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [made["SubnetId"]]}])
    assert [n for n in left["NetworkInterfaces"] if not n["Description"].startswith("Amazon EKS")] == []


def test_interfaces_that_the_type_cannot_carry_fail_the_group_with_the_reason(aws: Account) -> None:
    subnets = aws.cluster()
    aws.pool(
        subnets,
        1,
        instanceTypes=["g6.xlarge"],
        launchTemplate=template(aws, NetworkInterfaces=interfaces(1, "sg-1")),
    )
    [issue] = aws.wait_group("CREATE_FAILED")["health"]["issues"]
    assert "g6.xlarge takes 0 Elastic Fabric Adapters" in issue["message"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"releaseVersion": "1.33.1-20250101"}, "not valid for kubernetes version 1.34"),
        ({"releaseVersion": "latest"}, r"give one as 1\.34\."),
        ({"amiType": "BOTTLEROCKET_x86_64_NVIDIA", "releaseVersion": "1.34.6-20260415"}, r"as 1\.49\.0"),
        (
            {
                "nodeRepairConfig": {
                    "enabled": True,
                    "maxParallelNodesRepairedCount": 1,
                    "maxParallelNodesRepairedPercentage": 9,
                }
            },
            "give one of maxParallelNodesRepairedCount",
        ),
    ],
)
def test_a_release_or_repair_that_eks_would_refuse_is_refused(
    aws: Account, given: dict[str, Any], word: str
) -> None:
    subnets = aws.cluster()
    with pytest.raises(ClientError, match=word):
        aws.pool(subnets, 0, **given)


def test_a_group_is_not_rolled_back(aws: Account) -> None:
    subnets = aws.cluster()
    aws.pool(subnets, 0, releaseVersion="1.34.6-20260415", nodeRepairConfig={"enabled": True})
    assert aws.wait_group("ACTIVE")["nodeRepairConfig"] == {"enabled": True}
    eks, about = aws("eks"), {"clusterName": "one", "nodegroupName": "gpu"}
    for given in (
        {"releaseVersion": "1.34.6-20260401"},
        {"releaseVersion": "1.34.2-20260501"},
        {"version": "1.33"},
    ):
        with pytest.raises(ClientError, match="cannot roll back"):
            eks.update_nodegroup_version(**about, **given)
    eks.update_nodegroup_version(**about, releaseVersion="1.34.7-20260601")
    assert aws.wait_group("ACTIVE")["releaseVersion"] == "1.34.7-20260601"
    eks.update_nodegroup_version(**about)  # the table's latest is older: the group keeps what it has
    assert aws.wait_group("ACTIVE")["releaseVersion"] == "1.34.7-20260601"


def test_kubelets_too_old_hold_the_control_plane_back(aws: Account) -> None:
    subnets = aws.cluster(version="1.33")
    aws.pool(subnets, 1, version="1.32")
    aws.wait_group("ACTIVE")
    eks = aws("eks")
    for version in ("1.34", "1.35"):
        eks.update_cluster_version(name="one", version=version)
        until(lambda: aws.cluster_status() == "ACTIVE")
    with pytest.raises(ClientError, match=r"\[gpu \(1\.32\)\] must be updated"):
        eks.update_cluster_version(name="one", version="1.36")
    eks.update_cluster_version(name="one", version="1.36", force=True)
    until(lambda: aws.cluster_status() == "ACTIVE")
    with pytest.raises(ClientError, match="one minor version up"):
        eks.update_cluster_version(name="one", version="1.35")


def test_a_new_version_waits_for_the_control_plane(reported_aws: Account) -> None:
    aws = reported_aws
    subnets, role = aws.network(), aws.role("cluster", "eks.amazonaws.com")
    aws("eks").create_cluster(
        name="one", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}, version="1.33"
    )
    here = ("us-east-1", "one", "ACTIVE", "https://127.0.0.1:1", "YQ==")
    aws.control.report_cluster(*here, "1.33")
    update = aws("eks").update_cluster_version(name="one", version="1.34")["update"]["id"]
    aws.control.report_cluster(*here, "1.33")
    assert aws.cluster_status() == "UPDATING"
    assert aws.control.clusters()[0]["targetVersion"] == "1.34"
    aws.control.report_cluster(*here, "1.34")
    assert aws("eks").describe_update(name="one", updateId=update)["update"]["status"] == "Successful"
    assert aws("eks").describe_cluster(name="one")["cluster"]["version"] == "1.34"

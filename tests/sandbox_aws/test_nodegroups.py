from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox_aws.conftest import Account
from tests.waits import until


def template(aws: Account, **data: Any) -> dict[str, str]:
    made = aws("ec2").create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)[
        "LaunchTemplate"
    ]
    return {"id": made["LaunchTemplateId"], "version": "1"}


def test_its_instances_are_real_ec2_instances(aws: Account) -> None:
    subnets = aws.cluster()
    aws.pool(subnets, 3)
    group = aws.wait_group("ACTIVE")
    found = aws.running()
    assert Counter(i["SubnetId"] for i in found) == Counter(subnets)
    assert {i["Placement"]["AvailabilityZone"] for i in found} == {"us-east-1a", "us-east-1b", "us-east-1c"}
    blocks = {
        s["SubnetId"]: s["CidrBlock"] for s in aws("ec2").describe_subnets(SubnetIds=subnets)["Subnets"]
    }
    for instance in found:
        assert instance["InstanceType"] == "p5.48xlarge"
        assert ip_address(instance["PrivateIpAddress"]) in ip_network(blocks[instance["SubnetId"]])
        tags = {t["Key"]: t["Value"] for t in instance["Tags"]}
        assert tags["eks:cluster-name"] == "one"
        assert tags["eks:nodegroup-name"] == "gpu"
        assert tags["kubernetes.io/cluster/one"] == "owned"
        assert tags["aws:autoscaling:groupName"] == group["resources"]["autoScalingGroups"][0]["name"]


def test_it_waits_for_its_nodes_to_join(reported_aws: Account) -> None:
    aws = reported_aws
    subnets = aws.network()
    aws("eks").create_cluster(
        name="one",
        roleArn=aws.role("cluster", "eks.amazonaws.com"),
        resourcesVpcConfig={"subnetIds": subnets},
    )
    aws.control.report_cluster("us-east-1", "one", "ACTIVE", "https://127.0.0.1:1", "YQ==")
    aws.made["node_role"] = aws.role("node", "ec2.amazonaws.com")
    aws.pool(subnets, 2)
    ids = until(
        lambda: (
            len(i := [n["id"] for n in aws.control.clusters()[0]["nodegroups"][0]["instances"]]) == 2 and i
        )
    )
    aws.control.report_nodes(ids[:1])
    assert aws.group()["status"] == "CREATING"
    aws.control.report_nodes(ids)
    aws.wait_group("ACTIVE")


def test_it_scales_out_and_in_and_is_gone_after_deletion(aws: Account) -> None:
    subnets = aws.cluster()
    aws.pool(subnets, 1)
    aws.wait_group("ACTIVE")
    for size in (4, 2, 0):
        aws("eks").update_nodegroup_config(
            clusterName="one", nodegroupName="gpu", scalingConfig={"desiredSize": size}
        )
        until(lambda size=size: len(aws.running()) == size and aws.group()["status"] == "ACTIVE")
    aws("eks").update_nodegroup_config(
        clusterName="one", nodegroupName="gpu", scalingConfig={"desiredSize": 2}
    )
    until(lambda: len(aws.running()) == 2)
    with pytest.raises(ClientError, match="Cluster has nodegroups attached"):
        aws("eks").delete_cluster(name="one")
    until(lambda: aws.group()["status"] == "ACTIVE")
    aws("eks").delete_nodegroup(clusterName="one", nodegroupName="gpu")
    until(lambda: aws("eks").list_nodegroups(clusterName="one")["nodegroups"] == [])
    assert aws.running() == []


def test_an_instance_that_somebody_ended_is_replaced(aws: Account) -> None:
    subnets = aws.cluster()
    aws.pool(subnets, 2)
    aws.wait_group("ACTIVE")
    lost = aws.running()[0]["InstanceId"]
    aws("ec2").terminate_instances(InstanceIds=[lost])
    until(lambda: len(aws.running()) == 2)
    assert lost not in {i["InstanceId"] for i in aws.running()}


def test_a_launch_template_is_applied(aws: Account) -> None:
    subnets = aws.cluster()
    named = template(
        aws,
        InstanceType="m7i.2xlarge",
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 77, "VolumeType": "gp3", "Encrypted": True}}
        ],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "owner", "Value": "me"}]}],
    )
    aws.pool(subnets, 1, instanceTypes=None, amiType=None, launchTemplate=named)
    group = aws.wait_group("ACTIVE")
    assert group["launchTemplate"] == {"id": named["id"], "name": "nodes", "version": "1"}
    [instance] = aws.running()
    assert instance["InstanceType"] == "m7i.2xlarge"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert {"Key": "owner", "Value": "me"} in instance["Tags"]
    [volume] = aws("ec2").describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    )["Volumes"]
    assert (volume["Size"], volume["Encrypted"]) == (77, True)


def test_a_new_template_version_replaces_every_instance(aws: Account) -> None:
    subnets = aws.cluster()
    named = template(aws, MetadataOptions={"HttpTokens": "optional"})
    aws.pool(subnets, 2, launchTemplate=named)
    aws.wait_group("ACTIVE")
    old = {i["InstanceId"] for i in aws.running()}
    aws("ec2").create_launch_template_version(
        LaunchTemplateId=named["id"], LaunchTemplateData={"MetadataOptions": {"HttpTokens": "required"}}
    )
    update = aws("eks").update_nodegroup_version(
        clusterName="one", nodegroupName="gpu", launchTemplate={"id": named["id"], "version": "2"}
    )["update"]["id"]
    until(
        lambda: (
            aws("eks").describe_update(name="one", nodegroupName="gpu", updateId=update)["update"]["status"]
            == "Successful"
        )
    )
    new = aws.running()
    assert len(new) == 2
    assert not old & {i["InstanceId"] for i in new}
    assert {i["MetadataOptions"]["HttpTokens"] for i in new} == {"required"}


@pytest.mark.parametrize("strategy", ["DEFAULT", "MINIMAL"])
def test_a_rollout_needs_spare_capacity_unless_it_is_minimal(aws: Account, strategy: str) -> None:
    subnets = aws.cluster()
    aws.control.limit_capacity({"p5": 2})
    aws.pool(subnets, 2, version="1.33", updateConfig={"maxUnavailable": 1, "updateStrategy": strategy})
    aws.wait_group("ACTIVE")
    old = {i["InstanceId"] for i in aws.running()}
    update = aws("eks").update_nodegroup_version(clusterName="one", nodegroupName="gpu")["update"]["id"]
    ended = until(
        lambda: (
            (u := aws("eks").describe_update(name="one", nodegroupName="gpu", updateId=update)["update"])[
                "status"
            ]
            != "InProgress"
            and u
        )
    )
    now = {i["InstanceId"] for i in aws.running()}
    if strategy == "MINIMAL":
        assert ended["status"] == "Successful"
        assert (aws.group()["version"], len(now), now & old) == ("1.34", 2, set())
    else:
        assert ended["status"] == "Failed"
        assert "InsufficientInstanceCapacity" in ended["errors"][0]["errorMessage"]
        assert (aws.group()["version"], now) == ("1.33", old)


def test_a_creation_beyond_capacity_fails_with_the_reason(aws: Account) -> None:
    subnets = aws.cluster()
    aws.control.limit_capacity({"p5": 2})
    aws.pool(subnets, 3)
    group = aws.wait_group("CREATE_FAILED")
    [issue] = group["health"]["issues"]
    assert issue["code"] == "AsgInstanceLaunchFailures"
    assert (
        "InsufficientInstanceCapacity - We currently do not have sufficient p5.48xlarge capacity"
        in issue["message"]
    )
    assert len(aws.running()) == 2


def test_an_update_beyond_capacity_degrades_and_recovers_when_capacity_comes(aws: Account) -> None:
    subnets = aws.cluster()
    aws.control.limit_capacity({"p5": 2})
    aws.pool(subnets, 1)
    aws.wait_group("ACTIVE")
    update = aws("eks").update_nodegroup_config(
        clusterName="one", nodegroupName="gpu", scalingConfig={"desiredSize": 3}
    )["update"]["id"]
    group = aws.wait_group("DEGRADED")
    assert (
        aws("eks").describe_update(name="one", nodegroupName="gpu", updateId=update)["update"]["status"]
        == "Successful"
    )
    assert group["health"]["issues"][0]["code"] == "AsgInstanceLaunchFailures"
    assert len(aws.running()) == 2
    aws.control.set_faults({})
    assert aws.wait_group("ACTIVE")["health"]["issues"] == []
    assert len(aws.running()) == 3


def test_run_instances_is_limited_too_and_only_for_that_family(aws: Account) -> None:
    subnet = aws.network("a")[0]
    aws.control.limit_capacity({"p5": 1})
    run = aws("ec2").run_instances
    run(ImageId="ami-ekslinux", InstanceType="p5.48xlarge", MinCount=1, MaxCount=1, SubnetId=subnet)
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        run(ImageId="ami-ekslinux", InstanceType="p5.48xlarge", MinCount=1, MaxCount=1, SubnetId=subnet)
    run(ImageId="ami-ekslinux", InstanceType="p5en.48xlarge", MinCount=1, MaxCount=1, SubnetId=subnet)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"instanceTypes": ["p9.huge"]}, r"do not exist: \[p9.huge\]"),
        (
            {"scalingConfig": {"minSize": 3, "maxSize": 4, "desiredSize": 2}},
            "Minimum capacity 3 can't be greater",
        ),
        ({"instanceTypes": ["m7g.2xlarge"]}, "not a valid instance type for requested amiType"),
        ({"amiType": "AL2_x86_64_GPU"}, "only supported for kubernetes versions 1.32"),
        ({"version": "1.35"}, "does not go with cluster version 1.34"),
        ({"nodeRole": "arn:aws:iam::123456789012:role/absent"}, "does not exist"),
        ({"subnets": ["subnet-0123456789abcdef0"]}, "do not exist"),
        (
            {
                "taints": [
                    {"key": "a", "effect": "NO_SCHEDULE"},
                    {"key": "a", "effect": "NO_SCHEDULE", "value": "x"},
                ]
            },
            "same key and effect",
        ),
    ],
)
def test_a_node_group_that_aws_would_refuse_is_refused(
    aws: Account, change: dict[str, Any], word: str
) -> None:
    subnets = aws.cluster()
    with pytest.raises(ClientError, match=word):
        aws.pool(change.pop("subnets", subnets), 1, **change)


@pytest.mark.parametrize(
    ("data", "change", "word"),
    [
        ({"InstanceType": "p5.48xlarge"}, {}, "both|launch template and API request"),
        ({}, {"diskSize": 50}, "Disk size must be specified within the launch template"),
        ({"IamInstanceProfile": {"Name": "x"}}, {}, "should not specify an instance profile"),
        ({"ImageId": "ami-ekslinux"}, {}, "other than CUSTOM"),
    ],
)
def test_a_template_that_contradicts_the_request_is_refused(
    aws: Account, data: dict[str, Any], change: dict[str, Any], word: str
) -> None:
    subnets = aws.cluster()
    named = template(aws, **{"EbsOptimized": True, **data})
    with pytest.raises(ClientError, match=word):
        aws.pool(subnets, 1, launchTemplate=named, **change)


def test_labels_and_taints_change_in_place(aws: Account) -> None:
    subnets = aws.cluster()
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
    aws.pool(subnets, 1, labels={"a": "1", "b": "2"}, taints=[taint])
    aws.wait_group("ACTIVE")
    aws("eks").update_nodegroup_config(
        clusterName="one",
        nodegroupName="gpu",
        labels={"addOrUpdateLabels": {"a": "9"}, "removeLabels": ["b"]},
        taints={"removeTaints": [taint]},
    )
    group = aws.wait_group("ACTIVE")
    assert group["labels"] == {"a": "9"}
    assert "taints" not in group
    assert aws.control.clusters()[0]["nodegroups"][0]["labels"] == {"a": "9"}


def test_the_node_role_gets_its_access_entry_and_is_held_while_in_use(aws: Account) -> None:
    subnets = aws.cluster()
    aws.pool(subnets, 1)
    aws.wait_group("ACTIVE")
    entry = aws("eks").describe_access_entry(clusterName="one", principalArn=aws.made["node_role"])[
        "accessEntry"
    ]
    assert (entry["type"], entry["kubernetesGroups"]) == ("EC2_LINUX", ["system:nodes"])
    with pytest.raises(ClientError, match="must remove roles from instance profile first"):
        aws("iam").delete_role(RoleName="node")
    aws("eks").delete_nodegroup(clusterName="one", nodegroupName="gpu")
    until(lambda: aws("eks").list_nodegroups(clusterName="one")["nodegroups"] == [])
    aws("iam").delete_role(RoleName="node")

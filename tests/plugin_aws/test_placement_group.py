"""Placement groups against the world."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin_aws.conftest import Driver
from tests.plugin_aws.test_ec2_network import settled

GROUP = "aws:ec2/placementGroup:PlacementGroup"


def test_a_group_lives_its_life_on_the_wire(driver: Driver, ec2: Any) -> None:
    made = driver.create(GROUP, name="near", strategy="cluster", tags={"a": "1"})
    assert made.id == "near"
    assert made.state["arn"].endswith(":placement-group/near")
    assert made.state["placementGroupId"].startswith("pg-")
    assert settled(made)
    assert made.diff(name="near", strategy="cluster", tags={"a": "2"}).replaces == []
    made.update(name="near", strategy="cluster", tags={"a": "2"})
    [seen] = ec2.describe_placement_groups(GroupNames=["near"])["PlacementGroups"]
    assert seen["Tags"] == [{"Key": "a", "Value": "2"}]
    found = driver.find(GROUP, "near")
    assert found is not None
    assert {name: found[2][name] for name in ("name", "strategy", "tags")} == {
        "name": "near",
        "strategy": "cluster",
        "tags": {"a": "2"},
    }
    made.delete()
    assert made.refresh() is None
    made.delete()
    assert driver.find(GROUP, "near") is None


def test_what_creates_only_replaces_and_a_kept_name_goes_first(driver: Driver) -> None:
    made = driver.create(GROUP, name="spread", strategy="spread")
    assert made.state["spreadLevel"] == "rack"
    change = made.diff(name="spread", strategy="cluster")
    assert change.replaces == ["strategy"]
    assert change.delete_before_replace
    assert made.diff(name="other", strategy="spread").replaces == ["name"]
    assert made.diff(name="spread", strategy="spread", tags={"a": "1"}).replaces == []
    made.delete()


def test_a_group_in_use_stays_and_names_who_holds_it(driver: Driver, ec2: Any) -> None:
    made = driver.create(GROUP, name="held", strategy="cluster")
    vpc = ec2.create_vpc(CidrBlock="10.44.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.44.0.0/24", AvailabilityZone="us-east-1a")
    inside = ec2.run_instances(
        ImageId="ami-ekslinux",
        InstanceType="p5.48xlarge",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet["Subnet"]["SubnetId"],
        Placement={"GroupName": "held"},
    )["Instances"][0]["InstanceId"]
    kind = driver.provider.types[GROUP]
    context = driver.provider._context(made.resource)
    assert kind.dependants(context, "held") == [inside]
    with pytest.raises(Exception, match="is in use and may not be deleted"):
        kind.delete(context, "held", {})
    ec2.terminate_instances(InstanceIds=[inside])
    made.delete()


def test_preview_knows_the_arn_and_mistakes_are_named(driver: Driver) -> None:
    shown = driver.preview(GROUP, name="soon", strategy="cluster")
    assert shown["arn"] == "arn:aws:ec2:us-east-1:123456789012:placement-group/soon"
    assert "cluster, partition" in dict(driver.failures(GROUP, name="x", strategy="near"))["strategy"]
    reasons = dict(driver.failures(GROUP, name="x", strategy="cluster", partitionCount=2))
    assert "only the strategy partition takes it" in reasons["partitionCount"]

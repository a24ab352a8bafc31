"""The network's types against the world: made, previewed, changed, refreshed, imported, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugins.protocol import UNKNOWN, PartialError, PluginError
from tests.plugin_aws.conftest import Driver, Made

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GATEWAY = "aws:ec2/internetGateway:InternetGateway"
EIP = "aws:ec2/eip:Eip"
NAT = "aws:ec2/natGateway:NatGateway"
TABLE = "aws:ec2/routeTable:RouteTable"
ROUTE = "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"


@pytest.fixture
def vpc(driver: Driver) -> Made:
    return driver.create(VPC, cidrBlock="10.0.0.0/16", enableDnsHostnames=True, tags={"Name": "net"})


@pytest.fixture
def subnet(driver: Driver, vpc: Made) -> Made:
    return driver.create(SUBNET, vpcId=vpc.id, cidrBlock="10.0.0.0/24", availabilityZone="us-east-1a")


def settled(made: Made) -> bool:
    found = made.refresh()
    assert found is not None
    assert found.properties == {}
    return True


def test_a_vpc_comes_up_with_dns_and_its_default_parts(vpc: Made, ec2: Any) -> None:
    answer = ec2.describe_vpc_attribute(VpcId=vpc.id, Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"]["Value"] is True
    assert vpc.state["defaultSecurityGroupId"].startswith("sg-")
    assert vpc.state["mainRouteTableId"].startswith("rtb-")
    assert vpc.state["arn"] == f"arn:aws:ec2:us-east-1:123456789012:vpc/{vpc.id}"
    assert settled(vpc)


def test_a_vpc_drifts_when_somebody_turns_dns_off(vpc: Made, ec2: Any) -> None:
    ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": False})
    drift = vpc.refresh()
    assert drift is not None
    assert drift.properties == {"enableDnsHostnames": "update"}
    vpc.update(cidrBlock="10.0.0.0/16", enableDnsHostnames=True, tags={"Name": "net"})


def test_another_range_replaces_a_vpc_and_other_tags_update_it(vpc: Made) -> None:
    same = {"enableDnsHostnames": True, "tags": {"Name": "net"}}
    assert vpc.diff(cidrBlock="10.1.0.0/16", **same).properties == {"cidrBlock": "update-replace"}
    retagged = vpc.diff(cidrBlock="10.0.0.0/16", enableDnsHostnames=True, tags={"Name": "other"})
    assert retagged.properties == {"tags": "update", "tagsAll": "update"}
    assert vpc.diff(cidrBlock="10.0.0.0/16", **same).properties == {}


def test_tags_are_changed_and_taken_away(vpc: Made, ec2: Any) -> None:
    vpc.update(cidrBlock="10.0.0.0/16", enableDnsHostnames=True, tags={"team": "ml"})
    assert ec2.describe_vpcs(VpcIds=[vpc.id])["Vpcs"][0]["Tags"] == [{"Key": "team", "Value": "ml"}]
    assert settled(vpc)


def test_default_tags_of_the_provider_are_put_on_and_cause_no_difference(aws_endpoint: str, ec2: Any) -> None:
    driver = Driver(defaultTags='{"tags": {"kit": "bastide", "Name": "default"}}')
    made = driver.create(VPC, cidrBlock="10.9.0.0/16", tags={"Name": "mine"})
    tags = ec2.describe_vpcs(VpcIds=[made.id])["Vpcs"][0]["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"kit": "bastide", "Name": "mine"}
    assert made.state["tags"] == {"Name": "mine"}
    assert settled(made)
    ec2.create_tags(Resources=[made.id], Tags=[{"Key": "stranger", "Value": "1"}])
    drift = made.refresh()
    assert drift is not None
    assert set(drift.properties) == {"tags", "tagsAll"}


def test_a_vpc_that_was_deleted_behind_our_back_is_gone_at_refresh_and_deletes_quietly(
    vpc: Made, ec2: Any
) -> None:
    ec2.delete_vpc(VpcId=vpc.id)
    assert vpc.refresh() is None
    vpc.delete()


def test_a_vpc_in_use_says_what_uses_it(vpc: Made, subnet: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.plugins.aws.provider.DEPENDENCY_SECONDS", 0.5)
    with pytest.raises(PluginError, match=f"still used by .*{subnet.id}"):
        vpc.delete()
    subnet.delete()
    vpc.delete()


def test_an_imported_vpc_has_its_inputs(driver: Driver, vpc: Made) -> None:
    found = driver.find(VPC, vpc.id)
    assert found is not None
    inputs = found[2]
    assert inputs["cidrBlock"] == "10.0.0.0/16"
    assert inputs["tags"] == {"Name": "net"}
    wanted = driver.check(VPC, cidrBlock="10.0.0.0/16", enableDnsHostnames=True, tags={"Name": "net"})
    assert driver.provider.diff(driver.resource(VPC), vpc.id, found[1], inputs, wanted).properties == {}


def test_the_preview_of_a_vpc_asks_aws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", "/nonexistent")
    state = Driver().preview(VPC, cidrBlock="10.0.0.0/16")
    assert state["arn"] is UNKNOWN
    assert state["enableDnsSupport"] is True


def test_a_subnet_waits_for_its_vpc_at_preview_and_moves_by_replacement(driver: Driver, subnet: Made) -> None:
    assert driver.preview(SUBNET, vpcId=UNKNOWN, cidrBlock="10.0.0.0/24")["vpcId"] is UNKNOWN
    vpc_id = subnet.inputs["vpcId"]
    moved = subnet.diff(vpcId=vpc_id, cidrBlock="10.0.0.0/24", availabilityZone="us-east-1b")
    assert moved.properties == {"availabilityZone": "update-replace"}
    assert moved.delete_before_replace
    public = {"vpcId": vpc_id, "cidrBlock": "10.0.0.0/24", "availabilityZone": "us-east-1a"}
    assert subnet.diff(**public, mapPublicIpOnLaunch=True).properties == {"mapPublicIpOnLaunch": "update"}
    subnet.update(**public, mapPublicIpOnLaunch=True)
    assert settled(subnet)


def test_a_subnet_in_a_zone_of_another_region_is_refused(driver: Driver) -> None:
    [(path, reason)] = driver.failures(
        SUBNET, vpcId=UNKNOWN, cidrBlock="10.0.0.0/24", availabilityZone="eu-west-1a"
    )
    assert path == "availabilityZone"
    assert "not in the provider's region us-east-1" in reason


def test_a_private_subnet_reaches_out_through_a_nat_gateway(driver: Driver, vpc: Made, subnet: Made) -> None:
    gateway = driver.create(GATEWAY, vpcId=vpc.id, tags={"Name": "igw"})
    address = driver.create(EIP, tags={"Name": "nat"})
    nat = driver.create(NAT, allocationId=address.id, subnetId=subnet.id)
    table = driver.create(TABLE, vpcId=vpc.id)
    route = driver.create(ROUTE, routeTableId=table.id, destinationCidrBlock="0.0.0.0/0", natGatewayId=nat.id)
    association = driver.create(ASSOCIATION, routeTableId=table.id, subnetId=subnet.id)
    made = [gateway, address, nat, table, route, association]
    assert [one.resource.type for one in made if not settled(one)] == []
    assert nat.state["publicIp"] == address.state["publicIp"]

    other = route.diff(routeTableId=table.id, destinationCidrBlock="0.0.0.0/0", gatewayId=gateway.id)
    assert other.properties == {"natGatewayId": "delete", "gatewayId": "add"}
    route.update(routeTableId=table.id, destinationCidrBlock="0.0.0.0/0", gatewayId=gateway.id)
    assert settled(route)

    found = driver.find(ROUTE, route.id)
    assert found is not None
    assert found[2]["gatewayId"] == gateway.id
    for one in reversed(made):
        one.delete()
    assert [one.refresh() for one in made] == [None] * len(made)


def test_a_gateway_moves_to_another_vpc_by_replacement(driver: Driver, vpc: Made) -> None:
    gateway = driver.create(GATEWAY, vpcId=vpc.id)
    assert gateway.diff(vpcId="vpc-0aaaaaaaaaaaaaaaa").properties == {"vpcId": "update-replace"}
    gateway.delete()


def test_a_route_with_two_targets_is_refused_before_anything_is_made(driver: Driver) -> None:
    [(_, reason)] = driver.failures(
        ROUTE, routeTableId="rtb-1", destinationCidrBlock="0.0.0.0/0", natGatewayId="nat-1", gatewayId="igw-1"
    )
    assert "a route has one target, and this has 2" in reason


def test_a_resource_that_was_made_and_failed_afterwards_stays_known(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.plugins.aws.network import Vpc

    def broken(*_: Any) -> None:
        raise PluginError("the attribute could not be set")

    monkeypatch.setattr(Vpc, "ready", broken)
    with pytest.raises(PartialError) as caught:
        driver.create(VPC, cidrBlock="10.7.0.0/16", enableDnsHostnames=True)
    assert caught.value.resource_id.startswith("vpc-")
    assert caught.value.reasons == ["the attribute could not be set"]
    wanted = driver.check(VPC, cidrBlock="10.7.0.0/16", enableDnsHostnames=True)
    left = driver.provider.diff(
        driver.resource(VPC), caught.value.resource_id, caught.value.state, caught.value.inputs, wanted
    )
    assert left.properties == {"enableDnsHostnames": "update"}

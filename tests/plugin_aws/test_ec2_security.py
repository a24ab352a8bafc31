"""Security groups, their rules, endpoints and flow logs against the world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.plugins.protocol import UNKNOWN, PluginError
from tests.plugin_aws.conftest import Driver, Made
from tests.plugin_aws.test_ec2_network import SUBNET, TABLE, VPC, settled

GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"

HTTPS = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443}


@pytest.fixture
def vpc(driver: Driver) -> Made:
    return driver.create(VPC, cidrBlock="10.0.0.0/16")


@pytest.fixture
def group(driver: Driver, vpc: Made) -> Made:
    return driver.create(GROUP, "nodes", vpcId=vpc.id, description="nodes")


def test_a_group_without_a_name_gets_one_and_keeps_it(group: Made) -> None:
    assert group.inputs["name"].startswith("nodes-")
    assert len(group.inputs["name"]) == len("nodes-") + 7
    assert group.diff(vpcId=group.inputs["vpcId"], description="nodes").properties == {}
    assert settled(group)


def test_a_new_group_lets_nothing_out(group: Made, ec2: Any) -> None:
    [described] = ec2.describe_security_groups(GroupIds=[group.id])["SecurityGroups"]
    assert described["IpPermissionsEgress"] == []


def test_another_description_replaces_a_group(group: Made) -> None:
    change = group.diff(vpcId=group.inputs["vpcId"], description="other")
    assert change.properties == {"description": "update-replace"}


def test_rules_are_made_described_anew_and_taken_away(driver: Driver, group: Made, ec2: Any) -> None:
    rule = driver.create(INGRESS, securityGroupId=group.id, cidrIpv4="10.0.0.0/16", description="a", **HTTPS)
    peer = driver.create(
        INGRESS, securityGroupId=group.id, referencedSecurityGroupId=group.id, ipProtocol="-1"
    )
    out = driver.create(EGRESS, securityGroupId=group.id, cidrIpv4="0.0.0.0/0", **HTTPS)
    assert [one.id for one in (rule, peer, out) if not settled(one)] == []

    described = {"securityGroupId": group.id, "cidrIpv4": "10.0.0.0/16", "description": "b", **HTTPS}
    assert rule.diff(**described).properties == {"description": "update"}
    rule.update(**described)
    assert settled(rule)
    assert rule.diff(**{**described, "toPort": 444}).properties == {"toPort": "update-replace"}

    ec2.revoke_security_group_ingress(GroupId=group.id, SecurityGroupRuleIds=[rule.id])
    assert rule.refresh() is None
    for one in (rule, peer, out):
        one.delete()
    [left] = ec2.describe_security_groups(GroupIds=[group.id])["SecurityGroups"]
    assert left["IpPermissions"] == left["IpPermissionsEgress"] == []


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"cidrIpv4": "10.0.0.0/8", "ipProtocol": "-1", "fromPort": 1}, "leave the ports out"),
        ({"cidrIpv4": "10.0.0.0/8", "ipProtocol": "tcp"}, "needs both fromPort and toPort"),
        ({"ipProtocol": "-1"}, "a rule has one peer, and this has 0"),
        ({"cidrIpv6": "::/0", "ipProtocol": "-1"}, "IPv4 only"),
        ({"cidrIpv4": "10.0.0.0/8", "ipProtocol": "tcp", "fromPort": "http", "toPort": 80}, "cannot be read"),
    ],
)
def test_a_rule_that_ec2_would_refuse_is_refused_at_preview(
    driver: Driver, inputs: dict[str, Any], reason: str
) -> None:
    assert any(reason in text for _, text in driver.failures(INGRESS, securityGroupId=UNKNOWN, **inputs))


def test_the_default_group_is_adopted_and_emptied(driver: Driver, vpc: Made, ec2: Any) -> None:
    adopted = driver.create(DEFAULT_GROUP, vpcId=vpc.id, tags={"Name": "unused"})
    [group] = ec2.describe_security_groups(GroupIds=[adopted.id])["SecurityGroups"]
    assert adopted.id == vpc.state["defaultSecurityGroupId"]
    assert group["IpPermissions"] == group["IpPermissionsEgress"] == []
    assert settled(adopted)
    adopted.delete()
    assert adopted.refresh() is not None


def test_a_gateway_endpoint_joins_tables_and_leaves_them(driver: Driver, vpc: Made, ec2: Any) -> None:
    tables = [driver.create(TABLE, vpcId=vpc.id) for _ in range(2)]
    service = {"vpcId": vpc.id, "serviceName": "com.amazonaws.us-east-1.s3"}
    endpoint = driver.create(ENDPOINT, routeTableIds=[tables[0].id], **service)
    assert endpoint.state["prefixListId"].startswith("pl-")
    assert settled(endpoint)
    both = [tables[1].id, tables[0].id]
    assert endpoint.diff(routeTableIds=both, **service).properties == {"routeTableIds": "update"}
    endpoint.update(routeTableIds=both, **service)
    [described] = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint.id])["VpcEndpoints"]
    assert sorted(described["RouteTableIds"]) == sorted(both)
    assert settled(endpoint)
    assert endpoint.diff(routeTableIds=both[::-1], **service).properties == {}
    endpoint.delete()
    assert endpoint.refresh() is None


def test_an_interface_endpoint_compares_its_policy_as_json(driver: Driver, vpc: Made, group: Made) -> None:
    subnet = driver.create(SUBNET, vpcId=vpc.id, cidrBlock="10.0.1.0/24", availabilityZone="us-east-1a")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*", "Resource": "*"}],
    }
    inputs = {
        "vpcId": vpc.id,
        "serviceName": "com.amazonaws.us-east-1.ecr.api",
        "vpcEndpointType": "Interface",
        "subnetIds": [subnet.id],
        "securityGroupIds": [group.id],
        "privateDnsEnabled": True,
    }
    endpoint = driver.create(ENDPOINT, policy=json.dumps(policy), **inputs)
    assert settled(endpoint)
    assert endpoint.diff(policy=json.dumps(policy, indent=2), **inputs).properties == {}
    assert endpoint.diff(policy=json.dumps({**policy, "Id": "x"}), **inputs).properties == {
        "policy": "update"
    }
    endpoint.delete()
    subnet.delete()


def test_an_endpoint_to_another_region_is_refused(driver: Driver) -> None:
    [(path, reason)] = driver.failures(ENDPOINT, vpcId=UNKNOWN, serviceName="com.amazonaws.eu-west-1.s3")
    assert (path, "us-east-1" in reason) == ("serviceName", True)


def test_a_flow_log_needs_what_its_destination_needs(driver: Driver) -> None:
    reasons = dict(driver.failures(FLOW_LOG, vpcId=UNKNOWN, trafficType="ALL"))
    assert set(reasons) == {"logDestination", "iamRoleArn"}
    [(path, reason)] = driver.failures(FLOW_LOG, vpcId=UNKNOWN, trafficType="EVERYTHING")
    assert path == "trafficType"
    assert "none of the values that AWS allows: ACCEPT, ALL, REJECT" in reason


def test_a_flow_log_to_a_bucket_is_recorded_and_replaced_as_a_whole(driver: Driver, vpc: Made) -> None:
    from sandbox.plugins.aws.framework import Context
    from sandbox.state import ACCOUNT_ID, World

    ctx = Context("us-east-1", ACCOUNT_ID, World.find().aws_endpoint)
    ctx.client("s3").create_bucket(Bucket="flow-logs")
    inputs = {
        "vpcId": vpc.id,
        "logDestinationType": "s3",
        "logDestination": "arn:aws:s3:::flow-logs",
    }
    log = driver.create(FLOW_LOG, trafficType="REJECT", maxAggregationInterval=60, **inputs)
    assert settled(log)
    change = log.diff(trafficType="ALL", maxAggregationInterval=60, **inputs)
    assert change.properties == {"trafficType": "update-replace"}
    log.delete()
    assert log.refresh() is None


def test_a_group_in_use_says_by_whose_rule(
    driver: Driver, vpc: Made, group: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.plugins.aws.provider.DEPENDENCY_SECONDS", 0.5)
    other = driver.create(GROUP, "other", vpcId=vpc.id)
    rule = driver.create(
        INGRESS, securityGroupId=other.id, referencedSecurityGroupId=group.id, ipProtocol="-1"
    )
    with pytest.raises(PluginError, match=f"a rule of {other.id}"):
        group.delete()
    rule.delete()
    group.delete()

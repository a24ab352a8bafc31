"""The VPC: zones, routes, endpoints, flow logs, and nothing open."""

from __future__ import annotations

import json

from component_recording import Recording, region_of, stack


def test_each_zone_has_a_private_and_a_public_subnet_and_none_gives_public_addresses(
    sandbox: Recording,
) -> None:
    subnets = sandbox.of(":Subnet")
    assert len(subnets) == 6
    assert len({each.inputs["cidrBlock"] for each in subnets}) == 6
    assert {each.inputs["mapPublicIpOnLaunch"] for each in subnets} == {False}


def test_one_nat_gateway_by_setting_and_one_a_zone_by_default(sandbox: Recording, prod: Recording) -> None:
    assert len(sandbox.of(":NatGateway")) == 1
    assert len(prod.of(":NatGateway")) == 3


def test_only_public_subnets_have_a_way_in_from_the_internet(prod: Recording) -> None:
    ways = [each for each in prod.of("route:Route") if "gatewayId" in each.inputs]
    assert [each.name for each in ways] == ["bastide-network-public-internet"]
    assert len([each for each in prod.of("route:Route") if "natGatewayId" in each.inputs]) == 3


def test_the_default_security_group_has_no_rules(sandbox: Recording) -> None:
    closed = sandbox.one(":DefaultSecurityGroup")
    assert not closed.inputs.get("ingress")
    assert not closed.inputs.get("egress")


def test_no_rule_lets_the_world_in(sandbox: Recording) -> None:
    rules = sandbox.of(":SecurityGroupIngressRule")
    assert [each.inputs["cidrIpv4"] for each in rules] == ["10.20.0.0/16"] * 2
    assert {(each.inputs["fromPort"], each.inputs["toPort"]) for each in rules} == {(443, 443)}
    assert not sandbox.of(":SecurityGroupEgressRule")


def test_the_listed_services_have_private_names_and_s3_a_gateway_too(sandbox: Recording) -> None:
    found = [
        (each.inputs["vpcEndpointType"], each.inputs["serviceName"].removeprefix("com.amazonaws.us-east-1."))
        for each in sandbox.of(":VpcEndpoint")
    ]
    listed = stack("sandbox").network.interface_endpoints
    assert sorted(found) == sorted([("Gateway", "s3"), *(("Interface", service) for service in listed)])
    assert all(
        each.inputs["privateDnsEnabled"]
        for each in sandbox.of(":VpcEndpoint")
        if each.inputs["vpcEndpointType"] == "Interface"
    )


def test_without_interface_endpoints_there_is_no_security_group_for_them() -> None:
    network = {"zones": ["us-east-1a", "us-east-1b"], "interfaceEndpoints": []}
    recording = region_of(stack("sandbox", network=network, engines=[]))
    assert len(recording.of(":VpcEndpoint")) == 1
    assert [each.name for each in recording.of(":SecurityGroup")] == ["bastide-cluster-api"]


def test_flow_logs_go_to_an_encrypted_group_that_ends_some_day(sandbox: Recording) -> None:
    log = sandbox.one(":FlowLog")
    assert log.inputs["trafficType"] == "ALL"
    for group in sandbox.of(":LogGroup"):
        assert group.inputs["kmsKeyId"].endswith("bastide-logs-key-key")
        assert group.inputs["retentionInDays"] == 7


def test_the_log_key_is_for_exactly_the_two_log_groups(sandbox: Recording) -> None:
    key = next(each for each in sandbox.of("kms/key:Key") if each.name == "bastide-logs-key-key")
    (logs,) = [
        each for each in json.loads(key.inputs["policy"])["Statement"] if each["Sid"] == "CloudWatchLogs"
    ]
    (allowed,) = logs["Condition"]["ArnEquals"].values()
    groups = {each.inputs["name"] for each in sandbox.of(":LogGroup")}
    assert {each.split("log-group:")[1] for each in allowed} == groups

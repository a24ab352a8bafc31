"""The VPC: zones, routes, endpoints, flow logs, and nothing open."""

from __future__ import annotations

import json
from typing import Any

import pulumi
from component_recording import Recording, record, region_of, stack

from components.region import Region, RegionArgs


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


def without_nat(**network: object) -> Recording:
    ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com/"
    fields = type(stack("sandbox").images).model_fields
    images = {
        info.alias or name: {"repository": f"{ecr}{name}", "tag": "v1"} for name, info in fields.items()
    }
    base = {"zones": ["us-east-1a", "us-east-1b", "us-east-1c"], "cidr": "10.20.0.0/16", "nat": "none"}
    return region_of(stack("sandbox", network={**base, **network}, images=images))


def test_without_nat_private_subnets_have_no_route_out_and_nothing_public_is_made_where_that_is_off() -> None:
    recording = without_nat()
    assert not recording.of(":NatGateway")
    assert not recording.of(":Eip")
    assert [each.name for each in recording.of("route:Route")] == ["bastide-network-public-internet"]
    closed = without_nat(publicSubnets=False)
    assert not closed.of("route:Route")
    assert not closed.of(":InternetGateway")
    assert len(closed.of(":Subnet")) == 3
    assert len(closed.of(":RouteTable")) == 3


def test_endpoints_admit_this_accounts_principals_alone_where_they_take_a_policy(sandbox: Recording) -> None:
    for each in sandbox.of(":VpcEndpoint"):
        if each.inputs["serviceName"].endswith(".eks-auth"):
            assert "policy" not in each.inputs
            continue
        own = json.loads(each.inputs["policy"])["Statement"][0]
        assert own["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}, each.name


THEIRS: dict[str, Any] = {
    "kind": "adopt",
    "vpcId": "vpc-0123456789abcdef0",
    "cidr": "10.60.0.0/16",
    "privateSubnetIds": {"us-east-1a": "subnet-0123456789abcdefa", "us-east-1b": "subnet-0123456789abcdefb"},
}


THEIR_ENDPOINT: dict[str, Any] = {"privateDnsEnabled": True, "subnetIds": [], "tags": {}}


def adopting(vpc: dict[str, object] | None = None, **network: object) -> tuple[Recording, str]:
    """A region in a VPC as EC2 would describe it, with `vpc` changed; and how the program refused it."""
    zones = {subnet: zone for zone, subnet in THEIRS["privateSubnetIds"].items()}
    blocks = {subnet: f"10.60.{32 * index}.0/19" for index, subnet in enumerate(zones)}
    answers = {
        "aws:ec2/getVpc:getVpc": {
            "cidrBlock": THEIRS["cidr"],
            "cidrBlockAssociations": [],
            "enableDnsSupport": True,
            "enableDnsHostnames": True,
            **(vpc or {}),
        },
        "aws:ec2/getSubnet:getSubnet": lambda args: {
            "vpcId": THEIRS["vpcId"],
            "availabilityZone": zones[args["id"]],
            "cidrBlock": blocks[args["id"]],
            "availableIpAddressCount": 8000,
            "mapPublicIpOnLaunch": False,
        },
        "aws:ec2/getRouteTables:getRouteTables": {"ids": ["rtb-1"]},
        "aws:ec2/getRouteTable:getRouteTable": {
            "associations": [{"main": True, "subnetId": ""}],
            "routes": [{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1", "gatewayId": ""}],
        },
        "aws:ec2/getVpcEndpoint:getVpcEndpoint": THEIR_ENDPOINT,
    }
    said: list[str] = []

    def program() -> None:
        try:
            Region("bastide", RegionArgs(stack("sandbox", network={**THEIRS, **network})))
        except pulumi.RunError as error:
            said.append(str(error))

    return record(program, answers), "".join(said)


def test_in_an_adopted_vpc_nothing_of_the_network_is_made() -> None:
    recording, refused = adopting()
    assert refused == ""
    # What is read is recorded by another call: what shows here would be made.
    assert [each.name for each in recording.found if each.name.startswith("bastide-network-")] == []
    cluster = recording.one("eks/cluster:Cluster").inputs
    assert sorted(cluster["vpcConfig"]["subnetIds"]) == sorted(THEIRS["privateSubnetIds"].values())
    for group in recording.of(":SecurityGroup"):
        assert group.inputs["vpcId"] == THEIRS["vpcId"]


def test_endpoints_are_made_in_an_adopted_vpc_only_where_that_is_asked_for() -> None:
    recording, refused = adopting(manageEndpoints=True, interfaceEndpoints=["sts", "kms"])
    assert "interfaceEndpoints[0]: 'sts' has an endpoint" in refused
    assert [each.type for each in recording.found if each.custom] == ["pulumi:providers:aws"]
    own = {"bastide:name": "bastide", "bastide:environment": "sandbox"}
    THEIR_ENDPOINT["tags"] = own
    try:
        recording, refused = adopting(manageEndpoints=True, interfaceEndpoints=["sts", "kms"])
    finally:
        THEIR_ENDPOINT["tags"] = {}
    assert refused == ""
    assert {each.inputs["serviceName"].rpartition(".")[2] for each in recording.of(":VpcEndpoint")} == {
        "sts",
        "kms",
    }


def test_an_unfit_vpc_ends_the_program_before_a_resource_is_registered() -> None:
    recording, refused = adopting(vpc={"enableDnsHostnames": False})
    assert "has enableDnsHostnames off" in refused
    assert [each.type for each in recording.found if each.custom] == ["pulumi:providers:aws"]

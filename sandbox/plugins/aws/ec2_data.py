"""EC2's `get_*` functions: what a program asks of a network that is there.

Each looks by the arguments that the kit gives, and refuses the others by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sandbox.plugins.aws.framework import Context, tag_map
from sandbox.plugins.aws.functions import function, whole
from sandbox.plugins.protocol import Plain, PluginError

_VPC: Final = (
    *("arn", "cidrBlock", "cidrBlockAssociations", "default", "dhcpOptionsId", "enableDnsHostnames"),
    *("enableDnsSupport", "enableNetworkAddressUsageMetrics", "filters", "id", "instanceTenancy"),
    *("ipv6AssociationId", "ipv6CidrBlock", "ipv6CidrBlockAssociations", "mainRouteTableId", "ownerId"),
    *("region", "state", "tags"),
)
_SUBNET: Final = (
    *("arn", "assignIpv6AddressOnCreation", "availabilityZone", "availabilityZoneId"),
    *("availableIpAddressCount", "cidrBlock", "customerOwnedIpv4Pool", "defaultForAz", "enableDns64"),
    *("enableLniAtDeviceIndex", "enableResourceNameDnsARecordOnLaunch"),
    *("enableResourceNameDnsAaaaRecordOnLaunch", "filters", "id", "ipv6CidrBlock"),
    *("ipv6CidrBlockAssociationId", "ipv6Native", "mapCustomerOwnedIpOnLaunch", "mapPublicIpOnLaunch"),
    *("outpostArn", "ownerId", "privateDnsHostnameTypeOnLaunch", "region", "state", "tags", "vpcId"),
)
_TABLE: Final = (
    *("arn", "associations", "filters", "gatewayId", "id", "ownerId", "region", "routeTableId", "routes"),
    *("subnetId", "tags", "vpcId"),
)
_ENDPOINT: Final = (
    *("arn", "cidrBlocks", "dnsEntries", "dnsOptions", "id", "filters", "ipAddressType"),
    *("networkInterfaceIds", "ownerId", "policy", "prefixListId", "privateDnsEnabled", "region"),
    *("requesterManaged", "routeTableIds", "securityGroupIds", "serviceName", "serviceRegion", "state"),
    *("subnetIds", "tags", "vpcEndpointType", "vpcId"),
)
_ROUTE: Final = {
    "carrierGatewayId": "CarrierGatewayId",
    "cidrBlock": "DestinationCidrBlock",
    "coreNetworkArn": "CoreNetworkArn",
    "destinationPrefixListId": "DestinationPrefixListId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "instanceId": "InstanceId",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "odbNetworkArn": "OdbNetworkArn",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def asked(function_name: str, args: Mapping[str, Plain], *known: str) -> dict[str, Plain]:
    """The arguments that were given; refuses those by which the sandbox does not look."""
    given = {name: value for name, value in args.items() if value not in (None, [], {})}
    foreign = sorted(given.keys() - set(known))
    if foreign:
        raise PluginError(
            f"{function_name} looks in the sandbox by {', '.join(known)} alone, and {', '.join(foreign)} was given"
        )
    return given


def only(what: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one that was found; none or several are errors in the official provider's words."""
    if not found:
        raise PluginError(f"no matching {what} found")
    if len(found) > 1:
        raise PluginError(
            f"multiple {what}s matched; use additional constraints to reduce matches to a single {what}"
        )
    return found[0]


@function("aws:ec2/getVpc:getVpc", sdk="ec2.get_vpc")
def vpc(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeVpcs, with the attributes that have calls of their own."""
    given = asked("get_vpc", args, "id")
    ec2 = ctx.client("ec2")
    found = only("EC2 VPC", ec2.describe_vpcs(VpcIds=[given["id"]])["Vpcs"])

    def attribute(name: str) -> bool:
        answer = ec2.describe_vpc_attribute(VpcId=given["id"], Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    main = ec2.describe_route_tables(
        Filters=[
            {"Name": "vpc-id", "Values": [given["id"]]},
            {"Name": "association.main", "Values": ["true"]},
        ]
    )["RouteTables"]
    return whole(
        _VPC,
        {
            "arn": ctx.arn("ec2", f"vpc/{found['VpcId']}"),
            "cidrBlock": found["CidrBlock"],
            "cidrBlockAssociations": [
                {
                    "associationId": each["AssociationId"],
                    "cidrBlock": each["CidrBlock"],
                    "state": each["CidrBlockState"]["State"],
                }
                for each in found.get("CidrBlockAssociationSet", [])
            ],
            "default": found["IsDefault"],
            "dhcpOptionsId": found.get("DhcpOptionsId", ""),
            "enableDnsHostnames": attribute("enableDnsHostnames"),
            "enableDnsSupport": attribute("enableDnsSupport"),
            "enableNetworkAddressUsageMetrics": False,
            "id": found["VpcId"],
            "instanceTenancy": found["InstanceTenancy"],
            "ipv6AssociationId": "",
            "ipv6CidrBlock": "",
            "ipv6CidrBlockAssociations": [],
            "mainRouteTableId": main[0]["RouteTableId"] if main else "",
            "ownerId": found.get("OwnerId", ctx.account_id),
            "region": ctx.region,
            "state": found["State"],
            "tags": tag_map(found.get("Tags")),
        },
    )


@function("aws:ec2/getSubnet:getSubnet", sdk="ec2.get_subnet")
def subnet(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeSubnets."""
    given = asked("get_subnet", args, "id")
    found = only("EC2 Subnet", ctx.client("ec2").describe_subnets(SubnetIds=[given["id"]])["Subnets"])
    return whole(
        _SUBNET,
        {
            "arn": found.get("SubnetArn", ctx.arn("ec2", f"subnet/{found['SubnetId']}")),
            "assignIpv6AddressOnCreation": found.get("AssignIpv6AddressOnCreation", False),
            "availabilityZone": found["AvailabilityZone"],
            "availabilityZoneId": found.get("AvailabilityZoneId", ""),
            "availableIpAddressCount": found["AvailableIpAddressCount"],
            "cidrBlock": found["CidrBlock"],
            "customerOwnedIpv4Pool": "",
            "defaultForAz": found.get("DefaultForAz", False),
            "enableDns64": False,
            "enableLniAtDeviceIndex": 0,
            "enableResourceNameDnsARecordOnLaunch": False,
            "enableResourceNameDnsAaaaRecordOnLaunch": False,
            "id": found["SubnetId"],
            "ipv6CidrBlock": "",
            "ipv6CidrBlockAssociationId": "",
            "ipv6Native": found.get("Ipv6Native", False),
            "mapCustomerOwnedIpOnLaunch": False,
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "outpostArn": "",
            "ownerId": found.get("OwnerId", ctx.account_id),
            "privateDnsHostnameTypeOnLaunch": "ip-name",
            "region": ctx.region,
            "state": found["State"],
            "tags": tag_map(found.get("Tags")),
            "vpcId": found["VpcId"],
        },
    )


@function("aws:ec2/getRouteTables:getRouteTables", sdk="ec2.get_route_tables")
def route_tables(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeRouteTables of a VPC: their ids."""
    given = asked("get_route_tables", args, "vpcId")
    wanted = [{"Name": "vpc-id", "Values": [given["vpcId"]]}]
    found = ctx.client("ec2").describe_route_tables(Filters=wanted)["RouteTables"]
    return {
        "filters": None,
        "id": ctx.region,
        "ids": [each["RouteTableId"] for each in found],
        "region": ctx.region,
        "tags": {},
        "vpcId": given["vpcId"],
    }


@function("aws:ec2/getRouteTable:getRouteTable", sdk="ec2.get_route_table")
def route_table(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeRouteTables, without the local routes, which the official provider leaves out too."""
    given = asked("get_route_table", args, "routeTableId")
    found = only(
        "EC2 Route Table",
        ctx.client("ec2").describe_route_tables(RouteTableIds=[given["routeTableId"]])["RouteTables"],
    )
    routes = []
    for each in found["Routes"]:
        gateway = str(each.get("GatewayId") or "")
        # Nor does it give a gateway endpoint's own routes.
        if gateway == "local" or (each.get("DestinationPrefixListId") and gateway.startswith("vpce-")):
            continue
        route = {name: each.get(wire) or "" for name, wire in _ROUTE.items()}
        is_endpoint = gateway.startswith("vpce-")
        routes.append(
            {
                **route,
                "gatewayId": "" if is_endpoint else gateway,
                "vpcEndpointId": gateway if is_endpoint else "",
            }
        )
    return whole(
        _TABLE,
        {
            "arn": ctx.arn("ec2", f"route-table/{found['RouteTableId']}"),
            "associations": [
                {
                    "gatewayId": each.get("GatewayId", ""),
                    "main": each.get("Main", False),
                    "routeTableAssociationId": each["RouteTableAssociationId"],
                    "routeTableId": each["RouteTableId"],
                    "subnetId": each.get("SubnetId", ""),
                }
                for each in found.get("Associations", [])
            ],
            "gatewayId": "",
            "id": found["RouteTableId"],
            "ownerId": found.get("OwnerId", ctx.account_id),
            "region": ctx.region,
            "routeTableId": found["RouteTableId"],
            "routes": routes,
            "subnetId": "",
            "tags": tag_map(found.get("Tags")),
            "vpcId": found["VpcId"],
        },
    )


@function("aws:ec2/getVpcEndpoint:getVpcEndpoint", sdk="ec2.get_vpc_endpoint")
def vpc_endpoint(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeVpcEndpoints of a VPC, by service and kind."""
    given = asked("get_vpc_endpoint", args, "vpcId", "serviceName", "vpcEndpointType")
    wires = {
        "vpcId": "vpc-id",
        "serviceName": "service-name",
        "vpcEndpointType": "vpc-endpoint-type",
    }
    wanted = [{"Name": wires[name], "Values": [value]} for name, value in given.items()]
    found = only("EC2 VPC Endpoint", ctx.client("ec2").describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"])
    policy = found.get("PolicyDocument") or ""
    return whole(
        _ENDPOINT,
        {
            "arn": ctx.arn("ec2", f"vpc-endpoint/{found['VpcEndpointId']}"),
            "cidrBlocks": [],
            "dnsEntries": [],
            "dnsOptions": [],
            "id": found["VpcEndpointId"],
            "ipAddressType": found.get("IpAddressType", "ipv4"),
            "networkInterfaceIds": found.get("NetworkInterfaceIds", []),
            "ownerId": found.get("OwnerId", ctx.account_id),
            "policy": policy if isinstance(policy, str) else json.dumps(policy),
            "prefixListId": "",
            "privateDnsEnabled": found.get("PrivateDnsEnabled", False),
            "region": ctx.region,
            "requesterManaged": found.get("RequesterManaged", False),
            "routeTableIds": found.get("RouteTableIds", []),
            "securityGroupIds": [each["GroupId"] for each in found.get("Groups", [])],
            "serviceName": found["ServiceName"],
            "serviceRegion": ctx.region,
            "state": found["State"],
            "subnetIds": found.get("SubnetIds", []),
            "tags": tag_map(found.get("Tags")),
            "vpcEndpointType": found["VpcEndpointType"],
            "vpcId": found["VpcId"],
        },
    )

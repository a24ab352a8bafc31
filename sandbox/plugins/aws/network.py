"""Vpc and Subnet."""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.table import REGION, judged, refused, tags
from sandbox.plugins.protocol import Plain

_NO_IPV6: Final = refused("the kit's networks are IPv4 only")
_NO_IPAM: Final = refused("the kit computes its address plan itself; no IPAM pool is used")
_NO_OUTPOST: Final = refused("the kit runs in regions, not on Outposts")


def first(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one that AWS describes, or None."""
    return found[0] if found else None


@register
class Vpc(ResourceType):
    """A virtual network. Its default group, route table and ACL come with it."""

    token = "aws:ec2/vpc:Vpc"  # noqa: S105 - a type token
    sdk = "ec2.Vpc"
    cfn = "AWS::EC2::VPC"
    inputs = {
        "cidrBlock": judged("CidrBlock"),
        "enableDnsHostnames": judged("EnableDnsHostnames", default=False),
        "enableDnsSupport": judged("EnableDnsSupport", default=True),
        "instanceTenancy": judged(
            "InstanceTenancy",
            default="default",
            conditional="replace",
            source="EC2 ModifyVpcTenancy only goes from dedicated to default, so any other change replaces",
        ),
        "enableNetworkAddressUsageMetrics": refused("the kit watches its address use in the address plan"),
        "ipv4IpamPoolId": _NO_IPAM,
        "ipv4NetmaskLength": _NO_IPAM,
        "assignGeneratedIpv6CidrBlock": _NO_IPV6,
        "ipv6CidrBlock": _NO_IPV6,
        "ipv6CidrBlockNetworkBorderGroup": _NO_IPV6,
        "ipv6IpamPoolId": _NO_IPV6,
        "ipv6NetmaskLength": _NO_IPV6,
        **tags(),
        **REGION,
    }
    outputs = (
        "arn",
        "defaultNetworkAclId",
        "defaultRouteTableId",
        "defaultSecurityGroupId",
        "dhcpOptionsId",
        "ipv6AssociationId",
        "mainRouteTableId",
        "ownerId",
    )

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateVpc; DNS attributes are set once it exists."""
        return [
            (
                "ec2",
                "CreateVpc",
                compact(
                    CidrBlock=inputs.get("cidrBlock"),
                    InstanceTenancy=inputs.get("instanceTenancy"),
                    TagSpecifications=ctx.ec2_tags("vpc", inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the VPC's id."""
        return str(ctx.send(self.request(ctx, inputs))["Vpc"]["VpcId"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Sets the DNS attributes, which EC2 takes one a call and hostnames only with support."""
        for name, attribute in (
            ("enableDnsSupport", "EnableDnsSupport"),
            ("enableDnsHostnames", "EnableDnsHostnames"),
        ):
            if name in inputs:
                ctx.client("ec2").modify_vpc_attribute(
                    VpcId=resource_id, **{attribute: {"Value": inputs[name]}}
                )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it, with the ids of its default parts."""
        ec2 = ctx.client("ec2")
        vpc = first(ec2.describe_vpcs(VpcIds=[resource_id])["Vpcs"])
        if vpc is None:
            return None
        within = [{"Name": "vpc-id", "Values": [resource_id]}]
        main = first(
            ec2.describe_route_tables(Filters=[*within, {"Name": "association.main", "Values": ["true"]}])[
                "RouteTables"
            ]
        )
        group = first(
            ec2.describe_security_groups(Filters=[*within, {"Name": "group-name", "Values": ["default"]}])[
                "SecurityGroups"
            ]
        )
        acl = first(
            ec2.describe_network_acls(Filters=[*within, {"Name": "default", "Values": ["true"]}])[
                "NetworkAcls"
            ]
        )
        return {
            "cidrBlock": vpc["CidrBlock"],
            "instanceTenancy": vpc["InstanceTenancy"],
            "enableDnsSupport": self._attribute(ctx, resource_id, "enableDnsSupport"),
            "enableDnsHostnames": self._attribute(ctx, resource_id, "enableDnsHostnames"),
            "tagsAll": tag_map(vpc.get("Tags")),
            "arn": ctx.arn("ec2", f"vpc/{resource_id}"),
            "defaultNetworkAclId": acl["NetworkAclId"] if acl else "",
            "defaultRouteTableId": main["RouteTableId"] if main else "",
            "mainRouteTableId": main["RouteTableId"] if main else "",
            "defaultSecurityGroupId": group["GroupId"] if group else "",
            "dhcpOptionsId": vpc.get("DhcpOptionsId", ""),
            "ipv6AssociationId": "",
            "ownerId": ctx.account_id,
        }

    def _attribute(self, ctx: Context, resource_id: str, name: str) -> bool:
        answer = ctx.client("ec2").describe_vpc_attribute(VpcId=resource_id, Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags; the DNS attributes are set again by `ready`."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes the VPC; EC2 refuses while anything but its default parts is in it."""
        ctx.client("ec2").delete_vpc(VpcId=resource_id)

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """Subnets, interfaces, gateways and groups that are still in the VPC."""
        ec2, within = ctx.client("ec2"), [{"Name": "vpc-id", "Values": [resource_id]}]
        attached = [{"Name": "attachment.vpc-id", "Values": [resource_id]}]
        return [
            *(item["SubnetId"] for item in ec2.describe_subnets(Filters=within)["Subnets"]),
            *(
                item["NetworkInterfaceId"]
                for item in ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"]
            ),
            *(
                item["InternetGatewayId"]
                for item in ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
            ),
            *(item["VpcEndpointId"] for item in ec2.describe_vpc_endpoints(Filters=within)["VpcEndpoints"]),
            *(
                f"{item['GroupId']} ({item['GroupName']})"
                for item in ec2.describe_security_groups(Filters=within)["SecurityGroups"]
                if item["GroupName"] != "default"
            ),
        ]


@register
class Subnet(ResourceType):
    """A range of a VPC in one availability zone."""

    token = "aws:ec2/subnet:Subnet"  # noqa: S105 - a type token
    sdk = "ec2.Subnet"
    cfn = "AWS::EC2::Subnet"
    identity = ("vpcId", "cidrBlock")
    inputs = {
        "vpcId": judged("VpcId", required=True),
        "cidrBlock": judged("CidrBlock"),
        "availabilityZone": judged("AvailabilityZone", computed=True),
        "availabilityZoneId": judged("AvailabilityZoneId", computed=True),
        "mapPublicIpOnLaunch": judged("MapPublicIpOnLaunch", default=False),
        "privateDnsHostnameTypeOnLaunch": refused(
            "nodes register by the names that EC2 gives them by default"
        ),
        "enableResourceNameDnsARecordOnLaunch": refused(
            "nodes register by the names that EC2 gives them by default"
        ),
        "enableResourceNameDnsAaaaRecordOnLaunch": _NO_IPV6,
        "assignIpv6AddressOnCreation": _NO_IPV6,
        "enableDns64": _NO_IPV6,
        "ipv6CidrBlock": _NO_IPV6,
        "ipv6IpamPoolId": _NO_IPV6,
        "ipv6Native": _NO_IPV6,
        "ipv6NetmaskLength": _NO_IPV6,
        "ipv4IpamPoolId": _NO_IPAM,
        "ipv4NetmaskLength": _NO_IPAM,
        "customerOwnedIpv4Pool": _NO_OUTPOST,
        "enableLniAtDeviceIndex": _NO_OUTPOST,
        "mapCustomerOwnedIpOnLaunch": _NO_OUTPOST,
        "outpostArn": _NO_OUTPOST,
        **tags(),
        **REGION,
    }
    outputs = ("arn", "ipv6CidrBlockAssociationId", "ownerId")

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateSubnet; public addresses at launch are set once it exists."""
        return [
            (
                "ec2",
                "CreateSubnet",
                compact(
                    VpcId=inputs.get("vpcId"),
                    CidrBlock=inputs.get("cidrBlock"),
                    AvailabilityZone=inputs.get("availabilityZone"),
                    AvailabilityZoneId=inputs.get("availabilityZoneId"),
                    TagSpecifications=ctx.ec2_tags("subnet", inputs),
                ),
            )
        ]

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A zone lies in the provider's region."""
        zone = inputs.get("availabilityZone")
        if isinstance(zone, str) and not zone.startswith(ctx.region):
            return [("availabilityZone", f"zone {zone!r} is not in the provider's region {ctx.region}")]
        return []

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the subnet's id."""
        return str(ctx.send(self.request(ctx, inputs))["Subnet"]["SubnetId"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Sets whether instances get public addresses."""
        ctx.client("ec2").modify_subnet_attribute(
            SubnetId=resource_id, MapPublicIpOnLaunch={"Value": inputs.get("mapPublicIpOnLaunch", False)}
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        subnet = first(ctx.client("ec2").describe_subnets(SubnetIds=[resource_id])["Subnets"])
        if subnet is None:
            return None
        return {
            "vpcId": subnet["VpcId"],
            "cidrBlock": subnet["CidrBlock"],
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet.get("AvailabilityZoneId", ""),
            "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
            "tagsAll": tag_map(subnet.get("Tags")),
            "arn": ctx.arn("ec2", f"subnet/{resource_id}"),
            "ipv6CidrBlockAssociationId": "",
            "ownerId": ctx.account_id,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags; public addresses at launch are set again by `ready`."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes the subnet; EC2 refuses while interfaces are in it."""
        ctx.client("ec2").delete_subnet(SubnetId=resource_id)

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """Interfaces that are still in the subnet."""
        found = ctx.client("ec2").describe_network_interfaces(
            Filters=[{"Name": "subnet-id", "Values": [resource_id]}]
        )
        return [
            f"{item['NetworkInterfaceId']} ({item.get('Description') or 'no description'})"
            for item in found["NetworkInterfaces"]
        ]

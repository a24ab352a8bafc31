"""InternetGateway, Eip and NatGateway: the ways out of a VPC."""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.protocol import Plain, PluginError

_ONE_ADDRESS: Final = refused(
    "the kit's NAT gateways have one address each; more gateways, not more addresses"
)
_UNATTACHED: Final = refused("the kit's addresses belong to NAT gateways, which attach them by allocationId")


@register
class InternetGateway(ResourceType):
    """A VPC's gateway to the internet. The SDK joins the gateway and its attachment, which AWS splits."""

    token = "aws:ec2/internetGateway:InternetGateway"  # noqa: S105 - a type token
    sdk = "ec2.InternetGateway"
    cfn = "AWS::EC2::InternetGateway"
    identity = ("vpcId",)
    inputs = {
        "vpcId": judged("AWS::EC2::VPCGatewayAttachment#VpcId"),
        **tags(),
        **REGION,
    }
    outputs = ("arn", "ownerId")

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateInternetGateway."""
        return [
            (
                "ec2",
                "CreateInternetGateway",
                compact(TagSpecifications=ctx.ec2_tags("internet-gateway", inputs)),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the gateway's id; it is attached by `ready`."""
        return str(ctx.send(self.request(ctx, inputs))["InternetGateway"]["InternetGatewayId"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Attaches it where it is not attached yet."""
        if inputs.get("vpcId") and self._attached(ctx, resource_id) != inputs["vpcId"]:
            ctx.client("ec2").attach_internet_gateway(InternetGatewayId=resource_id, VpcId=inputs["vpcId"])

    def _describe(self, ctx: Context, resource_id: str) -> dict[str, Any] | None:
        found = ctx.client("ec2").describe_internet_gateways(InternetGatewayIds=[resource_id])
        return first(found["InternetGateways"])

    def _attached(self, ctx: Context, resource_id: str) -> str:
        gateway = self._describe(ctx, resource_id) or {}
        return str((first(gateway.get("Attachments", [])) or {}).get("VpcId", ""))

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        gateway = self._describe(ctx, resource_id)
        if gateway is None:
            return None
        return {
            "vpcId": self._attached(ctx, resource_id),
            "tagsAll": tag_map(gateway.get("Tags")),
            "arn": ctx.arn("ec2", f"internet-gateway/{resource_id}"),
            "ownerId": ctx.account_id,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Detaches and removes it; EC2 refuses while public addresses are mapped in the VPC."""
        ec2, attached = ctx.client("ec2"), self._attached(ctx, resource_id)
        if attached:
            ec2.detach_internet_gateway(InternetGatewayId=resource_id, VpcId=attached)
        ec2.delete_internet_gateway(InternetGatewayId=resource_id)


@register
class Eip(ResourceType):
    """A public IPv4 address."""

    token = "aws:ec2/eip:Eip"  # noqa: S105 - a type token
    sdk = "ec2.Eip"
    cfn = "AWS::EC2::EIP"
    inputs = {
        "domain": replace(
            cfn="Domain",
            default="vpc",
            source="AllocateAddress alone takes a domain, and EC2 has no call to change it",
        ),
        "address": refused("the kit does not recover addresses; AWS picks one"),
        "publicIpv4Pool": refused("the kit has no address pool of its own"),
        "ipamPoolId": refused("the kit has no address pool of its own"),
        "customerOwnedIpv4Pool": refused("the kit runs in regions, not on Outposts"),
        "networkBorderGroup": refused("the kit runs in regions, not in Local Zones"),
        "instance": _UNATTACHED,
        "networkInterface": _UNATTACHED,
        "associateWithPrivateIp": _UNATTACHED,
        **tags(),
        **REGION,
    }
    outputs = (
        "allocationId",
        "arn",
        "associationId",
        "carrierIp",
        "customerOwnedIp",
        "privateDns",
        "privateIp",
        "ptrRecord",
        "publicDns",
        "publicIp",
    )

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """AllocateAddress."""
        return [
            (
                "ec2",
                "AllocateAddress",
                compact(Domain=inputs.get("domain"), TagSpecifications=ctx.ec2_tags("elastic-ip", inputs)),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the allocation's id."""
        return str(ctx.send(self.request(ctx, inputs))["AllocationId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        address = first(ctx.client("ec2").describe_addresses(AllocationIds=[resource_id])["Addresses"])
        if address is None:
            return None
        public = address["PublicIp"]
        return {
            "domain": address.get("Domain", "vpc"),
            "tagsAll": tag_map(address.get("Tags")),
            "allocationId": resource_id,
            "arn": ctx.arn("ec2", f"elastic-ip/{resource_id}"),
            "associationId": address.get("AssociationId", ""),
            "carrierIp": "",
            "customerOwnedIp": "",
            "privateDns": "",
            "privateIp": address.get("PrivateIpAddress", ""),
            "ptrRecord": "",
            "publicDns": f"ec2-{public.replace('.', '-')}.compute-1.amazonaws.com"
            if ctx.region == "us-east-1"
            else f"ec2-{public.replace('.', '-')}.{ctx.region}.compute.amazonaws.com",
            "publicIp": public,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Releases the address."""
        ctx.client("ec2").release_address(AllocationId=resource_id)


@register
class NatGateway(ResourceType):
    """Lets a private subnet reach out through a public one."""

    token = "aws:ec2/natGateway:NatGateway"  # noqa: S105 - a type token
    sdk = "ec2.NatGateway"
    cfn = "AWS::EC2::NatGateway"
    identity = ("allocationId",)
    inputs = {
        "allocationId": judged("AllocationId"),
        "subnetId": judged("SubnetId"),
        "connectivityType": judged("ConnectivityType", default="public"),
        "privateIp": judged("PrivateIpAddress", computed=True),
        "availabilityMode": refused("the kit has a gateway a zone; a regional gateway is another design"),
        "availabilityZoneAddresses": refused("belongs to a regional gateway; the kit has a gateway a zone"),
        "vpcId": refused("belongs to a regional gateway; a zonal one follows from subnetId"),
        "secondaryAllocationIds": _ONE_ADDRESS,
        "secondaryPrivateIpAddressCount": _ONE_ADDRESS,
        "secondaryPrivateIpAddresses": _ONE_ADDRESS,
        **tags(),
        **REGION,
    }
    outputs = (
        "associationId",
        "autoProvisionZones",
        "autoScalingIps",
        "networkInterfaceId",
        "publicIp",
        "regionalNatGatewayAddresses",
        "regionalNatGatewayAutoMode",
        "routeTableId",
    )

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A zonal gateway lies in a subnet, and a public one has an address; EC2 refuses anything else."""
        found = []
        if inputs.get("subnetId") is None:
            found.append(("subnetId", "subnetId is missing: a zonal NAT gateway lies in a subnet"))
        if inputs.get("connectivityType") == "public" and inputs.get("allocationId") is None:
            found.append(("allocationId", "allocationId is missing: a public NAT gateway needs an address"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateNatGateway."""
        return [
            (
                "ec2",
                "CreateNatGateway",
                compact(
                    SubnetId=inputs.get("subnetId"),
                    AllocationId=inputs.get("allocationId"),
                    ConnectivityType=inputs.get("connectivityType"),
                    PrivateIpAddress=inputs.get("privateIp"),
                    TagSpecifications=ctx.ec2_tags("natgateway", inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the gateway's id."""
        return str(ctx.send(self.request(ctx, inputs))["NatGateway"]["NatGatewayId"])

    def _describe(self, ctx: Context, resource_id: str) -> dict[str, Any] | None:
        found = first(ctx.client("ec2").describe_nat_gateways(NatGatewayIds=[resource_id])["NatGateways"])
        return None if found is None or found["State"] in {"deleted", "deleting"} else found

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Waits until it carries traffic."""

        def available() -> bool:
            gateway = self._describe(ctx, resource_id) or {}
            if gateway.get("State") == "failed":
                raise PluginError(
                    f"{resource_id} failed: {gateway.get('FailureMessage', 'AWS gives no reason')}"
                )
            return gateway.get("State") == "available"

        ctx.wait(f"NAT gateway {resource_id} available", available)

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it; one that is being deleted is gone."""
        gateway = self._describe(ctx, resource_id)
        if gateway is None:
            return None
        address = first(gateway.get("NatGatewayAddresses", [])) or {}
        return {
            "allocationId": address.get("AllocationId", ""),
            "subnetId": gateway["SubnetId"],
            "connectivityType": gateway.get("ConnectivityType", "public"),
            "privateIp": address.get("PrivateIp", ""),
            "tagsAll": tag_map(gateway.get("Tags")),
            "associationId": address.get("AssociationId", ""),
            "autoProvisionZones": "",
            "autoScalingIps": "",
            "networkInterfaceId": address.get("NetworkInterfaceId", ""),
            "publicIp": address.get("PublicIp", ""),
            "regionalNatGatewayAddresses": [],
            "regionalNatGatewayAutoMode": "",
            "routeTableId": "",
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes it and waits until it is gone: its address and subnet are held until then."""
        ctx.client("ec2").delete_nat_gateway(NatGatewayId=resource_id)
        found = ctx.client("ec2").describe_nat_gateways

        def deleted() -> bool:
            gateway = first(found(NatGatewayIds=[resource_id])["NatGateways"])
            return gateway is None or gateway["State"] == "deleted"

        ctx.wait(f"NAT gateway {resource_id} deleted", deleted)

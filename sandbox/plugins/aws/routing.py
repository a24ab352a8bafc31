"""RouteTable, Route and RouteTableAssociation."""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, tags
from sandbox.plugins.protocol import Plain, PluginError

_TARGETS: Final = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId"}
_DESTINATIONS: Final = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


@register
class RouteTable(ResourceType):
    """A table of routes; the routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"  # noqa: S105 - a type token
    sdk = "ec2.RouteTable"
    cfn = "AWS::EC2::RouteTable"
    inputs = {
        "vpcId": judged("VpcId", required=True),
        "routes": refused("inline routes fight with Route resources over one table; make a Route for each"),
        "propagatingVgws": refused("the kit has no virtual private gateway"),
        **tags(),
        **REGION,
    }
    outputs = ("arn", "ownerId")

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateRouteTable."""
        return [
            (
                "ec2",
                "CreateRouteTable",
                compact(VpcId=inputs.get("vpcId"), TagSpecifications=ctx.ec2_tags("route-table", inputs)),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the table's id."""
        return str(ctx.send(self.request(ctx, inputs))["RouteTable"]["RouteTableId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        table = describe_table(ctx, resource_id)
        if table is None:
            return None
        return {
            "vpcId": table["VpcId"],
            "tagsAll": tag_map(table.get("Tags")),
            "arn": ctx.arn("ec2", f"route-table/{resource_id}"),
            "ownerId": ctx.account_id,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes the table; EC2 refuses while subnets use it."""
        ctx.client("ec2").delete_route_table(RouteTableId=resource_id)

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """Subnets that use the table."""
        table = describe_table(ctx, resource_id) or {}
        return [item["SubnetId"] for item in table.get("Associations", []) if item.get("SubnetId")]


def describe_table(ctx: Context, table_id: str) -> dict[str, Any] | None:
    """A route table as EC2 describes it."""
    return first(ctx.client("ec2").describe_route_tables(RouteTableIds=[table_id])["RouteTables"])


@register
class Route(ResourceType):
    """One route. Its id is `TABLE_DESTINATION`; AWS has none."""

    token = "aws:ec2/route:Route"  # noqa: S105 - a type token
    sdk = "ec2.Route"
    cfn = "AWS::EC2::Route"
    identity = ("routeTableId", *_DESTINATIONS)
    inputs = {
        "routeTableId": judged("RouteTableId", required=True),
        "destinationCidrBlock": judged("DestinationCidrBlock"),
        "destinationPrefixListId": judged("DestinationPrefixListId"),
        "gatewayId": judged("GatewayId"),
        "natGatewayId": judged("NatGatewayId"),
        "destinationIpv6CidrBlock": refused("the kit's networks are IPv4 only"),
        "egressOnlyGatewayId": refused("the kit's networks are IPv4 only"),
        "vpcEndpointId": refused(
            "gateway endpoints enter their routes themselves; the kit has no inspection endpoint"
        ),
        "carrierGatewayId": refused("the kit runs in regions, not in Wavelength Zones"),
        "coreNetworkArn": refused("the kit has no Cloud WAN"),
        "localGatewayId": refused("the kit runs in regions, not on Outposts"),
        "networkInterfaceId": refused("the kit routes to gateways, not to instances"),
        "odbNetworkArn": refused("the kit has no Oracle network"),
        "transitGatewayId": refused("the kit does not join networks"),
        "vpcPeeringConnectionId": refused("the kit does not join networks"),
        **REGION,
    }
    outputs = ("instanceId", "instanceOwnerId", "origin", "state")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """One destination and one target; EC2 refuses any other number."""
        found = []
        for what, names in (("destination", _DESTINATIONS), ("target", _TARGETS)):
            given = [name for name in names if inputs.get(name) is not None]
            if len(given) != 1:
                found.append(
                    (
                        next(iter(names)),
                        f"a route has one {what}, and this has {len(given)}; set one of {', '.join(names)}",
                    )
                )
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateRoute."""
        return [("ec2", "CreateRoute", self._params(inputs))]

    def _params(self, inputs: Inputs) -> dict[str, Any]:
        return compact(
            RouteTableId=inputs.get("routeTableId"),
            **{wire: inputs.get(name) for name, wire in {**_DESTINATIONS, **_TARGETS}.items()},
        )

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns `TABLE_DESTINATION`."""
        ctx.send(self.request(ctx, inputs))
        destination = inputs.get("destinationCidrBlock") or inputs.get("destinationPrefixListId")
        return f"{inputs['routeTableId']}_{destination}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """The table's entry for the destination."""
        table_id, _, destination = resource_id.partition("_")
        if not destination:
            raise PluginError(
                f"{resource_id!r} is no route's id: it is TABLE_DESTINATION, as in rtb-0ab1_0.0.0.0/0"
            )
        for entry in (describe_table(ctx, table_id) or {}).get("Routes", []):
            if destination in (entry.get("DestinationCidrBlock"), entry.get("DestinationPrefixListId")):
                return {
                    "routeTableId": table_id,
                    **{
                        name: entry[wire]
                        for name, wire in {**_DESTINATIONS, **_TARGETS}.items()
                        if entry.get(wire)
                    },
                    "instanceId": "",
                    "instanceOwnerId": "",
                    "origin": entry.get("Origin", "CreateRoute"),
                    "state": entry.get("State", "active"),
                }
        return None

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Another target for the same destination."""
        ctx.client("ec2").replace_route(**self._params(new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes the entry."""
        ctx.client("ec2").delete_route(
            RouteTableId=state["routeTableId"],
            **compact(**{wire: state.get(name) or None for name, wire in _DESTINATIONS.items()}),
        )


@register
class RouteTableAssociation(ResourceType):
    """Which table a subnet uses."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"  # noqa: S105 - a type token
    sdk = "ec2.RouteTableAssociation"
    cfn = "AWS::EC2::SubnetRouteTableAssociation"
    identity = ("subnetId",)
    inputs = {
        "routeTableId": judged("RouteTableId", required=True),
        "subnetId": judged("SubnetId"),
        "gatewayId": refused("the kit associates tables with subnets, not with gateways"),
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """AssociateRouteTable."""
        return [
            (
                "ec2",
                "AssociateRouteTable",
                compact(RouteTableId=inputs.get("routeTableId"), SubnetId=inputs.get("subnetId")),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the association's id."""
        return str(ctx.send(self.request(ctx, inputs))["AssociationId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """The association, from the table that has it."""
        wanted = [{"Name": "association.route-table-association-id", "Values": [resource_id]}]
        for table in ctx.client("ec2").describe_route_tables(Filters=wanted)["RouteTables"]:
            for association in table.get("Associations", []):
                if association["RouteTableAssociationId"] == resource_id:
                    return {
                        "routeTableId": table["RouteTableId"],
                        "subnetId": association.get("SubnetId", ""),
                    }
        return None

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Gives the subnet back to the main table."""
        ctx.client("ec2").disassociate_route_table(AssociationId=resource_id)

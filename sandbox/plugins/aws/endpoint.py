"""VpcEndpoint: a way to an AWS service that does not leave the network."""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.protocol import Plain, PluginError

_LISTS: Final = {
    "routeTableIds": "RouteTableIds",
    "subnetIds": "SubnetIds",
    "securityGroupIds": "SecurityGroupIds",
}


def _who_resolves(value: Plain) -> Plain:
    """EC2 has a flag where CloudFormation's schema has a word."""
    return "OnlyInboundResolver" if value else "AllResolvers"


def _dns_options(options: Any) -> Any:
    """The SDK's DNS options as EC2 takes them; what is not known yet stays."""
    if not isinstance(options, dict):
        return options
    return compact(
        PrivateDnsOnlyForInboundResolverEndpoint=options.get("privateDnsOnlyForInboundResolverEndpoint")
    )


@register
class VpcEndpoint(ResourceType):
    """A gateway endpoint (S3, DynamoDB: by routes) or an interface endpoint (by addresses in subnets)."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"  # noqa: S105 - a type token
    sdk = "ec2.VpcEndpoint"
    cfn = "AWS::EC2::VPCEndpoint"
    inputs = {
        "vpcId": judged("VpcId", required=True),
        "serviceName": judged("ServiceName"),
        "vpcEndpointType": judged("VpcEndpointType", default="Gateway"),
        "policy": judged("PolicyDocument", json=True, computed=True),
        "privateDnsEnabled": judged("PrivateDnsEnabled", computed=True),
        "routeTableIds": judged("RouteTableIds", unordered=True),
        "subnetIds": judged("SubnetIds", unordered=True),
        "securityGroupIds": judged("SecurityGroupIds", unordered=True, computed=True),
        "ipAddressType": judged("IpAddressType", computed=True),
        "autoAccept": update(
            source="accepts a connection request after the creation; EC2 keeps no such property"
        ),
        "dnsOptions": judged(
            "DnsOptions",
            computed=True,
            fields={
                "privateDnsOnlyForInboundResolverEndpoint": judged(
                    "PrivateDnsOnlyForInboundResolverEndpoint", encode=_who_resolves
                ),
                "dnsRecordIpType": refused("the kit's networks are IPv4 only"),
                "privateDnsPreference": refused("the kit has no VPC Lattice network"),
                "privateDnsSpecifiedDomains": refused("the kit has no VPC Lattice network"),
            },
        ),
        "resourceConfigurationArn": refused("the kit has no VPC Lattice resource"),
        "serviceNetworkArn": refused("the kit has no VPC Lattice network"),
        "serviceRegion": refused("the kit's endpoints lead to services of their own region"),
        "subnetConfigurations": refused("AWS picks the addresses of the endpoint's interfaces"),
        **tags(),
        **REGION,
    }
    outputs = (
        "arn",
        "cidrBlocks",
        "dnsEntries",
        "networkInterfaceIds",
        "ownerId",
        "prefixListId",
        "requesterManaged",
        "state",
    )

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A service of the provider's region, and only what belongs to the endpoint's kind."""
        found = []
        service, kind = inputs.get("serviceName"), inputs.get("vpcEndpointType")
        if service is None:
            found.append(
                ("serviceName", f"serviceName is missing, for example com.amazonaws.{ctx.region}.s3")
            )
        if (
            isinstance(service, str)
            and service.startswith("com.amazonaws.")
            and f".{ctx.region}." not in service
        ):
            found.append(("serviceName", f"{service!r} is not in the provider's region {ctx.region}"))
        foreign = {
            "Gateway": ("subnetIds", "securityGroupIds", "privateDnsEnabled"),
            "Interface": ("routeTableIds",),
        }
        for name in foreign.get(str(kind), ()):
            if inputs.get(name) not in (None, [], False):
                found.append((name, f"{name} does not go with an endpoint of type {kind}"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateVpcEndpoint."""
        return [
            (
                "ec2",
                "CreateVpcEndpoint",
                compact(
                    VpcId=inputs.get("vpcId"),
                    ServiceName=inputs.get("serviceName"),
                    VpcEndpointType=inputs.get("vpcEndpointType"),
                    PolicyDocument=inputs.get("policy"),
                    PrivateDnsEnabled=inputs.get("privateDnsEnabled"),
                    IpAddressType=inputs.get("ipAddressType"),
                    DnsOptions=_dns_options(inputs.get("dnsOptions")),
                    TagSpecifications=ctx.ec2_tags("vpc-endpoint", inputs),
                    **{wire: inputs.get(name) for name, wire in _LISTS.items()},
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the endpoint's id."""
        return str(ctx.send(self.request(ctx, inputs))["VpcEndpoint"]["VpcEndpointId"])

    def _describe(self, ctx: Context, resource_id: str) -> dict[str, Any] | None:
        found = first(ctx.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[resource_id])["VpcEndpoints"])
        return None if found is None or found["State"].lower() in {"deleted", "deleting"} else found

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Waits until the endpoint answers."""

        def available() -> bool:
            endpoint = self._describe(ctx, resource_id) or {}
            state = str(endpoint.get("State", "")).lower()
            if state in {"failed", "rejected", "expired"}:
                reason = (endpoint.get("LastError") or {}).get("Message", "AWS gives no reason")
                raise PluginError(f"{resource_id} is {state}: {reason}")
            return state == "available"

        ctx.wait(f"VPC endpoint {resource_id} available", available)

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it; one that is being deleted is gone."""
        endpoint = self._describe(ctx, resource_id)
        if endpoint is None:
            return None
        policy = endpoint.get("PolicyDocument")
        seen = {
            "vpcId": endpoint["VpcId"],
            "serviceName": endpoint["ServiceName"],
            "vpcEndpointType": endpoint["VpcEndpointType"],
            "policy": policy if policy is None or isinstance(policy, str) else json.dumps(policy),
            "privateDnsEnabled": endpoint.get("PrivateDnsEnabled", False),
            "routeTableIds": endpoint.get("RouteTableIds", []),
            "subnetIds": endpoint.get("SubnetIds", []),
            "securityGroupIds": [group["GroupId"] for group in endpoint.get("Groups", [])],
            "ipAddressType": endpoint.get("IpAddressType"),
            "tagsAll": tag_map(endpoint.get("Tags")),
            "arn": ctx.arn("ec2", f"vpc-endpoint/{resource_id}"),
            "cidrBlocks": [],
            "dnsEntries": [
                {"dnsName": entry.get("DnsName", ""), "hostedZoneId": entry.get("HostedZoneId", "")}
                for entry in endpoint.get("DnsEntries", [])
            ],
            "networkInterfaceIds": endpoint.get("NetworkInterfaceIds", []),
            "ownerId": ctx.account_id,
            "prefixListId": self._prefix_list(ctx, endpoint),
            "requesterManaged": endpoint.get("RequesterManaged", False),
            "state": endpoint["State"],
        }
        return {key: value for key, value in seen.items() if value is not None}

    def _prefix_list(self, ctx: Context, endpoint: dict[str, Any]) -> str:
        """The prefix list by which routes and rules name a gateway endpoint's service."""
        if endpoint["VpcEndpointType"] != "Gateway":
            return ""
        wanted = [{"Name": "prefix-list-name", "Values": [endpoint["ServiceName"]]}]
        found = first(ctx.client("ec2").describe_managed_prefix_lists(Filters=wanted)["PrefixLists"])
        return str(found["PrefixListId"]) if found else ""

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Policy, DNS, and which tables, subnets and groups it is in."""
        params: dict[str, Any] = {}
        if "policy" in changed:
            params.update({"PolicyDocument": new["policy"]} if new.get("policy") else {"ResetPolicy": True})
        if "privateDnsEnabled" in changed:
            params["PrivateDnsEnabled"] = new["privateDnsEnabled"]
        if "ipAddressType" in changed:
            params["IpAddressType"] = new["ipAddressType"]
        if "dnsOptions" in changed:
            params["DnsOptions"] = _dns_options(new.get("dnsOptions"))
        for name, wire in _LISTS.items():
            if name in changed:
                before, after = old.get(name) or [], new.get(name) or []
                params[f"Add{wire}"] = [item for item in after if item not in before]
                params[f"Remove{wire}"] = [item for item in before if item not in after]
        params = compact(**params)
        if params:
            ctx.client("ec2").modify_vpc_endpoint(VpcEndpointId=resource_id, **params)
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes it and waits until it is gone: its interfaces hold the subnets until then."""
        answer = ctx.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[resource_id])
        for item in answer.get("Unsuccessful", []):
            error = item["Error"]
            if "NotFound" not in error.get("Code", ""):
                raise PluginError(
                    f"AWS refused DeleteVpcEndpoints: {error.get('Message')} ({error.get('Code')})"
                )

        def deleted() -> bool:
            found = first(
                ctx.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[resource_id])["VpcEndpoints"]
            )
            return found is None or found["State"].lower() == "deleted"

        ctx.wait(f"VPC endpoint {resource_id} deleted", deleted)

"""An adopted VPC as EC2 describes it, read before the first resource is registered.

The provider's own functions read it, so that preview and run see the same account."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pulumi
import pulumi_aws as aws

from bastide.adopted.network import (
    EndpointFacts,
    RouteFacts,
    SubnetFacts,
    TableFacts,
    VpcFacts,
    examine,
    looked_for,
)
from bastide.settings import AdoptedNetwork, Settings
from bastide.settings.errors import Problem

NOT_THERE = "no matching"
"""How the provider's functions say that there is nothing of the sort."""


def network_problems(settings: Settings, provider: aws.Provider) -> list[Problem]:
    """Everything for which the stack's adopted VPC cannot be used; nothing for a created one."""
    net = settings.network
    if not isinstance(net, AdoptedNetwork):
        return []
    options = pulumi.InvokeOptions(provider=provider)
    unread: list[Problem] = []

    def read(path: str, given: str, look: Callable[[], object]) -> object | None:
        try:
            return look()
        except Exception as error:
            unread.append(
                Problem(
                    path,
                    f"{given!r} cannot be read in {settings.region} of account {settings.account_id}: {error}; give "
                    "one that is there, and see docs/network.md for the rights to read it",
                )
            )
            return None

    facts = read("network.vpcId", net.vpc_id, partial(_vpc, settings, net, options))
    if not isinstance(facts, VpcFacts):
        return unread
    subnets: dict[str, SubnetFacts] = {}
    for zone, subnet_id in sorted(net.private_subnet_ids.items()):
        found = read(f"network.privateSubnetIds.{zone}", subnet_id, partial(_subnet, subnet_id, options))
        if isinstance(found, SubnetFacts):
            subnets[subnet_id] = found
    whole = VpcFacts(
        facts.cidrs, facts.dns_support, facts.dns_hostnames, subnets, facts.tables, facts.endpoints
    )
    return unread + examine(settings, net, whole)


def _vpc(settings: Settings, net: AdoptedNetwork, options: pulumi.InvokeOptions) -> VpcFacts:
    vpc = aws.ec2.get_vpc(id=net.vpc_id, opts=options)
    tables = aws.ec2.get_route_tables(vpc_id=net.vpc_id, opts=options).ids
    endpoints = {
        service: found
        for service in looked_for(net)
        if (found := _endpoint(settings, net, service, options)) is not None
    }
    blocks = [each.cidr_block for each in vpc.cidr_block_associations if each.state == "associated"]
    return VpcFacts(
        cidrs=blocks or [vpc.cidr_block],
        dns_support=vpc.enable_dns_support,
        dns_hostnames=vpc.enable_dns_hostnames,
        subnets={},
        tables=[_table(each, options) for each in tables],
        endpoints=endpoints,
    )


def _subnet(subnet_id: str, options: pulumi.InvokeOptions) -> SubnetFacts:
    found = aws.ec2.get_subnet(id=subnet_id, opts=options)
    return SubnetFacts(
        vpc_id=found.vpc_id,
        zone=found.availability_zone,
        cidr=found.cidr_block,
        free_addresses=found.available_ip_address_count,
        public_addresses=found.map_public_ip_on_launch,
    )


def _table(table_id: str, options: pulumi.InvokeOptions) -> TableFacts:
    found = aws.ec2.get_route_table(route_table_id=table_id, opts=options)
    return TableFacts(
        table_id=table_id,
        main=any(each.main for each in found.associations),
        subnet_ids=[each.subnet_id for each in found.associations if each.subnet_id],
        routes=[
            RouteFacts(
                each.cidr_block,
                each.gateway_id
                or each.nat_gateway_id
                or each.transit_gateway_id
                or each.network_interface_id
                or each.vpc_peering_connection_id
                or each.vpc_endpoint_id
                or "another target",
            )
            for each in found.routes
        ],
    )


def _endpoint(
    settings: Settings, net: AdoptedNetwork, service: str, options: pulumi.InvokeOptions
) -> EndpointFacts | None:
    try:
        found = aws.ec2.get_vpc_endpoint(
            vpc_id=net.vpc_id,
            service_name=f"com.amazonaws.{settings.region}.{service}",
            vpc_endpoint_type="Interface",
            opts=options,
        )
    except Exception as error:
        if NOT_THERE in str(error):
            return None
        raise
    own = settings.all_tags
    return EndpointFacts(
        private_dns=found.private_dns_enabled,
        subnet_ids=found.subnet_ids,
        own=all(found.tags.get(key) == own[key] for key in ("bastide:name", "bastide:environment")),
    )

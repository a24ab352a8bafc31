"""Whether a VPC that somebody else owns can carry a region. docs/network.md has the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from bastide.plans.endpoints import NEEDED_WITHOUT_NAT
from bastide.settings import Settings
from bastide.settings.errors import Problem
from bastide.settings.network import AdoptedNetwork

INTERNET = "igw-"
"""How the ids of internet gateways start."""


@dataclass(frozen=True)
class SubnetFacts:
    """A subnet as EC2 describes it."""

    vpc_id: str
    zone: str
    cidr: str
    free_addresses: int
    public_addresses: bool
    """Whether instances get public addresses at launch."""


@dataclass(frozen=True)
class RouteFacts:
    """A route: its destination block ('' for a prefix list) and the id of what it leads to."""

    destination: str
    target: str


@dataclass(frozen=True)
class TableFacts:
    """A route table of the VPC, without local routes."""

    table_id: str
    main: bool
    subnet_ids: Sequence[str]
    routes: Sequence[RouteFacts]


@dataclass(frozen=True)
class EndpointFacts:
    """An interface endpoint: whether it answers to its service's own name, and whether the stack made it."""

    private_dns: bool
    subnet_ids: Sequence[str]
    own: bool


@dataclass(frozen=True)
class VpcFacts:
    """A VPC and what of it the stack would use."""

    cidrs: Sequence[str]
    dns_support: bool
    dns_hostnames: bool
    subnets: Mapping[str, SubnetFacts]
    """By subnet id."""
    tables: Sequence[TableFacts]
    endpoints: Mapping[str, EndpointFacts] = field(default_factory=dict)
    """Interface endpoints by service, of those that the stack needs or would make."""


def looked_for(net: AdoptedNetwork) -> list[str]:
    """Services whose interface endpoints have to be looked up."""
    wanted = {*net.interface_endpoints} if net.manage_endpoints else set()
    return sorted({*wanted, *NEEDED_WITHOUT_NAT})


def examine(settings: Settings, net: AdoptedNetwork, facts: VpcFacts) -> list[Problem]:
    """Everything for which the VPC cannot be used, at once."""
    return [
        *_vpc(net, facts),
        *(
            problem
            for zone in net.zones
            for problem in _subnet(net, zone, net.private_subnet_ids[zone], facts)
        ),
        *_endpoints(settings, net, facts),
    ]


def table_of(subnet_id: str, facts: VpcFacts) -> TableFacts | None:
    """The table that a subnet uses: its own, else the VPC's main one."""
    own = (each for each in facts.tables if subnet_id in each.subnet_ids)
    main = (each for each in facts.tables if each.main)
    return next(own, None) or next(main, None)


def _vpc(net: AdoptedNetwork, facts: VpcFacts) -> list[Problem]:
    found = []
    if str(net.cidr) not in facts.cidrs:
        found.append(
            Problem(
                "network.cidr",
                f"'{net.cidr}' is not a block of {net.vpc_id}; it has: {', '.join(facts.cidrs)}; set the one that the "
                "private subnets lie in",
            )
        )
    for name, on in (("enableDnsSupport", facts.dns_support), ("enableDnsHostnames", facts.dns_hostnames)):
        if not on:
            found.append(
                Problem(
                    "network.vpcId",
                    f"{net.vpc_id} has {name} off; nodes find the private API endpoint and AWS's services by names "
                    "inside the VPC; its owner turns it on",
                )
            )
    return found


def _subnet(net: AdoptedNetwork, zone: str, subnet_id: str, facts: VpcFacts) -> list[Problem]:
    path, subnet = f"network.privateSubnetIds.{zone}", facts.subnets.get(subnet_id)
    if subnet is None:
        return []  # that it could not be read is said already
    if subnet.vpc_id != net.vpc_id:
        return [
            Problem(
                path,
                f"{subnet_id!r} is in {subnet.vpc_id} and not in {net.vpc_id}; a node group is in one VPC; give a "
                "subnet of this one",
            )
        ]
    found = []
    if subnet.zone != zone:
        found.append(
            Problem(
                path,
                f"{subnet_id!r} is in zone {subnet.zone}; pools are placed by zone; put it under that one",
            )
        )
    if not IPv4Network(subnet.cidr).subnet_of(net.cidr):
        found.append(
            Problem(
                path,
                f"{subnet_id!r} has {subnet.cidr}, outside network.cidr '{net.cidr}', from which alone the API server "
                "and the endpoints are reached; give the block that the subnets lie in",
            )
        )
    if subnet.free_addresses < net.min_free_addresses:
        found.append(
            Problem(
                path,
                f"{subnet_id!r} has {subnet.free_addresses} free addresses; network.minFreeAddresses asks for "
                f"{net.min_free_addresses}; the API server's interfaces, nodes and pods each take one; give a larger "
                "subnet, or free some",
            )
        )
    if subnet.public_addresses:
        found.append(
            Problem(
                path,
                f"{subnet_id!r} gives instances public addresses (mapPublicIpOnLaunch); nodes must not be reachable "
                "from the internet; give a private subnet",
            )
        )
    return found + _routes(path, subnet_id, facts)


def _routes(path: str, subnet_id: str, facts: VpcFacts) -> list[Problem]:
    table = table_of(subnet_id, facts)
    if table is None:
        return [
            Problem(
                path,
                f"{subnet_id!r} has no route table that could be read; see the rights in docs/network.md",
            )
        ]
    open_routes = [each for each in table.routes if each.target.startswith(INTERNET)]
    return [
        Problem(
            path,
            f"{subnet_id!r} is public: its route table {table.table_id} leads {each.destination} to the internet "
            f"gateway {each.target}; nodes in it could be reached from the internet; give a private subnet",
        )
        for each in open_routes[:1]
    ]


def leads_out(subnet_id: str, facts: VpcFacts) -> bool:
    """Whether a subnet has a way to addresses outside, by NAT, a transit gateway or an appliance."""
    table = table_of(subnet_id, facts)
    anywhere = IPv4Address("8.8.8.8")
    return table is not None and any(
        each.destination and anywhere in IPv4Network(each.destination) for each in table.routes
    )


def _endpoints(settings: Settings, net: AdoptedNetwork, facts: VpcFacts) -> list[Problem]:
    return _unmanaged(settings, net, facts) + (_managed(net, facts) if net.manage_endpoints else [])


def _managed(net: AdoptedNetwork, facts: VpcFacts) -> list[Problem]:
    """Two endpoints for one name: EC2 refuses the second."""
    return [
        Problem(
            f"network.interfaceEndpoints[{index}]",
            f"{service!r} has an endpoint in {net.vpc_id} already, with the service's own name; EC2 refuses a second "
            "one of that name; take it out of the list, so that theirs is used",
        )
        for index, service in enumerate(net.interface_endpoints)
        if service in facts.endpoints
        and facts.endpoints[service].private_dns
        and not facts.endpoints[service].own
    ]


def _unmanaged(settings: Settings, net: AdoptedNetwork, facts: VpcFacts) -> list[Problem]:
    """What engines and, in subnets without a way out, nodes need and nobody makes."""
    closed = [zone for zone in net.zones if not leads_out(net.private_subnet_ids[zone], facts)]
    needed = dict(NEEDED_WITHOUT_NAT) if closed else {}
    if settings.engines:
        needed["s3"] = "engines may only send to addresses of the VPC, and get their models from it"
    made = set(net.interface_endpoints) if net.manage_endpoints else set()
    found = []
    for service, purpose in needed.items():
        there = facts.endpoints.get(service)
        if service in made or (there is not None and there.private_dns):
            continue
        why = (
            f", and subnets of {', '.join(closed)} have no other way to it"
            if closed and service != "s3"
            else ""
        )
        have = "an endpoint without private DNS" if there is not None else "no interface endpoint"
        found.append(
            Problem(
                "network.vpcId",
                f"{net.vpc_id} has {have} for {service!r}; {purpose}{why}; its owner makes one with private DNS, or "
                "set network.manageEndpoints",
            )
        )
    return found

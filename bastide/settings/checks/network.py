"""Checks of the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

from bastide.catalogues.zones import zones_of
from bastide.plans import network_plan
from bastide.plans.endpoints import NEEDED_WITHOUT_NAT, is_public, registry_of
from bastide.settings.checks.common import Check, retention
from bastide.settings.errors import Problem, choices
from bastide.settings.network import AdoptedNetwork, CreatedNetwork

if TYPE_CHECKING:
    from bastide.settings.root import Settings


_PRIVATE: Final = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""Where EKS wants the Service block to lie (API reference, KubernetesNetworkConfigRequest)."""


def zones(settings: Settings) -> Iterator[Problem]:
    """Zones of another region, ones that no account sees, or there twice."""
    net, known = settings.network, zones_of(settings.region)
    adopted = isinstance(net, AdoptedNetwork)
    for index, zone in enumerate(net.zones):
        path = f"network.privateSubnetIds.{zone}" if adopted else f"network.zones[{index}]"
        if not re.fullmatch(rf"{re.escape(settings.region)}[a-z]", zone):
            yield Problem(
                path,
                f"{zone!r} is not a zone of region {settings.region!r}; allowed: "
                f"{', '.join(known) or f'{settings.region} and one letter'}; a subnet can only be in its VPC's "
                "region; change the zone or bastide:cloud.region",
            )
        elif known and zone not in known:
            yield Problem(
                path,
                f"{zone!r} does not exist{choices(zone, known)}; these are the zones of {settings.region}; choose one",
            )
        if zone in net.zones[:index]:
            yield Problem(path, f"{zone!r} is there twice; each zone has one pair of subnets; remove one")


def _fits_vpc(block: IPv4Network) -> bool:
    return network_plan.MIN_SUBNET_PREFIX <= block.prefixlen <= network_plan.MAX_SUBNET_PREFIX


def _fits_services(block: IPv4Network) -> bool:
    return 12 <= block.prefixlen <= 24 and any(block.subnet_of(each) for each in _PRIVATE)


def _vpc_block(settings: Settings) -> Iterator[Problem]:
    low, high = network_plan.MIN_SUBNET_PREFIX, network_plan.MAX_SUBNET_PREFIX
    cidr = settings.network.cidr
    if not _fits_vpc(cidr):
        yield Problem(
            "network.cidr",
            f"'{cidr}' is not a VPC block; allowed: /{low} to /{high}; AWS takes no other; resize it",
        )


def _subnets(settings: Settings) -> Iterator[Problem]:
    net = settings.network
    if isinstance(net, AdoptedNetwork):
        return  # theirs are there already
    if not _fits_vpc(net.cidr):
        return  # said already: what cannot be a VPC is not cut into subnets
    try:
        network_plan.plan(net.cidr, list(net.zones), net.private_prefix, net.public_prefix)
    except network_plan.NetworkPlanError as error:
        yield Problem("network.privatePrefix", f"{net.private_prefix} does not work: {error}")


def _adopted_subnets(settings: Settings) -> Iterator[Problem]:
    net = settings.network
    if not isinstance(net, AdoptedNetwork):
        return
    seen: dict[str, str] = {}
    for zone, subnet in sorted(net.private_subnet_ids.items()):
        if subnet in seen:
            yield Problem(
                f"network.privateSubnetIds.{zone}",
                f"{subnet!r} is the subnet of {seen[subnet]} too; a subnet lies in one zone; give this zone's own",
            )
        seen.setdefault(subnet, zone)


def _overlaps(settings: Settings) -> Iterator[Problem]:
    net = settings.network
    named = [("network.cidr", net.cidr), ("cluster.serviceCidr", settings.cluster.service_cidr)]
    named += [(f"network.reservedCidrs[{index}]", block) for index, block in enumerate(net.reserved_cidrs)]
    blocks = dict(named)
    mistaken = set()
    if not _fits_vpc(net.cidr):
        mistaken.add("network.cidr")
    if not _fits_services(settings.cluster.service_cidr):
        mistaken.add("cluster.serviceCidr")
    for first, second in network_plan.overlapping(named):
        if mistaken & {first, second}:
            continue  # said already, and it moves anyway
        if first.startswith("network.reservedCidrs"):
            continue  # what others reserve may overlap among them: only ours must stay clear
        yield Problem(
            second,
            f"'{blocks[second]}' overlaps bastide:{first} '{blocks[first]}'; addresses in both could "
            "not be routed; "
            "move one of them",
        )


def _service_block(settings: Settings) -> Iterator[Problem]:
    block = settings.cluster.service_cidr
    if not _fits_services(block):
        yield Problem(
            "cluster.serviceCidr",
            f"'{block}' is not a Service block; allowed: /12 to /24 inside {', '.join(map(str, _PRIVATE))}; "
            "EKS takes no other; choose one such as 172.20.0.0/16",
        )


def _endpoints(settings: Settings) -> Iterator[Problem]:
    net = settings.network
    services = net.interface_endpoints
    for index, service in enumerate(services):
        if service in services[:index]:
            yield Problem(
                f"network.interfaceEndpoints[{index}]",
                f"{service!r} is there twice; one serves all; remove one",
            )
    if isinstance(net, AdoptedNetwork) or net.nat == "none":
        return  # theirs are judged when the VPC is read; without NAT more than this one is needed
    if settings.engines and "s3" not in services:
        yield Problem(
            "network.interfaceEndpoints",
            "has no 's3' while there are engines; engines may only send to addresses of the VPC, and without this "
            "endpoint S3 has none, so no engine would get its model; add it",
        )


def _without_nat(settings: Settings) -> Iterator[Problem]:
    """Without a way to the internet every service that nodes call needs an endpoint."""
    net = settings.network
    if isinstance(net, AdoptedNetwork) or net.nat != "none":
        return
    for service, purpose in NEEDED_WITHOUT_NAT.items():
        if service not in net.interface_endpoints:
            yield Problem(
                "network.interfaceEndpoints",
                f"has no {service!r} while network.nat is 'none'; {purpose}, and there is no other way to it; add it",
            )


def _images_without_nat(settings: Settings) -> Iterator[Problem]:
    """Without a way to the internet no public registry can be reached."""
    net = settings.network
    if isinstance(net, AdoptedNetwork) or net.nat != "none":
        return
    own = f"{settings.account_id}.dkr.ecr.{settings.region}.amazonaws.com"
    unused = settings.unused_images()
    for field, info in type(settings.images).model_fields.items():
        repository = getattr(settings.images, field).repository
        if field not in unused and is_public(repository):
            yield Problem(
                f"images.{info.alias}.repository",
                f"{repository!r} is in the public registry {registry_of(repository)} while network.nat is 'none'; "
                f"nodes could not pull it; copy the image to a registry that they reach, such as {own}, and give "
                "that one",
            )


def _public_subnets(settings: Settings) -> Iterator[Problem]:
    net = settings.network
    if isinstance(net, CreatedNetwork) and not net.public_subnets and net.nat != "none":
        yield Problem(
            "network.publicSubnets",
            f"False does not go with network.nat {net.nat!r}; NAT gateways stand in public subnets; set nat to 'none', "
            "or leave the public subnets",
        )


def _flow_log_retention(settings: Settings) -> Iterator[Problem]:
    if isinstance(settings.network, CreatedNetwork):
        yield from retention("network.flowLogRetentionDays", settings.network.flow_log_retention_days)


CHECKS: Final[tuple[Check, ...]] = (
    zones,
    _vpc_block,
    _subnets,
    _adopted_subnets,
    _public_subnets,
    _overlaps,
    _service_block,
    _endpoints,
    _without_nat,
    _images_without_nat,
    _flow_log_retention,
)

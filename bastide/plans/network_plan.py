"""Subnet arithmetic: which block of the VPC each zone's subnets get.

The VPC is cut into blocks of the private subnet's size. Zone number i takes block i for its private subnet;
the last block is cut into public subnets. So a zone added at the end never moves the others (a subnet's
block is create-only in EC2: a move would replace it and everything in it)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice
from typing import Final

MIN_SUBNET_PREFIX: Final = 16
MAX_SUBNET_PREFIX: Final = 28
"""VPC and subnet blocks are /16 to /28 (Amazon VPC user guide, "VPC CIDR blocks")."""

AWS_RESERVED_ADDRESSES: Final = 5
"""Addresses of every subnet that AWS keeps: the first four and the last (Amazon VPC user guide, "Subnet
sizing")."""


class NetworkPlanError(ValueError):
    """The wanted subnets do not fit; the text states value, limit and what to do."""


@dataclass(frozen=True)
class ZonePlan:
    """One zone and its two blocks."""

    zone: str
    private: IPv4Network
    public: IPv4Network

    @property
    def private_addresses(self) -> int:
        """Usable addresses of the private subnet."""
        return self.private.num_addresses - AWS_RESERVED_ADDRESSES


def plan(cidr: IPv4Network, zones: list[str], private_prefix: int, public_prefix: int) -> list[ZonePlan]:
    """The blocks of each zone, in the order of `zones`. Raises NetworkPlanError when they do not fit in
    `cidr`."""
    if not zones:
        raise NetworkPlanError("no zones given: at least one is needed")
    if private_prefix <= cidr.prefixlen:
        raise NetworkPlanError(
            f"a private subnet of /{private_prefix} leaves no room in {cidr}: "
            f"use a prefix of at least /{cidr.prefixlen + 1}, or a larger VPC block"
        )
    if public_prefix < private_prefix:
        raise NetworkPlanError(
            f"public subnets of /{public_prefix} are larger than private ones of /{private_prefix}: "
            f"public subnets hold only load balancers and NAT; use /{private_prefix} or longer"
        )
    blocks = 2 ** (private_prefix - cidr.prefixlen)
    if len(zones) > blocks - 1:
        raise NetworkPlanError(
            f"{len(zones)} zones with private subnets of /{private_prefix} need {len(zones) + 1} blocks "
            f"(one holds the public subnets), and {cidr} has {blocks}: "
            "use a longer prefix or a larger VPC block"
        )
    public_slots = 2 ** (public_prefix - private_prefix)
    if len(zones) > public_slots:
        raise NetworkPlanError(
            f"{len(zones)} public subnets of /{public_prefix} do not fit in one block of "
            f"/{private_prefix}, which holds {public_slots}: use a longer public prefix"
        )
    first = int(cidr.network_address)
    block_size = 2 ** (32 - private_prefix)
    last_block = IPv4Network((first + (blocks - 1) * block_size, private_prefix))
    publics = islice(last_block.subnets(new_prefix=public_prefix), len(zones))
    return [
        ZonePlan(zone, IPv4Network((first + index * block_size, private_prefix)), public)
        for index, (zone, public) in enumerate(zip(zones, publics, strict=True))
    ]


def overlapping(named: list[tuple[str, IPv4Network]]) -> list[tuple[str, str]]:
    """Pairs of names whose blocks share an address, each pair once, in the order given."""
    return [
        (name, other)
        for index, (name, block) in enumerate(named)
        for other, other_block in named[index + 1 :]
        if block.overlaps(other_block)
    ]

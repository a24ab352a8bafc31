"""What is not a pod: the internet, the VPC, what a node answers for. Pure.

A place is some networks. What policies say of it can differ from address to address, so it is cut at every boundary
that a policy names, and each piece is judged by one of its addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_network
from typing import Final

from sandbox.reachability import policies
from sandbox.reachability.objects import Cluster, Outside, Pod
from sandbox.reachability.policies import Admitted, Direction, Network

METADATA: Final = "169.254.169.254/32"
"""The instance metadata service, at which a node's own credentials are (EC2 user guide, "Instance metadata")."""

POD_IDENTITY: Final = "169.254.170.23/32"
"""The EKS Pod Identity agent of the node, at which a pod gets its role (EKS user guide, "EKS Pod Identity
considerations")."""

NOT_INTERNET: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
)
"""What no address of the internet lies in (IANA, IPv4 Special-Purpose Address Registry; multicast and reserved)."""


@dataclass(frozen=True)
class Place:
    """Some networks under one name."""

    name: str
    networks: tuple[Network, ...]


@dataclass(frozen=True)
class Piece:
    """A part of a place for which the same holds."""

    networks: tuple[Network, ...]
    admitted: Admitted
    whole: bool
    """Whether it is the whole place."""


def place(name: str, blocks: Iterable[str], without: Iterable[str] = ()) -> Place:
    """A place of these networks, less others."""
    found: list[Network] = [ip_network(block) for block in blocks]
    for hole in without:
        found = [part for each in found for part in _without(each, ip_network(hole))]
    return Place(name, tuple(found))


def internet(own: Sequence[str] = ()) -> Place:
    """All public IPv4 addresses, less the cluster's own networks."""
    return place("internet", ("0.0.0.0/0",), (*NOT_INTERNET, *own))


def pieces(cluster: Cluster, pod: Pod, direction: Direction, there: Place) -> list[Piece]:
    """What the pod's policies say of each part of a place, the largest part first."""
    found: dict[Admitted, list[Network]] = {}
    for part in _cut(there.networks, policies.blocks(cluster)):
        admitted = policies.one_way(cluster, pod, direction, Outside(part.network_address))
        found.setdefault(admitted, []).append(part)
    all_of_it = [
        Piece(tuple(collapse_addresses(parts)), admitted, len(found) == 1)  # type: ignore[type-var]
        for admitted, parts in found.items()
    ]
    return sorted(all_of_it, key=lambda each: -sum(part.num_addresses for part in each.networks))


def _cut(networks: Iterable[Network], at: Iterable[Network]) -> list[Network]:
    parts = list(networks)
    for block in sorted(set(at), key=lambda each: (each.version, each.prefixlen)):
        parts = [
            piece
            for part in parts
            for piece in ((*_without(part, block), block) if _inside(block, part) else (part,))
        ]
    return parts


def _inside(block: Network, part: Network) -> bool:
    return block.version == part.version and block != part and block.subnet_of(part)  # type: ignore[arg-type]


def _without(network: Network, hole: Network) -> list[Network]:
    """A network less another one."""
    if network.version != hole.version or not network.overlaps(hole):
        return [network]
    if network.subnet_of(hole):  # type: ignore[arg-type]
        return []
    return list(network.address_exclude(hole))  # type: ignore[arg-type]

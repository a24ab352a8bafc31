"""Addresses of pods: from the subnet of their node, from its end downwards, as secondary addresses would
be."""

from __future__ import annotations

import ipaddress
from threading import Lock


class AddressPool:
    """Hands out addresses that neither another pod nor a node has. Instances take random addresses of a
    subnet."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}
        self._used: set[str] = set()
        self._lock = Lock()

    def take(self, owner: str, subnet_cidr: str, reserved: set[str]) -> str:
        """The owner's address: the same on every call, else the highest free one that is not `reserved`.

        When the subnet is full it raises `LookupError`, as the VPC CNI has no address to give.
        """
        with self._lock:
            if owner in self._taken:
                return self._taken[owner]
            network = ipaddress.ip_network(subnet_cidr)
            # AWS keeps a subnet's last address and its first four for itself (VPC user guide, "Subnet CIDR
            # blocks").
            for number in range(int(network.broadcast_address) - 1, int(network.network_address) + 3, -1):
                address = str(ipaddress.ip_address(number))
                if address not in self._used and address not in reserved:
                    self._taken[owner] = address
                    self._used.add(address)
                    return address
        raise LookupError(f"subnet {subnet_cidr} has no free address left")

    def release(self, owner: str) -> None:
        """Gives the owner's address back; no error if it has none."""
        with self._lock:
            self._used.discard(self._taken.pop(owner, ""))

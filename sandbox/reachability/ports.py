"""Sets of ports of one host: by protocol, ranges that neither overlap nor touch. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
"""All that a NetworkPolicy can name (API reference, NetworkPolicyPort.protocol)."""

LAST: Final = 65535

Range = tuple[str, int, int]
"""Protocol, first and last port."""


@dataclass(frozen=True)
class Ports:
    """Immutable; make one by `ports`."""

    ranges: tuple[Range, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __or__(self, other: Ports) -> Ports:
        return ports([*self.ranges, *other.ranges])

    def __and__(self, other: Ports) -> Ports:
        both = (
            (protocol, max(low, other_low), min(high, other_high))
            for protocol, low, high in self.ranges
            for other_protocol, other_low, other_high in other.ranges
            if protocol == other_protocol
        )
        return ports(each for each in both if each[1] <= each[2])

    def __le__(self, other: Ports) -> bool:
        return self & other == self

    def holds(self, protocol: str, port: int) -> bool:
        """Whether this port is among them."""
        return any(name == protocol and low <= port <= high for name, low, high in self.ranges)

    def __str__(self) -> str:
        if self == ALL:
            return "every port"
        words = []
        for protocol, low, high in self.ranges:
            if (low, high) == (1, LAST):
                words.append(f"every {protocol} port")
            else:
                words.append(f"{protocol} {low}" if low == high else f"{protocol} {low} to {high}")
        return ", ".join(words) or "none"


def ports(ranges: Iterable[Range]) -> Ports:
    """The set of all ports of these ranges."""
    joined: list[Range] = []
    for protocol, low, high in sorted(ranges, key=lambda each: (PROTOCOLS.index(each[0]), each[1], each[2])):
        if joined and joined[-1][0] == protocol and low <= joined[-1][2] + 1:
            joined[-1] = (protocol, joined[-1][1], max(high, joined[-1][2]))
        else:
            joined.append((protocol, low, high))
    return Ports(tuple(joined))


ALL: Final = ports((protocol, 1, LAST) for protocol in PROTOCOLS)
NONE: Final = Ports()

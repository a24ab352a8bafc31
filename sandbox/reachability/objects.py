"""What an evaluation knows of a cluster: namespaces, pods, addresses, and label selectors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

Object = Mapping[str, Any]
Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class NamedPort:
    """A container's port that has a name."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    """A pod, there or imagined. `addresses` is empty while it has none, and of an imagined one."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    named_ports: tuple[NamedPort, ...] = ()
    """Of its ordinary containers. EKS's network policy controller looks at no init container, not even at one that
    goes on as a sidecar (amazon-network-policy-controller-k8s, `LookupContainerPortAndName`), so a policy that names
    such a port opens nothing."""
    addresses: tuple[Address, ...] = ()
    host_network: bool = False
    owner: str = ""
    """`Kind/name` of what made it, or nothing."""


@dataclass(frozen=True)
class Outside:
    """One address that is no pod's."""

    address: Address


@dataclass(frozen=True)
class OwnNode:
    """The node that the pod in question runs on: its kubelet and its host-network pods."""


Peer = Pod | Outside | OwnNode


@dataclass(frozen=True)
class Cluster:
    """Labels of each namespace, and all policies as the API server gives them."""

    namespaces: Mapping[str, Mapping[str, str]]
    policies: tuple[Object, ...]


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector holds. An empty one holds for everything; None, which is no selector, for nothing
    (API reference, LabelSelector)."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or ())


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":  # holds too for who has no such label
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"{other!r} is not an operator of a label selector")

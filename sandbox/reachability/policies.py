"""What NetworkPolicies let through: networking.k8s.io/v1 by its API reference, and by nothing else. Pure.

The rules, from the API reference (NetworkPolicySpec, NetworkPolicyPeer, NetworkPolicyPort) and the concept page:
- A pod that no policy of a direction selects is open in that direction; one that is selected is closed but for what
  some rule of some policy admits. A connection needs the source's egress and the target's ingress.
- Policies do not bind pods in the host's network, and selectors do not find them: their address is the node's.
- A pod reaches itself, and its own node reaches it, whatever a policy says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, Literal

from sandbox.reachability.objects import Address, Cluster, Object, Outside, OwnNode, Peer, Pod, selects
from sandbox.reachability.ports import ALL, LAST, NONE, Ports, ports

Network = IPv4Network | IPv6Network
Direction = Literal["Ingress", "Egress"]

_PEERS: Final = {"Ingress": "from", "Egress": "to"}


@dataclass(frozen=True)
class Admitted:
    """The ports that are open, and why: names of policies, or a sentence."""

    ports: Ports
    because: tuple[str, ...] = ()


def directions(policy: Object) -> set[str]:
    """The directions that a policy closes. Without `policyTypes`: ingress, and egress where it has rules for it."""
    spec = policy["spec"]
    given = spec.get("policyTypes")
    if given:
        return set(given)
    return {"Ingress", "Egress"} if spec.get("egress") else {"Ingress"}


def governing(cluster: Cluster, pod: Pod, direction: Direction) -> list[Object]:
    """The policies that close this direction of the pod."""
    if pod.host_network:
        return []
    return [
        policy
        for policy in cluster.policies
        if policy["metadata"]["namespace"] == pod.namespace
        and direction in directions(policy)
        and selects(policy["spec"].get("podSelector") or {}, pod.labels)
    ]


def one_way(cluster: Cluster, pod: Pod, direction: Direction, peer: Peer) -> Admitted:
    """What the pod's own policies let in from, or out to, the peer."""
    if peer == pod and pod.name:
        return Admitted(ALL, ("a pod reaches itself",))
    if isinstance(peer, OwnNode) and direction == "Ingress":
        return Admitted(ALL, ("a node reaches its own pods",))
    policies = governing(cluster, pod, direction)
    if not policies:
        host = "policies do not bind the host's network"
        return Admitted(ALL, (host if pod.host_network else f"no policy closes its {direction.lower()}",))
    admitted, because = NONE, []
    for policy in policies:
        found = _by_policy(cluster, policy, direction, pod, peer)
        if found:
            because.append(str(policy["metadata"]["name"]))
            admitted |= found
    return Admitted(admitted, tuple(because))


def reach(cluster: Cluster, source: Peer, target: Peer) -> Admitted:
    """On which ports the source reaches the target. What is no pod has no policies of its own."""
    out = one_way(cluster, source, "Egress", target) if isinstance(source, Pod) else Admitted(ALL)
    into = one_way(cluster, target, "Ingress", source) if isinstance(target, Pod) else Admitted(ALL)
    both = out.ports & into.ports
    return Admitted(both, tuple(dict.fromkeys((*out.because, *into.because))) if both else ())


def _by_policy(cluster: Cluster, policy: Object, direction: Direction, pod: Pod, peer: Peer) -> Ports:
    found = NONE
    target = pod if direction == "Ingress" else peer
    for rule in policy["spec"].get(direction.lower()) or ():
        peers = rule.get(_PEERS[direction])
        if not peers or any(_is_peer(cluster, policy, each, peer) for each in peers):
            found |= _ports(rule.get("ports"), target)
    return found


def _is_peer(cluster: Cluster, policy: Object, given: Object, peer: Peer) -> bool:
    block = given.get("ipBlock")
    if block is not None:
        return any(_in_block(block, address) for address in _addresses(peer))
    if not isinstance(peer, Pod) or peer.host_network:
        return False
    spaces = given.get("namespaceSelector")
    if spaces is None:
        if peer.namespace != policy["metadata"]["namespace"]:
            return False
    elif not selects(spaces, cluster.namespaces.get(peer.namespace, {})):
        return False
    pods = given.get("podSelector")
    # Without a selector of pods all of the chosen namespaces' are meant; with neither, the peer means nobody.
    return selects(pods, peer.labels) if pods is not None else spaces is not None


def _addresses(peer: Peer) -> tuple[Address, ...]:
    match peer:
        case Outside(address):
            return (address,)
        case Pod():
            return peer.addresses
        case _:
            return ()


def _in_block(block: Object, address: Address) -> bool:
    inside, *excepted = _networks(block)
    return address in inside and not any(address in each for each in excepted)


def _networks(block: Object) -> list[Network]:
    return [ip_network(each, strict=False) for each in (block["cidr"], *(block.get("except") or ()))]


def blocks(cluster: Cluster) -> Iterator[Network]:
    """Every network that some policy names, exceptions included."""
    for policy in cluster.policies:
        for direction, key in _PEERS.items():
            for rule in policy["spec"].get(direction.lower()) or ():
                for peer in rule.get(key) or ():
                    if peer.get("ipBlock") is not None:
                        yield from _networks(peer["ipBlock"])


def _ports(given: Any, target: Peer) -> Ports:
    if not given:
        return ALL
    return ports(each for item in given for each in _port(item, target))


def _port(item: Object, target: Peer) -> Iterator[tuple[str, int, int]]:
    protocol, port = item.get("protocol") or "TCP", item.get("port")
    if port is None:
        yield protocol, 1, LAST
    elif isinstance(port, int):
        yield protocol, port, item.get("endPort") or port
    elif isinstance(target, Pod):  # a name means nothing at an address that is no pod's
        for each in target.named_ports:
            if (each.name, each.protocol) == (port, protocol):
                yield protocol, each.number, each.number

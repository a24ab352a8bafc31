"""What holds of every set of NetworkPolicies: rules only add, policies only close, and a slow second evaluation of one
connection at a time, written apart, agrees."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.reachability import places
from sandbox.reachability.objects import Cluster, NamedPort, Outside, Pod
from sandbox.reachability.policies import one_way, reach
from sandbox.reachability.ports import ALL, Ports, ports

NAMESPACES = {"a": {"team": "a"}, "b": {"team": "b"}, "c": {}}
PODS = [
    Pod(space, f"{space}-{app}", {"app": app}, (NamedPort("http", "TCP", 80),), (ip_address(address),))
    for space, app, address in (
        ("a", "x", "10.0.0.1"),
        ("a", "y", "10.0.0.2"),
        ("b", "x", "10.0.1.1"),
        ("c", "z", "10.1.0.1"),
    )
]
OUTSIDE = [Outside(ip_address(each)) for each in ("8.8.8.8", "10.0.0.200", "169.254.169.254")]
TRIED = [("TCP", 80), ("TCP", 443), ("UDP", 53), ("TCP", 65535), ("SCTP", 1)]

labels = st.dictionaries(
    st.sampled_from(["app", "team"]), st.sampled_from(["x", "y", "z", "a", "b"]), max_size=1
)
expressions = st.lists(
    st.one_of(
        st.builds(
            lambda key, operator, values: {"key": key, "operator": operator, "values": values},
            st.sampled_from(["app", "team"]),
            st.sampled_from(["In", "NotIn"]),
            st.lists(st.sampled_from(["x", "y", "a"]), min_size=1, max_size=2),
        ),
        st.builds(
            lambda key, operator: {"key": key, "operator": operator},
            st.sampled_from(["app", "team"]),
            st.sampled_from(["Exists", "DoesNotExist"]),
        ),
    ),
    max_size=1,
)
selectors = st.builds(lambda a, b: {"matchLabels": a, "matchExpressions": b}, labels, expressions)
blocks = st.sampled_from(
    [
        {"cidr": "0.0.0.0/0"},
        {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "169.254.169.254/32"]},
        {"cidr": "10.0.0.0/16", "except": ["10.0.0.2/32"]},
        {"cidr": "10.0.0.0/24"},
        {"cidr": "2001:db8::/32"},
    ]
)
peers = st.one_of(
    st.builds(lambda block: {"ipBlock": block}, blocks),
    st.builds(lambda each: {"podSelector": each}, selectors),
    st.builds(lambda each: {"namespaceSelector": each}, selectors),
    st.builds(lambda a, b: {"podSelector": a, "namespaceSelector": b}, selectors, selectors),
)
some_ports = st.lists(
    st.sampled_from(
        [
            {"port": 80},
            {"port": "http"},
            {"port": "none"},
            {"protocol": "UDP", "port": 53},
            {"protocol": "SCTP"},
            {"port": 1, "endPort": 500},
            {},
        ]
    ),
    max_size=2,
)


@st.composite
def rules(draw: Any, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found[key] = draw(st.lists(peers, max_size=2))
    if draw(st.booleans()):
        found["ports"] = draw(some_ports)
    return found


@st.composite
def policies(draw: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": draw(selectors)}
    if draw(st.booleans()):
        spec["ingress"] = draw(st.lists(rules("from"), max_size=2))
    if draw(st.booleans()):
        spec["egress"] = draw(st.lists(rules("to"), max_size=2))
    types = draw(st.sampled_from([None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]]))
    if types is not None:
        spec["policyTypes"] = types
    return {"metadata": {"name": "p", "namespace": draw(st.sampled_from(["a", "b"]))}, "spec": spec}


clusters = st.lists(policies(), max_size=4).map(lambda found: Cluster(NAMESPACES, tuple(found)))
ends = st.sampled_from([*PODS, *OUTSIDE])


@given(clusters, ends, st.sampled_from(PODS), st.data())
def test_a_further_rule_never_takes_reach_away(found: Cluster, source: Any, target: Pod, data: Any) -> None:
    if not found.policies:
        return
    index = data.draw(st.integers(0, len(found.policies) - 1))
    old = found.policies[index]
    # With the types said, so that the rule cannot close a direction that was open before.
    spec = {"policyTypes": ["Ingress", "Egress"], **old["spec"]}
    before = [*found.policies[:index], {**old, "spec": spec}, *found.policies[index + 1 :]]
    key, peer = data.draw(st.sampled_from([("ingress", "from"), ("egress", "to")]))
    more = {**spec, key: [*spec.get(key, []), data.draw(rules(peer))]}
    after = [*found.policies[:index], {**old, "spec": more}, *found.policies[index + 1 :]]
    was = reach(Cluster(NAMESPACES, tuple(before)), source, target).ports
    assert was <= reach(Cluster(NAMESPACES, tuple(after)), source, target).ports


@given(clusters, ends, st.sampled_from(PODS))
def test_a_policy_without_rules_never_opens_anything(found: Cluster, source: Any, target: Pod) -> None:
    shut = tuple(
        {
            "metadata": {"name": "shut", "namespace": space},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        }
        for space in NAMESPACES
    )
    less = Cluster(NAMESPACES, found.policies + shut)
    assert reach(less, source, target).ports <= reach(found, source, target).ports


@given(clusters, ends, st.sampled_from(PODS))
def test_the_order_of_policies_does_not_matter(found: Cluster, source: Any, target: Pod) -> None:
    turned = Cluster(NAMESPACES, tuple(reversed(found.policies)))
    assert reach(turned, source, target).ports == reach(found, source, target).ports


@settings(max_examples=300)
@given(clusters, st.sampled_from(PODS), ends)
def test_every_connection_is_judged_as_by_a_second_evaluation(
    found: Cluster, pod: Pod, other: Pod | Outside
) -> None:
    for source, target in ((pod, other), (other, pod)):
        judged = reach(found, source, target).ports
        for protocol, port in TRIED:
            wanted = plainly(found, source, target, protocol, port)
            assert judged.holds(protocol, port) is wanted, (source, target, protocol, port)


@given(clusters, st.sampled_from(PODS), st.sampled_from(["Ingress", "Egress"]), st.integers(0, 2**32 - 1))
def test_each_address_of_a_place_is_as_its_piece(
    found: Cluster, pod: Pod, direction: Any, number: int
) -> None:
    there = places.place("everything", ["0.0.0.0/0"])
    cut = places.pieces(found, pod, direction, there)
    assert sum(network.num_addresses for piece in cut for network in piece.networks) == 2**32
    address = ip_address(number)
    (piece,) = [piece for piece in cut if any(address in network for network in piece.networks)]
    assert piece.admitted == one_way(found, pod, direction, Outside(address))
    assert piece.whole is (len(cut) == 1)


@given(
    st.lists(st.tuples(st.sampled_from(["TCP", "UDP"]), st.integers(1, 30), st.integers(1, 30)), max_size=6)
)
def test_sets_of_ports_are_sets(given_ranges: list[tuple[str, int, int]]) -> None:
    ranges = [(protocol, min(a, b), max(a, b)) for protocol, a, b in given_ranges]
    found = ports(ranges)
    plain = {(protocol, port) for protocol, low, high in ranges for port in range(low, high + 1)}
    assert {(p, port) for p in ("TCP", "UDP") for port in range(1, 31) if found.holds(p, port)} == plain
    assert found & ALL == found
    assert found | ALL == ALL
    assert found | Ports() == found


def plainly(found: Cluster, source: Any, target: Any, protocol: str, port: int) -> bool:
    """One connection, sentence by sentence of the API reference."""
    if source == target:
        return True
    return _lets(found, source, "Egress", "to", target, target, protocol, port) and _lets(
        found, target, "Ingress", "from", source, target, protocol, port
    )


def _lets(
    found: Cluster, pod: Any, kind: str, key: str, peer: Any, target: Any, protocol: str, port: int
) -> bool:
    if isinstance(pod, Outside):
        return True
    closed = opened = False
    for policy in found.policies:
        spec = policy["spec"]
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if kind not in types or policy["metadata"]["namespace"] != pod.namespace:
            continue
        if not _matches(spec["podSelector"], pod.labels):
            continue
        closed = True
        for rule in spec.get(kind.lower(), []):
            from_all = not rule.get(key)
            to_all = not rule.get("ports")
            if (from_all or any(_peer(policy, each, peer) for each in rule[key])) and (
                to_all or any(_port(each, target, protocol, port) for each in rule["ports"])
            ):
                opened = True
    return opened or not closed


def _matches(selector: dict[str, Any], has: Any) -> bool:
    if any(has.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", []):
        there, value = each["key"] in has, has.get(each["key"])
        right = {
            "In": there and value in each.get("values", []),
            "NotIn": not (there and value in each.get("values", [])),
            "Exists": there,
            "DoesNotExist": not there,
        }
        if not right[each["operator"]]:
            return False
    return True


def _peer(policy: Any, each: dict[str, Any], peer: Any) -> bool:
    if "ipBlock" in each:
        address = peer.address if isinstance(peer, Outside) else peer.addresses[0]
        inside = address in ip_network(each["ipBlock"]["cidr"])
        return inside and all(address not in ip_network(hole) for hole in each["ipBlock"].get("except", []))
    if isinstance(peer, Outside):
        return False
    if "namespaceSelector" in each:
        right_place = _matches(each["namespaceSelector"], NAMESPACES[peer.namespace])
    else:
        right_place = peer.namespace == policy["metadata"]["namespace"]
    return right_place and ("podSelector" not in each or _matches(each["podSelector"], peer.labels))


def _port(each: dict[str, Any], target: Any, protocol: str, port: int) -> bool:
    if each.get("protocol", "TCP") != protocol:
        return False
    wanted = each.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return isinstance(target, Pod) and any(
            named.name == wanted and named.protocol == protocol and named.number == port
            for named in target.named_ports
        )
    return bool(wanted <= port <= each.get("endPort", wanted))

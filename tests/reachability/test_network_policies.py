"""NetworkPolicies mean what the API reference says (networking.k8s.io/v1): one case for each sentence of it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from sandbox.reachability.objects import Cluster, NamedPort, Outside, OwnNode, Pod, selects
from sandbox.reachability.policies import directions, one_way, reach
from sandbox.reachability.ports import ALL, NONE, ports

NAMESPACES = {
    "mine": {"team": "a", "kubernetes.io/metadata.name": "mine"},
    "other": {"team": "b"},
    "bare": {},
}
WEB = Pod("mine", "web", {"app": "web"}, (NamedPort("http", "TCP", 8000), NamedPort("dns", "UDP", 53)))
PEER = Pod("mine", "peer", {"app": "peer", "tier": "x"}, addresses=(ip_address("10.0.0.9"),))
FAR = Pod("other", "far", {"app": "peer"})
BARE = Pod("bare", "bare", {})
INTERNET = Outside(ip_address("8.8.8.8"))


def policy(spec: dict[str, Any], name: str = "p", namespace: str = "mine") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def cluster(*specs: dict[str, Any]) -> Cluster:
    return Cluster(NAMESPACES, tuple(policy(each, f"p{number}") for number, each in enumerate(specs)))


def ingress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": list(rules), **more}


def egress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": "web"}}, "egress": list(rules), **more}


@pytest.mark.parametrize(
    ("spec", "closed"),
    [
        ({}, {"Ingress"}),
        ({"ingress": []}, {"Ingress"}),
        ({"egress": []}, {"Ingress"}),  # an empty list is no rule
        ({"egress": [{}]}, {"Ingress", "Egress"}),
        ({"policyTypes": ["Egress"]}, {"Egress"}),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, {"Egress"}),
        ({"policyTypes": ["Ingress"], "egress": [{}]}, {"Ingress"}),
        ({"policyTypes": ["Ingress", "Egress"]}, {"Ingress", "Egress"}),
    ],
)
def test_the_directions_of_a_policy(spec: dict[str, Any], closed: set[str]) -> None:
    assert directions(policy(spec)) == closed


def test_without_a_policy_everything_is_open() -> None:
    for peer in (PEER, FAR, BARE, INTERNET):
        assert reach(cluster(), peer, WEB).ports == ALL
        assert reach(cluster(), WEB, peer).ports == ALL


def test_a_policy_of_another_namespace_or_for_other_labels_closes_nothing() -> None:
    shut = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    elsewhere = Cluster(NAMESPACES, (policy(shut, namespace="other"),))
    assert reach(elsewhere, PEER, WEB).ports == ALL
    others = cluster({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]})
    assert reach(others, PEER, WEB).ports == ALL


@pytest.mark.parametrize("selector", [{}, None])
def test_an_empty_pod_selector_of_a_policy_is_every_pod_of_its_namespace(selector: Any) -> None:
    found = cluster({"podSelector": selector, "policyTypes": ["Ingress"]})
    assert reach(found, FAR, WEB).ports == NONE
    assert reach(found, WEB, FAR).ports == ALL


@pytest.mark.parametrize(
    ("peers", "admitted"),
    [
        ({}, {"PEER", "FAR", "BARE", "INTERNET"}),  # no `from`: everybody
        ({"from": []}, {"PEER", "FAR", "BARE", "INTERNET"}),  # an empty one too
        ({"from": [{"podSelector": {}}]}, {"PEER"}),  # all pods of the policy's own namespace
        ({"from": [{"namespaceSelector": {}}]}, {"PEER", "FAR", "BARE"}),  # all pods of all namespaces
        ({"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}, {"FAR"}),
        ({"from": [{"podSelector": {"matchLabels": {"app": "peer"}}}]}, {"PEER"}),
        # Both selectors in one element are and, in two elements or.
        (
            {"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "peer"}}}]},
            {"PEER", "FAR"},
        ),
        (
            {
                "from": [
                    {"namespaceSelector": {"matchLabels": {"team": "b"}}},
                    {"podSelector": {"matchLabels": {"tier": "x"}}},
                ]
            },
            {"PEER", "FAR"},
        ),
        (
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"team": "b"}},
                        "podSelector": {"matchLabels": {"tier": "x"}},
                    }
                ]
            },
            set(),
        ),
        ({"from": [{"ipBlock": {"cidr": "8.0.0.0/8"}}]}, {"INTERNET"}),
        ({"from": [{"ipBlock": {"cidr": "8.0.0.0/8", "except": ["8.8.0.0/16"]}}]}, set()),
        ({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, {"PEER", "INTERNET"}),  # a pod that has an address
        ({"from": [{"ipBlock": {"cidr": "::/0"}}]}, set()),
        # What one element excepts another may admit.
        (
            {
                "from": [
                    {"ipBlock": {"cidr": "8.0.0.0/8", "except": ["8.8.0.0/16"]}},
                    {"ipBlock": {"cidr": "8.8.8.8/32"}},
                ]
            },
            {"INTERNET"},
        ),
    ],
)
@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_the_peers_of_a_rule(direction: str, peers: dict[str, Any], admitted: set[str]) -> None:
    rule = {"to" if direction == "Egress" else key: value for key, value in peers.items()}
    spec = (egress if direction == "Egress" else ingress)(rule, policyTypes=[direction])
    everybody = {"PEER": PEER, "FAR": FAR, "BARE": BARE, "INTERNET": INTERNET}
    for name, peer in everybody.items():
        found = one_way(cluster(spec), WEB, direction, peer)  # type: ignore[arg-type]
        assert found.ports == (ALL if name in admitted else NONE), name


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        (None, ALL),
        ([], ALL),
        ([{"port": 8000}], ports([("TCP", 8000, 8000)])),  # TCP where none is named
        ([{"protocol": "UDP", "port": 53}], ports([("UDP", 53, 53)])),
        ([{"protocol": "UDP"}], ports([("UDP", 1, 65535)])),
        ([{"port": 8000, "endPort": 8010}], ports([("TCP", 8000, 8010)])),
        ([{"port": "http"}], ports([("TCP", 8000, 8000)])),
        ([{"port": "dns"}], NONE),  # its port of that name is UDP
        ([{"protocol": "UDP", "port": "dns"}], ports([("UDP", 53, 53)])),
        ([{"port": "nobody"}], NONE),
        ([{"port": 80}, {"port": 81}], ports([("TCP", 80, 81)])),
    ],
)
def test_the_ports_of_a_rule(given: Any, opened: Any) -> None:
    rule = {} if given is None else {"ports": given}
    assert reach(cluster(ingress(rule)), PEER, WEB).ports == opened


def test_a_named_port_of_egress_is_looked_up_in_the_target_and_means_nothing_outside() -> None:
    named = cluster(
        {**egress({"ports": [{"port": "http"}]}), "podSelector": {"matchLabels": {"app": "peer"}}}
    )
    assert one_way(named, PEER, "Egress", WEB).ports == ports([("TCP", 8000, 8000)])
    assert one_way(named, PEER, "Egress", INTERNET).ports == NONE


def test_rules_and_policies_add_up_and_are_named() -> None:
    found = cluster(
        ingress({"ports": [{"port": 80}]}, {"ports": [{"port": 443}]}),
        ingress({"from": [{"podSelector": {}}], "ports": [{"port": 9000}]}),
        {"podSelector": {}, "policyTypes": ["Ingress"]},
    )
    admitted = one_way(found, WEB, "Ingress", PEER)
    assert admitted.ports == ports([("TCP", 80, 80), ("TCP", 443, 443), ("TCP", 9000, 9000)])
    assert admitted.because == ("p0", "p1")
    assert one_way(found, WEB, "Ingress", FAR).because == ("p0",)


def test_a_connection_needs_the_way_out_and_the_way_in() -> None:
    out = policy({"podSelector": {}, "egress": [{"ports": [{"port": 80, "endPort": 90}]}]}, "out", "other")
    into = policy(ingress({"ports": [{"port": 85, "endPort": 99}]}), "into")
    found = reach(Cluster(NAMESPACES, (out, into)), FAR, WEB)
    assert found.ports == ports([("TCP", 85, 90)])
    assert found.because == ("out", "into")
    shut = policy({"podSelector": {}, "policyTypes": ["Egress"]}, "shut", "other")
    assert reach(Cluster(NAMESPACES, (shut, into)), FAR, WEB).ports == NONE


def test_host_network_is_bound_by_no_policy_and_found_by_no_selector() -> None:
    host = Pod("mine", "host", {"app": "web"}, addresses=(ip_address("10.0.0.4"),), host_network=True)
    shut = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert reach(cluster(shut), host, INTERNET).ports == ALL
    assert reach(cluster(shut), INTERNET, host).ports == ALL
    assert reach(cluster(ingress({"from": [{"podSelector": {}}]})), host, WEB).ports == NONE
    assert reach(cluster(ingress({"from": [{"ipBlock": {"cidr": "10.0.0.4/32"}}]})), host, WEB).ports == ALL


def test_a_pod_reaches_itself_and_its_node_reaches_it() -> None:
    found = cluster({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    assert reach(found, WEB, WEB).ports == ALL
    assert reach(found, OwnNode(), WEB).ports == ALL
    assert reach(found, WEB, OwnNode()).ports == NONE


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {}}, True),
        ({"matchLabels": {"app": "peer", "tier": "x"}}, True),
        ({"matchLabels": {"app": "peer", "tier": "y"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "peer"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["peer"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["peer"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        (
            {"matchLabels": {"app": "peer"}, "matchExpressions": [{"key": "no", "operator": "Exists"}]},
            False,
        ),
    ],
)
def test_label_selectors(selector: Any, holds: bool) -> None:
    assert selects(selector, PEER.labels) is holds

"""Which agents run on which pools."""

from __future__ import annotations

from typing import Any

from component_recording import region_of, stack

from bastide.plans import node_user_data
from components.node_agents import chart_values


def values(*pools: dict[str, Any]) -> dict[str, Any]:
    named = [{"name": f"pool-{index}", "size": 1, **each} for index, each in enumerate(pools)]
    return chart_values(stack("sandbox", pools=named, engines=[]))


def test_nvidias_plugin_runs_where_the_operating_system_has_none() -> None:
    made = values({"instanceType": "p5.48xlarge"}, {"instanceType": "g6.xlarge", "os": "bottlerocket"})
    assert made["nvidia"]["pools"] == ["pool-0"]
    assert made["nvidia"]["timeSlicing"] == []


def test_pools_that_share_gpus_alike_share_an_agent() -> None:
    sliced = {"instanceType": "g6.xlarge", "sharing": {"kind": "timeSlicing", "replicas": 4}}
    other = {"instanceType": "g6.xlarge", "sharing": {"kind": "timeSlicing", "replicas": 2}}
    made = values(sliced, {"instanceType": "g6.xlarge"}, other, sliced, {**sliced, "os": "bottlerocket"})
    assert made["nvidia"]["pools"] == ["pool-1"]
    assert made["nvidia"]["timeSlicing"] == [
        {"replicas": 2, "pools": ["pool-2"]},
        {"replicas": 4, "pools": ["pool-0", "pool-3"]},
    ]


def test_the_efa_plugin_runs_where_nodes_have_efa_interfaces_whatever_the_system() -> None:
    made = values(
        {"instanceType": "p5.48xlarge", "efa": True},
        {"instanceType": "p4d.24xlarge", "efa": True, "os": "bottlerocket"},
        {"instanceType": "g6.12xlarge"},
    )
    assert made["efa"]["pools"] == ["pool-0", "pool-1"]


def test_agents_tolerate_every_pools_taints_once() -> None:
    taint = {"key": "example.com/team", "value": "search", "effect": "noSchedule"}
    made = values(
        {"instanceType": "g6.xlarge", "taints": [taint]}, {"instanceType": "g6.2xlarge", "taints": [taint]}
    )
    assert made["tolerations"] == [
        {"key": "example.com/team", "operator": "Equal", "value": "search", "effect": "NoSchedule"}
    ]


def test_an_engine_tolerates_its_own_pools_taints() -> None:
    taint = {"key": "example.com/team", "value": "search", "effect": "noExecute"}
    pool = {"name": "p5", "instanceType": "p5.48xlarge", "size": 2, "taints": [taint]}
    found = region_of(stack("sandbox", pools=[pool]))
    (engine,) = [each for each in found.of("v3:Release") if each.inputs["name"].startswith("vllm-")]
    assert engine.inputs["values"]["tolerations"] == [
        {"key": "example.com/team", "operator": "Equal", "value": "search", "effect": "NoExecute"}
    ]


def test_pools_that_keep_weights_have_volumes_by_their_storage_class() -> None:
    kept = {"instanceType": "p5.48xlarge", "weights": {"kind": "node", "sizeGib": 400}}
    other = {**kept, "weights": {"kind": "node", "sizeGib": 400, "storageClass": "other"}}
    made = values(kept, {"instanceType": "g6.xlarge"}, other, kept)["localVolumes"]
    assert made["classes"] == [
        {"name": "bastide-weights", "pools": ["pool-0", "pool-3"]},
        {"name": "other", "pools": ["pool-2"]},
    ]
    assert made["folder"] == node_user_data.WEIGHTS_FOLDER


def test_without_such_a_pool_there_is_no_class() -> None:
    assert values({"instanceType": "p5.48xlarge"})["localVolumes"]["classes"] == []


def test_agents_of_volumes_reach_the_api_server_and_nobody_else() -> None:
    kept = {
        "name": "p5",
        "instanceType": "p5.48xlarge",
        "size": 1,
        "weights": {"kind": "node", "sizeGib": 400},
    }
    found = region_of(stack("sandbox", pools=[kept]))
    opened = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]
        for each in found.of("NetworkPolicy")
        if each.inputs["metadata"]["name"].startswith("local-volume")
    }
    assert set(opened) == {"local-volumes-bastide-weights", "local-volume-cleanup"}
    for agent, spec in opened.items():
        assert spec["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": agent}
        assert spec["ingress"] == []
        (rule,) = spec["egress"]
        assert rule["ports"] == [{"protocol": "TCP", "port": 443}]


def test_without_volumes_nothing_is_opened() -> None:
    found = region_of(stack("sandbox"))
    assert not [
        each
        for each in found.of("NetworkPolicy")
        if each.inputs["metadata"]["name"].startswith("local-volume")
    ]

"""Which agents run on which pools."""

from __future__ import annotations

from typing import Any

from component_recording import region_of, stack

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

"""Pools that contradict what Karpenter does, each refused by its own message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file, refuse_unresolved

STACKS = Path(__file__).parents[2] / "stacks"
GOOD: dict[str, Any] = {
    "name": "elastic",
    "instanceType": "g6e.12xlarge",
    "provisioner": "karpenter",
    "fallbackInstanceTypes": ["g6e.24xlarge"],
    "size": {"min": 0, "max": 3},
}


def load(pool: dict[str, Any], stack: str = "sandbox") -> Settings:
    raw = read_stack_file(STACKS / f"Pulumi.{stack}.yaml")
    return Settings.load({**raw, "pools": [*raw["pools"], pool]})


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load({**GOOD, **changes})
    return {each.path.removeprefix("pools[1]."): each.message for each in caught.value.problems}


def test_an_elastic_pool_with_a_fallback_is_taken() -> None:
    assert load(GOOD).pool("elastic").provisioner == "karpenter"
    assert load({**GOOD, "capacity": {"kind": "spot"}}).pool("elastic").capacity.kind == "spot"


BLOCK = {
    "kind": "block",
    "reservationId": "cr-0123456789abcdef0",
    "zone": "us-east-1a",
    "start": "2026-12-01T11:30:00Z",
    "end": "2026-12-02T11:30:00Z",
}


@pytest.mark.parametrize(
    ("changes", "path", "part"),
    [
        (
            {"fallbackInstanceTypes": []},
            "fallbackInstanceTypes",
            "with a single type there is nothing to fall back",
        ),
        (
            {"fallbackInstanceTypes": ["g6e.12xlarge"]},
            "fallbackInstanceTypes[0]",
            "is there already; each type is named once",
        ),
        (
            {"fallbackInstanceTypes": ["g6.12xlarge"]},
            "fallbackInstanceTypes[0]",
            "has other GPUs than g6e.12xlarge",
        ),
        ({"fallbackInstanceTypes": ["m7i.large"]}, "fallbackInstanceTypes[0]", "m7i.large"),
        ({"provisioner": "nodeGroup"}, "fallbackInstanceTypes", "is given while provisioner is 'nodeGroup'"),
        ({"size": 3}, "size", "'3' does not go with provisioner 'karpenter'"),
        (
            {"size": {"min": 1, "max": 3}},
            "size",
            "allowed: a range that starts at 0, such as {min: 0, max: 3}",
        ),
        ({"warmSpare": 1}, "warmSpare", "an empty node is taken away"),
        ({"capacity": BLOCK}, "capacity", "'block' does not go with provisioner 'karpenter'"),
        (
            {"capacity": {"kind": "reservation", "id": "cr-0123456789abcdef0"}},
            "capacity",
            "'reservation' does not go with provisioner 'karpenter'",
        ),
        (
            {"capacity": {"kind": "spot", "onDemandFallback": 1}},
            "capacity.onDemandFallback",
            "Karpenter takes Spot and then on-demand nodes by itself",
        ),
        (
            {"capacity": {"kind": "spot", "alsoInstanceTypes": ["g6e.24xlarge"]}},
            "capacity.alsoInstanceTypes",
            "is for node groups",
        ),
        ({"placementGroup": True, "zones": ["us-east-1a"]}, "placementGroup", "close together"),
        ({"efa": True}, "efa", "one by one"),
        ({"sharing": {"kind": "timeSlicing", "replicas": 2}}, "sharing", "counts a type's whole GPUs"),
    ],
)
def test_each_contradiction_has_its_own_message(changes: dict[str, Any], path: str, part: str) -> None:
    assert part in problems(**changes)[path]


def test_several_contradictions_are_told_at_once() -> None:
    found = problems(size=2, efa=True, fallbackInstanceTypes=[])
    assert {"size", "efa", "fallbackInstanceTypes"} <= set(found)


def test_a_serving_engine_on_spot_needs_no_node_group_to_fall_back_to() -> None:
    raw = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
    engine = {**raw["engines"][0], "pool": "elastic", "gpus": 4}
    pool = {**GOOD, "capacity": {"kind": "spot"}}
    settings = Settings.load({**raw, "pools": [*raw["pools"], pool], "engines": [engine]})
    assert settings.engines[0].pool == "elastic"


def test_a_real_account_is_asked_for_the_controllers_digest_only_where_it_runs() -> None:
    for pool, asked in (
        (GOOD, True),
        ({**GOOD, "provisioner": "nodeGroup", "fallbackInstanceTypes": []}, False),
    ):
        settings = load(pool, "prod-us-east-1")
        with pytest.raises(SettingsError) as caught:
            refuse_unresolved(settings)
        assert ("karpenter.image.digest" in [each.path for each in caught.value.problems]) is asked

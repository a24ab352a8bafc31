"""Node groups, interfaces and user data that come from a pool's settings."""

from __future__ import annotations

import email
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from bastide.catalogues.instances import CATALOGUE
from bastide.plans import pool_plan
from bastide.plans.pool_plan import Group, Interface
from bastide.settings.pools import PoolSettings

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
BLOCK = {"kind": "block", "reservationId": "cr-0123456789abcdef0", "zone": "us-east-1b"}


def pool(**changes: Any) -> PoolSettings:
    return PoolSettings.model_validate({"name": "p5", "instanceType": "p5.48xlarge", "size": 2, **changes})


def block(start: timedelta, end: timedelta) -> dict[str, str]:
    return {**BLOCK, "start": (NOW + start).isoformat(), "end": (NOW + end).isoformat()}


def test_a_number_is_a_group_of_just_that_many() -> None:
    assert pool_plan.groups(pool(), NOW) == [Group("", "ON_DEMAND", ("p5.48xlarge",), 2, 2, 2)]


def test_a_pool_of_none_may_still_have_one_as_eks_takes_no_maximum_of_zero() -> None:
    (group,) = pool_plan.groups(pool(size=0), NOW)
    assert (group.min_size, group.desired_size, group.max_size) == (0, 0, 1)


def test_a_range_starts_at_its_minimum_and_is_then_left_alone() -> None:
    (group,) = pool_plan.groups(pool(size={"min": 1, "max": 4}), NOW)
    assert (group.min_size, group.desired_size, group.max_size, group.desired_moves) == (1, 1, 4, True)


def test_a_warm_spare_always_runs() -> None:
    (fixed,) = pool_plan.groups(pool(warmSpare=1), NOW)
    (ranged,) = pool_plan.groups(pool(size={"min": 1, "max": 4}, warmSpare=2), NOW)
    assert (fixed.min_size, fixed.desired_size, fixed.max_size) == (3, 3, 3)
    assert (ranged.min_size, ranged.desired_size, ranged.max_size) == (3, 3, 6)


def test_behind_spot_nodes_stand_on_demand_ones_of_the_pools_own_type() -> None:
    spot = {"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["g6.12xlarge"]}
    first, second = pool_plan.groups(pool(instanceType="g6.24xlarge", size=3, capacity=spot), NOW)
    assert first == Group("", "SPOT", ("g6.24xlarge", "g6.12xlarge"), 3, 3, 3)
    assert second == Group("od", "ON_DEMAND", ("g6.24xlarge",), 1, 1, 1)
    assert pool_plan.most_nodes(pool(size=3, warmSpare=1, capacity=spot)) == 5


def test_spot_without_fallback_is_one_group() -> None:
    (group,) = pool_plan.groups(pool(capacity={"kind": "spot"}), NOW)
    assert group.capacity_type == "SPOT"


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (timedelta(seconds=1), timedelta(days=1), 0),
        (timedelta(0), timedelta(days=1), 2),
        (timedelta(days=-1), timedelta(minutes=41), 2),
        # EKS takes the nodes 40 minutes before the end: asking for them again would fail until then.
        (timedelta(days=-1), timedelta(minutes=40), 0),
        (timedelta(days=-2), timedelta(days=-1), 0),
    ],
)
def test_a_capacity_block_has_nodes_while_it_is_open(start: timedelta, end: timedelta, wanted: int) -> None:
    (group,) = pool_plan.groups(pool(capacity=block(start, end)), NOW)
    assert group == Group("", "CAPACITY_BLOCK", ("p5.48xlarge",), 0, wanted, 2)


def test_a_block_is_in_its_own_zone_only() -> None:
    lent = pool(capacity=block(timedelta(0), timedelta(days=1)))
    assert pool_plan.zones(lent, ("us-east-1a", "us-east-1b")) == ("us-east-1b",)
    assert pool_plan.zones(pool(), ("us-east-1a", "us-east-1b")) == ("us-east-1a", "us-east-1b")
    assert pool_plan.zones(pool(zones=["us-east-1a"]), ("us-east-1a", "us-east-1b")) == ("us-east-1a",)


def test_times_with_another_offset_are_the_same_time_in_utc() -> None:
    found = pool(capacity={**BLOCK, "start": "2026-12-01T13:30:00+02:00", "end": "2026-12-02T11:30:00Z"})
    assert found.model_dump(by_alias=True)["capacity"]["start"] == "2026-12-01T11:30:00Z"


@pytest.mark.parametrize("name", [each for each in CATALOGUE if CATALOGUE[each].efa_interfaces])
def test_every_efa_interface_of_a_type_is_attached_beside_the_one_for_addresses(name: str) -> None:
    kind = CATALOGUE[name]
    found = pool_plan.interfaces(kind)
    assert found[0] == Interface(0, 0, "interface")
    efa = found[1:]
    assert all(each.kind == "efa-only" for each in efa)
    assert [each.card for each in efa] == list(range(kind.efa_interfaces))
    assert len({(each.card, each.device) for each in found}) == len(found)


def test_a_type_without_efa_has_no_interfaces_of_its_own() -> None:
    assert pool_plan.interfaces(CATALOGUE["g6.xlarge"]) == []


def test_al2023_is_told_to_join_its_nvme_disks_and_nothing_of_the_cluster() -> None:
    text = pool_plan.user_data(pool())
    assert text is not None
    message = email.message_from_string(text)
    assert message.get_content_type() == "multipart/mixed"
    (part,) = message.get_payload()
    assert part.get_content_type() == "application/node.eks.aws"
    config = yaml.safe_load(part.get_payload())
    assert config == {
        "apiVersion": "node.eks.aws/v1alpha1",
        "kind": "NodeConfig",
        "spec": {"instance": {"localStorage": {"strategy": "RAID0"}}},
    }


def test_bottlerocket_is_told_the_same_in_its_own_words() -> None:
    text = pool_plan.user_data(pool(os="bottlerocket"))
    assert text is not None
    (command,) = tomllib.loads(text)["settings"]["bootstrap-commands"].values()
    assert command["essential"] is True
    assert command["mode"] == "always"
    assert command["commands"][0] == ["apiclient", "ephemeral-storage", "init"]
    assert "/var/lib/kubelet" in command["commands"][1]


@pytest.mark.parametrize(
    ("kind", "disk", "store", "gib"),
    [
        ("p5.48xlarge", 500, "auto", 28312),
        ("p5.48xlarge", 500, "off", 500),
        # 250 GB of NVMe are less than the root disk, so they would take room away.
        ("g6.xlarge", 500, "auto", 500),
        ("g6.xlarge", 100, "auto", 232),
    ],
)
def test_the_instance_store_is_used_where_it_holds_more(kind: str, disk: int, store: str, gib: int) -> None:
    found = pool(instanceType=kind, diskGib=disk, localStorage=store)
    assert pool_plan.node_disk_gib(found) == gib
    assert (pool_plan.user_data(found) is not None) == (gib != disk)


def test_shares_of_a_gpu_are_counted_as_kubernetes_will() -> None:
    assert pool_plan.gpus_per_node(pool()) == 8
    assert pool_plan.gpus_per_node(pool(sharing={"kind": "timeSlicing", "replicas": 4})) == 32
    assert pool_plan.gpus_per_node(pool(sharing={"kind": "mig", "profile": "2g.20gb"})) == 24


def test_bottlerocket_shares_gpus_by_its_own_settings() -> None:
    def nvidia(**changes: Any) -> dict[str, Any]:
        text = pool_plan.user_data(pool(os="bottlerocket", localStorage="off", **changes))
        assert text is not None
        found: dict[str, Any] = tomllib.loads(text)["settings"]["kubelet-device-plugins"]["nvidia"]
        return found

    sliced = nvidia(sharing={"kind": "timeSlicing", "replicas": 3})
    assert sliced == {
        "device-sharing-strategy": "time-slicing",
        "time-slicing": {"replicas": 3, "rename-by-default": False, "fail-requests-greater-than-one": True},
    }
    assert nvidia(sharing={"kind": "mig", "profile": "1g.10gb"}) == {
        "device-partitioning-strategy": "mig",
        "mig": {"profile": {"h100.80gb": "1g.10gb"}},
    }
    assert pool_plan.user_data(pool(os="bottlerocket", localStorage="off")) is None


def test_taints_are_written_for_eks_and_tolerated_for_kubernetes() -> None:
    tainted = pool(taints=[{"key": "example.com/team", "value": "search", "effect": "noExecute"}])
    assert pool_plan.eks_effect(tainted.taints[0].effect) == "NO_EXECUTE"
    assert pool_plan.tolerations(tainted) == [
        {"key": "example.com/team", "operator": "Equal", "value": "search", "effect": "NoExecute"}
    ]

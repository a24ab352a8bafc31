"""Contradictions of a GPU pool: each has a message of its own, at its own path, and none stops another."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file, refuse_unresolved

SANDBOX = Path(__file__).parents[2] / "stacks" / "Pulumi.sandbox.yaml"
ID = "cr-0123456789abcdef0"
BLOCK = {
    "kind": "block",
    "reservationId": ID,
    "zone": "us-east-1b",
    "start": "2026-12-01T11:30:00Z",
    "end": "2026-12-08T11:30:00Z",
}
GROUP = "arn:aws:resource-groups:us-east-1:123456789012:group/gpus"
Raw = dict[str, Any]


def stack(pool: Raw, engine: Raw | None = None, **changes: Any) -> Raw:
    """The sandbox's stack with a changed pool, a changed engine and changed keys."""
    raw = copy.deepcopy(read_stack_file(SANDBOX))
    raw["pools"][0].update(pool)
    raw["engines"][0].update(engine or {})
    return {**raw, **changes}


def problems(raw: Raw) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    return [(each.path, each.message) for each in caught.value.problems]


G6 = {"instanceType": "g6.12xlarge"}
"""One EFA interface, no MIG, no capacity blocks."""

FOUR = {"gpus": 4}

MISTAKES: list[tuple[str, Raw, Raw, str, str]] = [
    ("a negative size", {"size": -1}, {}, "size", "-1 is not a size"),
    ("a size that is no number", {"size": "two"}, {}, "size", "'two' is not a size"),
    ("a size of true", {"size": True}, {}, "size", "true is not a size"),
    ("more than EKS's quota", {"size": 451}, {}, "size", "451 is not a size"),
    ("a range upside down", {"size": {"min": 3, "max": 2}}, {}, "size", "is not a range"),
    ("a range without min", {"size": {"max": 2}}, {}, "size", "exactly min and max"),
    ("a range of none", {"size": {"min": 0, "max": 0}}, {}, "size", "max at least 1"),
    (
        "EFA without an interface",
        {"instanceType": "g6.xlarge", "efa": True},
        {"gpus": 1},
        "efa",
        "takes no EFA",
    ),
    ("placement over zones", {"placementGroup": True}, {}, "placementGroup", "3 zones (us-east-1a"),
    (
        "placement over the pool's zones",
        {"placementGroup": True, "zones": ["us-east-1a", "us-east-1b"]},
        {},
        "placementGroup",
        "from zones); allowed: exactly one",
    ),
    ("placement of a block", {"placementGroup": True, "capacity": BLOCK}, {}, "placementGroup", "by itself"),
    (
        "not in the region",
        {"instanceType": "p5e.48xlarge"},
        {},
        "instanceType",
        "not offered in us-east-1; it is in",
    ),
    (
        "not in the zones",
        {"instanceType": "p5en.48xlarge", "zones": ["us-east-1b"]},
        {},
        "instanceType",
        "not offered in us-east-1b; allowed in us-east-1: us-east-1a, us-east-1c",
    ),
    ("more spares than nodes", {"warmSpare": 3}, {}, "warmSpare", "3 is more than size 2"),
    ("all nodes at once", {"maxUnavailable": 3}, {}, "maxUnavailable", "would end all nodes at once"),
    (
        "Spot under an SLO",
        {"capacity": {"kind": "spot"}},
        {},
        "capacity.onDemandFallback",
        "on which chat of the serving lane runs",
    ),
    (
        "Spot with other GPUs",
        {"capacity": {"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["p5en.48xlarge"]}},
        {},
        "capacity.alsoInstanceTypes[0]",
        "8 x H200 of 144384 MiB and p5.48xlarge has 8 x H100",
    ),
    (
        "Spot with the same type again",
        {"capacity": {"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["p5.48xlarge"]}},
        {},
        "capacity.alsoInstanceTypes[0]",
        "is there already",
    ),
    (
        "Spot with an unknown type",
        {"capacity": {"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["p5.47xlarge"]}},
        {},
        "capacity.alsoInstanceTypes[0]",
        "did you mean 'p5.4xlarge'",
    ),
    (
        "Spot with other interfaces",
        {
            "instanceType": "g6e.12xlarge",
            "efa": True,
            "capacity": {"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["g6e.24xlarge"]},
        },
        FOUR,
        "capacity.alsoInstanceTypes[0]",
        "takes 2 EFA interfaces and g6e.12xlarge 1",
    ),
    ("a reservation of nothing", {"capacity": {"kind": "reservation"}}, {}, "capacity", "neither is given"),
    (
        "a reservation of two",
        {"capacity": {"kind": "reservation", "id": ID, "resourceGroupArn": GROUP}},
        {},
        "capacity",
        "both are given",
    ),
    (
        "a reservation by name",
        {"capacity": {"kind": "reservation", "id": "mine"}},
        {},
        "capacity.id",
        "'cr-' and",
    ),
    (
        "a reservation over zones",
        {"capacity": {"kind": "reservation", "id": ID}},
        {},
        "zones",
        "are 3 zones for one capacity reservation",
    ),
    (
        "a block without a subnet",
        {"capacity": {**BLOCK, "zone": "us-east-1d"}},
        {},
        "capacity.zone",
        "not a zone of the network",
    ),
    (
        "a block across zones",
        {"capacity": BLOCK, "zones": ["us-east-1a", "us-east-1b"]},
        {},
        "zones",
        "not the one zone of the capacity block",
    ),
    (
        "a block that ends first",
        {"capacity": {**BLOCK, "end": "2026-11-30T11:30:00Z"}},
        {},
        "capacity.end",
        "is not after start 2026-12-01T11:30:00Z",
    ),
    (
        "a block in local time",
        {"capacity": {**BLOCK, "end": "2026-12-08T11:30:00"}},
        {},
        "capacity.end",
        "is not a UTC time",
    ),
    (
        "a block of a range",
        {"capacity": BLOCK, "size": {"min": 1, "max": 2}},
        {},
        "size",
        "1 to 2 is a range",
    ),
    (
        "a block of G6",
        {**G6, "capacity": BLOCK},
        FOUR,
        "capacity.kind",
        "capacity blocks are sold of: p5.4xlarge",
    ),
    ("an unknown capacity", {"capacity": {"kind": "Spot"}}, {}, "capacity.kind", "did you mean 'spot'"),
    (
        "MIG without MIG",
        {**G6, "os": "bottlerocket", "sharing": {"kind": "mig", "profile": "1g.5gb"}},
        {"gpus": 1},
        "sharing.kind",
        "L4 has no MIG",
    ),
    (
        "another GPU's profile",
        {"os": "bottlerocket", "sharing": {"kind": "mig", "profile": "1g.5gb"}},
        {"gpus": 1},
        "sharing.profile",
        "not a MIG profile of H100 with 81920 MiB",
    ),
    (
        "MIG where nothing cuts",
        {"sharing": {"kind": "mig", "profile": "1g.10gb"}},
        {"gpus": 1},
        "os",
        "allowed: 'bottlerocket'",
    ),
    (
        "one pod a share",
        {"sharing": {"kind": "timeSlicing", "replicas": 1}},
        {"gpus": 1},
        "sharing.replicas",
        "equal to 2",
    ),
    (
        "another system's release",
        {"amiRelease": "1.68.0-1a2b3c4d"},
        {},
        "amiRelease",
        "not a release of al2023",
    ),
    (
        "AL2023's release on Bottlerocket",
        {"os": "bottlerocket", "amiRelease": "1.34.6-20260818"},
        {},
        "amiRelease",
        "not a release of bottlerocket",
    ),
    ("a date alone", {"amiRelease": "20260818"}, {}, "amiRelease", "not an AMI release version"),
    (
        "another Kubernetes",
        {"amiRelease": "1.33.4-20260818"},
        {},
        "amiRelease",
        "is for Kubernetes 1.33 and the cluster has 1.34",
    ),
    (
        "a driver that is too old",
        {"amiRelease": "1.34.1-20251006"},
        {},
        "amiRelease",
        "CUDA 13.0, which needs driver 580 or newer; allowed: from 20251201 on",
    ),
    (
        "the kit's label",
        {"labels": {"bastide.dev/pool": "mine"}},
        {},
        "labels.bastide.dev/pool",
        "reserved domain",
    ),
    (
        "Kubernetes's taint",
        {"taints": [{"key": "node.kubernetes.io/x", "effect": "noSchedule"}]},
        {},
        "taints[0].key",
        "reserved domain",
    ),
    (
        "the GPU taint again",
        {"taints": [{"key": "nvidia.com/gpu", "effect": "noSchedule"}]},
        {},
        "taints[0]",
        "is there already",
    ),
    ("a label key with a space", {"labels": {"a b": "x"}}, {}, "labels.a b", "is not a label or taint key"),
    ("a label with a space", {"labels": {"team": "a b"}}, {}, "labels.team", "is not a label value"),
]


@pytest.mark.parametrize(
    ("pool", "engine", "path", "said"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES]
)
def test_a_contradiction_is_refused_by_its_own_message(pool: Raw, engine: Raw, path: str, said: str) -> None:
    ((at, message),) = problems(stack(pool, engine))
    assert at == f"pools[0].{path}"
    assert said in message


SLICED = {"sharing": {"kind": "timeSlicing", "replicas": 4}}


@pytest.mark.parametrize(
    ("engine", "path", "said"),
    [
        (
            {"gpus": 2, "gpuMemoryUtilization": 0.2},
            "gpus",
            "2 is more than 1 while pool 'p5' shares its GPUs",
        ),
        (
            {"gpus": 2, "tensorParallel": 2, "gpuMemoryUtilization": 0.2},
            "tensorParallel",
            "shares have no NVLink",
        ),
        ({"gpus": 1}, "gpuMemoryUtilization", "0.92 is too much where 4 pods share a GPU of pool 'p5'"),
    ],
)
def test_what_an_engine_cannot_do_on_shared_gpus_is_refused_at_the_engine(
    engine: Raw, path: str, said: str
) -> None:
    ((at, message),) = problems(stack(SLICED, engine))
    assert at == f"engines[0].{path}"
    assert said in message


def test_a_block_and_a_reservation_in_one_stack_are_judged_apart_and_together() -> None:
    raw = stack({"capacity": {**BLOCK, "end": "2026-11-01T00:00:00Z"}, "warmSpare": 5})
    raw["pools"].append({"name": "second", "instanceType": "g6.xlarge", "size": 1, "efa": True})
    assert [path for path, _ in problems(raw)] == [
        "pools[0].warmSpare",
        "pools[0].capacity.end",
        "pools[1].efa",
    ]


def test_a_mistake_in_one_value_does_not_hide_another_in_the_same_pool() -> None:
    raw = stack({"size": "many", "capacity": BLOCK, "zones": ["us-east-1a"], "diskGib": 1})
    assert sorted(path for path, _ in problems(raw)) == [
        "pools[0].diskGib",
        "pools[0].size",
        "pools[0].zones",
    ]


@pytest.mark.parametrize(
    "pool",
    [
        {"capacity": {"kind": "reservation", "id": ID}, "zones": ["us-east-1b"], "warmSpare": 1},
        {"capacity": {"kind": "reservation", "resourceGroupArn": GROUP}},
        {"capacity": BLOCK},
        # A block that has ended must not keep a stack from being previewed and destroyed.
        {"capacity": {**BLOCK, "start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}},
        {"capacity": {"kind": "spot", "onDemandFallback": 1}},
        {"efa": True, "placementGroup": True, "zones": ["us-east-1c"]},
        {"os": "bottlerocket", "amiRelease": "1.68.0-1a2b3c4d", "efa": True},
        {"amiRelease": "1.34.6-20260818", "maxUnavailable": 2, "updateStrategy": "default"},
        {"size": {"min": 0, "max": 4}, "labels": {"example.com/team": "search"}},
    ],
    ids=str,
)
def test_what_goes_together_is_taken(pool: Raw) -> None:
    Settings.load(stack(pool))


def test_spot_alone_will_do_for_batch() -> None:
    Settings.load(stack({"capacity": {"kind": "spot"}}, {"lane": "batch"}))


def test_shared_gpus_give_as_many_pods_as_there_are_shares() -> None:
    engine = {"gpus": 1, "gpuMemoryUtilization": 0.25, "replicas": 8}
    assert Settings.load(stack(SLICED, engine)).pools[0].sharing.kind == "timeSlicing"


def test_in_a_real_account_zones_have_letters_of_their_own_so_only_the_region_is_judged() -> None:
    pool = {"instanceType": "p5en.48xlarge", "zones": ["us-east-1b"]}
    Settings.load(stack(pool, environment="dev"))
    ((path, _),) = problems(stack({"instanceType": "p5e.48xlarge"}, environment="dev"))
    assert path == "pools[0].instanceType"


def test_the_system_pools_type_and_release_are_judged_too() -> None:
    raw = stack({}, systemPool={"amiRelease": "1.33.4-20260818"})
    ((path, _),) = problems(raw)
    assert path == "systemPool.amiRelease"
    raw = stack({}, systemPool={"instanceType": "m7i.xlarge"})
    raw["cloud"]["region"] = "ca-west-1"
    raw["network"]["zones"] = ["ca-west-1a", "ca-west-1b"]
    raw["pools"], raw["engines"] = [], []
    ((path, message),) = problems(raw)
    assert path == "systemPool.instanceType"
    assert "not offered in ca-west-1" in message


def test_an_unresolved_release_and_the_efa_plugin_are_asked_for_outside_a_sandbox() -> None:
    quiet = Settings.load(stack({}, environment="dev")).unresolved()
    assert "images.efaDevicePlugin.digest" not in quiet
    asked = Settings.load(
        stack(
            {"amiRelease": "unresolved", "efa": True},
            environment="dev",
            systemPool={"amiRelease": "unresolved"},
        )
    )
    assert {"pools[0].amiRelease", "systemPool.amiRelease", "images.efaDevicePlugin.digest"} <= set(
        asked.unresolved()
    )
    with pytest.raises(SettingsError, match="AMI releases"):
        refuse_unresolved(asked)
    refuse_unresolved(Settings.load(stack({"amiRelease": "unresolved"})))

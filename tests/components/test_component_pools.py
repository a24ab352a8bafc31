"""Node pools: credentials only by IMDSv2, encrypted disks, least rights, GPU nodes tainted; each kind of capacity."""

from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from component_recording import STACKS, Recording, Registered, record, region_of, stack

from bastide.settings import Settings, read_stack_file
from components.gpu_pool import GpuPool, GpuPoolArgs

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
ID = "cr-0123456789abcdef0"


def settings_with(pool: dict[str, Any], engine: dict[str, Any] | None = None) -> Settings:
    """The sandbox's stack with its pool changed."""
    raw = copy.deepcopy(read_stack_file(STACKS / "Pulumi.sandbox.yaml"))
    raw["pools"][0].update(pool)
    raw["engines"][0].update(engine or {})
    return Settings.load(raw)


def pool_of(engine: dict[str, Any] | None = None, /, **pool: Any) -> Recording:
    """What a pool of these settings registers, by itself."""
    settings = settings_with(pool, engine)
    return record(
        lambda: GpuPool(
            "pool",
            GpuPoolArgs(
                settings=settings,
                pool=settings.pools[0],
                cluster_name="cluster",
                subnet_ids={zone: f"subnet-{zone}" for zone in settings.network.zones},
                vpc_id="vpc",
                cluster_security_group_id="sg-cluster",
                now=NOW,
            ),
        )
    )


def group(recording: Recording, pool: str) -> Registered:
    (found,) = [
        each
        for each in recording.of("nodeGroup:NodeGroup")
        if each.inputs["labels"] == {"bastide.dev/pool": pool}
    ]
    return found


def template(recording: Recording) -> dict[str, Any]:
    return recording.one(":LaunchTemplate").inputs


def test_every_node_serves_credentials_by_imdsv2_and_to_itself_only(sandbox: Recording) -> None:
    templates = sandbox.of(":LaunchTemplate")
    assert len(templates) == 2
    for each in templates:
        assert each.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }


@pytest.mark.parametrize(("pool", "gib"), [("system-pool", 100), ("gpu-pool-p5", 500)])
def test_root_disks_are_encrypted_and_of_the_size_set(sandbox: Recording, pool: str, gib: int) -> None:
    (found,) = [each for each in sandbox.of(":LaunchTemplate") if pool in each.name]
    (disk,) = found.inputs["blockDeviceMappings"]
    assert disk["ebs"]["encrypted"] == "true"
    assert disk["ebs"]["volumeType"] == "gp3"
    assert disk["ebs"]["volumeSize"] == gib


@pytest.mark.parametrize(("pool", "mib", "iops"), [("system-pool", 125, 3000), ("gpu-pool-p5", 1000, 4000)])
def test_weights_have_a_fast_disk(sandbox: Recording, pool: str, mib: int, iops: int) -> None:
    (found,) = [each for each in sandbox.of(":LaunchTemplate") if pool in each.name]
    (disk,) = found.inputs["blockDeviceMappings"]
    assert (disk["ebs"]["throughput"], disk["ebs"]["iops"]) == (mib, iops)


def test_an_update_of_gpu_nodes_needs_no_spare_one(sandbox: Recording) -> None:
    strategies = [group(sandbox, each).inputs["updateConfig"]["updateStrategy"] for each in ("system", "p5")]
    assert strategies == ["DEFAULT", "MINIMAL"]


def test_nodes_follow_the_control_planes_version_and_are_repaired(sandbox: Recording) -> None:
    for each in sandbox.of("nodeGroup:NodeGroup"):
        assert each.inputs["version"] == "1.34"
        assert each.inputs["nodeRepairConfig"] == {"enabled": True}
        assert "releaseVersion" not in each.inputs
        assert not each.inputs.get("forceUpdateVersion")


def test_instances_and_volumes_carry_the_stacks_tags(prod: Recording) -> None:
    for each in prod.of(":LaunchTemplate"):
        kinds = {tags["resourceType"]: tags["tags"] for tags in each.inputs["tagSpecifications"]}
        assert set(kinds) == {"instance", "volume"}
        assert all(tags["cost-center"] == "inference" for tags in kinds.values())


def test_the_gpu_pool_is_tainted_and_the_system_pool_is_not(sandbox: Recording) -> None:
    gpu, system = group(sandbox, "p5"), group(sandbox, "system")
    assert gpu.inputs["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
    assert not system.inputs.get("taints")
    assert (gpu.inputs["amiType"], system.inputs["amiType"]) == (
        "AL2023_x86_64_NVIDIA",
        "AL2023_x86_64_STANDARD",
    )
    assert gpu.inputs["instanceTypes"] == ["p5.48xlarge"]
    assert gpu.inputs["scalingConfig"] == {"minSize": 2, "desiredSize": 2, "maxSize": 2}
    assert system.inputs["scalingConfig"] == {"minSize": 2, "desiredSize": 2, "maxSize": 3}


def test_a_pool_may_be_in_some_zones_only() -> None:
    pool = {"name": "p5", "instanceType": "p5.48xlarge", "size": 0, "zones": ["us-east-1b"]}
    gpu = group(region_of(stack("sandbox", pools=[pool])), "p5")
    assert gpu.inputs["subnetIds"] == ["bastide-network-private-us-east-1b-id"]
    assert gpu.inputs["scalingConfig"]["maxSize"] == 1


def test_a_region_gives_its_pools_the_clusters_security_group() -> None:
    pool = {"name": "p5", "instanceType": "p5.48xlarge", "size": 1, "efa": True}
    found = region_of(stack("sandbox", pools=[pool], engines=[]))
    (gpu,) = [each for each in found.of(":LaunchTemplate") if "gpu-pool" in each.name]
    assert "sg-of-the-cluster" in gpu.inputs["networkInterfaces"][0]["securityGroups"]


def test_nodes_have_no_right_to_change_network_interfaces(sandbox: Recording) -> None:
    attached = {
        each.inputs["policyArn"].rsplit("/", 1)[1]
        for each in sandbox.of(":RolePolicyAttachment")
        if "-pool-" in each.name
    }
    assert attached == {"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"}
    (cni,) = [
        each for each in sandbox.of(":PodIdentityAssociation") if each.inputs["namespace"] == "kube-system"
    ]
    assert cni.inputs["serviceAccount"] == "aws-node"


def test_no_node_can_be_logged_into(sandbox: Recording) -> None:
    for each in sandbox.of("nodeGroup:NodeGroup"):
        assert "remoteAccess" not in each.inputs
    for each in sandbox.of(":LaunchTemplate"):
        assert "keyName" not in each.inputs


def test_an_on_demand_pool_says_nothing_of_interfaces_reservations_or_placement() -> None:
    found = pool_of()
    assert {
        "networkInterfaces",
        "capacityReservationSpecification",
        "placement",
        "instanceMarketOptions",
        "instanceType",
    }.isdisjoint(template(found))
    assert not found.of(":PlacementGroup")
    assert not found.of(":SecurityGroup")
    assert found.one("nodeGroup:NodeGroup").inputs["capacityType"] == "ON_DEMAND"


def test_the_nvme_disks_are_prepared_by_user_data() -> None:
    data = base64.b64decode(template(pool_of())["userData"]).decode()
    assert "strategy: RAID0" in data
    assert "userData" not in template(pool_of(localStorage="off"))


def test_spot_with_fallback_is_two_groups_with_one_label_and_roles_of_their_own() -> None:
    spot = {"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["g6e.24xlarge"]}
    found = pool_of({"gpus": 4}, instanceType="g6e.12xlarge", size=2, capacity=spot)
    # Pulumi registers what does not wait for one another in any order.
    second, first = sorted(found.of("nodeGroup:NodeGroup"), key=lambda each: str(each.inputs["capacityType"]))
    assert (first.inputs["capacityType"], second.inputs["capacityType"]) == ("SPOT", "ON_DEMAND")
    assert first.inputs["instanceTypes"] == ["g6e.12xlarge", "g6e.24xlarge"]
    assert second.inputs["instanceTypes"] == ["g6e.12xlarge"]
    assert first.inputs["labels"] == second.inputs["labels"] == {"bastide.dev/pool": "p5"}
    assert second.inputs["scalingConfig"] == {"minSize": 1, "desiredSize": 1, "maxSize": 1}
    roles = {each.inputs["name"] for each in found.of(":Role")}
    assert roles == {"bastide-sandbox-us-east-1-pool-p5", "bastide-sandbox-us-east-1-pool-p5-od"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"id": ID}, {"capacityReservationId": ID}),
        (
            {"resourceGroupArn": "arn:aws:resource-groups:us-east-1:123456789012:group/gpus"},
            {
                "capacityReservationResourceGroupArn": (
                    "arn:aws:resource-groups:us-east-1:123456789012:group/gpus"
                )
            },
        ),
    ],
)
def test_a_reservation_is_targeted(target: dict[str, str], expected: dict[str, str]) -> None:
    found = pool_of(capacity={"kind": "reservation", **target}, zones=["us-east-1b"])
    assert template(found)["capacityReservationSpecification"] == {"capacityReservationTarget": expected}
    assert found.one("nodeGroup:NodeGroup").inputs["capacityType"] == "ON_DEMAND"


def block(start: timedelta, end: timedelta) -> dict[str, str]:
    return {
        "kind": "block",
        "reservationId": ID,
        "zone": "us-east-1b",
        "start": (NOW + start).isoformat(),
        "end": (NOW + end).isoformat(),
    }


def test_a_capacity_block_is_asked_for_in_the_template_and_in_its_zone() -> None:
    found = pool_of(capacity=block(timedelta(0), timedelta(days=1)))
    made, nodes = template(found), found.one("nodeGroup:NodeGroup").inputs
    assert made["instanceMarketOptions"] == {"marketType": "capacity-block"}
    assert made["instanceType"] == "p5.48xlarge"
    assert made["capacityReservationSpecification"] == {
        "capacityReservationTarget": {"capacityReservationId": ID}
    }
    assert nodes["capacityType"] == "CAPACITY_BLOCK"
    assert "instanceTypes" not in nodes
    assert nodes["subnetIds"] == ["subnet-us-east-1b"]
    assert nodes["scalingConfig"] == {"minSize": 0, "desiredSize": 2, "maxSize": 2}


@pytest.mark.parametrize(("start", "end"), [(1, 2), (-2, -1)], ids=["to come", "over"])
def test_a_block_that_is_not_open_wants_no_nodes_and_stops_nothing(start: int, end: int) -> None:
    found = pool_of(capacity=block(timedelta(days=start), timedelta(days=end)))
    scaling = found.one("nodeGroup:NodeGroup").inputs["scalingConfig"]
    assert scaling == {"minSize": 0, "desiredSize": 0, "maxSize": 2}


def test_efa_attaches_an_interface_to_each_card_with_a_group_of_its_own_and_the_clusters() -> None:
    found = pool_of(efa=True)
    made = template(found)["networkInterfaces"]
    assert len(made) == 33
    assert sum(each["interfaceType"] == "efa-only" for each in made) == 32
    assert (made[0]["networkCardIndex"], made[0]["deviceIndex"], made[0]["interfaceType"]) == (
        0,
        0,
        "interface",
    )
    assert all(each["securityGroups"] == ["pool-efa-group-id", "sg-cluster"] for each in made)
    assert all(each["deleteOnTermination"] == "true" for each in made)
    # EKS puts nodes into the node group's subnets and refuses a template that names one.
    assert all("subnetId" not in each for each in made)


def test_the_efa_group_lets_its_members_reach_one_another_and_nobody_else() -> None:
    found = pool_of(efa=True)
    rules = [found.one("IngressRule"), found.one("EgressRule")]
    for rule in rules:
        assert (
            rule.inputs["referencedSecurityGroupId"] == rule.inputs["securityGroupId"] == "pool-efa-group-id"
        )
        assert rule.inputs["ipProtocol"] == "-1"
        assert "cidrIpv4" not in rule.inputs
        assert found.reaches(found.one(":LaunchTemplate"), rule)


def test_a_placement_group_keeps_nodes_close() -> None:
    found = pool_of(placementGroup=True, zones=["us-east-1a"])
    assert found.one(":PlacementGroup").inputs["strategy"] == "cluster"
    assert template(found)["placement"] == {"groupName": "bastide-sandbox-us-east-1-p5"}


def test_bottlerocket_has_its_data_on_a_disk_of_its_own() -> None:
    found = pool_of(os="bottlerocket", amiRelease="1.68.0-1a2b3c4d")
    nodes = found.one("nodeGroup:NodeGroup").inputs
    assert (nodes["amiType"], nodes["releaseVersion"]) == ("BOTTLEROCKET_x86_64_NVIDIA", "1.68.0-1a2b3c4d")
    disks = {each["deviceName"]: each["ebs"] for each in template(found)["blockDeviceMappings"]}
    assert (disks["/dev/xvdb"]["volumeSize"], disks["/dev/xvda"]["volumeSize"]) == (500, 4)
    assert all(each["encrypted"] == "true" for each in disks.values())
    assert "ephemeral-storage" in base64.b64decode(template(found)["userData"]).decode()


def test_an_unresolved_release_is_left_to_eks() -> None:
    assert "releaseVersion" not in pool_of(amiRelease="unresolved").one("nodeGroup:NodeGroup").inputs


def test_an_update_takes_as_many_nodes_as_set() -> None:
    found = pool_of(maxUnavailable=2, updateStrategy="default", warmSpare=1)
    nodes = found.one("nodeGroup:NodeGroup").inputs
    assert nodes["updateConfig"] == {"maxUnavailable": 2, "updateStrategy": "DEFAULT"}
    assert nodes["scalingConfig"] == {"minSize": 3, "desiredSize": 3, "maxSize": 3}


def test_labels_and_taints_of_a_pool_are_added_to_the_kits() -> None:
    taint = {"key": "example.com/team", "value": "search", "effect": "preferNoSchedule"}
    found = pool_of(labels={"example.com/team": "search"}, taints=[taint])
    nodes = found.one("nodeGroup:NodeGroup").inputs
    assert nodes["labels"] == {"bastide.dev/pool": "p5", "example.com/team": "search"}
    assert [each["effect"] for each in nodes["taints"]] == ["NO_SCHEDULE", "PREFER_NO_SCHEDULE"]

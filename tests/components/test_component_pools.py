"""Node pools: credentials only by IMDSv2, encrypted disks, least rights, GPU nodes tainted."""

from __future__ import annotations

import pytest
from component_recording import Recording, Registered, region_of, stack


def group(recording: Recording, pool: str) -> Registered:
    (found,) = [
        each
        for each in recording.of("nodeGroup:NodeGroup")
        if each.inputs["labels"] == {"bastide.dev/pool": pool}
    ]
    return found


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
    (template,) = [each for each in sandbox.of(":LaunchTemplate") if pool in each.name]
    (disk,) = template.inputs["blockDeviceMappings"]
    assert disk["ebs"]["encrypted"] == "true"
    assert disk["ebs"]["volumeType"] == "gp3"
    assert disk["ebs"]["volumeSize"] == gib


@pytest.mark.parametrize(("pool", "mib", "iops"), [("system-pool", 125, 3000), ("gpu-pool-p5", 1000, 4000)])
def test_weights_have_a_fast_disk(sandbox: Recording, pool: str, mib: int, iops: int) -> None:
    (template,) = [each for each in sandbox.of(":LaunchTemplate") if pool in each.name]
    (disk,) = template.inputs["blockDeviceMappings"]
    assert (disk["ebs"]["throughput"], disk["ebs"]["iops"]) == (mib, iops)


def test_an_update_of_gpu_nodes_needs_no_spare_one(sandbox: Recording) -> None:
    strategies = [group(sandbox, each).inputs["updateConfig"]["updateStrategy"] for each in ("system", "p5")]
    assert strategies == ["DEFAULT", "MINIMAL"]


def test_instances_and_volumes_carry_the_stacks_tags(prod: Recording) -> None:
    for template in prod.of(":LaunchTemplate"):
        kinds = {each["resourceType"]: each["tags"] for each in template.inputs["tagSpecifications"]}
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

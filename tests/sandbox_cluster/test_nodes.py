import pytest

from sandbox.cluster import capacity, nodes
from sandbox.cluster.addresses import AddressPool
from sandbox.daemon.view import _template_facts
from tests.sandbox_cluster.samples import M5, P5, REGION, group, instance


def test_reserved_cpu_follows_eks_bands() -> None:
    # 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the other 188.
    assert capacity.reserved_cpu_millis(192) == 60 + 10 + 10 + 470
    assert capacity.reserved_cpu_millis(2) == 70


def test_allocatable_is_capacity_less_reserved_and_eviction() -> None:
    node = instance(M5, root_volume_gib=20)
    assert capacity.capacity(node) == {
        "cpu": "2",
        "memory": "7577Mi",
        "pods": "29",
        "ephemeral-storage": "20Gi",
    }
    assert capacity.allocatable(node) == {
        "cpu": "1930m",
        "memory": f"{7577 - (255 + 11 * 29) - 100}Mi",
        "pods": "29",
        "ephemeral-storage": f"{int(20 * 1024 * 0.9) - 1024}Mi",
    }


def test_instance_store_counts_only_when_user_data_asks_for_raid() -> None:
    assert capacity.capacity(instance())["ephemeral-storage"] == "500Gi"
    assert capacity.capacity(instance(local_storage_raid=True))["ephemeral-storage"] == "28312Gi"


def test_node_name_has_the_regions_private_zone() -> None:
    assert nodes.node_name("us-east-1", "10.0.1.7") == "ip-10-0-1-7.ec2.internal"
    assert nodes.node_name("eu-west-1", "10.0.1.7") == "ip-10-0-1-7.eu-west-1.compute.internal"


def test_a_new_node_carries_labels_taints_and_provider_id_and_is_not_ready() -> None:
    machine = instance()
    made = nodes.manifest(REGION, "1.33", group(machine), machine)
    labels = made["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == "us-east-1a"
    assert labels["topology.k8s.aws/zone-id"] == "use1-az6"
    assert labels["node.kubernetes.io/instance-type"] == "p5.48xlarge"
    assert labels["eks.amazonaws.com/nodegroup"] == "p5"
    assert labels["eks.amazonaws.com/capacityType"] == "ON_DEMAND"
    assert labels["bastide.dev/pool"] == "p5"
    assert made["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert made["spec"]["providerID"] == "aws:///us-east-1a/i-0abc"
    ready = next(c for c in made["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "False"
    assert "cni plugin not initialized" in ready["message"]
    assert "nvidia.com/gpu" not in made["status"]["capacity"]


@pytest.mark.parametrize(
    ("ami", "gpus"),
    [
        ("AL2023_x86_64_NVIDIA", 8),
        ("BOTTLEROCKET_x86_64_NVIDIA", 8),
        ("CUSTOM", 8),
        ("AL2023_x86_64_STANDARD", 0),
    ],
)
def test_a_plugin_finds_gpus_only_where_the_image_has_the_driver(ami: str, gpus: int) -> None:
    assert nodes.device_limits(group(ami_type=ami), instance(P5))["nvidia.com/gpu"] == gpus


def test_efa_devices_are_those_that_the_launch_template_attaches() -> None:
    assert nodes.device_limits(group(), instance(efa_interfaces=4))["vpc.amazonaws.com/efa"] == 4


def test_pod_addresses_come_from_the_subnets_end_and_are_given_back() -> None:
    pool = AddressPool()
    assert pool.take("a", "10.0.1.0/28", reserved=set()) == "10.0.1.14"
    assert pool.take("b", "10.0.1.0/28", reserved={"10.0.1.13"}) == "10.0.1.12"
    assert pool.take("a", "10.0.1.0/28", reserved=set()) == "10.0.1.14"
    pool.release("a")
    assert pool.take("c", "10.0.1.0/28", reserved=set()) == "10.0.1.14"


def test_a_full_subnet_has_no_address_to_give() -> None:
    pool = AddressPool()
    for number in range(11):  # 16 less the five that AWS keeps
        pool.take(str(number), "10.0.1.0/28", reserved=set())
    with pytest.raises(LookupError, match="no free address"):
        pool.take("one too many", "10.0.1.0/28", reserved=set())


def test_bottlerockets_pods_live_on_its_second_volume() -> None:
    disks = [
        {"DeviceName": f"/dev/xvd{name}", "Ebs": {"VolumeSize": size}}
        for name, size in (("a", 4), ("b", 500))
    ]
    data = {"BlockDeviceMappings": disks}
    assert _template_facts(data, "BOTTLEROCKET_x86_64_NVIDIA", "p5.48xlarge")["root_volume_gib"] == 500
    assert _template_facts(data, "AL2023_x86_64_NVIDIA", "p5.48xlarge")["root_volume_gib"] == 4


def test_a_node_says_what_its_instance_was_made_from() -> None:
    machine = instance(kubelet="v1.34.6-eks-emulated", launch_template=("lt-1", "7"))
    made = nodes.manifest(REGION, "1.35", group(machine), machine)
    assert made["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.6-eks-emulated"
    labels = made["metadata"]["labels"]
    assert labels["eks.amazonaws.com/sourceLaunchTemplateId"] == "lt-1"
    assert labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] == "7"

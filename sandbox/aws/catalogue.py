"""What AWS's catalogue says of an instance type (moto carries the output of DescribeInstanceTypes)."""

from __future__ import annotations

from typing import Any, Final

MAX_PODS_SMALL: Final = 110
MAX_PODS_LARGE: Final = 250
SMALL_VCPU: Final = 30
"""Managed node groups cap maxPods at 110 for types with up to 30 vCPUs and 250 for larger ones (EKS user
guide, "Choose an optimal Amazon EC2 node instance type"; the VPC CNI's max-pods calculator does the same)."""


def describe(instance_type: str) -> dict[str, Any] | None:
    """DescribeInstanceTypes' entry, or None when AWS has no such type."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    found: dict[str, Any] | None = INSTANCE_TYPES.get(instance_type)
    return found


def has(name: str) -> bool:
    """Whether AWS has this family (`p5`) or type (`p5.48xlarge`)."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    return name in INSTANCE_TYPES or any(kind.partition(".")[0] == name for kind in INSTANCE_TYPES)


def zones(region: str, instance_type: str) -> set[str]:
    """The zones of `region` that offer the type (DescribeInstanceTypeOfferings)."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, ())
    return {entry["Location"] for entry in offered if entry["InstanceType"] == instance_type}


def architectures(instance_type: str) -> set[str]:
    """`x86_64` or `arm64`, as the catalogue says."""
    entry = describe(instance_type) or {}
    return set(entry.get("ProcessorInfo", {}).get("SupportedArchitectures", ()))


def facts(instance_type: str) -> dict[str, Any] | None:
    """What a node of this type has; None when AWS has no such type. Memory in MiB."""
    entry = describe(instance_type)
    if entry is None:
        return None
    network = entry["NetworkInfo"]
    card = network["NetworkCards"][network.get("DefaultNetworkCardIndex", 0)]
    vcpu = entry["VCpuInfo"]["DefaultVCpus"]
    # amazon-vpc-cni-k8s, eni-max-pods: interfaces x (addresses - 1, the interface's own) + 2 host-network
    # pods. Only the default network card's interfaces carry pods.
    by_addresses = card["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2
    gpus = [
        {"count": gpu["Count"], "name": gpu["Name"], "memoryMiB": gpu["MemoryInfo"]["SizeInMiB"]}
        for gpu in entry.get("GpuInfo", {}).get("Gpus", ())
    ]
    return {
        "instanceType": instance_type,
        "vcpu": vcpu,
        "memoryMiB": entry["MemoryInfo"]["SizeInMiB"],
        "architectures": sorted(architectures(instance_type)),
        "gpus": gpus[0] if gpus else None,
        "efaInterfaces": network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0),
        "networkCards": network["MaximumNetworkCards"],
        "instanceStoreGB": entry.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0),
        "maxPods": min(by_addresses, MAX_PODS_SMALL if vcpu <= SMALL_VCPU else MAX_PODS_LARGE),
    }

"""How much of an instance Kubernetes sees, and how much of that pods may use: EKS's own arithmetic.

Source of the reserved amounts and of the eviction thresholds: awslabs/amazon-eks-ami,
nodeadm/internal/kubelet/config.go (kubeReserved, evictionHard).
"""

from __future__ import annotations

from typing import Final

from sandbox.cluster.spec import Instance, Shape

MEMORY_OVERHEAD: Final = 0.075
"""Part of an instance's memory that the hypervisor and the kernel keep: Karpenter's default
`vmMemoryOverheadPercent` (karpenter.sh, settings). Cautious for the largest instances, which lose less."""

_CPU_BANDS: Final = ((1000, 0.06), (1000, 0.01), (2000, 0.005))
"""Share of the first core, the second, and the next two that the kubelet reserves; 0.25 % of the rest."""

_CPU_REST: Final = 0.0025

_EVICTION_MIB: Final = 100
_DISK_EVICTION: Final = 0.10
_DISK_RESERVED_GIB: Final = 1


def reserved_cpu_millis(vcpus: int) -> int:
    """Millicores that the kubelet reserves."""
    left, reserved = vcpus * 1000, 0.0
    for width, share in _CPU_BANDS:
        reserved += min(left, width) * share
        left = max(0, left - width)
    return int(reserved + left * _CPU_REST)


def reserved_memory_mib(pods: int) -> int:
    """MiB that the kubelet reserves: 11 for each pod that may run, and 255."""
    return 11 * pods + 255


def disk_gib(instance: Instance) -> int:
    """GiB behind the kubelet: the instance store when user data makes a RAID0 of it, else the root volume."""
    if instance.local_storage_raid and instance.shape.local_storage_gb:
        return int(instance.shape.local_storage_gb * 10**9 / 2**30)
    return instance.root_volume_gib


def capacity(instance: Instance) -> dict[str, str]:
    """The Node's `status.capacity`, without devices."""
    shape = instance.shape
    return {
        "cpu": str(shape.vcpus),
        "memory": f"{_memory_mib(shape)}Mi",
        "pods": str(shape.max_pods),
        "ephemeral-storage": f"{disk_gib(instance)}Gi",
    }


def allocatable(instance: Instance) -> dict[str, str]:
    """The Node's `status.allocatable`, without devices."""
    shape = instance.shape
    disk_mib = disk_gib(instance) * 1024
    return {
        "cpu": f"{shape.vcpus * 1000 - reserved_cpu_millis(shape.vcpus)}m",
        "memory": f"{_memory_mib(shape) - reserved_memory_mib(shape.max_pods) - _EVICTION_MIB}Mi",
        "pods": str(shape.max_pods),
        "ephemeral-storage": f"{int(disk_mib * (1 - _DISK_EVICTION)) - _DISK_RESERVED_GIB * 1024}Mi",
    }


def _memory_mib(shape: Shape) -> int:
    return int(shape.memory_mib * (1 - MEMORY_OVERHEAD))

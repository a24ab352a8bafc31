"""The EC2 instance types that a pool may be made of.

Source: AWS's `DescribeInstanceTypes` answers as kept by moto 5.2.5; a test compares every row with that
catalogue. Blind spot: a type's presence here says nothing about capacity, nor about which zones of a region
offer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class InstanceType:
    """One instance type: name, vCPUs, memory in MiB, and for GPU types the count, model, memory in MiB each
    and the most EFA interfaces it takes."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int = 0
    gpu_model: str = ""
    gpu_memory_mib: int = 0
    efa_interfaces: int = 0


_ALL: Final = (
    InstanceType("p5.4xlarge", 16, 262_144, 1, "H100", 81_920, 1),
    InstanceType("p5.48xlarge", 192, 2_097_152, 8, "H100", 81_920, 32),
    InstanceType("p5e.48xlarge", 192, 2_097_152, 8, "H200", 144_384, 32),
    InstanceType("p5en.48xlarge", 192, 2_097_152, 8, "H200", 144_384, 16),
    InstanceType("p4d.24xlarge", 96, 1_179_648, 8, "A100", 40_960, 4),
    InstanceType("p4de.24xlarge", 96, 1_179_648, 8, "A100", 81_920, 4),
    InstanceType("g6.xlarge", 4, 16_384, 1, "L4", 22_888, 0),
    InstanceType("g6.12xlarge", 48, 196_608, 4, "L4", 22_888, 1),
    InstanceType("g6.48xlarge", 192, 786_432, 8, "L4", 22_888, 1),
    InstanceType("g6e.xlarge", 4, 32_768, 1, "L40S", 45_776, 0),
    InstanceType("g6e.12xlarge", 48, 393_216, 4, "L40S", 45_776, 1),
    InstanceType("g6e.24xlarge", 96, 786_432, 4, "L40S", 45_776, 2),
    InstanceType("g6e.48xlarge", 192, 1_572_864, 8, "L40S", 45_776, 4),
    InstanceType("m6i.xlarge", 4, 16_384),
    InstanceType("m6i.2xlarge", 8, 32_768),
    InstanceType("m7i.xlarge", 4, 16_384),
    InstanceType("m7i.2xlarge", 8, 32_768),
    InstanceType("m7i.4xlarge", 16, 65_536),
)

CATALOGUE: Final[dict[str, InstanceType]] = {each.name: each for each in _ALL}
"""Every known instance type by name."""


def gpu_types() -> list[str]:
    """Names of the types that have GPUs."""
    return [each.name for each in _ALL if each.gpus]


def cpu_types() -> list[str]:
    """Names of the types without a GPU: what a system pool may be made of."""
    return [each.name for each in _ALL if not each.gpus]

"""The EC2 instance types that a pool may be made of.

Source: AWS's `DescribeInstanceTypes` answers as kept by moto 5.2.5; a test compares every row with that
catalogue. Blind spot: a type's presence here says nothing about capacity; where it is offered is in
`bastide.catalogues.offerings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COMPUTE_CAPABILITY: Final = {"A100": "8.0", "L4": "8.9", "L40S": "8.9", "H100": "9.0", "H200": "9.0"}
"""CUDA compute capability by GPU (NVIDIA, "CUDA GPU Compute Capability")."""


@dataclass(frozen=True)
class InstanceType:
    """One instance type.

    Memory in MiB; `gpu_memory_mib` is one GPU's. `efa_interfaces` is the most it takes, one on each of its
    network cards. `instance_store_gb` is the sum of its NVMe disks in GB of 10^9 bytes, as AWS writes it.
    `capacity_blocks`: whether it is sold as a capacity block for ML."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int = 0
    gpu_model: str = ""
    gpu_memory_mib: int = 0
    efa_interfaces: int = 0
    instance_store_gb: int = 0
    capacity_blocks: bool = False

    @property
    def family(self) -> str:
        """`p5` of `p5.48xlarge`."""
        return self.name.partition(".")[0]

    @property
    def instance_store_gib(self) -> int:
        """The instance store in GiB of 2^30 bytes, rounded down."""
        return self.instance_store_gb * 10**9 // 2**30

    @property
    def compute_capability(self) -> str:
        """CUDA compute capability; empty without a GPU."""
        return COMPUTE_CAPABILITY.get(self.gpu_model, "")

    @property
    def gpu_shape(self) -> tuple[int, str, int]:
        """Count, model and memory of the GPUs: what an engine is planned for."""
        return (self.gpus, self.gpu_model, self.gpu_memory_mib)


_ALL: Final = (
    InstanceType("p5.4xlarge", 16, 262_144, 1, "H100", 81_920, 1, 3_800, capacity_blocks=True),
    InstanceType("p5.48xlarge", 192, 2_097_152, 8, "H100", 81_920, 32, 30_400, capacity_blocks=True),
    InstanceType("p5e.48xlarge", 192, 2_097_152, 8, "H200", 144_384, 32, 30_400, capacity_blocks=True),
    InstanceType("p5en.48xlarge", 192, 2_097_152, 8, "H200", 144_384, 16, 30_400, capacity_blocks=True),
    InstanceType("p4d.24xlarge", 96, 1_179_648, 8, "A100", 40_960, 4, 8_000, capacity_blocks=True),
    InstanceType("p4de.24xlarge", 96, 1_179_648, 8, "A100", 81_920, 4, 8_000, capacity_blocks=True),
    InstanceType("g6.xlarge", 4, 16_384, 1, "L4", 22_888, 0, 250),
    InstanceType("g6.2xlarge", 8, 32_768, 1, "L4", 22_888, 0, 450),
    InstanceType("g6.4xlarge", 16, 65_536, 1, "L4", 22_888, 0, 600),
    InstanceType("g6.8xlarge", 32, 131_072, 1, "L4", 22_888, 1, 900),
    InstanceType("g6.12xlarge", 48, 196_608, 4, "L4", 22_888, 1, 3_760),
    InstanceType("g6.16xlarge", 64, 262_144, 1, "L4", 22_888, 1, 1_880),
    InstanceType("g6.24xlarge", 96, 393_216, 4, "L4", 22_888, 1, 3_760),
    InstanceType("g6.48xlarge", 192, 786_432, 8, "L4", 22_888, 1, 7_520),
    InstanceType("g6e.xlarge", 4, 32_768, 1, "L40S", 45_776, 0, 250),
    InstanceType("g6e.2xlarge", 8, 65_536, 1, "L40S", 45_776, 0, 450),
    InstanceType("g6e.4xlarge", 16, 131_072, 1, "L40S", 45_776, 0, 600),
    InstanceType("g6e.8xlarge", 32, 262_144, 1, "L40S", 45_776, 1, 900),
    InstanceType("g6e.12xlarge", 48, 393_216, 4, "L40S", 45_776, 1, 3_800),
    InstanceType("g6e.16xlarge", 64, 524_288, 1, "L40S", 45_776, 1, 1_900),
    InstanceType("g6e.24xlarge", 96, 786_432, 4, "L40S", 45_776, 2, 3_800),
    InstanceType("g6e.48xlarge", 192, 1_572_864, 8, "L40S", 45_776, 4, 7_600),
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

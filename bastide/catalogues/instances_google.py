"""Google Cloud's A3 machine types, for plans: pools of this kit are AWS's.

Source: Google Cloud, "Accelerator-optimized machine family", 2026. Networks between machines use
GPUDirect-TCPX (high), TCPXO (mega) and RDMA over RoCE (ultra)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class GoogleType:
    """One machine type; memory in MiB, network in Gbit/s for the GPUs' traffic."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int
    gpu_model: str
    gpu_memory_mib: int
    network_gbps: int


_ALL: Final = (
    GoogleType("a3-highgpu-8g", 208, 1_916_928, 8, "H100", 81_920, 800),
    GoogleType("a3-megagpu-8g", 208, 1_916_928, 8, "H100", 81_920, 1_600),
    GoogleType("a3-ultragpu-8g", 224, 3_022_848, 8, "H200", 144_384, 3_200),
)

CATALOGUE: Final = {each.name: each for each in _ALL}
"""By name."""

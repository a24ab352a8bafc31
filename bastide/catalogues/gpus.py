"""What each GPU can do: memory, bandwidth, arithmetic, links, and the number formats that vLLM has kernels
for.

Peak numbers are NVIDIA's, for dense matrices (datasheets often print twice as much, with sparsity). What a
program can reach is less; the planner's floors say so. Number formats: vLLM 0.32, `get_min_capability` of
each method in vllm/model_executor/layers/quantization/ and `supports_kv_cache_dtype` of its attention
backends, with the kernels that those name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Link = Literal["nvlink", "pcie"]

UNVERIFIED: Final = "unverified"
"""How the source of a number begins that nobody is known to have measured on this GPU."""


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    `memory_mib` as the cloud writes it, `usable_mib` what CUDA counts as the device's total, from which
    vLLM takes its share, by `usable_source`; it is `unverified` where nobody who measured it is named.
    Bandwidth in bytes a second; TFLOP/s (TOP/s for int8) of dense matrices, fp8 0 where there are no such
    units. `link_bytes` is what one GPU sends to its neighbours in one direction, in bytes a second.
    `source` is that of the peak numbers."""

    model: str
    memory_mib: int
    usable_mib: int
    bandwidth: float
    bf16_tflops: float
    fp8_tflops: float
    int8_tops: float
    link: Link
    link_bytes: float
    capability: int
    source: str
    usable_source: str

    @property
    def name(self) -> str:
        """`A100 40 GB`: its model, and memory where there are several of that model."""
        return f"{self.model} {round(self.memory_mib / 1024)} GiB"

    @property
    def usable_verified(self) -> bool:
        """Whether somebody who measured `usable_mib` is named."""
        return not self.usable_source.startswith(UNVERIFIED)

    def flops(self, activation_bits: int) -> float:
        """Operations a second for matrices whose activations have so many bits. Where the GPU has no units
        for them, weights are widened to bf16 first."""
        if activation_bits <= 8 and self.fp8_tflops:
            return self.fp8_tflops * 1e12
        return self.bf16_tflops * 1e12


_ALL: Final = (
    Gpu(
        "A100",
        40_960,
        40_441,
        1.555e12,
        312,
        0,
        624,
        "nvlink",
        300e9,
        80,
        "NVIDIA A100 Tensor Core GPU datasheet (SXM4 40 GB)",
        "Paderborn Center for Parallel Computing, documentation of its A100 40 GB nodes: deviceQuery, 40,441 MBytes",
    ),
    Gpu(
        "A100",
        81_920,
        81_251,
        2.039e12,
        312,
        0,
        624,
        "nvlink",
        300e9,
        80,
        "NVIDIA A100 Tensor Core GPU datasheet (SXM4 80 GB)",
        f"{UNVERIFIED}: 85,198,045,184 bytes in schedulers' tables of GPUs",
    ),
    Gpu(
        "H100",
        81_920,
        81_008,
        3.35e12,
        989.4,
        1978.9,
        1978.9,
        "nvlink",
        450e9,
        90,
        "NVIDIA H100 Tensor Core GPU datasheet (SXM5)",
        "PyTorch's out-of-memory message in vllm-project/vllm issue 27508: 79.11 GiB",
    ),
    Gpu(
        "H200",
        144_384,
        143_073,
        4.8e12,
        989.4,
        1978.9,
        1978.9,
        "nvlink",
        450e9,
        90,
        "NVIDIA H200 Tensor Core GPU datasheet (SXM)",
        f"{UNVERIFIED}: 139.72 to 139.81 GiB in out-of-memory messages that do not name the GPU",
    ),
    Gpu(
        "L4",
        22_888,
        22_559,
        300e9,
        121,
        242.5,
        242.5,
        "pcie",
        32e9,
        89,
        "NVIDIA L4 Tensor Core GPU datasheet (halved where it says with sparsity)",
        f"{UNVERIFIED}: 22.03 to 22.09 GiB in out-of-memory messages that do not name the GPU's form",
    ),
    Gpu(
        "L40S",
        45_776,
        45_486,
        864e9,
        362.05,
        733,
        733,
        "pcie",
        32e9,
        89,
        "NVIDIA L40S datasheet",
        "PyTorch's out-of-memory message in stepfun-ai/Step-Video-T2V issue 8: 44.42 GiB",
    ),
)

CATALOGUE: Final = {(each.model, each.memory_mib): each for each in _ALL}
"""By model and memory as the cloud writes it. PCIe: 4.0 x 16, 32 GB/s in each direction; NVLink: half of the
datasheet's sum of both directions."""

MIN_CAPABILITY: Final = {
    "awq": 75,
    "gptq": 60,
    "fp8": 75,
    "compressed-tensors": 70,
    "modelopt": 80,
    "modelopt_fp4": 75,
    "mxfp4": 80,
    "torchao": 75,
    "experts_int8": 80,
}
"""Oldest compute capability (x 10) that vLLM 0.32 takes for a quantization of weights
(`get_min_capability`)."""

NATIVE_FP8: Final = 89
"""Compute capability with FP8 units. Below it vLLM keeps FP8 weights and multiplies in bf16 (Marlin kernels):
memory is saved, arithmetic is not."""

MIN_KV_CAPABILITY: Final = {
    "fp8": 80,
    "fp8_e4m3": 80,
    "fp8_e5m2": 80,
    "fp8_per_token_head": 89,
    "int8_per_token_head": 80,
    "int4_per_token_head": 80,
    "nvfp4": 80,
}
"""Oldest compute capability (x 10) for a type of the KV cache, by the attention backends of vLLM 0.32 that take it
(vllm/v1/attention/backends/): types with scales for each token and head have Triton kernels alone, whose FP8 needs
8.9; FlashInfer reads FP8 and nvfp4 from 8.0 on."""

FLASHINFER_HEADS: Final = (64, 128, 256, 512)
"""Head sizes of FlashInfer's kernels, the only ones for FP8 caches below 8.9 (get_supported_head_sizes)."""

NVFP4_HEADS: Final = (128, 256, 512)
"""Those that read an nvfp4 cache: with 64 its prefill is wrong, says vLLM (supports_combination)."""


def of(model: str, memory_mib: int) -> Gpu:
    """The GPU of an instance type."""
    return CATALOGUE[(model, memory_mib)]

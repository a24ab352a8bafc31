"""Quantization of weights: what vLLM can make at start of a checkpoint in 16 bits, and which settings mean
which checkpoints."""

from __future__ import annotations

from typing import Final

from bastide.catalogues.models_architecture import Quantization

ONLINE: Final[dict[str, Quantization]] = {
    "fp8": Quantization("fp8", bits=8, group=-1, activation_bits=8),
    "experts_int8": Quantization("experts_int8", bits=8, scale_bytes=4, skipped=("self_attn", "mlp")),
}
"""By `quantization`. The whole checkpoint is on disk and is read all the same (vLLM 0.32, quantization/fp8.py
and experts_int8.py)."""


def family(quantization: str) -> str:
    """The checkpoints that a setting means: with `_marlin` only the kernels differ."""
    return "modelopt" if quantization == "modelopt_fp4" else quantization.removesuffix("_marlin")

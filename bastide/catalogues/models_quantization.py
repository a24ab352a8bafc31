"""From a config.json's `quantization_config` to bits, groups and scales.

What each method stores beside its weights was read from vLLM 0.32's parameter classes
(vllm/model_executor/layers/quantization/): AWQ and GPTQ keep a 16-bit scale and a zero point for each group,
block FP8 a float32 for each block, FP8 and INT8 of compressed-tensors one scale for each output row.
bitsandbytes and GGUF are not in vLLM 0.32's list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bastide.catalogues.models_architecture import Quantization

METHODS: Final = ("awq", "gptq", "fp8", "compressed-tensors", "modelopt", "mxfp4")
"""Values of `quant_method` that are known here."""


class ConfigError(ValueError):
    """A config.json that cannot be used: `field` names the field, the text says what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


def quantization(raw: Any) -> Quantization | None:
    """How linear layers are stored; None when they are stored in the model's own type. Raises ConfigError."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise ConfigError("quantization_config", f"{raw!r} is no mapping")
    method = str(raw.get("quant_method", "")).lower().replace("compressed_tensors", "compressed-tensors")
    skipped = tuple(raw.get("modules_to_not_convert") or raw.get("ignore") or ())
    match method:
        case "awq" | "gptq":
            return Quantization(
                method,
                bits=_number(raw, "bits" if "bits" in raw else "w_bit", 4, (2, 3, 4, 8)),
                group=_group(raw.get("group_size", raw.get("q_group_size", 128))),
                scale_bytes=2,
                zero_bits=_number(raw, "bits", 4, (2, 3, 4, 8)),
                skipped=skipped,
            )
        case "fp8":
            block = raw.get("weight_block_size")
            return Quantization(
                method,
                bits=8,
                group=-1,
                block=_block(block) if block else 0,
                activation_bits=8,
                skipped=skipped,
            )
        case "mxfp4":
            return Quantization(method, bits=4, group=32, scale_bytes=1, skipped=skipped)
        case "modelopt":
            if "NVFP4" in str(raw.get("quant_algo", "")):
                return Quantization(
                    method, bits=4, group=16, scale_bytes=1, activation_bits=4, skipped=skipped
                )
            return Quantization(method, bits=8, group=-1, activation_bits=8, skipped=skipped)
        case "compressed-tensors":
            return _compressed(raw, skipped)
        case _:
            raise ConfigError(
                "quantization_config.quant_method",
                f"{method!r} is not known here; allowed: {', '.join(METHODS)}; vLLM 0.32 serves neither "
                "bitsandbytes "
                "nor GGUF checkpoints: take one in another format",
            )


def _compressed(raw: Mapping[str, Any], skipped: tuple[str, ...]) -> Quantization:
    groups = raw.get("config_groups")
    schemes = list(groups.values()) if isinstance(groups, Mapping) else []
    if (
        len(schemes) != 1
        or not isinstance(schemes[0], Mapping)
        or not isinstance(schemes[0].get("weights"), Mapping)
    ):
        raise ConfigError(
            "quantization_config.config_groups",
            f"has {len(schemes)} groups of layers; exactly one with `weights` is known here",
        )
    weights, inputs = schemes[0]["weights"], schemes[0].get("input_activations") or {}
    strategy = weights.get("strategy", "tensor")
    bits = _number(weights, "num_bits", 8, (4, 8))
    return Quantization(
        "compressed-tensors",
        bits=bits,
        group=_group(weights.get("group_size", 128))
        if strategy == "group"
        else 0
        if strategy == "channel"
        else -1,
        block=_block(weights.get("block_structure")) if strategy == "block" else 0,
        scale_bytes=2 if bits == 4 else 4,
        zero_bits=0 if weights.get("symmetric", True) else bits,
        activation_bits=_number(inputs, "num_bits", 16, (4, 8, 16)),
        skipped=skipped,
        kv_scheme=bool(raw.get("kv_cache_scheme")),
    )


def _number(raw: Mapping[str, Any], key: str, default: int, allowed: tuple[int, ...]) -> int:
    value = raw.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or value not in allowed:
        raise ConfigError(
            f"quantization_config.{key}",
            f"{value!r} is not known here; allowed: {', '.join(map(str, allowed))}",
        )
    return int(value)


def _group(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1:
        raise ConfigError(
            "quantization_config.group_size", f"{value!r} is no number of weights, nor -1 for a row"
        )
    return 0 if value == -1 else value


def _block(value: Any) -> int:
    if isinstance(value, str):
        value = [int(part) for part in value.split("x") if part.isdigit()]
    if (
        not isinstance(value, list)
        or len(value) != 2
        or value[0] != value[1]
        or not isinstance(value[0], int)
    ):
        raise ConfigError(
            "quantization_config.weight_block_size", f"{value!r} is no square block such as [128, 128]"
        )
    return int(value[0])

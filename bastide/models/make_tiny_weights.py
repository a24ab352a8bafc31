"""The random weights of tiny models, and the file that holds them: the same bytes on every machine."""

from __future__ import annotations

import hashlib
import json
import math
import random
import struct
from typing import Any, Final, Literal

from bastide.models.make_tiny_shapes import SPREAD, Tensors

SEED: Final = 20_250_101

Dtype = Literal["BF16", "F32"]


def safetensors(tensors: Tensors, dtype: Dtype = "BF16") -> bytes:
    """The file. Its format is small and fixed, and written here: the safetensors library orders and
    takes its tensors differently from version to version."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data: list[bytes] = []
    end = 0
    for name, shape in tensors:
        content = _tensor(name, shape, dtype)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + len(content)]}
        data.append(content)
        end += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def _tensor(name: str, shape: tuple[int, ...], dtype: Dtype) -> bytes:
    """Ones for norms, zeros for biases, else a normal distribution from a seed of the name's."""
    count = 1
    for length in shape:
        count *= length
    if name.endswith("norm.weight"):
        return _packed([1.0], dtype) * count
    if name.endswith("bias"):
        return _packed([0.0], dtype) * count
    # Reproducible noise, no secret.
    source = random.Random(hashlib.sha256(f"{SEED} {name}".encode()).digest())  # noqa: S311
    return _packed([_normal(source) for _ in range(count)], dtype)


def _normal(source: random.Random) -> float:
    """About normal: the sum of twelve uniform numbers less 6 has variance 1, and unlike the textbook formula
    uses no logarithm or sine, whose last bit differs between machines; `sum`'s differs between Pythons."""
    return (math.fsum(source.random() for _ in range(12)) - 6.0) * SPREAD


def _packed(values: list[float], dtype: Dtype) -> bytes:
    """Little-endian; bfloat16 is the upper half of a float32."""
    packed = struct.pack(f"<{len(values)}f", *values)
    if dtype == "F32":
        return packed
    return b"".join(packed[at + 2 : at + 4] for at in range(0, len(packed), 4))

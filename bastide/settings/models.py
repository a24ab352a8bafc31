"""Settings of models and of the engines that serve them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.names import MAX_ENGINE
from bastide.plans.priorities import Lane
from bastide.settings.base import UNRESOLVED, Sha256, Strict, Version, label, matching

ModelName = Annotated[
    str,
    matching(
        r"(?=.{1,63}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "is not a model name; allowed: up to 63 lower-case letters, digits, dots and inner hyphens; it "
        "becomes a key "
        "prefix in the model bucket and the name that clients ask for; rename it",
    ),
]
EngineName = Annotated[str, label(MAX_ENGINE)]


class ModelSettings(Strict):
    """One immutable version of a model in the store."""

    name: ModelName
    """Name under which it was published, and by which clients ask for it."""

    version: Version
    """Published version, MAJOR.MINOR.PATCH in quotes."""

    sha256: Sha256 = UNRESOLVED
    """SHA-256 of the version's SHA256SUMS, which `bastide model verify DIR` prints: the engine refuses any other
    content. `unresolved`, in a sandbox only, believes what the bucket has."""


class EngineSettings(Strict):
    """One vLLM deployment: a model, the pool it runs on and how it is cut over GPUs."""

    name: EngineName
    """Name of the engine: the release, its Service and its service account are named after it."""

    model: str
    """Name of one of the models."""

    pool: str
    """Name of one of the pools."""

    replicas: int = Field(1, ge=0)
    """Pods wanted. More than the pool has room for is allowed: the scheduler says what is lacking."""

    gpus: int = Field(ge=1)
    """GPUs that each pod asks for."""

    tensor_parallel: int = Field(1, ge=1)
    """GPUs over which each layer is cut; divides `gpus`."""

    max_model_len: int = Field(ge=1)
    """Longest sequence, prompt and answer together, in tokens."""

    max_num_seqs: int = Field(256, ge=1)
    """Most sequences in one batch. vLLM's own default for most GPUs is 256 and 1,024 from 70 GiB on."""

    gpu_memory_utilization: float = Field(0.92, gt=0, le=1)
    """Share of each GPU's memory that the engine takes; 0.92 is vLLM 0.32's default."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of weights and activations; auto is what the model's own configuration says."""

    lane: Lane = "serving"
    """`serving` answers users; `batch` works where nobody waits: its pods are ended when an engine of the serving
    lane needs their GPUs."""

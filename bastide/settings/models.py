"""Settings of models."""

from __future__ import annotations

from typing import Annotated, Literal

from bastide.settings.base import UNRESOLVED, Sha256, Strict, Version, matching
from bastide.settings.model_config import ModelConfig
from bastide.settings.model_quality import QualityTables

ModelName = Annotated[
    str,
    matching(
        r"(?=.{1,63}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "is not a model name; allowed: up to 63 lower-case letters, digits, dots and inner hyphens; it "
        "becomes a key "
        "prefix in the model bucket and the name that clients ask for; rename it",
    ),
]


class ModelSettings(Strict):
    """One immutable version of a model in the store."""

    name: ModelName
    """Name under which it was published, and by which clients ask for it."""

    version: Version
    """Published version, MAJOR.MINOR.PATCH in quotes."""

    kind: Literal["model", "adapter"] = "model"
    """`model` has whole weights, also of a draft model or a speculation head; `adapter` is a LoRA adapter,
    which engines name in `lora.adapters`."""

    config: ModelConfig = None
    """The model's config.json, as a mapping or as the path of a copy in the project. Needed for a model whose
    name is not in the catalogue (`bastide plan --list`): from it the planner knows what the model takes. It
    must be that of the published weights."""

    quality: QualityTables = ()
    """Tables of quality (`bastide eval quantization`), each as the path of a file in the project or inline. A model
    that is served with quantized weights or KV cache needs one of exactly that quantization."""

    sha256: Sha256 = UNRESOLVED
    """SHA-256 of the version's SHA256SUMS, which `bastide model verify DIR` prints: the engine refuses any
    other content. `unresolved`, in a sandbox only, believes what the bucket has."""

"""Models that the planner knows by name: their public config.json, and what each can do.

A model of another name is described in the stack (`models[].config`). Numbers of parameters and bytes are
computed from the configuration (`bastide.plans.capacity.weights`); tests hold them against transformers' own
models and against the sizes that the checkpoints' indexes state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from bastide.catalogues import models_deepseek, models_embedding, models_llama, models_mixtral, models_qwen
from bastide.catalogues.models_architecture import Architecture
from bastide.catalogues.models_config import architecture as parse
from bastide.catalogues.models_entry import Model

CATALOGUE: Final[dict[str, Model]] = {
    each.name: each
    for part in (models_llama, models_qwen, models_mixtral, models_deepseek, models_embedding)
    for each in part.MODELS
}
"""By the name under which this kit publishes it."""

Purpose = Literal["generate", "embed"]


def config_json(name: str) -> dict[str, Any]:
    """The content of a catalogue model's config.json, from which transformers and vLLM make its
    configuration. Raises KeyError for another name."""
    return dict(CATALOGUE[name].config)


@cache
def architecture(name: str) -> Architecture:
    """The architecture of a catalogue model. Raises KeyError for another name."""
    return parse(CATALOGUE[name].config)


@dataclass(frozen=True)
class UnknownModelError(Exception):
    """A model that is neither in the catalogue nor described."""

    name: str


def of(name: str, config: Mapping[str, Any] | None) -> Architecture:
    """The architecture of a model: as described, else from the catalogue. Raises UnknownModelError and
    ConfigError."""
    if config is not None:
        return parse(config)
    if name not in CATALOGUE:
        raise UnknownModelError(name)
    return architecture(name)

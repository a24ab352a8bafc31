"""A model's own config.json in the settings: inline, or as the path of a file in the project.

A path is read by the loader of stack files alone (`project_files`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from bastide.catalogues.models_config import architecture
from bastide.catalogues.models_quantization import ConfigError
from bastide.settings.project_files import Unread, text, with_models


def _described(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, Unread):
        raise ValueError(value.reason)
    if not isinstance(value, Mapping):
        raise ValueError(
            "is neither a mapping nor the path of a JSON file; allowed: the content of the model's "
            "config.json, or a "
            "path in the project that ends with .json; the planner needs the model's shape; correct it"
        )
    try:
        architecture(value)
    except ConfigError as error:
        raise ValueError(
            f"describes no model that can be planned for: {error}; copy the config.json that lies beside "
            "the weights"
        ) from None
    return dict(value)


ModelConfig = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_described),
    WithJsonSchema({"type": ["object", "string", "null"]}),
]
"""The content of a config.json."""


def with_files(raw: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """Raw settings in which each model's path of a config.json is replaced by its content."""

    def read(model: dict[str, Any]) -> dict[str, Any]:
        given = model.get("config")
        return {**model, "config": _read(given, project)} if isinstance(given, str) else model

    return with_models(raw, read)


def _read(given: str, project: Path) -> Any:
    found = text(given, project, (".json",), "JSON", "models/mine/config.json")
    if isinstance(found, Unread):
        return found
    try:
        content = json.loads(found)
    except ValueError as error:
        return Unread(given, f"is not JSON ({error}); name the model's config.json")
    if not isinstance(content, dict):
        return Unread(given, "holds no JSON object; name the model's config.json")
    return content

"""A model's own config.json in the settings: inline, or as the path of a file in the project.

A path is read by the loader of stack files alone, so that settings themselves touch no file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

from bastide.catalogues.models_config import architecture
from bastide.catalogues.models_quantization import ConfigError

MOST_BYTES: Final = 1_000_000
"""Largest file that is read. A choice: config.json files have a few kilobytes."""


class UnreadConfig:
    """Stands for a file that could not be read; the settings' check says why."""

    def __init__(self, given: object, reason: str) -> None:
        self.given, self.reason = given, reason

    def __repr__(self) -> str:
        return repr(self.given)


def _described(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, UnreadConfig):
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
    models = raw.get("models")
    if not isinstance(models, list):
        return dict(raw)
    return {**raw, "models": [_with_file(each, project) for each in models]}


def _with_file(model: Any, project: Path) -> Any:
    if not isinstance(model, Mapping) or not isinstance(model.get("config"), str):
        return model
    return {**model, "config": _read(model["config"], project)}


def _read(given: str, project: Path) -> Any:
    root = project.resolve()
    path = (root / given).resolve()
    if not path.is_relative_to(root) or path.suffix != ".json":
        return UnreadConfig(
            given,
            "is no JSON file in the project; allowed: a path from the folder of Pulumi.yaml on, such as "
            "models/mine/config.json; a stack must not depend on what lies elsewhere on a machine; move "
            "the file",
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            return UnreadConfig(
                given, f"is larger than {MOST_BYTES:,} bytes; a config.json is not; name the right file"
            )
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return UnreadConfig(
            given, f"cannot be read ({error.strerror}); correct the path, from the project's folder on"
        )
    except ValueError as error:
        return UnreadConfig(given, f"is not JSON ({error}); name the model's config.json")
    if not isinstance(content, dict):
        return UnreadConfig(given, "holds no JSON object; name the model's config.json")
    return content

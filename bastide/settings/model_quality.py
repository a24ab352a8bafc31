"""Quality tables of a model in the settings: each inline, or as the path of a file in the project.

A path is read by the loader of stack files alone (`project_files`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BeforeValidator, WithJsonSchema

from bastide.evaluation.table import QualityError, QualityTable, parse
from bastide.settings.project_files import Unread, text, with_models

_HOW: Final = "allowed: paths of tables in the project, such as quality/llama-fp8.yaml, or tables themselves"


def _table(value: Any) -> QualityTable:
    if isinstance(value, Unread):
        raise ValueError(f"{value.given!r} {value.reason}")
    if isinstance(value, QualityTable):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table of quality; {_HOW}; `bastide eval quantization` makes one")
    try:
        return parse(yaml.safe_dump(dict(value), sort_keys=False))
    except QualityError as error:
        raise ValueError(str(error)) from None


def _listed(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise ValueError(f"is not a list; {_HOW}; put it into a list")
    return tuple(value)


# Not a tuple by its type: what is mistaken in a table makes all of them unusable to the checks.
QualityTables = Annotated[
    Sequence[Annotated[QualityTable, BeforeValidator(_table)]],
    BeforeValidator(_listed),
    WithJsonSchema({"type": "array", "items": {"type": ["string", "object"]}}),
]
"""Tables of `bastide eval quantization`."""


def with_tables(raw: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """Raw settings in which each path of a quality table is replaced by its content."""

    def read(model: dict[str, Any]) -> dict[str, Any]:
        given = model.get("quality")
        if not isinstance(given, list):
            return model
        return {
            **model,
            "quality": [_read(each, project) if isinstance(each, str) else each for each in given],
        }

    return with_models(raw, read)


def _read(given: str, project: Path) -> Any:
    found = text(given, project, (".yaml", ".yml", ".json"), "YAML or JSON", "quality/llama-fp8.yaml")
    if isinstance(found, Unread):
        return found
    try:
        return parse(found, given)
    except QualityError as error:
        return Unread(given, f"is not a table that can be used: {error}")

"""Quality tables of a model in the settings: each inline, or as the path of a file in the project.

A path is read by the loader of stack files alone, so that settings themselves touch no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BeforeValidator, WithJsonSchema

from bastide.evaluation.table import QualityError, QualityTable, parse

MOST_BYTES: Final = 1_000_000
"""Largest file that is read. A choice: a table of 20 tasks at 5 lengths has about 20 kilobytes."""

_HOW: Final = "allowed: paths of tables in the project, such as quality/llama-fp8.yaml, or tables themselves"


class UnreadTable:
    """Stands for a file that could not be read; the settings' check says why."""

    def __init__(self, given: object, reason: str) -> None:
        self.given, self.reason = given, reason

    def __repr__(self) -> str:
        return repr(self.given)


def _table(value: Any) -> QualityTable:
    if isinstance(value, UnreadTable):
        raise ValueError(f"{value.given!r} {value.reason}")
    if isinstance(value, QualityTable):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table of quality; {_HOW}; `bastide eval quantization` makes one")
    try:
        return parse(yaml.safe_dump(dict(value), sort_keys=False))
    except QualityError as error:
        raise ValueError(str(error)) from None


def _tables(value: Any) -> tuple[QualityTable, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise ValueError(f"is not a list; {_HOW}; put it into a list")
    return tuple(_table(each) for each in value)


# Not a tuple by its type: what is mistaken in a table makes all of them unusable to the checks.
QualityTables = Annotated[
    Sequence[QualityTable],
    BeforeValidator(_tables),
    WithJsonSchema({"type": "array", "items": {"type": ["string", "object"]}}),
]
"""Tables of `bastide eval quantization`."""


def with_tables(raw: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """Raw settings in which each path of a quality table is replaced by its content."""
    models = raw.get("models")
    if not isinstance(models, list):
        return dict(raw)
    return {**raw, "models": [_with_tables(each, project) for each in models]}


def _with_tables(model: Any, project: Path) -> Any:
    if not isinstance(model, Mapping) or not isinstance(model.get("quality"), list):
        return model
    read = [_read(each, project) if isinstance(each, str) else each for each in model["quality"]]
    return {**model, "quality": read}


def _read(given: str, project: Path) -> Any:
    root = project.resolve()
    path = (root / given).resolve()
    if not path.is_relative_to(root) or path.suffix not in (".yaml", ".yml", ".json"):
        return UnreadTable(
            given,
            "is no YAML or JSON file in the project; allowed: a path from the folder of Pulumi.yaml on, such as "
            "quality/llama-fp8.yaml; a stack must not depend on what lies elsewhere on a machine; move the file",
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            return UnreadTable(
                given, f"is larger than {MOST_BYTES:,} bytes; a table is not; name the right file"
            )
        return parse(path.read_text(encoding="utf-8"), given)
    except UnicodeDecodeError:
        return UnreadTable(given, "is not text in UTF-8; name a table in YAML or JSON")
    except OSError as error:
        return UnreadTable(
            given, f"cannot be read ({error.strerror}); correct the path, from the project's folder on"
        )
    except QualityError as error:
        return UnreadTable(given, f"is not a table that can be used: {error}")

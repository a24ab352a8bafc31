"""One model of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Model:
    """A published model.

    `config` is its config.json as far as it says something of the architecture. `checkpoint_bytes` is what
    its safetensors index states as total size, None where that was not read. Parsers are vLLM's names;
    `structured_output`: answers can be held to a JSON schema, which vLLM does for every generating model by
    masking tokens. `draft`: a smaller model of the catalogue with the same vocabulary. `read` is the month in
    which the source was read."""

    name: str
    repository: str
    config: Mapping[str, Any]
    licence: str
    languages: tuple[str, ...]
    source: str
    read: str
    purpose: Literal["generate", "embed"] = "generate"
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    structured_output: bool = True
    draft: str | None = None
    checkpoint_bytes: int | None = None
    note: str = ""

"""Settings of what an engine can do besides plain answers: adapters, tool calls, reasoning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bastide.settings.base import Strict


class LoraSettings(Strict):
    """Static LoRA adapters. Each is one of bastide:models, published, downloaded and verified like weights; clients
    ask for it by its name. None can be loaded while the engine runs."""

    adapters: tuple[str, ...] = ()
    """Names of bastide:models of kind `adapter`, trained for the engine's model."""

    max_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] = 16
    """Highest rank among the adapters: memory is kept for it. These are the ranks that vLLM 0.32 takes."""

    max_at_once: int | None = Field(None, ge=1, le=64)
    """Most adapters in one batch; the default is all of them, so that none waits for another."""


class ToolsSettings(Strict):
    """Tool calls (`tools` in a request)."""

    parser: str | None = None
    """How the model writes a call, such as `llama3_json` or `hermes`: one of vLLM's tool parsers. Without one a
    request with tools and `tool_choice: auto` is refused."""


class ReasoningSettings(Strict):
    """Reasoning apart from the answer (`reasoning` in a message)."""

    parser: str | None = None
    """How the model marks its reasoning, such as `deepseek_r1` or `qwen3`: one of vLLM's reasoning parsers. Without
    one it is part of the answer's text."""

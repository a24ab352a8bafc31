"""Settings of speculative decoding: who guesses tokens ahead, which the model then checks in one step."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, Tag, model_validator

from bastide.settings.base import Strict
from bastide.settings.variants import by_kind

MOST_TOKENS = 16
"""Most tokens guessed ahead. A choice: acceptance falls with every further token, and published gains end at about
eight."""


class NoSpeculation(Strict):
    """One token a step."""

    kind: Literal["none"] = "none"
    """No speculation."""


class Ngram(Strict):
    """What follows the same words earlier in the prompt is guessed: no model, good for summaries, edits and code."""

    kind: Literal["ngram"]
    """Guesses from the prompt itself."""

    tokens: int = Field(4, ge=1, le=MOST_TOKENS)
    """Tokens guessed in each step. The default is a choice."""

    prompt_lookup_max: int = Field(4, ge=1, le=32)
    """Longest run of tokens that is looked up in the prompt. The default is a choice; vLLM itself has none."""

    prompt_lookup_min: int = Field(2, ge=1, le=32)
    """Shortest run of tokens that is looked up; at most promptLookupMax."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.prompt_lookup_min > self.prompt_lookup_max:
            raise ValueError(
                f"promptLookupMin {self.prompt_lookup_min} is more than promptLookupMax "
                f"{self.prompt_lookup_max}; allowed: at most {self.prompt_lookup_max}; lower one or raise "
                "the other"
            )
        return self


class DraftModel(Strict):
    """A small model of the same family and vocabulary guesses. Its weights and its KV cache take GPU memory too."""

    kind: Literal["draft-model"]
    """A whole small model guesses."""

    model: str
    """Name of one of bastide:models: the draft model, verified like every other."""

    tokens: int = Field(4, ge=1, le=MOST_TOKENS)
    """Tokens guessed in each step. The default is a choice."""

    tensor_parallel: int | None = Field(None, ge=1)
    """GPUs over which the draft model is cut: 1, or as many as the engine's, which is the default. vLLM 0.32 takes no
    other number."""


class Eagle(Strict):
    """An EAGLE head, trained for one model, guesses from its hidden states."""

    kind: Literal["eagle"]
    """An EAGLE head guesses."""

    model: str
    """Name of one of bastide:models: the head, verified like every other."""

    tokens: int = Field(3, ge=1, le=MOST_TOKENS)
    """Tokens guessed in each step. The default is a choice."""


class Eagle3(Strict):
    """An EAGLE-3 head, trained for one model, guesses from the hidden states of several of its layers."""

    kind: Literal["eagle3"]
    """An EAGLE-3 head guesses."""

    model: str
    """Name of one of bastide:models: the head, verified like every other."""

    tokens: int = Field(3, ge=1, le=MOST_TOKENS)
    """Tokens guessed in each step. The default is a choice."""


class Mtp(Strict):
    """The model's own layers for multi-token prediction guess (DeepSeek-V3 and others have them)."""

    kind: Literal["mtp"]
    """The model itself guesses."""

    tokens: int = Field(1, ge=1, le=MOST_TOKENS)
    """Tokens guessed in each step; DeepSeek-V3 has one such layer."""


Speculation = Annotated[
    Annotated[NoSpeculation, Tag("none")]
    | Annotated[Ngram, Tag("ngram")]
    | Annotated[DraftModel, Tag("draft-model")]
    | Annotated[Eagle, Tag("eagle")]
    | Annotated[Eagle3, Tag("eagle3")]
    | Annotated[Mtp, Tag("mtp")],
    by_kind("none"),
]
"""How tokens are guessed ahead."""

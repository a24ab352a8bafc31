"""The quality table of one quantization: what it is, how it is read, what in it forbids serving.

A table is data with its source: `bastide eval quantization` writes it, a stack attaches it to a quantized model,
and a check of the settings asks `covers` and `problems`. This module knows no other settings, so that they may
use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

FORMAT: Final = "bastide-quality/1"
"""Name and version of the format: the first line of every table."""

UNQUANTIZED: Final = "none"
"""What a table and `covers` call weights or a KV cache of 16 bits or more."""

_WIDE: Final = frozenset({"", "none", "auto", "bfloat16", "float16", "half", "float", "float32"})
"""vLLM 0.32's names of types that lose nothing (`--dtype`, `--kv-cache-dtype`); `auto` of a KV cache is the
model's own type."""

_SAME: Final = {
    "fp8_e4m3": "fp8",  # vLLM 0.32: `fp8` of a KV cache is e4m3 on CUDA
    "awq_marlin": "awq",  # another kernel for the same numbers
    "gptq_marlin": "gptq",
    "modelopt_fp4": "nvfp4",
}
"""Two names of the same loss of precision."""


def canonical(name: str | None) -> str:
    """One name for a quantization of weights or of a KV cache: `none` where nothing is lost."""
    plain = (name or "").lower().replace("-", "_")
    return UNQUANTIZED if plain in _WIDE else _SAME.get(plain, plain)


class QualityError(Exception):
    """A table that cannot be read or made; the text says what is wrong, what is allowed and what to do."""


class WrongUseError(QualityError):
    """Arguments that mean nothing."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Served(_Part):
    """A model as it was served while it was measured."""

    model: str = Field(min_length=1)
    """Name under which the engine served it; in a store, the published name."""

    version: str = Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")
    """Published version, MAJOR.MINOR.PATCH."""

    weights: str = UNQUANTIZED
    """Quantization of the weights as vLLM calls it (`fp8`, `awq`, `compressed-tensors`); `none` for 16 bits."""

    kv_cache: str = UNQUANTIZED
    """Type of the KV cache as vLLM calls it (`fp8`); `none` for the model's own type."""


class Row(_Part):
    """One task at one context length: both models answered the same questions."""

    task: str = Field(min_length=1)
    """Name of the task, such as `needle`."""

    context: int = Field(ge=1)
    """Length of the prompts in the baseline's tokens, about."""

    n: int = Field(ge=1)
    """Questions asked of each model."""

    baseline: float = Field(ge=0, le=1)
    """Share that the baseline answered rightly."""

    candidate: float = Field(ge=0, le=1)
    """Share that the quantized model answered rightly."""

    delta: float = Field(ge=-1, le=1)
    """`candidate` less `baseline`: below 0 is a loss."""

    lost: int = Field(ge=0)
    """Questions that the baseline answered rightly and the candidate did not."""

    won: int = Field(ge=0)
    """Questions that the candidate answered rightly and the baseline did not."""

    @model_validator(mode="after")
    def _adds_up(self) -> Row:
        # Half a unit of the fourth digit on either side: tables are rounded to four.
        if abs(self.candidate - self.baseline - self.delta) > 1.5e-4:
            raise ValueError(
                f"delta {self.delta} of {self.task} at {self.context} is not candidate {self.candidate} less "
                f"baseline {self.baseline}; do not edit a table by hand, make it again"
            )
        if abs((self.won - self.lost) / self.n - self.delta) > 1.5e-4:
            raise ValueError(
                f"won {self.won} and lost {self.lost} of {self.n} questions of {self.task} at {self.context} do not "
                f"give delta {self.delta}; do not edit a table by hand, make it again"
            )
        return self


class Divergence(_Part):
    """How far the candidate departs from the baseline's own greedy answers, token by token: it sees a loss that no
    task shows yet."""

    context: int = Field(ge=1)
    """Length of the prompts in the baseline's tokens, about."""

    n: int = Field(ge=1)
    """Prompts."""

    tokens: int = Field(ge=1)
    """Answer tokens compared, over all prompts."""

    agreement: float = Field(ge=0, le=1)
    """Share of those tokens that are the candidate's first choice too."""

    divergence: float
    """Mean over the tokens of log p(baseline) - log p(candidate), in nats: 0 for the same model; its exponential is
    the factor by which the candidate's perplexity on the baseline's answers is larger."""

    baseline_perplexity: float = Field(ge=1)
    """The baseline's perplexity on its own greedy answers."""

    candidate_perplexity: float = Field(ge=1)
    """The candidate's perplexity on the same answers."""


class Limits(_Part):
    """From where on a quantization may not serve. The defaults are this kit's decisions, not measurements."""

    drop: float = Field(0.05, ge=0, le=1)
    """Largest loss of a row, as a share of its questions."""

    divergence: float = Field(0.1, ge=0)
    """Largest mean divergence in nats a token, at any context length."""

    samples: int = Field(20, ge=1)
    """Fewest questions of a row. With 20 one question is 0.05: fewer cannot show a drop of that size."""

    solved: float = Field(0.5, ge=0, le=1)
    """A row whose baseline solves a smaller share says nothing of a loss and counts as not measured."""

    rows: int = Field(1, ge=0)
    """Fewest rows that say something. 0 lets a table of divergences alone pass, as a random model's is."""


class QualityTable(_Part):
    """What a quantization costs in quality, by task and context length, with where the numbers come from."""

    format: Literal["bastide-quality/1"] = FORMAT
    """Name and version of this format."""

    baseline: Served
    """What it was compared with."""

    candidate: Served
    """The quantized model that the table is about."""

    engine: Literal["vllm", "sglang", "tensorrt-llm", "tgi", "ollama"] = "vllm"
    """The engine that served both."""

    engine_version: str = Field(min_length=1)
    """Version of the engine that served the candidate, as it gave it."""

    date: date
    """Day on which it was measured."""

    source: str = Field(min_length=1)
    """The command that made the table, or the publication that the numbers are from."""

    rows: tuple[Row, ...] = ()
    """Task by context length."""

    divergence: tuple[Divergence, ...] = ()
    """Divergence by context length."""

    @model_validator(mode="after")
    def _is_one_measurement(self) -> QualityTable:
        if not self.rows and not self.divergence:
            raise ValueError("the table has neither rows nor divergence: it says nothing; make it again")
        cells = Counter([(row.task, row.context) for row in self.rows])
        cells.update(("divergence", each.context) for each in self.divergence)
        twice = sorted(f"{task} at {context}" for (task, context), count in cells.items() if count > 1)
        if twice:
            raise ValueError(f"the table has {', '.join(twice)} more than once; keep one measurement of each")
        if self.candidate == self.baseline:
            raise ValueError("candidate and baseline are the same: nothing was compared; name what differs")
        return self

    def covers(
        self, model: str, version: str, weights: str | None = None, kv_cache: str | None = None
    ) -> bool:
        """Whether the table is about this published version, served with this quantization of weights and KV cache
        (vLLM's names; None and `auto` are none)."""
        about = self.candidate
        return (about.model, about.version) == (model, version) and (
            canonical(about.weights),
            canonical(about.kv_cache),
        ) == (canonical(weights), canonical(kv_cache))

    def about(self) -> str:
        """What the table is about, for messages."""
        each = self.candidate
        return f"{each.model} {each.version} (weights {canonical(each.weights)}, KV cache {canonical(each.kv_cache)})"

    def problems(self, limits: Limits | None = None) -> list[str]:
        """Every reason for which these numbers forbid serving; empty if none does."""
        limits = limits or Limits()
        return [*self._row_problems(limits), *self._divergence_problems(limits)]

    def _row_problems(self, limits: Limits) -> list[str]:
        found: list[str] = []
        telling = [row for row in self.rows if row.baseline >= limits.solved]
        if len(telling) < limits.rows:
            found.append(
                f"the baseline solves {limits.solved:.0%} or more in {len(telling)} of {len(self.rows)} rows, and at "
                f"least {limits.rows} are wanted: the others say nothing of a loss; use tasks that it can solve"
            )
        for row in telling:
            where = f"{row.task} at {row.context:,} tokens"
            if row.n < limits.samples:
                found.append(
                    f"{where}: {row.n} questions are fewer than {limits.samples}: measure again with "
                    f"--samples {limits.samples}"
                )
            if row.delta < -limits.drop - 1e-9:
                found.append(
                    f"{where}: {row.baseline:.2f} falls to {row.candidate:.2f} (lost {row.lost}, won {row.won} of "
                    f"{row.n}), by more than {limits.drop:.2f}; use another quantization or a shorter maxModelLen"
                )
        return found

    def _divergence_problems(self, limits: Limits) -> list[str]:
        return [
            f"divergence at {each.context:,} tokens: {each.divergence:.3f} nats a token (agreement "
            f"{each.agreement:.0%}) is more than {limits.divergence:.3f}; use another quantization"
            for each in self.divergence
            if each.divergence > limits.divergence
        ]


def parse(text: str, name: str = "the table") -> QualityTable:
    """A table from YAML or JSON; `name` is what messages call it. Raises `QualityError`."""
    try:
        raw: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        said = getattr(error, "problem", None) or "it is no text"
        raise QualityError(
            f"{name} is not YAML{line}: {said}; make it by `bastide eval quantization`"
        ) from None
    if not isinstance(raw, dict):
        raise QualityError(f"{name} is no table: a mapping whose format is '{FORMAT}' is wanted")
    if raw.get("format") != FORMAT:
        raise QualityError(
            f"{name} has the format {raw.get('format')!r}; allowed: '{FORMAT}'; make it by `bastide eval quantization`"
        )
    try:
        return QualityTable.model_validate(raw)
    except ValidationError as error:
        raise QualityError(f"{name} has mistakes: {'; '.join(_told(error))}") from None


def read(path: Path) -> QualityTable:
    """The table of a file. Raises `QualityError`."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise QualityError(f"{path} is not text in UTF-8; give a table in YAML or JSON") from None
    except OSError as error:
        raise QualityError(f"{path} cannot be read: {error.strerror}") from None


def dump(table: QualityTable) -> str:
    """The table as YAML, which `parse` reads back equal."""
    document = table.model_dump(mode="json", by_alias=True)
    text: str = yaml.safe_dump({"format": FORMAT, **document}, sort_keys=False, allow_unicode=True, width=110)
    return text


def _told(error: ValidationError) -> Sequence[str]:
    return [
        f"{'.'.join(str(part) for part in each['loc']) or 'it'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors()
    ]

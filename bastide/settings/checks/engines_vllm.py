"""Checks of settings that vLLM 0.32 refuses together, or takes and then does otherwise than they say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from bastide.catalogues import vllm_parsers
from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, usable
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _parsers(engine: EngineSettings, path: str) -> Iterator[Problem]:
    for part, given, known in (
        ("tools", engine.tools.parser, vllm_parsers.TOOLS),
        ("reasoning", engine.reasoning.parser, vllm_parsers.REASONING),
    ):
        if given is not None and given not in known:
            near = get_close_matches(given, known, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            yield Problem(
                f"{path}.{part}.parser",
                f"{given!r} is not a {part} parser of vLLM 0.32{meant}; allowed: {', '.join(known)}; the engine "
                "would not start; the model's page says which one it needs",
            )


def _batch(engine: EngineSettings, path: str) -> Iterator[Problem]:
    tokens = engine.max_num_batched_tokens
    if tokens is not None and tokens < engine.max_num_seqs:
        yield Problem(
            f"{path}.maxNumBatchedTokens",
            f"{tokens} is less than maxNumSeqs {engine.max_num_seqs}; allowed: {engine.max_num_seqs} or more; each "
            "running sequence takes a token of every step; raise it or lower maxNumSeqs",
        )
    whole = engine.chunked_prefill is False or engine.runner == "embed"
    if tokens is not None and whole and tokens < engine.max_model_len:
        yield Problem(
            f"{path}.maxNumBatchedTokens",
            f"{tokens} is less than maxModelLen {engine.max_model_len}; allowed: {engine.max_model_len} or more; a "
            "text that is not cut into parts has to fit into one step; raise it or lower maxModelLen",
        )
    if engine.chunked_prefill is False and engine.runner == "generate":
        yield Problem(
            f"{path}.chunkedPrefill",
            "false is refused for a model that generates; allowed: true, or no value; vLLM 0.32 says itself that it "
            "may crash or answer wrongly without; remove it",
        )


def _limits(engine: EngineSettings, path: str) -> Iterator[Problem]:
    most = engine.limits.max_answer_tokens
    if most is not None and most >= engine.max_model_len:
        yield Problem(
            f"{path}.limits.maxAnswerTokens",
            f"{most} leaves no token for the prompt; allowed: less than maxModelLen {engine.max_model_len}; lower it",
        )


def _embedding(engine: EngineSettings, path: str) -> Iterator[Problem]:
    if engine.runner != "embed":
        return
    given = {
        "speculation": engine.speculation.kind != "none",
        "tools.parser": engine.tools.parser is not None,
        "reasoning.parser": engine.reasoning.parser is not None,
        "limits.maxAnswerTokens": engine.limits.max_answer_tokens is not None,
        "chunkedPrefill": engine.chunked_prefill is True,
        "prefixCaching": engine.prefix_caching is True,
    }
    for setting in (name for name, wanted in given.items() if wanted):
        yield Problem(
            f"{path}.{setting}",
            "is for engines that generate text; allowed with runner embed: nothing; an embedding has no answer to "
            "guess, parse or cut; remove it",
        )


def _experts(engine: EngineSettings, path: str) -> Iterator[Problem]:
    if engine.expert_parallel and engine.tensor_parallel * engine.data_parallel == 1:
        yield Problem(
            f"{path}.expertParallel",
            "true spreads experts over the GPUs of tensorParallel and dataParallel, which are one; allowed: false, "
            "or more GPUs; vLLM would leave it off; change one of them",
        )


def _each_engine(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            for check in (_parsers, _batch, _limits, _embedding, _experts):
                with suppress(UnusableError):
                    if engine.kind == "vllm":
                        yield from usable(check(engine, f"engines[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_each_engine,)

"""Checks that what was quantized is known to answer well enough: a table of exactly that quantization is attached.

Also where the maker published the weights quantized: nothing else says what was lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.catalogues import models
from bastide.catalogues.models_quantization import ConfigError
from bastide.evaluation.table import UNQUANTIZED, canonical
from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, usable
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.models import ModelSettings
    from bastide.settings.root import Settings


def quantization(model: ModelSettings, engine: EngineSettings) -> tuple[str, str]:
    """How weights and KV cache are quantized, `none` where they are not. A checkpoint may ask for an FP8 cache itself.
    Of a model whose shape is unknown, which another check refuses, only what the engine says."""
    weights, cache = engine.quantization, engine.kv_cache_dtype
    with suppress(models.UnknownModelError, ConfigError):
        found = models.of(model.name, model.config).quantization
        if found is not None:
            weights = weights or found.method  # type: ignore[assignment]
            if found.kv_scheme and cache == "auto":
                cache = "fp8"
    return canonical(weights), canonical(cache)


def _refused(model: ModelSettings, engine: EngineSettings) -> bool:
    """Whether the engine asks for a quantization that the checkpoint has not, and vLLM does not make: the planner's
    check says so, and no table could help."""
    from bastide.plans.capacity.online import ONLINE, family  # plans read settings

    wanted = engine.quantization
    if wanted is None:
        return False
    with suppress(models.UnknownModelError, ConfigError):
        stored = models.of(model.name, model.config).quantization
        return family(wanted) != stored.method if stored else family(wanted) not in ONLINE
    return False


def _attached(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    index, model = next(
        ((number, each) for number, each in enumerate(settings.models) if each.name == engine.model),
        (None, None),
    )
    if model is None:
        return
    weights, cache = quantization(model, engine)
    if _refused(model, engine):
        return
    if weights == cache == UNQUANTIZED:
        return
    about = f"{model.name} {model.version} with weights {weights} and KV cache {cache}"
    number, table = next(
        (
            (number, each)
            for number, each in enumerate(model.quality)
            if each.covers(model.name, model.version, weights, cache)
        ),
        (0, None),
    )
    if table is None:
        there = "; ".join(each.about() for each in model.quality) or "none"
        yield Problem(
            f"models[{index}].quality",
            f"has no table of {about}, which {path} serves (attached: {there}); allowed: a table of exactly that; what "
            "fewer bits cost shows only in answers, by task and length; make it: `bastide eval quantization "
            f"--baseline URL --candidate URL --model {model.name} --version {model.version} --weights {weights} "
            f"--kv-cache {cache} --out quality/{model.name}.yaml`, and name the file here",
        )
        return
    for reason in table.problems():
        yield Problem(
            f"models[{index}].quality[{number}]",
            f"the table of {about} forbids {path} to serve it: {reason}",
        )


def _each_engine(settings: Settings) -> Iterator[Problem]:
    said = set()
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            for problem in usable(_attached(settings, engine, f"engines[{index}]")):
                if problem not in said:
                    said.add(problem)
                    yield problem


CHECKS: Final[tuple[Check, ...]] = (_each_engine,)

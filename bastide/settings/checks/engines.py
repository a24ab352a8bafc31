"""Checks of models and engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.catalogues import instances
from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, duplicates, usable
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _unique_models(settings: Settings) -> Iterator[Problem]:
    yield from duplicates("models", "model", (each.name for each in settings.models))


def _unique_engines(settings: Settings) -> Iterator[Problem]:
    yield from duplicates("engines", "engine", (each.name for each in settings.engines))


def _engine_model(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    known = [each.name for each in settings.models]
    if engine.model not in known:
        yield Problem(
            f"{path}.model",
            f"{engine.model!r} is not one of bastide:models{choices(engine.model, known)}; add it there "
            "or choose another",
        )


def _engine_pool(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    known = [each.name for each in settings.pools]
    if engine.pool not in known:
        yield Problem(
            f"{path}.pool",
            f"{engine.pool!r} is not one of bastide:pools{choices(engine.pool, known)}; add it there or "
            "choose another",
        )


def _node_type(settings: Settings, engine: EngineSettings) -> instances.InstanceType | None:
    pool = next((each for each in settings.pools if each.name == engine.pool), None)
    return instances.CATALOGUE.get(pool.instance_type) if pool else None


def _engine_gpus(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    kind = _node_type(settings, engine)
    if kind is not None and kind.gpus and engine.gpus > kind.gpus:
        yield Problem(
            f"{path}.gpus",
            f"{engine.gpus} is more than a node of pool {engine.pool!r} has; allowed: at most {kind.gpus} "
            f"({kind.name}); a pod runs on one node; lower it, choose a larger instance type, or spread "
            "each replica over several with nodes",
        )


def _engine_parallelism(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    with suppress(UnusableError):
        if list(_engine_gpus(settings, engine, path)):
            return  # said already: gpus changes anyway
    others = engine.pipeline_parallel * engine.data_parallel
    used = engine.tensor_parallel * others
    if engine.nodes > 1:
        if used != engine.gpus_per_replica:
            yield Problem(
                f"{path}.tensorParallel",
                f"{engine.tensor_parallel} x pipelineParallel {engine.pipeline_parallel} x dataParallel "
                f"{engine.data_parallel} are {used} GPUs, but {engine.nodes} nodes with {engine.gpus} each have "
                f"{engine.gpus_per_replica}; allowed: a product of {engine.gpus_per_replica}; every GPU of a group "
                "takes part; change one of them",
            )
    elif others == 1 and engine.gpus % engine.tensor_parallel:
        allowed = [str(each) for each in range(1, engine.gpus + 1) if engine.gpus % each == 0]
        yield Problem(
            f"{path}.tensorParallel",
            f"{engine.tensor_parallel} does not divide gpus {engine.gpus}; allowed: "
            f"{', '.join(allowed)}; GPUs would "
            "be paid for and not used; change one of the two",
        )
    elif engine.gpus % used:
        yield Problem(
            f"{path}.tensorParallel",
            f"{engine.tensor_parallel} x pipelineParallel {engine.pipeline_parallel} x dataParallel "
            f"{engine.data_parallel} are {used} GPUs, which does not divide gpus {engine.gpus}; allowed: a product "
            "that divides it; GPUs would be paid for and not used; change one of them",
        )


def _engine_load(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    load = engine.load
    if load is None or engine.runner == "embed":
        return
    length = load.prompt_tokens + load.answer_tokens
    if length > engine.max_model_len:
        yield Problem(
            f"{path}.load",
            f"promptTokens {load.prompt_tokens:,} and answerTokens {load.answer_tokens:,} are {length:,} together; "
            f"allowed: at most maxModelLen {engine.max_model_len:,}; the engine refuses a longer sequence, so that "
            "such a load cannot be; lower them or raise maxModelLen",
        )


def _each_engine(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            for check in (_engine_model, _engine_pool, _engine_gpus, _engine_parallelism, _engine_load):
                yield from usable(check(settings, engine, f"engines[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_unique_models, _unique_engines, _each_engine)

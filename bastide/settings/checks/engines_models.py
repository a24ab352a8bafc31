"""Checks of what an engine loads besides the model that it serves, and of that model's kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, usable
from bastide.settings.engine_speculation import DraftModel, Eagle, Eagle3
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _names(settings: Settings, kind: str) -> list[str]:
    return [each.name for each in settings.models if each.kind == kind]


def _served(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    if engine.model in _names(settings, "adapter"):
        yield Problem(
            f"{path}.model",
            f"{engine.model!r} is an adapter, which has no weights of its own{choices('', _names(settings, 'model'))}"
            "; name the model that it was trained for, and the adapter in lora.adapters",
        )


def _draft(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    wanted = engine.speculation
    if not isinstance(wanted, DraftModel | Eagle | Eagle3):
        return
    known = [each for each in _names(settings, "model") if each != engine.model]
    if wanted.model == engine.model:
        yield Problem(
            f"{path}.speculation.model",
            f"{wanted.model!r} is the model that the engine serves: guessing would cost as much as answering"
            f"{choices('', known)}; name a small model of the same family",
        )
    elif wanted.model not in known:
        yield Problem(
            f"{path}.speculation.model",
            f"{wanted.model!r} is not one of bastide:models{choices(wanted.model, known)}; it is published and "
            "verified like every other; add it there or choose another",
        )
    if isinstance(wanted, DraftModel) and wanted.tensor_parallel not in (None, 1, engine.tensor_parallel):
        yield Problem(
            f"{path}.speculation.tensorParallel",
            f"{wanted.tensor_parallel} is neither 1 nor the engine's tensorParallel; allowed: 1, "
            f"{engine.tensor_parallel}; vLLM 0.32 cuts a draft model in no other way; change it",
        )


def _adapters(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    known = _names(settings, "adapter")
    for index, name in enumerate(engine.lora.adapters):
        at = f"{path}.lora.adapters[{index}]"
        if name not in known:
            yield Problem(
                at,
                f"{name!r} is not one of bastide:models of kind adapter{choices(name, known)}; add it there or "
                "remove it",
            )
        elif name in engine.lora.adapters[:index]:
            yield Problem(at, f"{name!r} is named before; clients ask for an adapter by its name; remove one")
    most = engine.lora.max_at_once
    if most is not None and most > len(engine.lora.adapters):
        yield Problem(
            f"{path}.lora.maxAtOnce",
            f"{most} is more than there are adapters; allowed: at most {len(engine.lora.adapters)}; GPU memory "
            "would be kept for none; lower it or leave it out",
        )


def _each_engine(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            for check in (_served, _draft, _adapters):
                yield from usable(check(settings, engine, f"engines[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_each_engine,)

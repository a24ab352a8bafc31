"""Checks that an engine's model fits and starts on its pool's machines, by the capacity planner.

Engines whose settings other checks refuse are left out: a plan for them would be about something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.catalogues import models
from bastide.catalogues.models_config import ENCODERS
from bastide.settings.base import UnusableError
from bastide.settings.checks import engines, engines_models, engines_vllm, pools
from bastide.settings.checks.common import Check, usable
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.settings.root import Settings

_BEFORE: Final = (engines, engines_models, engines_vllm, pools)
"""What must be right before a plan makes sense."""


def _each_engine(settings: Settings) -> Iterator[Problem]:
    mistaken = {
        each.path.partition(".")[0]
        for part in _BEFORE
        for check in part.CHECKS
        for each in usable(check(settings))
    }
    for index, engine in enumerate(settings.engines):
        path = f"engines[{index}]"
        with suppress(UnusableError):
            pool = [each.name for each in settings.pools].index(engine.pool) if path not in mistaken else -1
            if pool >= 0 and f"pools[{pool}]" not in mistaken:
                yield from _engine(settings, engine, path)


def _engine(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    # Plans read settings, so they come after them.
    from bastide.plans.capacity.of_engine import deployment
    from bastide.plans.capacity.plan import refusals
    from bastide.plans.capacity.report import nearest

    try:
        asked = deployment(settings, engine)
    except models.UnknownModelError as error:
        yield Problem(
            f"models[{[each.name for each in settings.models].index(error.name)}].config",
            f"is not given, and {error.name!r} is not in the "
            f"catalogue{choices(error.name, models.CATALOGUE)}; without the "
            "model's shape nobody knows whether it fits; give its config.json, as a mapping or as the path "
            "of a copy in "
            "the project",
        )
        return
    yield from _runner(engine, asked.model.model_type, path)
    stored = asked.model.quantization.method if asked.model.quantization else None
    found = list(_quantization(engine, stored, path))
    yield from found
    if found or engine.kind != "vllm":
        return
    refused = refusals(asked)
    if not refused:
        return
    others = nearest(asked)
    for number, each in enumerate(refused):
        yield Problem(f"{path}.{each.field}", each.reason + (others if number == 0 else ""))


def _runner(engine: EngineSettings, family: str, path: str) -> Iterator[Problem]:
    if engine.runner == "generate" and family in ENCODERS:
        yield Problem(
            f"{path}.runner",
            f"generate asks {engine.model!r} for text, and it is an encoder ({family}), which gives "
            "vectors only; "
            "allowed: embed; set it",
        )


def _quantization(engine: EngineSettings, checkpoint: str | None, path: str) -> Iterator[Problem]:
    """A quantization that is not the checkpoint's (vllm/config/model.py, _verify_quantization)."""
    from bastide.plans.capacity.online import ONLINE, family

    wanted = engine.quantization
    if wanted is None or family(wanted) == checkpoint:
        return
    if checkpoint is not None:
        yield Problem(
            f"{path}.quantization",
            f"{wanted} is not how {engine.model!r} was quantized; allowed: {checkpoint}, or no value; vLLM "
            "does not "
            "quantize a checkpoint again; remove it",
        )
    elif family(wanted) not in ONLINE:
        yield Problem(
            f"{path}.quantization",
            f"{wanted} needs weights that were quantized so, and the config.json of {engine.model!r} has no "
            f"quantization_config; allowed: {', '.join(ONLINE)}, which vLLM makes at start, or no value; "
            "publish such a "
            "checkpoint, or change it",
        )


CHECKS: Final[tuple[Check, ...]] = (_each_engine,)

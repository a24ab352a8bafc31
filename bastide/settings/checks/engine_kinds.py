"""Checks of engines' kinds: what a kind cannot express is refused by name, and a kind that no pod can run at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.catalogues import sglang_parsers
from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem, choices, shown

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _written(given: object) -> str:
    """A value as a stack file has it."""
    return shown(list(given) if isinstance(given, tuple) else given)


def _of(engine: EngineSettings, path: str) -> Iterator[Problem]:
    from bastide.plans import engine_kinds  # it reads settings, which are being loaded while this is imported
    from bastide.plans.engine_kinds import base

    kind = engine_kinds.of(engine)
    if kind.cannot_run:
        # Alone: what it cannot express is of no interest before.
        yield Problem(
            f"{path}.kind",
            f"{kind.name!r} is known, but no pod of the kit can run it; allowed: vllm, sglang or tensorrt-llm; "
            f"{kind.cannot_run}; choose another",
        )
        return
    for setting, why in engine_kinds.refusals(kind, engine).items():
        usual = "none" if setting == "speculation.kind" else base.default(setting, engine)
        allowed = "no value" if usual in (None, ()) else f"{usual}, which is the default"
        value = _written(base.at(engine, setting))
        yield Problem(
            f"{path}.{setting}",
            f"{value} is not for engines of kind {kind.name}; allowed: {allowed}; {why}; remove "
            "it, or use kind: vllm",
        )
    if kind.name == "sglang":
        for part, given, known in (
            ("tools", engine.tools.parser, sglang_parsers.TOOLS),
            ("reasoning", engine.reasoning.parser, sglang_parsers.REASONING),
        ):
            if given is not None and given not in known:
                yield Problem(
                    f"{path}.{part}.parser",
                    f"{given!r} is not a {part} parser of SGLang {kind.version}{choices(given, known)}; the engine "
                    "would not start; its names are others than vLLM's",
                )


def _each_engine(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            with suppress(UnusableError):
                if engine.kind != "vllm":
                    yield from _of(engine, f"engines[{index}]")


CHECKS: Final[tuple[Check, ...]] = (_each_engine,)

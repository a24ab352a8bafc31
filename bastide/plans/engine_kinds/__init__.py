"""Engines by kind: what each needs to serve what the same settings say. Pure.

A setting that a kind cannot express is refused by name (`Kind.refused`); what not even a default keeps is said
(`Kind.unmet`); a kind that no parser judged is marked `rendered only`. docs/engine-kinds.md has them as a table."""

from __future__ import annotations

from typing import Final

from bastide.plans.engine_kinds import ollama, sglang, tensorrt_llm, tgi, vllm
from bastide.plans.engine_kinds.base import Kind, Metrics, Program, refusals
from bastide.settings import EngineSettings, Settings

KINDS: Final[dict[str, Kind]] = {
    each.KIND.name: each.KIND for each in (vllm, sglang, tensorrt_llm, tgi, ollama)
}


def of(engine: EngineSettings) -> Kind:
    """The engine's kind."""
    return KINDS[engine.kind]


def caveats(engine: EngineSettings) -> str:
    """What a run says of an engine whose kind keeps not all that its settings promise, or was judged by no parser;
    nothing for vLLM."""
    kind = of(engine)
    judged = "is rendered only: no parser judged its arguments" if kind.judge == "rendered only" else ""
    kept = f"does not keep all: {'; '.join(kind.unmet)}" if kind.unmet else ""
    said = "; it ".join(each for each in (judged, kept) if each)
    return f"kind {kind.name} {kind.version} {said} (docs/engine-kinds.md)" if said else ""


def program(settings: Settings, engine: EngineSettings) -> Program:
    """How the engine is run in its pod."""
    return of(engine).program(settings, engine)


__all__ = ["KINDS", "Kind", "Metrics", "Program", "caveats", "of", "program", "refusals"]

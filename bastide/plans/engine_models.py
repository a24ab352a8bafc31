"""Which models an engine loads: the one it serves, its draft model and its adapters. Pure.

All of them are downloaded and verified before the engine starts, and its role may read no other."""

from __future__ import annotations

from bastide import names
from bastide.settings import EngineSettings, ModelSettings, Settings
from bastide.settings.engine_speculation import DraftModel, Eagle, Eagle3


def draft(settings: Settings, engine: EngineSettings) -> ModelSettings | None:
    """The model that guesses tokens ahead; None without one of its own."""
    if isinstance(engine.speculation, DraftModel | Eagle | Eagle3):
        return settings.model(engine.speculation.model)
    return None


def adapters(settings: Settings, engine: EngineSettings) -> list[ModelSettings]:
    """The engine's static adapters, in their order."""
    return [settings.model(each) for each in engine.lora.adapters]


def every(settings: Settings, engine: EngineSettings) -> list[ModelSettings]:
    """All that the engine loads, the served model first, each once."""
    guessing = draft(settings, engine)
    found = [
        settings.model(engine.model),
        *([guessing] if guessing else []),
        *adapters(settings, engine),
    ]
    return list({(each.name, each.version): each for each in found}.values())


def path(model: ModelSettings) -> str:
    """Folder of a model in the engine's pod."""
    return names.model_path(model.name, model.version)

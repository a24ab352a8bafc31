"""Settings of when an engine counts as ill and is started again."""

from __future__ import annotations

from pydantic import Field

from bastide.settings.base import Strict


class HealthSettings(Strict):
    """How patient the probes of an engine are. A pod that loads, one that is dead, one that is hung and one that is
    stalled are told apart; each restart says which it was."""

    stall_seconds: int = Field(120, ge=5, le=3600)
    """Seconds in which an engine that owes answers may make no progress at all. The longest step that is no fault is
    one part of a prompt: 16,384 tokens of a model with 405 billion parameters are 1.3e16 operations, about 4 s on
    eight GPUs at half their speed; 120 is thirty of those. An idle engine is asked for one token as often."""

    hung_seconds: int = Field(60, ge=5, le=3600)
    """Seconds in which its HTTP server may answer nothing, neither /health nor /metrics. A choice: it answers within
    milliseconds, and a few seconds while it takes in a very large request."""

    check_gpus: bool = True
    """Whether `nvidia-smi` must go on listing as many GPUs as were asked for; one that fell off its bus leaves the
    list. Off where the engine's image runs without GPUs."""

"""From which acceptance rate on guessing tokens ahead pays.

A step that checks k guesses gives (1 - a^(k+1)) / (1 - a) tokens on average where each is accepted with
probability a (Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding",
arXiv:2211.17192, equation 1). It costs a step of k + 1 tokens for each sequence and k steps of the draft.
Blind spots: acceptance is not independent from token to token, and rises and falls with the text; sampling
the guesses costs nothing here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bastide.catalogues.models_architecture import DTYPE_BYTES
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.latency import decode, group
from bastide.plans.capacity.memory import mtp_bytes


@dataclass(frozen=True)
class BreakEven:
    """At `batch` sequences: what a step without guesses and one with them take, in seconds, and the
    acceptance rate from which the second is the faster way; None where no rate is enough."""

    batch: int
    plain: float
    guessing: float
    acceptance: float | None


def tokens_a_step(acceptance: float, guesses: int) -> float:
    """Expected tokens of a step."""
    if acceptance >= 1:
        return guesses + 1.0
    return (1 - acceptance ** (guesses + 1)) / (1 - acceptance)


def speedup(acceptance: float, guesses: int, plain: float, guessing: float) -> float:
    """Tokens a second with guesses over those without."""
    return tokens_a_step(acceptance, guesses) * plain / guessing


def break_even(asked: Deployment, batch: int, context: float) -> BreakEven | None:
    """The break-even of a deployment's speculation; None without one."""
    draft = asked.draft
    if draft is None:
        return None
    plain = decode(asked, batch, context).seconds
    guessing = decode(asked, batch, context, draft.tokens + 1).seconds + draft.tokens * _guess(
        asked, batch, context
    )
    low, high = 0.0, 1.0
    if speedup(1.0, draft.tokens, plain, guessing) < 1:
        return BreakEven(batch, plain, guessing, None)
    for _ in range(50):
        middle = (low + high) / 2
        enough = speedup(middle, draft.tokens, plain, guessing) >= 1
        low, high = (low, middle) if enough else (middle, high)
    return BreakEven(batch, plain, guessing, high)


def _guess(asked: Deployment, batch: int, context: float) -> float:
    """Seconds of one guess: a step of the draft model cut like the engine (on the last pipeline stage, for the group
    that is there), of the model's own extra layer, or nothing."""
    draft = asked.draft
    if draft is None:
        return 0.0
    if draft.model is not None:
        alone = replace(
            asked, model=draft.model, weights=None, draft=None, pipeline_parallel=1, expert_parallel=False
        )
        return decode(alone, group(asked, batch), context).seconds
    if draft.kind == "mtp":
        model = asked.model
        output = model.vocab * model.hidden * DTYPE_BYTES[model.dtype] / asked.tensor_parallel
        return (mtp_bytes(asked) + output) / asked.machine.gpu.bandwidth
    return 0.0

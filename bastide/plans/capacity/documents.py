"""A plan for programs and for a stack's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bastide.plans.capacity.plan import Plan, plan
from bastide.plans.capacity.queueing import Sizing, machines

if TYPE_CHECKING:
    from bastide.settings import Settings


def document(found: Plan) -> dict[str, Any]:
    """The plan as JSON."""
    asked, space, times = found.asked, found.memory, found.times
    return {
        "model": asked.model_name,
        "machine": asked.machine.name,
        "nodes": asked.nodes,
        "gpusPerNode": asked.gpus,
        "tensorParallel": asked.tensor_parallel,
        "pipelineParallel": asked.pipeline_parallel,
        "dataParallel": asked.data_parallel,
        "maxModelLen": asked.max_model_len,
        "works": found.works,
        "refusals": [{"setting": each.field, "reason": each.reason} for each in found.refusals],
        "memoryBytesPerGpu": None
        if space is None
        else {
            "taken": round(space.taken),
            "weights": round(space.weights),
            "draft": round(space.draft_weights),
            "activations": round(space.activations),
            "graphs": round(space.graphs),
            "context": round(space.context),
            "kvCache": round(space.kv_bytes),
            "uncertain": round(space.uncertain),
        },
        "weightBytes": None if space is None else round(space.total_weights),
        "kvBytesPerToken": found.kv_token_bytes,
        "kvTokens": found.kv_tokens,
        "concurrency": {
            "full": round(found.full_concurrency, 2),
            "expected": round(found.expected_concurrency, 2),
            "expectedLen": asked.typical_len,
        },
        "floorSeconds": None
        if times is None
        else {
            "firstToken": times.first.seconds,
            "betweenTokens": times.step.seconds,
            "betweenTokensFull": times.full_step.seconds,
        },
        "batchKnee": None
        if times is None
        else {"arithmetic": times.ridge, "kvCache": _finite(times.kv_ridge)},
        "speculation": [
            {"sequences": each.batch, "breakEvenAcceptance": each.acceptance} for each in found.speculation
        ],
        "replicas": _sizing_document(found),
        "usdPerHour": found.hourly,
        "usdPerMillionPromptTokens": found.prompt_usd,
        "usdPerMillionAnswerTokens": [
            {"context": each.context, "concurrency": each.concurrency, "usd": each.usd}
            for each in found.costs
        ],
        "notes": list(found.notes),
        "alternatives": [
            {
                "changes": list(each.changes),
                "machine": each.deployment.machine.name,
                "nodes": each.deployment.nodes,
                "tensorParallel": each.deployment.tensor_parallel,
                "pipelineParallel": each.deployment.pipeline_parallel,
                "maxModelLen": each.deployment.max_model_len,
                "kvCacheDtype": each.deployment.kv_dtype,
                "kvTokens": each.memory.cache.tokens if each.memory.cache else 0,
                "replicas": each.sizing.replicas if each.sizing else None,
                "usdPerHour": each.hourly,
            }
            for each in found.alternatives
        ],
    }


def _finite(value: float) -> float | None:
    return None if value == float("inf") else value


def _sizing_document(found: Plan) -> dict[str, Any] | None:
    match found.sizing:
        case Sizing() as sizing:
            return {
                "count": sizing.replicas,
                "machines": machines(found.asked, sizing.replicas),
                "firstTokenSeconds": sizing.ttft,
                "betweenTokensSeconds": sizing.itl,
                "limit": sizing.limit,
            }
        case str() as reason:
            return {"count": None, "limit": reason}
        case _:
            return None


def outputs(settings: Settings) -> dict[str, dict[str, Any]]:
    """Figures of each engine for the stack's outputs, known before anything exists."""
    from bastide.plans.capacity.of_engine import deployment

    found = {}
    for engine in settings.engines:
        one = plan(deployment(settings, engine), search=False)
        whole = document(one)
        kept = (
            "weightBytes",
            "kvBytesPerToken",
            "kvTokens",
            "concurrency",
            "floorSeconds",
            "usdPerHour",
            "replicas",
        )
        found[engine.name] = {
            "rules": "vllm" if engine.kind == "vllm" else f"vllm's; {engine.kind} has its own",
            **{name: _rounded(whole[name]) for name in kept if whole[name] is not None},
        }
    return found


def _rounded(value: Any) -> Any:
    """Floats to four digits, so that outputs do not differ between machines."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value

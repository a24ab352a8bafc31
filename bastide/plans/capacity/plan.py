"""The whole plan of one replica: memory, concurrency, times, speculation, replicas, cost, or why it cannot
be."""

from __future__ import annotations

from dataclasses import dataclass

from bastide.catalogues.models_architecture import pipeline_stages
from bastide.plans.capacity.alternatives import Alternative, alternatives
from bastide.plans.capacity.costs import Cost, answers, prompt_usd, replica_hourly
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.kv_cache import heads_per_gpu, layer_token_bytes, token_bytes
from bastide.plans.capacity.latency import Step, decode, kv_ridge, prefill, ridge
from bastide.plans.capacity.memory import Memory, cached, fitting, memory, slots
from bastide.plans.capacity.queueing import Sizing, machines, replicas
from bastide.plans.capacity.refusals import Refusal, longest, memory_refusals, shape_refusals
from bastide.plans.capacity.speculation import BreakEven, break_even


@dataclass(frozen=True)
class Times:
    """Floors. `step` of one sequence and `full_step` of as many as fit, at the expected length; `first` of a
    prompt of the expected length. `ridge` and `kv_ridge`: sequences from which more of them pay less."""

    step: Step
    full_step: Step
    first: Step
    ridge: float
    kv_ridge: float


@dataclass(frozen=True)
class Plan:
    """The answer. With refusals there is no more than memory (where the shape allows to reckon it) and
    alternatives."""

    asked: Deployment
    refusals: tuple[Refusal, ...]
    memory: Memory | None
    notes: tuple[str, ...] = ()
    kv_token_bytes: int = 0
    kv_tokens: int = 0
    full_concurrency: float = 0.0
    expected_concurrency: float = 0.0
    times: Times | None = None
    speculation: tuple[BreakEven, ...] = ()
    sizing: Sizing | str | None = None
    hourly: float | None = None
    prompt_usd: float | None = None
    costs: tuple[Cost, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    @property
    def works(self) -> bool:
        """Whether it starts and fits."""
        return not self.refusals


def refusals(asked: Deployment) -> list[Refusal]:
    """Only why a deployment cannot be; cheap enough for every preview."""
    found = list(shape_refusals(asked))
    return found or list(memory_refusals(asked, memory(asked)))


def plan(asked: Deployment, *, search: bool = True) -> Plan:
    """The plan of a deployment. `search`: whether alternatives are looked for when it is refused."""
    refused = list(shape_refusals(asked))
    # Memory of a cut that the heads refuse would be a number about nothing.
    space = None if refused else memory(asked)
    if space is not None:
        refused = list(memory_refusals(asked, space))
    if refused or space is None:
        others = tuple(alternatives(asked)) if search else ()
        return Plan(asked, tuple(refused), space, alternatives=others, hourly=replica_hourly(asked))
    if space.cache is None:
        notes = ["no KV cache: every text is read whole, and only batched tokens bound what runs at once"]
        if asked.load is not None:
            notes.append("replicas for a load are reckoned only for models that write answers; measure here")
        return Plan(
            asked,
            (),
            space,
            notes=tuple(notes),
            times=_encoder_times(asked),
            hourly=replica_hourly(asked),
            prompt_usd=prompt_usd(asked, asked.typical_len),
        )
    running = slots(asked, space)
    sizing = replicas(asked, asked.load, running) if asked.load else None
    return Plan(
        asked,
        (),
        space,
        alternatives=tuple(_cheaper(asked, sizing)) if search else (),
        notes=tuple(_notes(asked, space)),
        kv_token_bytes=_token_bytes(asked),
        kv_tokens=space.cache.tokens,
        full_concurrency=space.cache.concurrency,
        expected_concurrency=fitting(asked, space, asked.typical_len),
        times=_times(asked, running),
        speculation=tuple(
            found
            for batch in sorted({1, max(1, running)})
            if (found := break_even(asked, batch, asked.typical_len)) is not None
        ),
        sizing=sizing,
        hourly=replica_hourly(asked),
        prompt_usd=prompt_usd(asked, asked.typical_len),
        costs=tuple(answers(asked, _by_context(asked, space))),
    )


def _cheaper(asked: Deployment, sizing: Sizing | str | None) -> list[Alternative]:
    """Cheaper places for the same model, weights and length, and for the load at what is promised where there is one;
    all that keep the promise where the deployment itself does not."""
    found = alternatives(asked, only=frozenset({"machine", "nodes", "cut"}))
    if isinstance(sizing, str):
        return found
    count = asked.nodes if sizing is None else machines(asked, sizing.replicas)
    paid = None if asked.machine.hourly is None else asked.machine.hourly * count
    return [each for each in found if each.hourly is not None and paid is not None and each.hourly < paid]


def _by_context(asked: Deployment, space: Memory) -> dict[int, int]:
    """Sequences of one replica by context: an eighth, half and all of the longest, for every copy of data
    parallelism."""
    contexts = sorted({max(1, asked.max_model_len // part) for part in (8, 2, 1)})
    return {each: int(fitting(asked, space, each)) * asked.data_parallel for each in contexts}


def _token_bytes(asked: Deployment) -> int:
    """Bytes that one token takes on the GPU that holds most of them: that of the longest pipeline stage, or of
    the last, where a draft's layers lie too."""
    model, *guessing = cached(asked)
    one = layer_token_bytes(model, asked.kv_dtype, asked.tensor_parallel, asked.dtype)
    stages = [len(each) * one for each in pipeline_stages(model.layers, asked.pipeline_parallel)]
    for each in guessing:
        stages[-1] += token_bytes(each, asked.kv_dtype, asked.tensor_parallel, asked.dtype)
    return max(stages)


def _times(asked: Deployment, running: int) -> Times:
    context = asked.typical_len
    return Times(
        step=decode(asked, 1, context),
        full_step=decode(asked, max(1, running), context),
        first=prefill(asked, context),
        ridge=ridge(asked),
        kv_ridge=kv_ridge(asked, context),
    )


def _encoder_times(asked: Deployment) -> Times:
    first = prefill(asked, asked.typical_len)
    return Times(first, first, first, ridge(asked), float("inf"))


def _notes(asked: Deployment, space: Memory) -> list[str]:
    """What works and should be known."""
    model, tensor = asked.model, asked.tensor_parallel
    found = []
    if model.mla and tensor > 1:
        found.append(
            f"latent attention keeps one vector for all heads: each of the {tensor} GPUs holds all of the "
            f"KV cache{' of its pipeline stage' if asked.pipeline_parallel > 1 else ''}, "
            f"{_token_bytes(asked):,} bytes a token"
        )
    elif tensor > model.kv_heads:
        found.append(
            f"the model has {model.kv_heads} KV heads and is cut over {tensor} GPUs: each still holds "
            f"{heads_per_gpu(model, tensor)}, so a token takes as much of each as at TP {model.kv_heads}"
        )
    if asked.spans_nodes:
        found.append("tensor parallelism crosses machines: every layer waits for the network twice")
    if space.kv_bytes - space.uncertain < 0 or not _still_fits(asked, space):
        found.append(
            "it fits by less than what is estimated (activations, graphs, context): if vLLM does not "
            "start, shorten "
            "maxModelLen or take a larger GPU"
        )
    quantization = asked.quantization
    if quantization and quantization.activation_bits <= 8 and not asked.machine.gpu.fp8_tflops:
        found.append(
            f"the {asked.machine.gpu.model} has no FP8 units: weights stay small, arithmetic is done in 16 "
            "bits"
        )
    if asked.weights is not None or asked.kv_dtype not in ("auto", "bfloat16", "float16"):
        found.append(
            "quantization changes answers: it needs a table of its quality (`bastide eval quantization`)"
        )
    return found


def _still_fits(asked: Deployment, space: Memory) -> bool:
    """Whether a full sequence fits if the estimates are twice as large."""
    from dataclasses import replace

    less = replace(space, kv_bytes=space.kv_bytes - space.uncertain)
    return less.kv_bytes > 0 and longest(asked, less) >= asked.max_model_len

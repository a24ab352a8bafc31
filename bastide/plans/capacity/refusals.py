"""What cannot start or fit, and why. Each refusal names the setting, the value, what is allowed and the
reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bastide.catalogues import gpus
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.memory import GIB, Memory


@dataclass(frozen=True)
class Refusal:
    """One reason. `field` is the setting as a stack file's engine has it."""

    field: str
    reason: str


def shape_refusals(asked: Deployment) -> Iterator[Refusal]:
    """What the model's shape and the machine rule out, whatever the memory."""
    yield from _parallel(asked)
    yield from _lengths(asked)
    yield from _quantization(asked)
    yield from _kv_dtype(asked)
    yield from _draft(asked)


def _parallel(asked: Deployment) -> Iterator[Refusal]:
    model, tensor = asked.model, asked.tensor_parallel
    machine = asked.machine
    if asked.gpus > machine.gpus:
        yield Refusal(
            "gpus",
            f"{asked.gpus} is more than one {machine.name} has; allowed: at most {machine.gpus}; a pod runs "
            "on one machine: spread the replica over several with nodes",
        )
        return
    wanted = tensor * asked.pipeline_parallel * asked.data_parallel
    if wanted > asked.world:
        yield Refusal(
            "tensorParallel",
            f"tensorParallel {tensor} x pipelineParallel {asked.pipeline_parallel} x dataParallel "
            f"{asked.data_parallel} is {wanted} GPUs, and gpus {asked.gpus} x nodes {asked.nodes} is only "
            f"{asked.world}; allowed: a product of at most {asked.world}",
        )
    if model.heads % tensor:
        allowed = [str(each) for each in (1, 2, 3, 4, 5, 6, 7, 8, 16, 32) if model.heads % each == 0]
        yield Refusal(
            "tensorParallel",
            f"{tensor} does not divide the model's {model.heads} attention heads; allowed: "
            f"{', '.join(allowed)}; heads are not cut",
        )
        # The inner size mostly has the same factors: it would be the same mistake twice.
        return
    if model.mla is None and (
        model.kv_heads % tensor if model.kv_heads >= tensor else tensor % model.kv_heads
    ):
        yield Refusal(
            "tensorParallel",
            f"{tensor} and the model's {model.kv_heads} KV heads do not divide one another; each GPU must "
            "hold the same "
            "number of them",
        )
    yield from _inner(asked)
    if asked.pipeline_parallel > model.layers:
        yield Refusal(
            "pipelineParallel",
            f"{asked.pipeline_parallel} is more than the model's {model.layers} layers; allowed: at most "
            f"{model.layers}",
        )
    if asked.expert_parallel and model.moe is None:
        yield Refusal("expertParallel", "true, and the model has no experts; allowed: false")
    if asked.spans_nodes and not asked.rdma:
        way = "EFA (pools[].efa: true)" if machine.cloud == "aws" else "GPUDirect"
        has = "" if machine.rdma else f", which a {machine.name} has not"
        yield Refusal(
            "tensorParallel",
            f"{tensor} crosses machines, each of which gives {asked.gpus} GPUs, and {way} is not on{has}: two "
            "all-reduces a layer over "
            f"TCP would take longer than the arithmetic; allowed: at most {asked.gpus} in one machine, with "
            "pipelineParallel across machines",
        )


def _inner(asked: Deployment) -> Iterator[Refusal]:
    """The MLP's inner size, cut over GPUs and by the blocks and groups of quantization."""
    model, tensor = asked.model, asked.tensor_parallel
    sizes = [model.intermediate] if model.moe is None or model.moe.dense_layers else []
    if model.moe and not asked.expert_parallel:
        sizes.append(model.moe.intermediate)
    quantization = asked.quantization
    unit = (quantization.block or max(1, quantization.group)) if quantization else 1
    for size in sizes:
        if size % tensor:
            allowed = [each for each in range(1, 33) if not size % each and not model.heads % each]
            yield Refusal(
                "tensorParallel",
                f"{tensor} does not divide the MLP's inner size {size:,}; allowed: "
                f"{', '.join(map(str, allowed))}; each GPU takes an equal part",
            )
        elif size // tensor % unit:
            yield Refusal(
                "tensorParallel",
                f"{tensor} cuts the MLP's inner size {size:,} into {size // tensor:,}, which the "
                "quantization's groups of "
                f"{unit} do not divide; vLLM refuses such a cut: use fewer GPUs, pipelineParallel, or a "
                "checkpoint with "
                "smaller groups",
            )


def _lengths(asked: Deployment) -> Iterator[Refusal]:
    model = asked.model
    if asked.max_model_len > model.max_len:
        yield Refusal(
            "maxModelLen",
            f"{asked.max_model_len:,} is longer than the model was made for; allowed: at most "
            f"{model.max_len:,}; beyond "
            "it positions have no meaning, and vLLM does not start",
        )
    if asked.max_num_batched_tokens < asked.max_num_seqs:
        yield Refusal(
            "maxNumBatchedTokens",
            f"{asked.max_num_batched_tokens:,} is less than maxNumSeqs {asked.max_num_seqs:,}; every "
            "running sequence "
            "takes a token of each step",
        )


def _quantization(asked: Deployment) -> Iterator[Refusal]:
    quantization, gpu = asked.quantization, asked.machine.gpu
    if quantization is None:
        return
    method = (
        "modelopt_fp4"
        if quantization.method == "modelopt" and quantization.bits == 4
        else quantization.method
    )
    least = gpus.MIN_CAPABILITY.get(method, 0)
    if gpu.capability < least:
        yield Refusal(
            "quantization",
            f"{method} needs compute capability {least / 10}, and the {gpu.model} has "
            f"{gpu.capability / 10}; vLLM has no "
            "kernels for it",
        )


def _kv_dtype(asked: Deployment) -> Iterator[Refusal]:
    gpu, given, model = asked.machine.gpu, asked.kv_dtype, asked.model
    least = gpus.MIN_KV_CAPABILITY.get(given, 0)
    if gpu.capability < least:
        allowed = [name for name, needed in gpus.MIN_KV_CAPABILITY.items() if needed <= gpu.capability]
        yield Refusal(
            "kvCacheDtype",
            f"{given} needs compute capability {least / 10}, and the {gpu.model} has {gpu.capability / 10}; "
            f"allowed: auto, {', '.join(allowed)}",
        )
    elif model.mla and given not in ("auto", "bfloat16", "float16", "fp8", "fp8_e4m3"):
        yield Refusal(
            "kvCacheDtype",
            f"{given} has no kernel for latent attention (MLA); allowed: auto, bfloat16, fp8",
        )
    elif model.mla is None and given == "nvfp4" and model.head_dim not in gpus.NVFP4_HEADS:
        yield Refusal("kvCacheDtype", _heads(asked, gpus.NVFP4_HEADS))
    elif _emulated(asked) and (model.mla or model.head_dim not in gpus.FLASHINFER_HEADS):
        yield Refusal("kvCacheDtype", _heads(asked, gpus.FLASHINFER_HEADS))


def _emulated(asked: Deployment) -> bool:
    """Whether an FP8 cache lies on a GPU without FP8 units."""
    return (
        asked.kv_dtype in ("fp8", "fp8_e4m3", "fp8_e5m2") and asked.machine.gpu.capability < gpus.NATIVE_FP8
    )


def _heads(asked: Deployment, sizes: tuple[int, ...]) -> str:
    return (
        f"{asked.kv_dtype} on a {asked.machine.gpu.model} has kernels for heads of "
        f"{', '.join(map(str, sizes))}, and "
        f"this model's have {asked.model.head_dim}; allowed: auto"
    )


def _draft(asked: Deployment) -> Iterator[Refusal]:
    draft, model = asked.draft, asked.model
    if draft is None:
        return
    if draft.kind == "mtp" and not model.nextn_layers:
        yield Refusal(
            "speculation.kind",
            "mtp needs a model with layers for multi-token prediction, and this one has none; allowed here: "
            "none, ngram, or a draft model of the same family",
        )
    if draft.model and draft.model.heads % asked.tensor_parallel:
        yield Refusal(
            "speculation.model",
            f"{draft.name} has {draft.model.heads} attention heads, which tensorParallel "
            f"{asked.tensor_parallel} does not divide; it is cut like the engine's model: choose another, or "
            "ngram, which needs none",
        )
    if draft.kind == "draft-model" and draft.model and draft.model.vocab != model.vocab:
        yield Refusal(
            "speculation.model",
            f"{draft.name} has a vocabulary of {draft.model.vocab:,} and the model one of {model.vocab:,}; "
            "vLLM takes only equal ones: choose a model of the same family, or ngram, which needs none",
        )


def memory_refusals(asked: Deployment, found: Memory) -> Iterator[Refusal]:
    """What does not fit."""
    gpu = asked.machine.gpu
    if found.kv_bytes <= 0:
        fixed = found.activations + found.graphs + found.context
        yield Refusal(
            "gpus",
            f"weights take {_gib(found.weights + found.draft_weights)} of each GPU and the rest about "
            f"{_gib(fixed)}; the "
            f"engine may take {_gib(found.taken)} ({asked.utilization:g} of a {gpu.model}'s "
            f"{_gib(gpu.usable_mib * 2**20)}): {_gib(-found.kv_bytes)} too little, and nothing for the KV "
            "cache",
        )
        return
    if found.cache is not None and not found.cache.fits_one:
        need = (found.cache.request_blocks + 1) * found.cache.block_bytes
        yield Refusal(
            "maxModelLen",
            f"one sequence of {asked.max_model_len:,} tokens needs {_gib(need)} of KV cache on each GPU and "
            f"{_gib(found.kv_bytes)} are left; vLLM does not start; allowed here: at most "
            f"{longest(asked, found):,}",
        )


def longest(asked: Deployment, found: Memory) -> int:
    """The longest sequence that the cache holds, in tokens."""
    from dataclasses import replace

    from bastide.plans.capacity.kv_cache import cache
    from bastide.plans.capacity.memory import cached, rules

    models = cached(asked)
    low, high = 0, asked.max_model_len
    while low < high:
        middle = (low + high + 1) // 2
        fits = cache(models, int(found.kv_bytes), replace(rules(asked), max_model_len=middle)).fits_one
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f} GiB"

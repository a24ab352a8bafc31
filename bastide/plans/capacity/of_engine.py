"""From an engine's settings to the deployment that the planner takes."""

from __future__ import annotations

import re
from dataclasses import replace

from bastide.catalogues import mig, models
from bastide.catalogues.gpus import Gpu
from bastide.catalogues.instances_machines import CATALOGUE, Machine
from bastide.catalogues.models_architecture import Architecture, Quantization
from bastide.plans import engine_defaults, pool_plan
from bastide.plans.capacity.deployment import Deployment, Draft, Load
from bastide.plans.capacity.kv_cache import GPU_BLOCK
from bastide.plans.capacity.online import ONLINE, family
from bastide.settings import EngineSettings, Settings
from bastide.settings.engine_speculation import DraftModel, Eagle, Eagle3, NoSpeculation
from bastide.settings.pools import PoolSettings
from bastide.settings.sharing import Mig


def deployment(settings: Settings, engine: EngineSettings) -> Deployment:
    """The deployment of an engine. Raises UnknownModelError for a model that is neither in the catalogue nor
    described, its draft's included."""
    pool = settings.pool(engine.pool)
    described = settings.model(engine.model)
    model = models.of(described.name, described.config)
    if engine.dtype != "auto":
        model = replace(model, dtype=engine.dtype)
    weights, online = _weights(engine, model)
    return Deployment(
        model_name=engine.model,
        model=model,
        machine=machine(pool),
        gpus=engine.gpus,
        nodes=engine.nodes,
        max_model_len=engine.max_model_len,
        tensor_parallel=engine.tensor_parallel,
        pipeline_parallel=engine.pipeline_parallel,
        data_parallel=engine.data_parallel,
        expert_parallel=engine.expert_parallel,
        rdma=pool.efa,
        utilization=engine.gpu_memory_utilization,
        max_num_seqs=engine.max_num_seqs,
        max_num_batched_tokens=engine_defaults.max_num_batched_tokens(settings, engine),
        kv_dtype=engine.kv_cache_dtype,
        block_size=engine.block_size or GPU_BLOCK,
        weights=weights,
        online=online,
        draft=_draft(settings, engine),
        adapters=len(engine.lora.adapters) and (engine.lora.max_at_once or len(engine.lora.adapters)),
        adapter_rank=engine.lora.max_rank,
        load=_load(engine),
    )


def _weights(engine: EngineSettings, model: Architecture) -> tuple[Quantization | None, bool]:
    """How linear layers are stored where the setting changes it, and whether vLLM does so at start. What does
    not go together is refused by the checks."""
    wanted = engine.quantization
    if wanted is None or model.quantization is not None or family(wanted) not in ONLINE:
        return None, False
    return ONLINE[family(wanted)], True


def _draft(settings: Settings, engine: EngineSettings) -> Draft | None:
    wanted = engine.speculation
    if isinstance(wanted, NoSpeculation):
        return None
    if isinstance(wanted, DraftModel | Eagle | Eagle3):
        described = settings.model(wanted.model)
        shape = models.of(described.name, described.config)
        return Draft(wanted.kind, wanted.tokens, shape, described.name)
    return Draft(wanted.kind, wanted.tokens)


def _load(engine: EngineSettings) -> Load | None:
    if engine.load is None:
        return None
    return Load(
        engine.load.requests_per_second,
        engine.load.prompt_tokens,
        engine.load.answer_tokens,
        engine.slo.ttft_seconds,
        engine.slo.itl_seconds,
    )


def machine(pool: PoolSettings) -> Machine:
    """A node of a pool as the planner sees it: with MIG its GPUs are parts, with time slicing each pod sees a
    whole one and nothing keeps others from its memory, which the planner leaves aside."""
    found = CATALOGUE[pool.instance_type]
    gpu = found.gpu
    if isinstance(pool.sharing, Mig):
        gpu = _part(gpu, pool.sharing.profile, mig.profiles(pool_plan.kind_of(pool))[pool.sharing.profile])
    return replace(found, gpu=gpu, gpus=pool_plan.gpus_per_node(pool))


def _part(gpu: Gpu, profile: str, parts: int) -> Gpu:
    """A part of a GPU. A profile such as 2g.20gb has two sevenths of the units; memory and bandwidth are by
    its number of eighths of the memory (NVIDIA, "Multi-Instance GPU User Guide", supported profiles)."""
    found = re.fullmatch(r"(\d)g\.(\d+)gb", profile)
    if found is None:
        return gpu
    units = int(found[1]) / 7
    eighths = min(8, max(1, round(int(found[2]) * 8 / (gpu.memory_mib / 1024))))
    share = min(eighths / 8, 1 / parts) if parts > 1 else eighths / 8
    return replace(
        gpu,
        usable_mib=int(gpu.usable_mib * share),
        bandwidth=gpu.bandwidth * share,
        bf16_tflops=gpu.bf16_tflops * units,
        fp8_tflops=gpu.fp8_tflops * units,
        int8_tops=gpu.int8_tops * units,
    )

"""How many tokens a KV cache of so many bytes holds, by vLLM 0.32's own rules.

vLLM splits the cache into blocks, and a block holds a fixed number of tokens for the layers of a group.
Layers with one kind of attention are one group; layers with a window and layers without are cut into groups
of equal size, which draw blocks from one pool. The number that it reports is not blocks x block size, but
`concurrency x max_model_len`, where concurrency is blocks over the blocks that one request of full length
takes: where the length is no multiple of a block, the two differ. (vllm/v1/core/kv_cache_utils.py,
get_kv_cache_groups and get_kv_cache_capacity; vllm/v1/kv_cache_interface.py.)

Blind spots: layers whose state is not a KV cache (Mamba), chunked local attention, and the packed layout that
vLLM takes for attention of several page sizes when VLLM_KV_CACHE_LAYOUT puts blocks outermost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bastide.catalogues.models_architecture import DTYPE_BYTES, Architecture, pipeline_stages
from bastide.catalogues.models_config import architecture

CPU_BLOCK: Final = 128
"""vLLM's block size on a CPU where none is given (vllm/platforms/cpu.py)."""

CPU_KERNEL_BLOCK: Final = 32
"""Multiple that the CPU's attention wants (vllm/v1/attention/backends/cpu_attn.py)."""

GPU_BLOCK: Final = 16
"""vLLM's block size on a GPU where none is given, and the multiple that FlashAttention and Triton want."""

KV_DTYPES: Final = (
    *("auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2"),
    *("fp8_per_token_head", "int8_per_token_head", "int4_per_token_head", "nvfp4"),
)
"""Types of the cache that are known here, as `--kv-cache-dtype` writes them."""


def head_bytes(kv_dtype: str, size: int, dtype: str) -> int:
    """Bytes of one head's vector of `size` values. Kinds with a scale for each token and head add a float32;
    nvfp4 packs two values into a byte and adds a one-byte scale for each 16."""
    match kv_dtype:
        case "fp8" | "fp8_e4m3" | "fp8_e5m2":
            return size
        case "fp8_per_token_head" | "int8_per_token_head":
            return size + 4
        case "int4_per_token_head":
            return size // 2 + 4
        case "nvfp4":
            return size // 2 + size // 16
        case "auto":
            return size * DTYPE_BYTES[dtype]
        case _:
            return size * DTYPE_BYTES[kv_dtype]


def heads_per_gpu(model: Architecture, tensor_parallel: int) -> int:
    """KV heads that each GPU holds: at least one, so beyond the model's KV heads they are held several times
    (vllm/config/model.py, get_num_kv_heads). The latent vector of MLA counts as one head that nothing
    cuts."""
    return 1 if model.mla else max(1, model.kv_heads // tensor_parallel)


def layer_token_bytes(
    model: Architecture, kv_dtype: str, tensor_parallel: int = 1, dtype: str = "auto"
) -> int:
    """Bytes that one token takes in one layer on each GPU: keys and values of its KV heads, or MLA's latent
    vector."""
    own = model.dtype if dtype == "auto" else dtype
    kv_dtype = (
        "fp8" if kv_dtype == "auto" and model.quantization and model.quantization.kv_scheme else kv_dtype
    )
    vectors = 1 if model.mla else 2
    return vectors * heads_per_gpu(model, tensor_parallel) * head_bytes(kv_dtype, model.head_dim, own)


def token_bytes(
    model: Architecture, kv_dtype: str = "auto", tensor_parallel: int = 1, dtype: str = "auto"
) -> int:
    """Bytes that one token takes in all layers on each GPU, windows left aside; 2 x layers x kv_heads x
    head_dim x bytes where nothing is replicated."""
    return model.layers * layer_token_bytes(model, kv_dtype, tensor_parallel, dtype) if model.causal else 0


@dataclass(frozen=True)
class Rules:
    """What else decides the number of blocks.

    `in_flight` is the most tokens that are scheduled and not settled: batched tokens x batches at a time (1
    without asynchronous scheduling, else pipeline stages + 1). `kernel_block`: block sizes that the attention
    kernel takes are its multiples."""

    max_model_len: int
    in_flight: int
    block_size: int = GPU_BLOCK
    kv_dtype: str = "auto"
    dtype: str = "auto"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    kernel_block: int = GPU_BLOCK


@dataclass(frozen=True)
class _Layer:
    """One attention layer's pages; `page` in bytes of `block` tokens."""

    block: int
    page: int
    window: int | None


@dataclass(frozen=True)
class KvCache:
    """A cache as vLLM would report it. `tokens` is `kv_cache_size_tokens`, `concurrency` the requests of full
    length that it holds at once, `block_bytes` what one block of the pool takes on the GPU with the most
    layers."""

    blocks: int
    block_bytes: int
    request_blocks: int
    tokens: int
    concurrency: float

    @property
    def fits_one(self) -> bool:
        """Whether one request of full length fits beside the block that the pool keeps back; vLLM does not
        start else."""
        return self.request_blocks <= self.blocks - 1


def kv_tokens(
    config: Mapping[str, Any] | Architecture,
    kv_bytes: int,
    *,
    max_model_len: int,
    max_num_batched_tokens: int,
    block_size: int = CPU_BLOCK,
    kv_dtype: str = "auto",
    dtype: str = "auto",
    tensor_parallel: int = 1,
    kernel_block: int = CPU_KERNEL_BLOCK,
) -> int:
    """Tokens that vLLM on a CPU reports for a cache of `kv_bytes` bytes (`--kv-cache-memory-bytes` or
    VLLM_CPU_KVCACHE_SPACE), exactly. `config` is the content of config.json. Raises ConfigError."""
    model = config if isinstance(config, Architecture) else architecture(config)
    if model.mla and kernel_block == CPU_KERNEL_BLOCK:
        # The CPU's MLA kernel has blocks of 16 whatever is asked for (vllm/platforms/cpu.py; with AMX it
        # would not).
        block_size = 16
    rules = Rules(
        max_model_len=max_model_len,
        # On a CPU vLLM schedules one batch at a time (vllm/platforms/cpu.py).
        in_flight=max_num_batched_tokens,
        block_size=block_size,
        kv_dtype=kv_dtype,
        dtype=dtype,
        tensor_parallel=tensor_parallel,
        kernel_block=kernel_block,
    )
    return cache([model], kv_bytes, rules).tokens


def cache(models: Sequence[Architecture], kv_bytes: int, rules: Rules) -> KvCache:
    """The cache of a model, and of a draft model after it, in `kv_bytes` bytes on each GPU. A draft's layers
    all lie on the last stage."""
    layers = [each for model in models for each in _layers(model, rules)]
    if not layers:
        return KvCache(1, 0, 0, 0, 0.0)
    groups, layers = _groups(layers)
    stages = pipeline_stages(models[0].layers, rules.pipeline_parallel)
    stages[-1] = range(stages[-1].start, len(layers))
    per_stage = [
        max(sum(layers[index].page for index in group if index in stage) for group in groups)
        for stage in stages
    ]
    # Every stage gets as many blocks as the fullest has room for.
    blocks = max(0, kv_bytes) // max(per_stage)
    wanted = sum(_request_blocks(layers[group[0]], rules) for group in groups)
    concurrency = blocks / wanted
    return KvCache(blocks, max(per_stage), wanted, int(concurrency * rules.max_model_len), concurrency)


def _layers(model: Architecture, rules: Rules) -> list[_Layer]:
    if not model.causal:
        return []
    per_token = layer_token_bytes(model, rules.kv_dtype, rules.tensor_parallel, rules.dtype)
    found = []
    for window in model.windows:
        block = rules.block_size
        if window is not None:
            # A window's layers have their own block: the largest that the kernel takes within the same page.
            block = max(rules.kernel_block, block // rules.kernel_block * rules.kernel_block)
        found.append(_Layer(block, block * per_token, window))
    return found


def _groups(layers: list[_Layer]) -> tuple[list[list[int]], list[_Layer]]:
    """Layers, by index, that share a block table, and the layers with the pages that they have in the end."""
    windows = {each.window for each in layers}
    if len({each.block for each in layers}) == 1 and len(windows) == 1:
        return [list(range(len(layers)))], layers
    layers = _equal_pages(layers)
    kinds: dict[_Layer, list[int]] = {}
    for index, each in enumerate(layers):
        kinds.setdefault(each, []).append(index)
    counts = [len(each) for each in kinds.values()]
    size = max(counts) if max(counts) < min(counts) * 1.5 else min(counts)
    groups = []
    for indexes in kinds.values():
        number = -(-len(indexes) // size)
        groups += [indexes[start::number] for start in range(number)]
    return groups, layers


def _equal_pages(layers: list[_Layer]) -> list[_Layer]:
    """All pages as large as the largest: by more tokens in a block where that comes out even, else by
    padding."""
    largest = max(each.page for each in layers)
    return [
        replace(
            each, page=largest, block=each.block * (largest // each.page if largest % each.page == 0 else 1)
        )
        for each in layers
    ]


def _request_blocks(layer: _Layer, rules: Rules) -> int:
    """Blocks that one request of full length takes in a group."""
    if layer.window is None:
        return -(-rules.max_model_len // layer.block)
    held = min(layer.window - 1 + rules.in_flight, rules.max_model_len)
    # One more, because a window need not start where a block does.
    return -(-held // layer.block) + 1

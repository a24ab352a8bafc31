"""What a plan is made for: a model, machines, and how the one is laid over the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bastide.catalogues.instances_machines import Machine
from bastide.catalogues.models_architecture import Architecture, Quantization
from bastide.plans.capacity.kv_cache import GPU_BLOCK
from bastide.plans.capacity.weights import Cutting

UTILIZATION: Final = 0.92
"""Share of each GPU's memory that vLLM 0.32 takes where nothing else is said."""


@dataclass(frozen=True)
class Draft:
    """Speculative decoding: `tokens` are guessed in each step, by `model`, or by None where guessing takes no
    model (ngram) or the model's own layer (mtp)."""

    kind: str
    tokens: int
    model: Architecture | None = None
    name: str = ""


@dataclass(frozen=True)
class Load:
    """A load to size for: requests a second of all replicas, tokens of an average prompt and answer, and what
    is promised for 95 of 100 requests, in seconds."""

    requests_per_second: float
    prompt_tokens: int
    answer_tokens: int
    ttft_seconds: float = 1.0
    itl_seconds: float = 0.1


@dataclass(frozen=True)
class Deployment:
    """One replica of an engine.

    `gpus` is the number on each machine that the replica takes, `rdma` whether machines may talk from GPU to
    GPU (on AWS: EFA is on). `weights` is how linear layers are stored where it differs from the checkpoint,
    and `online` whether vLLM makes that so at start. `adapters`: LoRA adapters that run at once.
    `expected_len` is the average sequence, prompt and answer."""

    model_name: str
    model: Architecture
    machine: Machine
    gpus: int
    max_model_len: int
    nodes: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    expert_parallel: bool = False
    rdma: bool = False
    utilization: float = UTILIZATION
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    kv_dtype: str = "auto"
    dtype: str = "auto"
    block_size: int = GPU_BLOCK
    weights: Quantization | None = None
    online: bool = False
    draft: Draft | None = None
    adapters: int = 0
    adapter_rank: int = 16
    expected_len: int | None = None
    load: Load | None = None

    @property
    def world(self) -> int:
        """GPUs of one replica."""
        return self.gpus * self.nodes

    @property
    def cutting(self) -> Cutting:
        """Over how many GPUs the model is cut."""
        return Cutting(self.tensor_parallel, self.pipeline_parallel, self.data_parallel, self.expert_parallel)

    @property
    def quantization(self) -> Quantization | None:
        """How linear layers are stored in the end."""
        return self.weights or self.model.quantization

    @property
    def typical_len(self) -> int:
        """Tokens of an expected sequence: as given, by the load, or half of the longest."""
        if self.expected_len is not None:
            return min(self.expected_len, self.max_model_len)
        if self.load is not None:
            return min(self.load.prompt_tokens + self.load.answer_tokens, self.max_model_len)
        return max(1, self.max_model_len // 2)

    @property
    def spans_nodes(self) -> bool:
        """Whether tensor parallelism crosses machines."""
        return self.tensor_parallel > self.gpus

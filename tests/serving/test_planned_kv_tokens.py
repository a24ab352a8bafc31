"""The plan's KV tokens against what real vLLM reports, for every shape of model, type and block size.

`make test` starts one engine of each kind of cache; the others, and the servers, are for `make prove PART=serving`."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues.models_config import architecture
from bastide.models.make_tiny import make_tiny
from bastide.plans.capacity.kv_cache import CPU_BLOCK, CPU_KERNEL_BLOCK, Rules, cache
from sandbox.toolchain import environments
from tests.serving.vllm_server import VllmServer

pytestmark = pytest.mark.xdist_group("vllm")

MIB = 2**20
SHAPES = ("qwen2", "draft", "mha", "gqa", "odd", "window", "alternating", "moe", "mla", "embedding")


@dataclass(frozen=True)
class Case:
    """One engine: a shape of model, its types, block size and the bytes for its cache."""

    shape: str
    kv: str = "auto"
    block: int | None = None
    dtype: str = "auto"
    length: int = 512
    batched: int = 256
    size: int = 64 * MIB
    draft: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        draft = f"+{self.draft}" if self.draft else ""
        return f"{self.shape}{draft}-{self.dtype}-{self.kv}-{self.block or 'own'}-{self.length}"

    def arguments(self, folder: Path) -> dict[str, Any]:
        """For vllm.LLM."""
        found: dict[str, Any] = {
            "model": str(folder / self.shape),
            "kv_cache_memory_bytes": self.size,
            "kv_cache_dtype": self.kv,
            "dtype": self.dtype,
            "max_model_len": self.length,
            "max_num_batched_tokens": self.batched,
            "max_num_seqs": 4,
            **self.more,
        }
        if self.block:
            found["block_size"] = self.block
        if self.draft:
            found["speculative_config"] = {
                "method": "draft_model",
                "model": str(folder / self.draft),
                "num_speculative_tokens": 2,
            }
        return found

    def planned(self, folder: Path, tensor_parallel: int = 1) -> tuple[int, int]:
        """Blocks and tokens by the planner."""
        names = [self.shape, *([self.draft] if self.draft else [])]
        models = [architecture(json.loads((folder / name / "config.json").read_text())) for name in names]
        rules = Rules(
            max_model_len=self.length,
            in_flight=self.batched,
            block_size=self.block or CPU_BLOCK,
            kv_dtype=self.kv,
            dtype=self.dtype,
            tensor_parallel=tensor_parallel,
            kernel_block=CPU_KERNEL_BLOCK,
        )
        plan = cache(models, self.size, rules)
        return plan.blocks, plan.tokens


CASES = (
    Case("mha"),
    Case("mha", kv="fp8", block=64),
    Case("mha", dtype="float32", block=32),
    Case("gqa", block=32, length=1000),
    Case("gqa", kv="fp8"),
    Case("gqa", dtype="float32", block=64),
    Case("qwen2", size=100_000_007),
    Case("qwen2", kv="fp8_e5m2", block=32, length=1000),
    Case("odd", length=500),
    Case("odd", kv="fp8", block=64),
    Case("odd", dtype="float32", block=32, length=1000),
    Case("window"),
    Case("window", kv="fp8", block=64, length=1000, batched=128),
    Case("window", dtype="float32", block=32, length=500),
    Case("alternating", length=1000),
    Case("alternating", kv="fp8", block=64),
    Case("alternating", dtype="float32", block=32, batched=128, size=65_000_001),
    Case("moe", size=256 * MIB),
    Case("moe", kv="fp8", block=256),
    # By name, because vLLM would choose AMX's kernel where there is AMX, which wants other blocks than this one's 16.
    Case("mla", block=16, more={"attention_backend": "CPU_MLA"}),
    Case(
        "mla", dtype="float32", block=16, length=1000, size=50_000_000, more={"attention_backend": "CPU_MLA"}
    ),
    Case("qwen2", draft="draft", length=500),
    Case("qwen2", draft="draft", kv="fp8", block=64),
    Case(
        "embedding",
        dtype="float32",
        more={"runner": "pooling", "convert": "embed"},
    ),
)


QUICK = frozenset(
    (
        "gqa-auto-auto-32-1000",
        "odd-auto-fp8-64-512",
        "window-auto-fp8-64-1000",
        "alternating-float32-auto-32-512",
        "mla-auto-auto-16-512",
        "qwen2+draft-auto-fp8-64-512",
    )
)
"""Cases in which something differs besides numbers. All rules are also held against vLLM's own functions at every
`make test` (tests/capacity/test_capacity_against_vllm.py)."""


@pytest.fixture(scope="module")
def wanted(request: pytest.FixtureRequest) -> list[Case]:
    """The cases that this run asks for."""
    asked = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = {
        str(item.callspec.params["case"])
        for item in asked
        if item.path == request.path and hasattr(item, "callspec") and "case" in item.callspec.params
    }
    return [case for case in CASES if str(case) in chosen]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned-kv-tokens")
    for shape in SHAPES:
        make_tiny(folder / shape, shape)
    return folder


@pytest.fixture(scope="module")
def reported(models: Path, wanted: list[Case]) -> dict[str, dict[str, Any]]:
    """What vLLM says of each case, all from one process."""
    results = models / "results.jsonl"
    done = subprocess.run(
        [environments.ensure(environments.VLLM), Path(__file__).parent / "kv_cache_report.py", results],
        input=json.dumps([case.arguments(models) for case in wanted]),
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(lines) == len(wanted), (
        f"vLLM ended after {len(lines)} of {len(wanted)} cases: {done.stderr[-3000:]}"
    )
    found = {str(case): line for case, line in zip(wanted, lines, strict=True)}
    assert len(found) == len(wanted), "two cases have one name"
    show(models, wanted, found)
    return found


def show(models: Path, cases: list[Case], found: dict[str, dict[str, Any]]) -> None:
    """The table of docs/proof.md (`pytest -s` shows it)."""
    print(f"\n{'case':36} {'blocks planned':>15} {'reported':>9} {'tokens planned':>15} {'reported':>9}")  # noqa: T201
    for case in cases:
        blocks, tokens = case.planned(models)
        own = found[str(case)]
        print(f"{case!s:36} {blocks:15,} {own.get('blocks', 0):9,} {tokens:15,} {own.get('tokens', 0):9,}")  # noqa: T201


def test_the_quick_cases_are_cases() -> None:
    assert {str(case) for case in CASES} > QUICK


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=() if str(case) in QUICK else pytest.mark.proof)
        for case in CASES
    ],
)
def test_planned_kv_tokens_are_those_that_vllm_reports(
    case: Case, models: Path, reported: dict[str, dict[str, Any]]
) -> None:
    own = reported[str(case)]
    assert "error" not in own, own["error"]
    assert own["block_size"] == (case.block or CPU_BLOCK)
    assert (own["blocks"], own["tokens"]) == case.planned(models)
    assert own["worked"] == (64 if case.shape == "embedding" else 8), "the engine gives vectors or tokens too"


@dataclass(frozen=True)
class Server:
    """A case that a real HTTP server answers for, with its metric and its log line."""

    case: Case
    tensor_parallel: int


SERVERS = (
    # More GPUs than KV heads: each holds the one head, and no token is won.
    Server(Case("qwen2", kv="fp8", block=64, length=1000), tensor_parallel=2),
    Server(Case("alternating", block=32, length=1000, size=128 * MIB), tensor_parallel=1),
)


@pytest.fixture(scope="module", params=SERVERS, ids=lambda each: f"{each.case}-tp{each.tensor_parallel}")
def served(request: pytest.FixtureRequest, models: Path) -> Iterator[tuple[Server, VllmServer]]:
    one: Server = request.param
    case = one.case
    arguments = [
        *("--kv-cache-memory-bytes", str(case.size), "--kv-cache-dtype", case.kv),
        *("--block-size", str(case.block), "--max-model-len", str(case.length)),
        *("--max-num-batched-tokens", str(case.batched), "--max-num-seqs", "4"),
        *("--tensor-parallel-size", str(one.tensor_parallel), "--enforce-eager"),
    ]
    with VllmServer.start(models / case.shape, arguments) as server:
        yield one, server


@pytest.mark.proof
def test_the_servers_metric_and_log_say_what_was_planned(
    served: tuple[Server, VllmServer], models: Path
) -> None:
    one, server = served
    blocks, tokens = one.case.planned(models, one.tensor_parallel)
    info = server.labels("vllm:cache_config_info")
    assert (int(info["num_gpu_blocks"]), int(info["kv_cache_size_tokens"])) == (blocks, tokens)
    # vLLM names the device in this line: "GPU KV cache size" on a GPU.
    assert f"KV cache size: {tokens:,} tokens" in server.log()
    answer = server.post(
        "/v1/completions", {"model": "tiny", "prompt": "hello", "max_tokens": 4, "temperature": 0}
    )
    assert answer["usage"]["completion_tokens"] <= 4


def test_tensor_parallelism_beyond_the_kv_heads_wins_no_token(models: Path) -> None:
    case = SERVERS[0].case
    assert case.planned(models, 2) == case.planned(models, 1)
    odd = Case("gqa")
    assert odd.planned(models, 2)[1] == 2 * odd.planned(models, 1)[1], "its two KV heads are shared"

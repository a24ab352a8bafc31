"""Engines whose settings are rendered by the kit, started for real: what the flags promise is seen over HTTP.

The arguments and the environment are those of a pod; only what a CPU on this machine needs is changed: folders, port,
and bytes for the KV cache instead of a share of a GPU."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bastide.models.make_tiny import make_tiny, tiny_files
from bastide.plans import engine_environment, engine_flags, engine_models
from bastide.settings import Settings, read_stack_file
from tests.serving.engine_flags_cases import ROOT
from tests.serving.vllm_server import VllmServer
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("vllm")

SHAPES = {"tiny-qwen2": "qwen2", "tiny-draft": "draft", "tiny-lora": "lora", "tiny-embedding": "embedding"}
PROMPT = "one two three four one two three four one two three four one two"


def settings(model: str, engine: dict[str, Any]) -> Settings:
    """A stack with this one engine."""
    base = read_stack_file(ROOT / "stacks/Pulumi.sandbox.yaml")
    described = {
        name: {
            "name": name,
            "version": "1.0.0",
            "config": json.loads(tiny_files(shape)["config.json"]),
        }
        for name, shape in SHAPES.items()
        if shape != "lora"
    }
    described["tiny-lora"] = {"name": "tiny-lora", "version": "1.0.0", "kind": "adapter"}
    one = {"name": "chat", "model": model, "pool": "p5", "gpus": 1, "maxModelLen": 512, "maxNumSeqs": 8}
    return Settings.load({**base, "models": list(described.values()), "engines": [{**one, **engine}]})


@contextmanager
def started(stack: Settings, folder: Path) -> Iterator[VllmServer]:
    """The stack's engine, with its models where its arguments say."""
    engine = stack.engines[0]
    for model in engine_models.every(stack, engine):
        make_tiny(folder / engine_models.path(model).lstrip("/"), SHAPES[model.name])
    arguments = [each.replace("/models/", f"{folder}/models/") for each in engine_flags.flags(stack, engine)]
    environment = engine_environment.environment(stack, engine)
    log = folder / "logging.json"
    log.write_text(json.dumps(engine_environment.logging_config(engine)))
    # This machine's own folders and caches: what vLLM learned of an architecture is not learned again.
    environment = {
        name: value for name, value in environment.items() if not value.startswith(("/home/", "/cache"))
    }
    if "VLLM_LOGGING_CONFIG_PATH" in environment:
        environment["VLLM_LOGGING_CONFIG_PATH"] = str(log)
    more = ["--kv-cache-memory-bytes", str(64 * 2**20), "--enforce-eager"]
    with VllmServer.rendered([*arguments, *more], environment) as server:
        yield server


def answer(server: VllmServer, model: str, tokens: int = 24) -> str:
    body = {"model": model, "prompt": PROMPT, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    found = server.post("/v1/completions", body)
    assert found["usage"]["completion_tokens"] == tokens
    return str(found["choices"][0]["text"])


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    engine = {
        "lora": {"adapters": ["tiny-lora"], "maxRank": 8},
        "tools": {"parser": "hermes"},
        "queue": {"maxRequests": 2},
        "limits": {"maxAnswerTokens": 32, "maxLogprobs": 5},
        "prefixCaching": True,
        "logs": {"format": "json"},
    }
    with started(settings("tiny-qwen2", engine), tmp_path_factory.mktemp("adapted")) as server:
        yield server


def test_an_adapter_is_served_under_its_name_and_changes_the_answer(adapted: VllmServer) -> None:
    names = {each["id"] for each in json.loads(adapted.get("/v1/models"))["data"]}
    assert names == {"tiny-qwen2", "tiny-lora"}
    assert answer(adapted, "tiny-qwen2") == answer(adapted, "tiny-qwen2")
    assert answer(adapted, "tiny-lora") != answer(adapted, "tiny-qwen2")


def test_an_answer_is_no_longer_than_the_limit(adapted: VllmServer) -> None:
    body = {"model": "tiny-qwen2", "prompt": PROMPT, "max_tokens": 400, "temperature": 0, "ignore_eos": True}
    assert adapted.post("/v1/completions", body)["usage"]["completion_tokens"] == 32
    with pytest.raises(AssertionError, match=r": 400: .*logprobs"):
        adapted.post("/v1/completions", {**body, "logprobs": 6})


def test_the_docs_are_closed_and_requests_have_ids(adapted: VllmServer) -> None:
    for path in ("/docs", "/openapi.json", "/redoc"):
        with pytest.raises(HTTPError, match="404"):
            adapted.get(path)
    request = Request(f"{adapted.url}/v1/models", headers={"X-Request-Id": "from-the-gateway"})  # noqa: S310
    with urlopen(request, timeout=PATIENCE_S) as found:  # noqa: S310
        assert found.headers["X-Request-Id"] == "from-the-gateway"


def test_a_prefix_is_found_again(adapted: VllmServer) -> None:
    # The CPU's block has 128 tokens, and only whole blocks are shared.
    body = {"model": "tiny-qwen2", "prompt": PROMPT * 4, "max_tokens": 2, "temperature": 0}
    adapted.post("/v1/completions", body)
    before = adapted.value("vllm:prefix_cache_hits_total")
    adapted.post("/v1/completions", body)
    assert adapted.value("vllm:prefix_cache_hits_total") - before >= 128


def test_every_line_of_the_log_is_json_with_time_level_and_message(adapted: VllmServer) -> None:
    adapted.post("/v1/completions", {"model": "tiny-qwen2", "prompt": "x", "max_tokens": 1})
    lines = [line for line in adapted.log().splitlines() if line.startswith("{")]
    assert len(lines) > 5
    for line in lines:
        assert {"level", "message"} <= set(json.loads(line))


@pytest.fixture(scope="module")
def plain(adapted: VllmServer) -> str:
    """What the model says without speculation."""
    return answer(adapted, "tiny-qwen2")


@pytest.mark.proof
@pytest.mark.parametrize(
    "speculation",
    [
        {"kind": "draft-model", "model": "tiny-draft", "tokens": 3},
        pytest.param({"kind": "ngram", "tokens": 3}, marks=pytest.mark.proof),
    ],
    ids=lambda each: str(each["kind"]),
)
def test_guessed_tokens_are_accepted_and_change_no_answer(
    speculation: dict[str, Any], plain: str, tmp_path: Path
) -> None:
    with started(settings("tiny-qwen2", {"speculation": speculation}), tmp_path) as server:
        said = answer(server, "tiny-qwen2")
        assert server.value("vllm:spec_decode_num_draft_tokens_total") > 0
        accepted = server.value("vllm:spec_decode_num_accepted_tokens_total")
    assert said == plain
    if speculation["kind"] == "draft-model":
        assert accepted > 0, "the draft is the model's own first layer"


@pytest.mark.proof
def test_an_embedding_engine_gives_vectors_of_length_one_and_does_not_generate(tmp_path: Path) -> None:
    # In float32, because the CPU's kernels fail for bfloat16 here; a GPU's do not.
    stack = settings("tiny-embedding", {"runner": "embed", "dtype": "float32"})
    with started(stack, tmp_path) as server:
        texts = ["the river", "the river", "một thành phố kiên cố"]
        found = server.post("/v1/embeddings", {"model": "tiny-embedding", "input": texts})
        with pytest.raises(AssertionError, match=r": 40[04]:"):
            server.post("/v1/completions", {"model": "tiny-embedding", "prompt": "hello", "max_tokens": 4})
    one, same, other = (each["embedding"] for each in found["data"])
    assert len(one) == 64
    assert cosine(one, one) == pytest.approx(1, abs=1e-5)
    assert cosine(one, same) == pytest.approx(1, abs=1e-5)
    assert cosine(one, other) < 0.999


def cosine(one: list[float], two: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, two, strict=True))

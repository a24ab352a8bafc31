"""Mistakes in the settings of engines, each with its own message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, load_stack_file, read_stack_file
from tests.serving.engine_flags_cases import ADAPTERS, Feature, table, tables

FEATURE = Feature("plain", {})


def problems(**engine: Any) -> list[str]:
    """What is said of the feature's engine with these settings."""
    try:
        Feature("changed", {}, engine=engine).settings()
    except SettingsError as error:
        return [str(each) for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("engine", "path", "said"),
    [
        ({"tools": {"parser": "llama3_jsn"}}, "tools.parser", "did you mean 'llama3_json'?"),
        ({"reasoning": {"parser": "deepseek_r2"}}, "reasoning.parser", "not a reasoning parser of vLLM"),
        ({"maxNumSeqs": 300, "maxNumBatchedTokens": 256}, "maxNumBatchedTokens", "less than maxNumSeqs 300"),
        ({"chunkedPrefill": False}, "chunkedPrefill", "may crash or answer wrongly"),
        ({"limits": {"maxAnswerTokens": 4096}}, "limits.maxAnswerTokens", "no token for the prompt"),
        (
            {"runner": "embed", "tools": {"parser": "hermes"}},
            "tools.parser",
            "allowed with runner embed: nothing",
        ),
        (
            {"runner": "embed", "maxNumBatchedTokens": 1024},
            "maxNumBatchedTokens",
            "less than maxModelLen 4096",
        ),
        ({"tensorParallel": 1, "expertParallel": True}, "expertParallel", "which are one"),
        ({"tensorParallel": 3}, "tensorParallel", "does not divide gpus 8"),
        ({"tensorParallel": 4, "pipelineParallel": 3}, "tensorParallel", "are 12 GPUs"),
        ({"nodes": 2}, "tensorParallel", "2 nodes with 8 each have 16"),
        (
            {"speculation": {"kind": "draft-model", "model": "nobody"}},
            "speculation.model",
            "not one of bastide:models",
        ),
        (
            {"speculation": {"kind": "draft-model", "model": "llama-3.3-70b-instruct"}},
            "speculation.model",
            "is the model that the engine serves",
        ),
        (
            {"speculation": {"kind": "draft-model", "model": "llama-3.2-1b-instruct", "tensorParallel": 2}},
            "speculation.tensorParallel",
            "allowed: 1, 8",
        ),
        (
            {"speculation": {"kind": "ngram", "promptLookupMin": 9}},
            "speculation",
            "promptLookupMin 9 is more than promptLookupMax 4",
        ),
        ({"speculation": {"kind": "eagle2", "model": "x"}}, "speculation.kind", "eagle3"),
        ({"model": "llama-sql"}, "model", "is an adapter"),
        ({"lora": {"adapters": ["llama-3.2-1b-instruct"]}}, "lora.adapters[0]", "of kind adapter"),
        ({"lora": {"adapters": [ADAPTERS[0], ADAPTERS[0]]}}, "lora.adapters[1]", "is named before"),
        (
            {"lora": {"adapters": [ADAPTERS[0]], "maxAtOnce": 2}},
            "lora.maxAtOnce",
            "more than there are adapters",
        ),
        ({"lora": {"adapters": [ADAPTERS[0]], "maxRank": 24}}, "lora.maxRank", "24"),
        ({"media": {"domains": ["*"]}}, "media.domains[0]", "is not a domain"),
        ({"media": {"domains": ["https://media.example.com"]}}, "media.domains[0]", "is not a domain"),
        (
            {"tracing": {"endpoint": "http://user:key@collector:4318"}},
            "tracing.endpoint",
            "is not an OTLP endpoint",
        ),
        ({"logs": {"level": "debug"}}, "logs.level", "should be 'info'"),
        ({"blockSize": 24}, "blockSize", "24"),
        ({"kvCacheDtype": "fp4"}, "kvCacheDtype", "'fp4'"),
        ({"quantization": "bitsandbytes"}, "quantization", "'bitsandbytes'"),
        ({"extraArgs": ["--trust-remote-code"]}, "extraArgs[0]", "runs Python that lies beside the weights"),
        ({"extraArgs": ["--seed=1", "--swap-space=4"]}, "extraArgs[1]", "is gone from vLLM 0.32.0"),
        (
            {"extraArgs": ["--max-model-len=9"]},
            "extraArgs[0]",
            "what the setting maxModelLen of the engine becomes",
        ),
        ({"extraArgs": ["--seed=1", "--seed=2"]}, "extraArgs[1]", "given in entry 0 too"),
        ({"extraArgs": ["--seed", "4"]}, "extraArgs[0]", "allowed: --seed=VALUE in one entry"),
        ({"extraArgs": ["--enforce-eager", "x"]}, "extraArgs[0]", "has its value in the next entry, 'x'"),
        ({"reasoning": "deepseek_r1"}, "reasoning", "is not a mapping of settings; allowed: parser"),
        (
            {"load": {"requestsPerSecond": 1, "promptTokens": 900_000, "answerTokens": 1}},
            "load",
            "are 900,001 together; allowed: at most maxModelLen",
        ),
    ],
    ids=lambda each: str(each)[:60],
)
def test_a_mistake_is_refused_at_its_own_path_with_the_reason(
    engine: dict[str, Any], path: str, said: str
) -> None:
    found = [each for each in problems(**engine) if each.startswith(f"bastide:engines[0].{path}: ")]
    assert found, problems(**engine)
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    "engine",
    [
        {"extraArgs": ["--seed", "4"]},
        {"extraArgs": ["--swap-space", "4"]},
        {"extraArgs": ["--trust-remote-code", "true"]},
        {"quantization": "awq"},
        {"kind": "tgi", "speculation": {"kind": "ngram"}},
        {"kind": "tensorrt-llm", "speculation": {"kind": "ngram"}},
    ],
    ids=str,
)
def test_one_mistake_is_told_once(engine: dict[str, Any]) -> None:
    assert len(problems(**engine)) == 1


def test_a_default_of_a_kind_of_speculation_is_nobodys_mistake() -> None:
    assert problems(kind="sglang", speculation={"kind": "ngram"}) == []
    found = problems(kind="sglang", speculation={"kind": "ngram", "promptLookupMax": 5})
    assert [each.partition(": ")[0] for each in found] == ["bastide:engines[0].speculation.promptLookupMax"]


def test_the_engine_of_these_tests_has_no_mistake() -> None:
    assert problems() == []
    assert problems(lora={"adapters": list(ADAPTERS), "maxAtOnce": 1}) == []


LLAMA = "llama-3.3-70b-instruct"


def with_quality(quality: Any, **engine: Any) -> list[str]:
    base = FEATURE.settings()
    raw = read_stack_file(Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml")
    raw |= {
        "pools": [{"name": "p5", "instanceType": "p5.48xlarge", "size": 1}],
        "models": [{"name": LLAMA, "version": "1.0.0", "quality": quality}],
        "engines": [
            {
                "name": "chat",
                "model": LLAMA,
                "pool": "p5",
                "gpus": 8,
                "tensorParallel": 8,
                "maxModelLen": base.engines[0].max_model_len,
                **engine,
            }
        ],
    }
    try:
        Settings.load(raw)
    except SettingsError as error:
        return [str(each) for each in error.problems]
    return []


def test_a_quantized_model_serves_only_with_a_table_of_exactly_that_quantization() -> None:
    assert with_quality([]) == []
    (found,) = with_quality([], quantization="fp8")
    assert found.startswith("bastide:models[0].quality: has no table")
    assert f"--model {LLAMA} --version 1.0.0 --weights fp8 --kv-cache none" in found
    assert with_quality(tables(LLAMA), quantization="fp8") == []
    # Of the same weights with another cache nothing was measured.
    (found,) = with_quality(tables(LLAMA), quantization="fp8", kvCacheDtype="fp8")
    assert "with weights fp8 and KV cache fp8" in found
    assert "(weights fp8, KV cache none)" in found


def test_a_table_whose_numbers_are_too_low_forbids_serving() -> None:
    low = table(LLAMA, "fp8", "none", candidate=0.7, delta=-0.2, lost=20)
    (found,) = with_quality([low], quantization="fp8")
    assert "needle at 1,024 tokens: 0.90 falls to 0.70" in found
    (found,) = with_quality([table(LLAMA, "awq", "none"), low], quantization="fp8")
    assert found.startswith("bastide:models[0].quality[1]: the table of")


@pytest.mark.parametrize(
    ("quality", "place", "said"),
    [
        ("quality/a.yaml", "quality", "is not a list"),
        (["/etc/passwd"], "quality[0]", "is no table"),
        ([{"format": "bastide-quality/9"}], "quality[0]", "has the format 'bastide-quality/9'"),
        ([table(LLAMA, "fp8", "none"), 7], "quality[1]", "is no table of quality"),
    ],
)
def test_what_is_no_table_is_refused_where_it_stands(quality: Any, place: str, said: str) -> None:
    (found,) = with_quality(quality, quantization="fp8")
    assert found.startswith(f"bastide:models[0].{place}: ")
    assert said in found


@pytest.mark.parametrize(
    ("given", "content", "said"),
    [
        ("quality/llama.yaml", None, None),
        ("quality/none.yaml", None, "cannot be read (No such file or directory)"),
        ("../outside.yaml", None, "is no YAML or JSON file in the project"),
        ("quality/bytes.yaml", b"\xff\xfe\x00", "is not text in UTF-8"),
        ("quality/empty.yaml", b"", "is no table"),
        ("quality/large.yaml", b"#" * 1_000_001, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_table_is_read_from_a_file_of_the_project(
    tmp_path: Path, given: str, content: bytes | None, said: str | None
) -> None:
    import yaml

    stacks = Path(__file__).parents[2] / "stacks"
    (tmp_path / "stacks").mkdir()
    (tmp_path / "quality").mkdir()
    for name in ("_shared.yaml", "_shared.prod.yaml"):
        (tmp_path / "stacks" / name).write_text((stacks / name).read_text())
    (tmp_path / "quality/llama.yaml").write_text(yaml.safe_dump(table(LLAMA, "fp8", "none")))
    if content is not None:
        (tmp_path / given).write_bytes(content)
    stack = yaml.safe_load((stacks / "Pulumi.prod-us-east-1.yaml").read_text())
    stack["config"]["bastide:models"] = [{"name": LLAMA, "version": "1.0.0", "quality": [given]}]
    stack["config"]["bastide:engines"][0]["quantization"] = "fp8"
    file = tmp_path / "stacks/Pulumi.prod-us-east-1.yaml"
    file.write_text(yaml.safe_dump(stack))
    if said is None:
        assert load_stack_file(file).models[0].quality[0].candidate.weights == "fp8"
        return
    with pytest.raises(SettingsError) as caught:
        load_stack_file(file)
    assert said in str(caught.value)
    assert repr(given) in str(caught.value)

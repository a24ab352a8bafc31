"""A stack is held against the planner before anything is registered, and tells its figures."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues.models_config import architecture
from bastide.models.make_tiny import tiny_files
from bastide.plans.capacity.documents import outputs
from bastide.plans.capacity.of_engine import deployment, machine
from bastide.settings import Layer, Settings, SettingsError, load_layers, load_stack_file, read_stack_file
from tests.capacity.capacity_shapes import tiny

STACKS = Path(__file__).parents[2] / "stacks"
ALL = sorted(STACKS.glob("Pulumi.*.yaml"))


def raw(stack: str = "sandbox") -> dict[str, Any]:
    return copy.deepcopy(read_stack_file(STACKS / f"Pulumi.{stack}.yaml"))


def problems(given: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SettingsError) as error:
        Settings.load(given)
    return {each.path: each.message for each in error.value.problems}


def with_engine(**changes: Any) -> dict[str, Any]:
    """The staging stack, Llama 3.3 70B on one p5, with another engine."""
    given = raw("staging")
    given["engines"][0] |= changes
    return given


@pytest.mark.parametrize("path", ALL, ids=[each.name for each in ALL])
def test_every_shipped_stack_fits_and_tells_its_figures(path: Path) -> None:
    settings = load_stack_file(path)
    found = outputs(settings)
    assert set(found) == {each.name for each in settings.engines}
    for each in found.values():
        assert each["kvTokens"] > 0
        assert each["concurrency"]["full"] >= 1
    # They become a stack's outputs, which are JSON.
    assert json.loads(json.dumps(found)) == found


def test_the_sandboxs_model_is_described_as_it_is_written() -> None:
    real = architecture(json.loads(tiny_files()["config.json"]))
    for stack in ("sandbox", "sandbox-full"):
        for each in raw(stack)["models"]:
            if each["name"] == "tiny-qwen2":
                assert architecture(each["config"]) == real


def test_a_model_that_nobody_knows_is_refused_with_what_to_do() -> None:
    given = raw()
    del given["models"][0]["config"]
    (message,) = problems(given).values()
    assert "'tiny-qwen2' is not in the catalogue" in message
    assert "give its config.json" in message


def test_what_does_not_fit_is_refused_with_what_would_work() -> None:
    given = with_engine(gpus=1, tensorParallel=1)
    found = problems(given)
    message = found["engines[0].gpus"]
    assert "too little, and nothing for the KV cache" in message
    assert "the nearest that would work, cheapest first: " in message
    assert "USD/h" in message


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"maxModelLen": 200_000}, "engines[0].maxModelLen", "allowed: at most 131,072"),
        ({"pipelineParallel": 2}, "engines[0].tensorParallel", "16 GPUs"),
        ({"quantization": "awq"}, "engines[0].quantization", "needs weights that were quantized so"),
        ({"expertParallel": True}, "engines[0].expertParallel", "the model has no experts"),
    ],
)
def test_it_is_refused_at_the_setting_that_is_wrong(changes: dict[str, Any], path: str, said: str) -> None:
    assert said in problems(with_engine(**changes))[path]


def test_a_quantization_that_vllm_makes_at_start_is_planned_with() -> None:
    # Without the checks across values, of which one wants a table of the quantization's quality.
    plain, small = (Settings.model_validate(with_engine(quantization=each)) for each in (None, "fp8"))
    assert outputs(small)["llama"]["weightBytes"] < 0.55 * outputs(plain)["llama"]["weightBytes"]


def test_a_checkpoint_is_not_quantized_again() -> None:
    given = with_engine(quantization="fp8")
    config = tiny("llama", quantization_config={"quant_method": "awq", "bits": 4, "group_size": 32})
    given["models"][0] |= {"name": "mine", "config": config}
    given["engines"][0] |= {"model": "mine", "maxModelLen": 1024}
    assert "is not how 'mine' was quantized; allowed: awq" in problems(given)["engines[0].quantization"]


def test_text_is_not_asked_of_an_encoder() -> None:
    given = with_engine(model="bge-m3", gpus=1, tensorParallel=1, maxModelLen=8192)
    given["models"][0]["name"] = "bge-m3"
    assert "it is an encoder (xlm-roberta)" in problems(given)["engines[0].runner"]


def test_other_mistakes_of_an_engine_are_not_told_a_second_time() -> None:
    assert list(problems(with_engine(model="llama"))) == ["engines[0].model"]
    assert list(problems(with_engine(tensorParallel=3))) == ["engines[0].tensorParallel"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "gpt2"}, "'gpt2' is no family whose tensors are known here"),
        ({"model_type": "llama"}, "num_attention_heads is missing"),
        (tiny("llama", num_key_value_heads=3), "num_key_value_heads 3 does not divide"),
        (tiny("llama", hidden_size="wide"), "hidden_size 'wide' is no whole number"),
        (tiny("llama", torch_dtype="int3"), "torch_dtype 'int3' is no type of weights"),
        (
            tiny("llama", quantization_config={"quant_method": "gguf"}),
            "quantization_config.quant_method 'gguf'",
        ),
        (tiny("qwen2", use_sliding_window="yes"), "use_sliding_window 'yes' is neither true nor false"),
        (tiny("gemma2", layer_types=["full_attention"]), "has not one entry for each of the 6 layers"),
        (["llama"], "is neither a mapping nor the path of a JSON file"),
    ],
)
def test_a_config_that_cannot_be_used_names_its_field(config: Any, said: str) -> None:
    given = raw()
    given["models"][0]["config"] = config
    found = problems(given)
    assert list(found) == ["models[0].config"]
    assert said in found["models[0].config"]


def load_with(config: str, project: Path) -> Settings:
    given = raw()
    given["models"][0]["config"] = config
    return load_layers([Layer("the stack's file", given)], project=project)


def test_a_config_is_read_from_a_file_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "config.json").write_text(json.dumps(tiny("qwen2")))
    settings = load_with("models/config.json", tmp_path)
    assert deployment(settings, settings.engines[0]).model == architecture(tiny("qwen2"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.json", None, "cannot be read (No such file or directory)"),
        ("broken.json", "{", "is not JSON"),
        ("list.json", "[]", "holds no JSON object"),
        ("config.yaml", "{}", "is no JSON file in the project"),
        ("../config.json", "{}", "is no JSON file in the project"),
        ("large.json", " " * 1_000_001, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    if content is not None:
        (project / name).write_text(content)
    with pytest.raises(SettingsError) as error:
        load_with(name, project)
    (problem,) = error.value.problems
    assert problem.path == "models[0].config"
    assert said in problem.message


def test_a_path_is_nothing_that_pure_settings_read() -> None:
    given = raw()
    given["models"][0]["config"] = "models/config.json"
    assert "is neither a mapping nor" in problems(given)["models[0].config"]


def test_a_part_of_a_gpu_is_planned_as_a_part() -> None:
    given = raw()
    given["pools"] = [
        {**given["pools"][0], "os": "bottlerocket", "sharing": {"kind": "mig", "profile": "2g.20gb"}}
    ]
    given["engines"][0] |= {"gpus": 1}
    pool = Settings.load(given).pool("p5")
    part, whole = machine(pool), machine(Settings.load(raw()).pool("p5"))
    assert (part.gpus, whole.gpus) == (24, 8)
    assert part.gpu.usable_mib == whole.gpu.usable_mib // 4
    assert part.gpu.bf16_tflops == pytest.approx(whole.gpu.bf16_tflops * 2 / 7)

"""Arguments that the kit renders, judged by real vLLM: its parser and its engine configuration, on a described GPU.

One process of the engine's interpreter judges all of it (about 10 s, most of them imports)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues import vllm_flags, vllm_parsers
from bastide.catalogues.vllm_flags_refused import GONE
from bastide.plans import engine_defaults, engine_environment, engine_flags
from sandbox.toolchain import environments
from tests.serving.engine_flags_cases import (
    EMBEDDING,
    FEATURES,
    Feature,
    case,
    destination,
    let_through,
    stacks,
)
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("vllm")

JUDGE = Path(__file__).parent / "engine_flags_judge.py"

STACKS = stacks()

PLAIN = FEATURES[0].settings()

BROKEN = {
    # What a new version of the engine does to a flag that it drops: the same arguments are no longer accepted.
    "a dropped flag": lambda args: [
        each.replace("--max-num-queued-reqs", "--max-num-parked-reqs") for each in args
    ],
    "a dropped value": lambda args: ["nothing" if each == "none" else each for each in args],
    "swap space": lambda args: [*args, "--swap-space", "4"],
    "heads that do not divide": lambda args: ["3" if each == "8" else each for each in args],
    "longer than the model": lambda args: ["999999" if each == "4096" else each for each in args],
}

OWN_DEFAULTS = (
    *(each for each in FEATURES if each.name in ("h100", "a100", "embeddings", "experts")),
    Feature("few sequences", {}, engine={"maxNumSeqs": 2, "maxModelLen": 1024}),
    Feature("long embeddings", {}, "bge-m3", {**EMBEDDING, "maxNumSeqs": 1}),
)
"""Engines for which the kit computes what vLLM would choose itself."""

SHORTEST = {"gpu": {"capability": [9, 0], "name": "NVIDIA H100", "memory_mib": 81920, "count": 8}}


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("models")
    cases = [case(f"stack {name}", settings, engine, folder) for name, settings, engine in STACKS]
    for feature in FEATURES:
        settings = feature.settings()
        cases.append(case(feature.name, settings, settings.engines[0], folder, feature.node))
    plain = case("plain", PLAIN, PLAIN.engines[0], folder)
    cases += [{**plain, "name": name, "args": broken(plain["args"])} for name, broken in BROKEN.items()]
    for feature in OWN_DEFAULTS:
        settings = feature.settings()
        made = case(feature.name, settings, settings.engines[0], folder)
        at = made["args"].index("--max-num-batched-tokens")
        cases.append(
            {**made, "name": f"own {feature.name}", "args": made["args"][:at] + made["args"][at + 2 :]}
        )
    for argument in ["--seed=0", *let_through()]:
        cases.append(
            {
                **SHORTEST,
                "name": f"alone {argument}",
                "args": engine_flags.extra_flags([argument]),
                "configure": False,
            }
        )
    log = engine_environment.logging_config(PLAIN.engines[0])
    answer = folder / "answer.json"
    done = subprocess.run(
        [str(environments.ensure(environments.VLLM)), str(JUDGE), str(answer)],
        input=json.dumps({"cases": cases, "logging": log}),
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("VLLM_")},
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_HOST_IP": "127.0.0.1",
            "VLLM_PLUGINS": "",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(answer.read_text()))


@pytest.mark.parametrize("name", [name for name, _, _ in STACKS])
def test_every_shipped_stacks_arguments_are_accepted_and_mean_what_the_stack_says(
    name: str, verdict: dict[str, Any]
) -> None:
    _, settings, engine = next(each for each in STACKS if each[0] == name)
    found = verdict["cases"][f"stack {name}"]
    assert found["accepted"], found.get("why")
    config = found["config"]
    assert config["served"] == settings.model(engine.model).name
    assert config["max_model_len"] == engine.max_model_len
    assert config["max_num_seqs"] == engine.max_num_seqs
    assert config["tensor"] == engine.tensor_parallel
    assert config["share"] == engine.gpu_memory_utilization
    assert config["load_format"] == "safetensors"
    assert config["trust_remote_code"] is False
    assert config["shutdown"] == engine.drain.shutdown_seconds
    assert found["namespace"]["host"] == "127.0.0.1"
    assert found["model_tag"] is None


@pytest.mark.parametrize("feature", FEATURES, ids=lambda each: each.name)
def test_each_feature_becomes_what_vllm_has_for_it(feature: Feature, verdict: dict[str, Any]) -> None:
    found = verdict["cases"][feature.name]
    assert found["accepted"], found.get("why")
    assert {key: found["config"][key] for key in feature.wanted} == feature.wanted


@pytest.mark.parametrize("feature", OWN_DEFAULTS, ids=lambda each: each.name)
def test_the_batch_that_the_kit_computes_is_what_vllm_would_choose(
    feature: Feature, verdict: dict[str, Any]
) -> None:
    settings = feature.settings()
    found = verdict["cases"][f"own {feature.name}"]
    assert found["accepted"], found.get("why")
    planned = engine_defaults.max_num_batched_tokens(settings, settings.engines[0])
    assert found["config"]["max_num_batched_tokens"] == planned


def test_what_only_the_http_server_reads_arrives_there(verdict: dict[str, Any]) -> None:
    cases = verdict["cases"]
    assert cases["tools"]["namespace"]["enable_auto_tool_choice"] is True
    assert cases["tools"]["namespace"]["tool_call_parser"] == "llama3_json"
    adapters = cases["adapters"]["namespace"]["lora_modules"]
    assert len(adapters) == 2
    assert "llama-sql" in str(adapters[0])
    extra = cases["extra arguments"]["namespace"]
    assert (extra["seed"], extra["enforce_eager"], extra["cudagraph_capture_sizes"]) == (7, True, [1, 2, 4])
    plain = cases["h100"]["namespace"]
    assert plain["enable_request_id_headers"] is True
    assert plain["disable_fastapi_docs"] is True
    assert plain["fingerprint_mode"] == "none"
    assert plain["language_model_only"] is True
    assert cases["media"]["namespace"]["language_model_only"] is False


@pytest.mark.parametrize("name", BROKEN)
def test_arguments_that_the_engine_does_not_know_are_refused_by_the_same_judge(
    name: str, verdict: dict[str, Any]
) -> None:
    found = verdict["cases"][name]
    assert not found["accepted"]
    assert found["why"]


def test_the_list_of_flags_is_the_parsers_own(verdict: dict[str, Any]) -> None:
    real = {flag: takes for flag, takes in verdict["flags"].items() if takes != "no"}
    assert set(real) == vllm_flags.ALL
    assert {flag: real[flag] for flag in vllm_flags.ALLOWED} == vllm_flags.ALLOWED
    assert not set(GONE) & set(real)


def test_the_lists_of_parsers_are_the_engines_own(verdict: dict[str, Any]) -> None:
    assert list(vllm_parsers.TOOLS) == verdict["tools"]
    assert list(vllm_parsers.REASONING) == verdict["reasoning"]


def test_an_extra_argument_that_is_let_through_changes_nothing_but_what_it_names(
    verdict: dict[str, Any],
) -> None:
    without = verdict["cases"]["alone --seed=0"]["namespace"]
    accepted = []
    for argument in let_through():
        found = verdict["cases"][f"alone {argument}"]
        if found["accepted"]:
            changed = {key for key, value in found["namespace"].items() if value != without[key]}
            assert changed <= {destination(argument)}, argument
            accepted.append(argument)
    # The others have a value that their flag does not take: the engine does not start with it.
    assert len(accepted) > 100


def test_every_variable_of_vllm_that_is_set_exists(verdict: dict[str, Any]) -> None:
    made = engine_environment.environment(PLAIN, PLAIN.engines[0])
    assert {name for name in made if name.startswith("VLLM_")} <= set(verdict["variables"])


def test_every_log_line_is_one_json_object_and_probes_are_left_out(verdict: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in verdict["log"]]
    assert [(line["logger"], line["level"], line["message"]) for line in lines] == [
        ("vllm.engine", "INFO", "loaded in 7 s"),
        ("uvicorn.access", "INFO", '127.0.0.1:1 - "GET /v1/models HTTP/1.1" 200'),
        ("transformers", "WARNING", "two\nlines"),
    ]
    assert {line["engine"] for line in lines} == {"chat"}

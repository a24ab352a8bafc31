"""What is rendered for SGLang goes through SGLang's own parser, in its own environment. About 20 s."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues import sglang_parsers
from bastide.plans import engine_kinds
from sandbox.toolchain import environments
from tests.engine_kinds import samples
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("sglang")

KIND = engine_kinds.KINDS["sglang"]
WRONG = {
    "a flag of vLLM": ["--model-path", "m", "--gpu-memory-utilization", "0.9"],
    "an unknown choice": ["--model-path", "m", "--load-format", "pickle"],
    "no number": ["--model-path", "m", "--tp-size", "many"],
}


def rendered() -> dict[str, list[str]]:
    settings = samples.settings()
    lines = {"plain": list(engine_kinds.program(settings, samples.engine("sglang")).args)}
    for key in samples.CHANGES:
        engine = samples.changed("sglang", key)
        if not engine_kinds.refusals(KIND, engine):
            args = engine_kinds.program(settings, engine).args
            lines[key] = [each.replace("$(LWS_WORKER_INDEX)", "1") for each in args]
    return lines


@pytest.fixture(scope="module")
def judged() -> dict[str, Any]:
    python = environments.ensure(environments.SGLANG)
    done = subprocess.run(
        [python, Path(__file__).parent / "sglang_parse.py"],
        input=json.dumps({**rendered(), **WRONG}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        # No GPU is asked for, and nothing outside its own environment is imported.
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_rendered_command_line_is_taken(judged: dict[str, Any]) -> None:
    refused = {name: each for name, each in judged["found"].items() if "refused" in each}
    assert set(refused) == set(WRONG)
    assert len(judged["found"]) > 30


def test_what_sglang_understood_is_what_was_meant(judged: dict[str, Any]) -> None:
    plain = judged["found"]["plain"]["read"]
    assert plain["model_path"] == "/models/served/1.0.0"
    assert (plain["port"], plain["context_length"], plain["max_running_requests"]) == (8001, 4096, 256)
    assert plain["load_format"] == "safetensors"
    assert plain["enable_metrics"] is True
    assert plain["language_model_only"] is True
    assert plain["uvicorn_access_log_exclude_prefixes"] == ["/health", "/metrics"]
    assert "trust_remote_code" not in plain

    for key, field, value in (
        ("tensorParallel", "tp_size", 8),
        ("prefixCaching", "disable_radix_cache", True),
        ("chunkedPrefill", "chunked_prefill_size", -1),
        ("maxNumBatchedTokens", "max_prefill_tokens", 4097),
        ("queue.maxRequests", "max_queued_requests", 77),
        ("media.domains", "allowed_media_domains", ["media.example.com"]),
        ("lora.adapters", "lora_paths", ["law=/models/law/2.0.0", "tax=/models/tax/2.0.0"]),
        ("speculation=draft-model", "speculative_draft_model_path", "/models/draft/1.0.0"),
        ("speculation=mtp", "speculative_algorithm", "NEXTN"),
        ("tools.parser", "tool_call_parser", "hermes"),
    ):
        assert judged["found"][key]["read"][field] == value, key
    assert "language_model_only" not in judged["found"]["media.domains"]["read"]


def test_the_catalogue_of_parsers_is_sglangs(judged: dict[str, Any]) -> None:
    assert [each for each in judged["choices"]["tool_call_parser"] if each != "auto"] == list(
        sglang_parsers.TOOLS
    )
    assert [each for each in judged["choices"]["reasoning_parser"] if each != "auto"] == list(
        sglang_parsers.REASONING
    )


def test_a_node_rank_that_kubernetes_fills_in_is_a_number_then() -> None:
    """`--node-rank $(LWS_WORKER_INDEX)` is no number before the pod runs; the parser above gets one."""
    args = engine_kinds.program(samples.settings(), samples.engine("sglang", nodes=2)).args
    at = args.index("--node-rank")
    assert args[at + 1] == "$(LWS_WORKER_INDEX)"
    assert "$(LWS_LEADER_ADDRESS):20000" in args


def test_the_lock_has_the_version_that_the_kind_names() -> None:
    assert f"\nsglang=={KIND.version} " in environments.SGLANG.lock.read_text()

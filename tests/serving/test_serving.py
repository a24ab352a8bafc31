"""Values and flags made from settings."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bastide.catalogues import instances
from bastide.plans.serving import SHUTDOWN_SECONDS, chart_values, pods_per_node, vllm_flags
from bastide.settings import EngineSettings, ModelSettings, Settings, read_stack_file

ROOT = Path(__file__).parents[2]
KNOWN = {
    line
    for line in (Path(__file__).parent / "vllm-0.32.0-flags.txt").read_text().splitlines()
    if not line.startswith("#")
}
SCHEMA = json.loads((ROOT / "charts/vllm/values.schema.json").read_text())
ALLOWED = SCHEMA["properties"]["engine"]["properties"]["args"]["items"]["anyOf"][1]["enum"]


def settings(stack: str, **changes: Any) -> Settings:
    return Settings.load({**read_stack_file(ROOT / "stacks" / f"Pulumi.{stack}.yaml"), **changes})


def values(of: Settings) -> dict[str, Any]:
    return chart_values(of, of.engines[0], of.model_bucket, of.region)


@pytest.mark.parametrize("stack", ["sandbox", "prod-us-east-1"])
def test_the_charts_ci_values_are_what_the_stacks_give(stack: str) -> None:
    committed = yaml.safe_load((ROOT / f"charts/vllm/ci/{stack}-values.yaml").read_text())
    made = values(settings(stack))
    made["images"]["allowUnresolved"] = True
    assert committed == made


def test_only_a_sandbox_may_leave_images_unresolved() -> None:
    assert values(settings("sandbox"))["images"]["allowUnresolved"] is True
    assert values(settings("prod-us-east-1"))["images"]["allowUnresolved"] is False


def test_a_pinned_model_is_passed_on() -> None:
    digest = "ab" * 32
    pinned = settings("sandbox", models=[{"name": "tiny-qwen2", "version": "1.0.0", "sha256": digest}])
    assert values(pinned)["model"]["sha256"] == digest


def test_every_flag_that_the_chart_lets_through_is_one_of_vllms() -> None:
    assert set(ALLOWED) <= KNOWN


@pytest.mark.parametrize(
    "flag",
    [
        "--trust-remote-code",
        "--trust-request-chat-template",
        "--trust-request-mm-kwargs",
        "--enable-prompt-embeds",
        "--enable-mm-embeds",
        "--enable-tokenizer-info-endpoint",
        "--enable-sleep-mode",
        "--enable-log-outputs",
        "--api-key",
        "--hf-token",
    ],
)
def test_a_dangerous_flag_exists_in_vllm_and_the_chart_does_not_let_it_through(flag: str) -> None:
    assert flag in KNOWN
    assert flag not in ALLOWED


ENGINES = st.fixed_dictionaries(
    {
        "name": st.just("chat"),
        "model": st.just("tiny"),
        "pool": st.just("p5"),
        "gpus": st.integers(1, 8),
        "tensorParallel": st.integers(1, 8),
        "maxModelLen": st.integers(1, 10**6),
        "maxNumSeqs": st.integers(1, 4096),
        "gpuMemoryUtilization": st.floats(0.01, 1),
        "dtype": st.sampled_from(["auto", "bfloat16", "float16", "float32"]),
    }
).map(EngineSettings.model_validate)


@given(engine=ENGINES)
def test_the_command_line_says_each_setting_once_by_flags_that_vllm_has(engine: EngineSettings) -> None:
    flags = vllm_flags(engine, ModelSettings(name="tiny", version="1.0.0"))
    named = [each for each in flags if each.startswith("--")]
    assert len(named) == len(set(named))
    assert set(named) <= set(ALLOWED)
    said = dict(pairwise(flags))
    assert said["--model"] == "/models/tiny/1.0.0"
    assert said["--load-format"] == "safetensors"
    assert said["--tensor-parallel-size"] == str(engine.tensor_parallel)
    assert said["--max-model-len"] == str(engine.max_model_len)
    assert said["--max-num-seqs"] == str(engine.max_num_seqs)
    assert float(said["--gpu-memory-utilization"]) == engine.gpu_memory_utilization
    assert said["--dtype"] == engine.dtype
    assert said["--shutdown-timeout"] == str(SHUTDOWN_SECONDS)


@pytest.mark.parametrize(
    ("kind", "gpus"),
    [
        (kind, gpus)
        for kind in instances.gpu_types()
        for gpus in (1, 2, 4, 8)
        if gpus <= instances.CATALOGUE[kind].gpus
    ],
)
def test_all_pods_that_have_gpus_on_a_node_also_have_room_on_it(kind: str, gpus: int) -> None:
    node = instances.CATALOGUE[kind]
    base = settings(
        "sandbox",
        # In a region that offers all of them.
        cloud={"kind": "aws", "region": "us-west-2", "accountId": "123456789012"},
        network={"zones": ["us-west-2a", "us-west-2b", "us-west-2c", "us-west-2d"], "cidr": "10.20.0.0/16"},
        pools=[{"name": "p5", "instanceType": kind, "size": 1}],
        engines=[{"name": "chat", "model": "tiny-qwen2", "pool": "p5", "gpus": gpus, "maxModelLen": 512}],
    )
    made = values(base)
    pods = pods_per_node(base, base.engines[0])
    # The fetcher, one CPU and 1 GiB, runs before the engine and not beside it.
    assert made["resources"]["cpu"] * pods < node.vcpus
    assert made["resources"]["memoryGib"] * 1024 * pods < node.memory_mib
    assert made["resources"]["shmGib"] < made["resources"]["memoryGib"]
    # On the instance store where that is the larger disk: g6.xlarge's is smaller than the root disk.
    assert made["model"]["volumeGib"] * pods <= max(500, node.instance_store_gib) / 2
